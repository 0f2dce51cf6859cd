// SPDX-License-Identifier: Apache-2.0
// The objects of libcrypto that one libtpms copy owns: numbers, points, keys, contexts.
//
// libtpms frees them itself. Those that it abandons when a call is cut off, secrets among them, are released by
// `release_all`, as tpm/host/heap.h does for the copy's own memory. An entry is one reference. It is added where
// libcrypto returns the object, and removed where libtpms frees it or passes its ownership on
// (tpm/host/libcrypto_calls.cc). Not thread-safe.
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

  /// Adds an entry. Returns false if there is no memory for it; `object` has been released then.
  bool adopt(void* object, Release release) noexcept;
  /// Removes the entry of `object`, which has another owner now, or is freed by the caller. Does nothing if there is
  /// none.
  void disown(const void* object) noexcept;
  /// Releases all objects, the youngest first.
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
