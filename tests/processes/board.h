// SPDX-License-Identifier: Apache-2.0
// The announcements of processes that work on one token: a page of shared memory in a file.
//
// An announcement remains after its process is killed, so everything announced here was confirmed before.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace vtpm::conformance {

/// VTPM_TEST_LONG=1 asks for the long form of a test.
bool long_form();
/// With a sanitizer the tests run fewer rounds, because it makes them slow.
#ifdef VTPM_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr int kTenants = 8;

class Board {
 public:
  /// Opens the file, which is made if it is not there.
  explicit Board(const std::string& path);
  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

  /// The rounds that a process has done, all of which is committed.
  std::atomic<uint32_t>& done(int tenant) { return page_->done[tenant]; }

 private:
  struct Page {
    std::atomic<uint32_t> done[kTenants];
  };
  static_assert(std::atomic<uint32_t>::is_always_lock_free);
  Page* page_;
};

}  // namespace vtpm::conformance
