// SPDX-License-Identifier: Apache-2.0
#include "tpm/host/heap.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/bytes.h"

namespace vtpm::tpm {

// The header of an allocation. The memory behind it is aligned as malloc aligns.
struct alignas(alignof(std::max_align_t)) Heap::Block {
  Block* next;
  Block** link;  // the pointer that points to this block
  size_t size;

  void* memory() { return this + 1; }
  static Block* of(void* memory) { return static_cast<Block*>(memory) - 1; }
};

void* Heap::allocate(size_t size) noexcept {
  if (size > SIZE_MAX - sizeof(Block)) return nullptr;
  return adopt(std::malloc(sizeof(Block) + size), size);
}

void* Heap::allocate_before_zeros(size_t size, size_t zeros) noexcept {
  if (size > SIZE_MAX / 2 || zeros > SIZE_MAX / 4) return nullptr;
  return adopt(std::calloc(1, sizeof(Block) + size + zeros), size);  // pages that are only read take no memory
}

void* Heap::adopt(void* raw, size_t size) noexcept {
  if (raw == nullptr) return nullptr;
  auto* block = new (raw) Block{first_, &first_, size};
  if (first_ != nullptr) first_->link = &block->next;
  first_ = block;
  return block->memory();
}

void* Heap::resize(void* memory, size_t size) noexcept {
  if (memory == nullptr) return allocate(size);
  void* moved = allocate(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, memory, std::min(size, Block::of(memory)->size));
  release(memory);
  return moved;
}

void Heap::release(void* memory) noexcept {
  if (memory == nullptr) return;
  Block* block = Block::of(memory);
  *block->link = block->next;
  if (block->next != nullptr) block->next->link = block->link;
  wipe(block, sizeof(Block) + block->size);
  std::free(block);
}

void Heap::release_all() noexcept {
  while (first_ != nullptr) release(first_->memory());  // NOLINT: `release` moves first_ on, by the block's link
}

}  // namespace vtpm::tpm
