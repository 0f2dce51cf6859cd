// SPDX-License-Identifier: Apache-2.0
// The heap of one libtpms copy.
//
// All memory that a copy allocates itself comes from here, since its malloc, realloc and free are redirected
// (tpm/host/redirections.txt); memory that OpenSSL allocates for it does not. What the copy frees is wiped. What it
// abandons when a call is cut off, or keeps after TPMLIB_Terminate, is released by `release_all`. Not thread-safe: one
// thread at a time uses a copy.
#pragma once

#include <cstddef>

namespace vtpm::tpm {

class Heap {
 public:
  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap() { release_all(); }

  /// As malloc(3). Returns null if memory ran out.
  void* allocate(size_t size) noexcept;
  /// As `allocate`, with `zeros` zero bytes behind the memory that may be read and must not be written.
  void* allocate_before_zeros(size_t size, size_t zeros) noexcept;
  /// As realloc(3).
  void* resize(void* memory, size_t size) noexcept;
  /// Wipes the memory, then frees it; null is allowed.
  void release(void* memory) noexcept;
  /// The same for everything that is allocated.
  void release_all() noexcept;

 private:
  struct Block;
  void* adopt(void* raw, size_t size) noexcept;
  Block* first_ = nullptr;
};

}  // namespace vtpm::tpm
