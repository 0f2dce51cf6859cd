// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "base/bytes.h"

namespace vtpm {
namespace {

// Reads this process's memory as a debugger does, which neither a sanitizer nor the optimizer changes. Returns nothing
// if the pages do not exist any more.
std::optional<Bytes> peek(uintptr_t address, size_t size) {
  int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  EXPECT_GE(memory, 0);
  Bytes seen(size);
  ssize_t got = pread(memory, seen.data(), size, static_cast<off_t>(address));
  close(memory);
  if (got != static_cast<ssize_t>(size)) return std::nullopt;
  return seen;
}

// The VmFlags line of /proc/self/smaps for the mapping that holds `address`.
std::string mapping_flags(uintptr_t address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    if (words >> std::hex >> begin >> dash >> end && dash == '-') inside = begin <= address && address < end;
    if (inside && line.starts_with("VmFlags:")) return line + " ";
  }
  return {};
}

// Runs `body` in a child process and returns its exit status, which is the value of `body`.
int in_child(const std::function<int()>& body) {
  pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

uintptr_t address_of(const void* memory) { return reinterpret_cast<uintptr_t>(memory); }

TEST(Arena, BlocksAreAlignedAndDoNotOverlap) {
  std::mt19937 random(1);
  std::vector<std::pair<SecretBytes, uint8_t>> blocks;
  for (int step = 0; step < 20000; ++step) {
    if (blocks.size() < 300 || random() % 2 == 0) {
      size_t size = 1 + random() % (random() % 50 == 0 ? 100000 : 3000);
      auto mark = static_cast<uint8_t>(random());
      SecretBytes block(size);
      ASSERT_EQ(address_of(block.data()) % alignof(std::max_align_t), 0u);
      std::fill(block.begin(), block.end(), mark);
      blocks.emplace_back(std::move(block), mark);
    } else {
      size_t victim = random() % blocks.size();
      for (uint8_t byte : blocks[victim].first) ASSERT_EQ(byte, blocks[victim].second);
      std::swap(blocks[victim], blocks.back());
      blocks.pop_back();
    }
  }
}

TEST(Arena, EverySizeUpToAPageIsUsable) {
  for (size_t size = 1; size <= 4096; ++size) {
    SecretBytes a(size), b(size);
    std::fill(a.begin(), a.end(), uint8_t{0xaa});
    std::fill(b.begin(), b.end(), uint8_t{0xbb});
    ASSERT_EQ(std::count(a.begin(), a.end(), 0xaa), static_cast<ptrdiff_t>(size));
  }
}

TEST(Arena, ReleasedMemoryIsWiped) {
  const Bytes pattern(8, 0xa5);
  // Size classes, a mapping that is kept for re-use, and one that is given back.
  for (size_t size : {32u, 1000u, 16384u, 200000u, 5000000u}) {
    SCOPED_TRACE(size);
    SecretBytes secret(size);
    std::fill(secret.begin(), secret.end(), uint8_t{0xa5});
    uintptr_t address = address_of(secret.data());
    std::optional<Bytes> before = peek(address, size);
    ASSERT_TRUE(before);
    EXPECT_NE(std::search(before->begin(), before->end(), pattern.begin(), pattern.end()), before->end());
    secret.clear();
    std::optional<Bytes> after = peek(address, size);
    ASSERT_TRUE(after || size > 16384) << "a chunk is never given back";
    if (after) {
      EXPECT_EQ(std::search(after->begin(), after->end(), pattern.begin(), pattern.end()), after->end());
    }
  }
}

TEST(Arena, GrowingASecretWipesItsOldPlace) {
  SecretBytes secret(100);
  std::fill(secret.begin(), secret.end(), uint8_t{0xa5});
  uintptr_t address = address_of(secret.data());
  secret.append(Bytes(100000, 0x11));
  ASSERT_NE(address_of(secret.data()), address);
  Bytes old = peek(address, 100).value();
  // A free place may begin with a pointer, which may contain this very byte.
  EXPECT_LE(std::count(old.begin(), old.end(), 0xa5), static_cast<ptrdiff_t>(sizeof(void*)));
}

TEST(Arena, PagesAreLockedAndLeftOutOfCoreDumps) {
  void* trial = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool may_lock = mlock2(trial, 4096, 0) == 0;  // the sanitizers make nothing of mlock
  munmap(trial, 4096);
  for (size_t size : {32u, 300000u}) {
    SecretBytes secret(size);
    std::string flags = mapping_flags(address_of(secret.data()));
    EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
    EXPECT_EQ(flags.find(" lo ") != std::string::npos, may_lock) << flags;
    // Memory locks are not inherited: the child takes them again.
    EXPECT_EQ(in_child([&] {
                if (mapping_flags(address_of(secret.data())).find(" lo ") != std::string::npos) return 1;
                arena_after_fork();
                bool locked = mapping_flags(address_of(secret.data())).find(" lo ") != std::string::npos;
                return locked == may_lock ? 0 : 2;
              }),
              0);
  }
}

TEST(Arena, ContentsSurviveFork) {
  SecretBytes small(64), large(100000);
  std::fill(small.begin(), small.end(), uint8_t{1});
  std::fill(large.begin(), large.end(), uint8_t{2});
  EXPECT_EQ(in_child([&] {
              arena_after_fork();
              SecretBytes more(64), bigger(100000);  // the child's arena works on
              std::fill(more.begin(), more.end(), uint8_t{3});
              std::fill(bigger.begin(), bigger.end(), uint8_t{3});
              bool same = std::count(small.begin(), small.end(), 1) == 64 &&
                          std::count(large.begin(), large.end(), 2) == 100000;
              small[0] = 9;  // private to the child
              return same ? 0 : 1;
            }),
            0);
  EXPECT_EQ(small[0], 1);
}

TEST(Arena, WorksWithoutTheRightToLockMemory) {
  EXPECT_EQ(in_child([] {
              rlimit none{0, 0};
              if (setrlimit(RLIMIT_MEMLOCK, &none) != 0) return 1;
              if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 2;  // CAP_IPC_LOCK has no limit
              void* trial = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              if (mlock2(trial, 4096, 0) == 0) return 3;
              std::vector<SecretBytes> many;
              for (int i = 0; i < 1000; ++i) many.emplace_back(size_t{1000});
              SecretBytes large(1 << 20);
              for (SecretBytes& secret : many) std::fill(secret.begin(), secret.end(), uint8_t{7});
              return many.front()[0] == 7 ? 0 : 4;
            }),
            0);
}

TEST(Arena, HoldsABlobOf16Mebibytes) {
  SecretBytes blob(16 << 20);
  blob[0] = 1;
  blob[blob.size() - 1] = 2;
  SecretBytes copy = blob.clone();
  EXPECT_TRUE(equal(copy, blob));
}

TEST(Arena, ThrowsBadAllocWithoutMemory) {
  EXPECT_THROW(arena_allocate(std::numeric_limits<size_t>::max() / 8), std::bad_alloc);
  EXPECT_THROW(arena_allocate(std::numeric_limits<size_t>::max()), std::bad_alloc);
  SecretBytes still_works(100);
  EXPECT_EQ(still_works.size(), 100u);
}

TEST(Arena, ThreadsUseItAtTheSameTime) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([t, &wrong] {
      std::mt19937 random(t);
      std::vector<SecretBytes> mine;
      for (int i = 0; i < 5000; ++i) {
        SecretBytes block(1 + random() % 40000);
        block[0] = static_cast<uint8_t>(t);
        block[block.size() - 1] = static_cast<uint8_t>(t);
        mine.push_back(std::move(block));
        if (mine.size() > 20) {
          size_t victim = random() % mine.size();
          if (mine[victim][0] != t || mine[victim][mine[victim].size() - 1] != t) ++wrong;
          std::swap(mine[victim], mine.back());
          mine.pop_back();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace vtpm
