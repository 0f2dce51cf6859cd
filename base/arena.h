// SPDX-License-Identifier: Apache-2.0
// The memory that secrets live in.
//
// Pages of our own, locked (best effort under RLIMIT_MEMLOCK) and left out of core dumps, wiped at every release.
// OpenSSL's secure heap is not used: it belongs to the host application. The arena survives fork with its contents,
// because login survives fork; memory locks do not, so `arena_after_fork` takes them again in the child.
// Thread-safe. A full arena grows; std::bad_alloc when the system has no more.
#pragma once

#include <cstddef>
#include <new>

namespace vtpm {

void* arena_allocate(size_t size);
/// Wipes, then releases. `size` is what was asked for.
void arena_release(void* memory, size_t size) noexcept;
/// Child side of fork: locks the pages again. The caller guarantees that no other thread was inside the arena.
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
