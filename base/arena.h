// SPDX-License-Identifier: Apache-2.0
// Memory for secrets.
//
// The arena has pages of its own, which are locked (best effort under RLIMIT_MEMLOCK), excluded from core dumps, and
// wiped at every release. It does not use OpenSSL's secure heap, which belongs to the application. Its contents survive
// a fork, because a login survives a fork. Memory locks do not, so `arena_after_fork` takes them again in the child.
// Thread-safe.
#pragma once

#include <cstddef>
#include <new>

namespace vtpm {

/// Returns `size` bytes, aligned for any type; the caller releases them with `arena_release`. A full arena grows.
/// Throws std::bad_alloc when the system has no more memory.
void* arena_allocate(size_t size);
/// Wipes and releases memory. `size` is that of the allocation.
void arena_release(void* memory, size_t size) noexcept;
/// In the child of a fork: locks the pages again. No other thread may have been inside the arena at the fork.
void arena_after_fork() noexcept;

template <typename T>
struct ArenaAllocator {
  using value_type = T;
  ArenaAllocator() = default;
  template <typename U>
  ArenaAllocator(const ArenaAllocator<U>&) noexcept {}  // NOLINT: required by the Allocator concept
  T* allocate(size_t count) {
    if (count > static_cast<size_t>(-1) / sizeof(T)) throw std::bad_alloc();
    return static_cast<T*>(arena_allocate(count * sizeof(T)));
  }
  void deallocate(T* memory, size_t count) noexcept { arena_release(memory, count * sizeof(T)); }
  template <typename U>
  bool operator==(const ArenaAllocator<U>&) const {
    return true;
  }
};

}  // namespace vtpm
