// SPDX-License-Identifier: Apache-2.0
// The heap of one libtpms copy.
//
// Everything a copy allocates itself (not what OpenSSL allocates for it) comes from here: its malloc, realloc and free
// are redirected (tpm/host/redirections.txt). So whatever it frees is wiped, and what it abandons when a call is cut
// off, or keeps past TPMLIB_Terminate, goes with `release_all`. Not thread-safe: a copy is used by one thread at a
// time.
#pragma once

#include <cstddef>

namespace vtpm::tpm {

class Heap {
 public:
  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap() { release_all(); }

  /// As malloc, realloc, free: null when there is no memory.
  void* allocate(size_t size) noexcept;
  /// As `allocate`, with that many zero bytes behind it that may be read but not written.
  void* allocate_before_zeros(size_t size, size_t zeros) noexcept;
  void* resize(void* memory, size_t size) noexcept;
  void release(void* memory) noexcept;
  void release_all() noexcept;

 private:
  struct Block;
  void* adopt(void* raw, size_t size) noexcept;
  Block* first_ = nullptr;
};

}  // namespace vtpm::tpm
