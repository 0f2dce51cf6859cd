// SPDX-License-Identifier: Apache-2.0
// What one libtpms copy owns of libcrypto's: numbers, points, keys, contexts.
//
// libtpms frees them itself. What it abandons when a call is cut off, secrets among it, goes with `release_all`, as
// tpm/host/heap.h has it for the copy's own allocations. An entry is one reference, noted where libcrypto hands it out
// and struck out where libtpms frees it or gives it away (tpm/host/libcrypto_calls.cc). Not thread-safe.
#pragma once

#include <cstddef>
#include <vector>

namespace vtpm::tpm {

class LibcryptoObjects {
 public:
  using Release = void (*)(void*);

  LibcryptoObjects() = default;
  LibcryptoObjects(const LibcryptoObjects&) = delete;
  LibcryptoObjects& operator=(const LibcryptoObjects&) = delete;
  ~LibcryptoObjects() { release_all(); }

  /// False when there is no memory for the entry; the object has been released then.
  bool adopt(void* object, Release release) noexcept;
  /// It is somebody else's, or no more. Nothing happens if it was never here.
  void disown(const void* object) noexcept;
  /// The youngest first.
  void release_all() noexcept;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    void* object;
    Release release;
  };
  std::vector<Entry> entries_;
};

}  // namespace vtpm::tpm
