// SPDX-License-Identifier: Apache-2.0
#include "crypto/library/libcrypto_heap.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "crypto/library/want_of_memory.h"

namespace vtpm::crypto {
namespace {

constexpr size_t kBlockHeader = alignof(std::max_align_t);
constexpr size_t kReserve = size_t{2} << 20;  // twice what the initialization takes; untouched, it costs nothing

thread_local bool refused = false;
thread_local bool may_use_reserve = false;

// Allocated from front to back. Needs no lock, because one thread initializes libcrypto.
alignas(kBlockHeader) uint8_t reserve[kReserve];
size_t reserve_used = 0;

void* of_the_reserve(size_t size) {
  const size_t aligned = (size + kBlockHeader - 1) / kBlockHeader * kBlockHeader;
  if (!may_use_reserve || aligned > kReserve - reserve_used) return nullptr;
  void* const start = reserve + reserve_used;
  reserve_used += aligned;
  return start;
}
bool is_of_the_reserve(const void* start) {
  const auto at = reinterpret_cast<uintptr_t>(start), first = reinterpret_cast<uintptr_t>(reserve);
  return at >= first && at < first + kReserve;
}

void* start_of(void* block) { return static_cast<uint8_t*>(block) - kBlockHeader; }
size_t size_of(void* block) {
  size_t size = 0;
  std::memcpy(&size, start_of(block), sizeof size);
  return size;
}

void* allocate(size_t size, const char*, int) {
  if (size == 0 || size > SIZE_MAX / 2) return nullptr;
  void* start = std::malloc(size + kBlockHeader);
  if (start == nullptr) start = of_the_reserve(size + kBlockHeader);
  if (start == nullptr) {
    refused = true;
    return nullptr;
  }
  std::memcpy(start, &size, sizeof size);
  return static_cast<uint8_t*>(start) + kBlockHeader;
}
void release(void* block, const char*, int) {
  if (block == nullptr) return;
  wipe(block, size_of(block));
  if (!is_of_the_reserve(block)) std::free(start_of(block));
}
void* reallocate(void* block, size_t size, const char* file, int line) {
  if (block == nullptr) return allocate(size, file, line);
  if (size == 0) {
    release(block, file, line);
    return nullptr;
  }
  void* moved = allocate(size, file, line);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, std::min(size, size_of(block)));
  release(block, file, line);
  return moved;
}

}  // namespace

bool install_libcrypto_heap() { return CRYPTO_set_mem_functions(allocate, reallocate, release) == 1; }

LibcryptoReserve::LibcryptoReserve() { may_use_reserve = true; }
LibcryptoReserve::~LibcryptoReserve() { may_use_reserve = false; }

bool wanted_memory() noexcept { return refused; }
void forget_want_of_memory() noexcept { refused = false; }
void remember_want_of_memory() noexcept { refused = true; }

}  // namespace vtpm::crypto
