// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <mutex>

#include "base/bytes.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VTPM_ARENA_POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define VTPM_ARENA_POISON 1
#endif
#ifdef VTPM_ARENA_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace vtpm {
namespace {

// Small blocks come from size classes that are carved out of chunks; larger ones have a mapping each.
constexpr size_t kPage = 4096;
constexpr size_t kGrain = 16;
constexpr size_t kChunk = size_t{64} * 1024;  // small, so that a tight RLIMIT_MEMLOCK still locks some of them
constexpr size_t kLargestClass = 16384;
constexpr size_t kClasses = 36;
constexpr size_t kHeader = 64;  // room for a Mapping at the start of its pages
constexpr size_t kLargestSpare = 1 << 20;
constexpr size_t kSpares = 4;  // a TPM state is read and released all the time; these save its mmap

struct Mapping {
  Mapping *next, *previous;
  size_t size;
};
static_assert(sizeof(Mapping) <= kHeader);

struct FreeBlock {
  FreeBlock* next;
};

void poison(void* memory, size_t size) {
#ifdef VTPM_ARENA_POISON
  __asan_poison_memory_region(memory, size);
#else
  static_cast<void>(memory), static_cast<void>(size);
#endif
}
void unpoison(void* memory, size_t size) {
#ifdef VTPM_ARENA_POISON
  __asan_unpoison_memory_region(memory, size);
#else
  static_cast<void>(memory), static_cast<void>(size);
#endif
}

// Steps of 16 up to 128, then four classes to each doubling: at most a fifth of a block is lost.
struct SizeClass {
  size_t index, size;
};
SizeClass class_of(size_t size) {
  if (size <= 128) {
    size_t steps = size == 0 ? 1 : (size + kGrain - 1) / kGrain;
    return {steps - 1, steps * kGrain};
  }
  unsigned shift = static_cast<unsigned>(std::bit_width(size - 1)) - 3;
  size_t quarters = ((size - 1) >> shift) + 1;  // 5..8
  return {8 + (shift - 5) * 4 + quarters - 5, quarters << shift};
}

// Best effort, page by page as they are touched: without a lock a page may be swapped, but everything works.
void lock_pages(void* memory, size_t size) {
  if (mlock2(memory, size, MLOCK_ONFAULT) != 0 && errno == ENOSYS) static_cast<void>(mlock(memory, size));
}

class Arena {
 public:
  void* allocate(size_t size) {
    if (size > static_cast<size_t>(PTRDIFF_MAX) / 2) throw std::bad_alloc();
    std::lock_guard guard(mutex_);
    return size <= kLargestClass ? allocate_small(size) : allocate_mapping(size);
  }

  void release(void* memory, size_t size) noexcept {
    wipe(memory, size);
    std::lock_guard guard(mutex_);
    if (size <= kLargestClass) {
      SizeClass c = class_of(size);
      give(memory, c);
    } else {
      release_mapping(reinterpret_cast<Mapping*>(static_cast<uint8_t*>(memory) - kHeader));
    }
  }

  // No lock is needed: the forking thread is the only one, and none was inside the arena.
  void after_fork() noexcept {
    for (Mapping* m = mappings_; m != nullptr; m = m->next) lock_pages(m, m->size);
  }

 private:
  void* allocate_small(size_t size) {
    SizeClass c = class_of(size);
    if (FreeBlock* block = free_[c.index]) {
      unpoison(block, std::max(size, sizeof(FreeBlock)));
      free_[c.index] = block->next;
      block->next = nullptr;
      return block;
    }
    if (rest_size_ < c.size) refill();
    uint8_t* block = rest_;
    rest_ += c.size;
    rest_size_ -= c.size;
    unpoison(block, size);
    return block;
  }

  void give(void* memory, SizeClass c) noexcept {
    auto* block = static_cast<FreeBlock*>(memory);
    unpoison(block, sizeof(FreeBlock));
    block->next = free_[c.index];
    free_[c.index] = block;
    poison(block, c.size);
  }

  void refill() {
    Mapping* chunk = map(kChunk);
    while (rest_size_ >= kGrain) {  // what is left of the old chunk goes to the free lists
      size_t piece = std::min(rest_size_, kLargestClass);
      SizeClass c = class_of(piece);
      while (c.size > rest_size_) c = class_of(piece -= kGrain);
      give(rest_, c);
      rest_ += c.size;
      rest_size_ -= c.size;
    }
    rest_ = reinterpret_cast<uint8_t*>(chunk) + kHeader;
    rest_size_ = kChunk - kHeader;
    poison(rest_, rest_size_);
  }

  void* allocate_mapping(size_t size) {
    size_t needed = (size + kHeader + kPage - 1) / kPage * kPage;
    Mapping* mapping = nullptr;
    for (Mapping*& spare : spares_) {
      if (spare != nullptr && spare->size >= needed && spare->size / 2 <= needed) {
        mapping = std::exchange(spare, nullptr);
        break;
      }
    }
    if (mapping == nullptr) mapping = map(needed);
    uint8_t* memory = reinterpret_cast<uint8_t*>(mapping) + kHeader;
    poison(memory, mapping->size - kHeader);
    unpoison(memory, size);
    return memory;
  }

  // Kept for the next request of this size; if there is no free place, the places are overwritten in turn.
  void release_mapping(Mapping* mapping) noexcept {
    if (mapping->size > kLargestSpare) return unmap(mapping);
    poison(reinterpret_cast<uint8_t*>(mapping) + kHeader, mapping->size - kHeader);
    size_t slot = 0;
    while (slot < kSpares && spares_[slot] != nullptr) ++slot;
    if (slot == kSpares) slot = next_spare_++ % kSpares;
    if (Mapping* previous = std::exchange(spares_[slot], mapping)) unmap(previous);
  }

  void unmap(Mapping* mapping) noexcept {
    (mapping->previous != nullptr ? mapping->previous->next : mappings_) = mapping->next;
    if (mapping->next != nullptr) mapping->next->previous = mapping->previous;
    unpoison(mapping, mapping->size);
    munmap(mapping, mapping->size);
  }

  Mapping* map(size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, size, MADV_DONTDUMP);
    lock_pages(memory, size);
    auto* mapping = new (memory) Mapping{mappings_, nullptr, size};
    if (mappings_ != nullptr) mappings_->previous = mapping;
    mappings_ = mapping;
    return mapping;
  }

  std::mutex mutex_;
  Mapping* mappings_ = nullptr;
  FreeBlock* free_[kClasses] = {};
  Mapping* spares_[kSpares] = {};
  size_t next_spare_ = 0;
  uint8_t* rest_ = nullptr;  // the part of the newest chunk that was never handed out
  size_t rest_size_ = 0;
};

// Constant-initialized and trivially destroyed: usable from the first to the last instruction of the process.
constinit Arena g_arena;
static_assert(std::is_trivially_destructible_v<Arena>);

}  // namespace

void* arena_allocate(size_t size) { return g_arena.allocate(size); }
void arena_release(void* memory, size_t size) noexcept {
  if (memory != nullptr) g_arena.release(memory, size);
}
void arena_after_fork() noexcept { g_arena.after_fork(); }

}  // namespace vtpm
