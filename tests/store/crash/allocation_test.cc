// SPDX-License-Identifier: Apache-2.0
// Every k-th allocation of every operation fails, of the store and of OpenSSL: nothing crashes, nothing is lost, no
// reader sees a partial change, and lack of memory is never reported as damage, tampering or a wrong secret.
// (LeakSanitizer, in the asan tree, shows that nothing leaks.) It is a program of its own, since it replaces the
// allocators.
#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <cstdio>
#include <cstdlib>
#include <new>

#include "base/error.h"
#include "tests/store/crash/crash_history.h"
#include "tests/store/disk/store_operations.h"

namespace {

bool armed = false;
size_t countdown = 0;
bool met = false;

bool fails() {
  if (!armed || met || --countdown > 0) return false;
  return met = true;
}

void* allocate(size_t size, const char*, int) { return fails() ? nullptr : std::malloc(size); }
void* reallocate(void* old, size_t size, const char*, int) { return fails() ? nullptr : std::realloc(old, size); }
__attribute__((noinline)) void release(void* old, const char*, int) { std::free(old); }

const bool is_ours = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;

}  // namespace

void* operator new(size_t size) {
  void* memory = allocate(size == 0 ? 1 : size, nullptr, 0);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void* operator new[](size_t size) { return ::operator new(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size == 0 ? 1 : size, nullptr, 0); }
void* operator new[](size_t size, const std::nothrow_t& none) noexcept { return ::operator new(size, none); }
void operator delete(void* memory) noexcept { release(memory, nullptr, 0); }
void operator delete(void* memory, size_t) noexcept { release(memory, nullptr, 0); }
void operator delete[](void* memory) noexcept { release(memory, nullptr, 0); }
void operator delete[](void* memory, size_t) noexcept { release(memory, nullptr, 0); }

namespace vtpm::store {
namespace {

bool disturbed(const StoreOperation& operation, const std::string& path, size_t allocation) {
  bool returned = false;
  run_disturbed(operation, path, [&](const std::function<void()>& work) {
    countdown = allocation;
    met = false;
    ErrorCode code = ErrorCode::kNoMemory;
    armed = true;
    try {
      work();
      returned = true;
    } catch (const std::bad_alloc&) {
    } catch (const Error& error) {
      code = error.code();
    }
    armed = false;
    EXPECT_TRUE(code != ErrorCode::kCorrupt && code != ErrorCode::kTampered && code != ErrorCode::kNotAStore);
  });
  if (!met) return false;
  EXPECT_EQ(what_is_wrong_after(operation, path, returned), "");
  return true;
}

TEST(Allocation, EveryFailedAllocationLeavesTheStoreWhole) {
  ASSERT_TRUE(is_ours);
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  for (const StoreOperation& operation : store_operations()) {
    // Where a secret is stretched each run takes a while.
    const bool is_dear = operation.needs_key || operation.creates;
    const size_t step = is_dear && !long_test() ? (sanitized() ? 150 : 15) : sanitized() ? 3 : 1;
    size_t runs = 0;
    for (size_t allocation = 1; disturbed(operation, path, allocation); allocation += step) {
      ++runs;
      ASSERT_FALSE(HasFailure()) << operation.name << ", allocation " << allocation;
    }
    std::printf("matrix: %-16s  %zu failed allocations\n", operation.name, runs);
    EXPECT_GE(runs, 3u);
  }
}

// A change that throws has not happened.
TEST(Allocation, AChangeThatFailsForWantOfMemoryIsNotInTheFile) {
  ASSERT_TRUE(is_ours);
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  size_t failures = 0;
  for (size_t allocation = 1;; ++allocation) {
    save(path, store_before());
    auto vault = Vault::open(path);
    bool returned = false;
    const std::string name = "obj/with a name that is too long to be kept inside of a string";
    const auto body = [&](Transaction& transaction) {
      transaction.put(name, "p11-object", Protection::kClear, as_bytes("new"));
    };
    countdown = allocation;
    met = false;
    armed = true;
    try {
      vault->change(body);
      returned = true;
    } catch (const std::bad_alloc&) {
    }
    armed = false;
    if (!met) break;
    ++failures;
    EXPECT_EQ(Vault::open(path)->find(name).has_value(), returned) << "allocation " << allocation;
    EXPECT_EQ(vault->refresh(), false) << "allocation " << allocation;
    EXPECT_EQ(vault->find(name).has_value(), returned) << "allocation " << allocation;
  }
  EXPECT_GE(failures, 3u);
}

}  // namespace
}  // namespace vtpm::store
