// SPDX-License-Identifier: Apache-2.0
// Many processes and threads on one store.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "store/care/report.h"
#include "tests/store/crash/crash_history.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

class Concurrency : public testing::Test {
 protected:
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

// A few words that child processes share with the test.
class SharedCounters {
 public:
  explicit SharedCounters(size_t count)
      : bytes_(count * sizeof(std::atomic<uint32_t>)),
        memory_(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedCounters() { ::munmap(memory_, bytes_); }
  SharedCounters(const SharedCounters&) = delete;
  SharedCounters& operator=(const SharedCounters&) = delete;
  std::atomic<uint32_t>& operator[](size_t i) { return static_cast<std::atomic<uint32_t>*>(memory_)[i]; }

 private:
  size_t bytes_;
  void* memory_;
};

uint32_t number_in(const Vault& vault, const std::string& name) {
  std::string text = get(vault, name);
  return text == "(none)" ? 0 : static_cast<uint32_t>(std::stoul(text));
}

// Adds one to a counter to which all processes add: nothing may be lost between reading and writing.
void add_one(Vault& vault, const std::string& name, Protection protection) {
  vault.change([&](Transaction& transaction) {
    std::string next = std::to_string(number_in(vault, name) + 1);
    transaction.put(name, "p11-object", protection, as_bytes(next));
  });
}

TEST_F(Concurrency, ProcessesWriteAtOnce) {
  make_store(path);
  constexpr uint32_t kProcesses = 4, kRounds = 60;
  std::vector<int> children;
  for (uint32_t p = 0; p < kProcesses; ++p) {
    children.push_back(start_child([&, p] {
      auto vault = Vault::open(path);
      if (vault->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked)
        throw std::runtime_error("no login");
      for (uint32_t i = 0; i < kRounds; ++i) {
        add_one(*vault, "obj/all", Protection::kSealed);
        put(*vault, "obj/" + std::to_string(p) + "." + std::to_string(i), std::string(200, 'x'));
        if (i % 25 == 24) vault->compact();
      }
    }));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  auto vault = Vault::open(path);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(number_in(*vault, "obj/all"), kProcesses * kRounds);
  EXPECT_EQ(vault->list("obj/").size(), kProcesses * kRounds + 1);
  EXPECT_TRUE(check(path, vault.get()).clean());
  EXPECT_TRUE(outside_tools_read(path));
}

TEST_F(Concurrency, ThreadsReadWriteAndCompactOneVault) {
  auto vault = make_store(path);
  put(*vault, "obj/all", "0");
  constexpr uint32_t kThreads = 4, kRounds = 40;
  std::atomic<bool> done{false};
  std::atomic<uint32_t> failures{0};
  std::vector<std::thread> writers, readers;
  for (uint32_t t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (uint32_t i = 0; i < kRounds; ++i) {
        add_one(*vault, "obj/all", Protection::kSealed);
        put(*vault, "obj/" + std::to_string(t), std::to_string(i), Protection::kClear);
        if (i % 20 == 19) vault->compact();
      }
    });
  }
  for (uint32_t t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      uint32_t last = 0;
      uint64_t cursor = 0;
      while (!done) {
        vault->refresh();
        uint32_t now = number_in(*vault, "obj/all");
        failures += now < last;
        last = now;
        for (const EntryInfo& entry : vault->changes(cursor).entries) failures += entry.name.empty();
        cursor = vault->cursor();
        failures += !vault->find("obj/all");
        vault->list("obj/");
        failures += vault->attempts(Role::kUser).failures;
      }
    });
  }
  for (auto& thread : writers) thread.join();
  done = true;
  for (auto& thread : readers) thread.join();
  EXPECT_EQ(failures, 0u);
  EXPECT_EQ(number_in(*vault, "obj/all"), kThreads * kRounds);
  EXPECT_TRUE(check(path, vault.get()).clean());
}

// A refresh does not wait for a transaction of another thread, although another process has left the file in motion.
TEST_F(Concurrency, ARefreshNeverWaitsForATransaction) {
  auto vault = make_store(path);
  auto other = Vault::open(path);
  std::atomic<bool> returned{false};
  const auto read = [&] {
    vault->refresh();
    vault->find("obj/a");
    vault->list();
    other->refresh();
    other->find("obj/a");
    returned = true;
  };
  std::thread reader;
  vault->change([&](Transaction& transaction) {
    if (!reader.joinable()) reader = std::thread(read);
    for (int i = 0; i < 1000 && !returned; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(returned);
    transaction.put("obj/a", "p11-object", Protection::kClear, as_bytes("x"));
  });
  reader.join();
}

TEST_F(Concurrency, SimultaneousRightLoginsOfProcessesAllSucceed) {
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kUser, 3}};
  make_store(path, options);
  std::vector<int> children;
  for (int i = 0; i < 32; ++i) {
    children.push_back(start_child([&] {
      if (Vault::open(path)->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked)
        throw std::runtime_error("refused");
    }));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(Vault::open(path)->attempts(Role::kUser).failures, 0u);
}

TEST_F(Concurrency, SimultaneousRightLoginsOfThreadsAllSucceed) {
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kUser, 3}};
  make_store(path, options);
  auto shared = Vault::open(path);
  std::atomic<int> unlocked{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&, i] {
      auto own = i % 2 ? Vault::open(path) : nullptr;
      Vault& vault = own ? *own : *shared;
      unlocked += vault.unlock(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(unlocked, 32);
}

// However many guess at once, no more than the limit are checked.
TEST_F(Concurrency, SimultaneousWrongLoginsAreAllCounted) {
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kUser, 5}};
  make_store(path, options);
  SharedCounters results(4);
  std::vector<int> children;
  for (int i = 0; i < 16; ++i) {
    children.push_back(start_child(
        [&] { ++results[static_cast<size_t>(Vault::open(path)->unlock(Role::kUser, as_bytes("guess")))]; }));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(results[static_cast<size_t>(UnlockResult::kWrongSecret)], 5u);
  EXPECT_EQ(results[static_cast<size_t>(UnlockResult::kLockedOut)], 11u);
}

// Killing the process at the moment of checking must not give the attempt back.
TEST_F(Concurrency, AKillEarnsNoAttempt) {
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kUser, 4}};
  make_store(path, options);
  std::mt19937 random(1);
  SharedCounters answers(1);
  for (int i = 0; i < 60; ++i) {
    int child = start_child([&] {
      auto vault = Vault::open(path);
      if (vault->unlock(Role::kUser, as_bytes("guess")) == UnlockResult::kWrongSecret) ++answers[0];
    });
    ::usleep(static_cast<useconds_t>(random() % 12000));
    ::kill(child, SIGKILL);
    wait_for(child);
  }
  auto vault = Vault::open(path);
  EXPECT_LE(answers[0], 4u) << "more answers than the limit";
  EXPECT_GE(vault->attempts(Role::kUser).failures, answers[0]);
}

TEST_F(Concurrency, PinChangesAndLoginsMix) {
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kUser, 0}};
  make_store(path, options);
  std::vector<int> children;
  for (int p = 0; p < 3; ++p) {
    children.push_back(start_child([&, p] {
      auto vault = Vault::open(path);
      for (int i = 0; i < 6; ++i) {
        if (p == 0) {
          std::string from = i % 2 ? "pin b" : std::string(kUserPin), to = i % 2 ? std::string(kUserPin) : "pin b";
          if (vault->change_secret(Role::kUser, as_bytes(from), as_bytes(to)) != UnlockResult::kUnlocked) {
            throw std::runtime_error("the change was refused");
          }
        } else if (vault->unlock(Role::kSo, as_bytes(kSoPin)) != UnlockResult::kUnlocked) {
          throw std::runtime_error("the officer was refused");
        } else {
          put(*vault, "obj/" + std::to_string(p) + std::to_string(i), "x");
        }
      }
    }));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  auto vault = Vault::open(path);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->list("obj/").size(), 12u);
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
// What was committed is there after a kill, and no other process is blocked.
// Eight writers; one after the other is killed and started again, and what it had committed is there.
TEST_F(Concurrency, R0_22_KilledWritersLoseNothingCommitted) {
  auto vault = make_store(path);
  constexpr size_t kWriters = 8;
  const int all = long_test() ? 10000 : sanitized() ? 60 : 1000;
  SharedCounters committed(kWriters);
  std::mt19937 random(2);
  auto start = [&](size_t w) {
    return start_child([&, w] {
      auto writer = Vault::open(path);
      const std::string name = "obj/" + std::to_string(w);
      for (uint32_t i = committed[w] + 1;; ++i) {
        put(*writer, name, std::to_string(i), Protection::kClear);
        committed[w] = i;
        put(*writer, name + "." + std::to_string(i % 50), std::string(random() % 3000, 'x'), Protection::kClear);
        if (i % 40 == 0) writer->compact();
      }
    });
  };
  auto in = [&](const Vault& where, size_t w) { return number_in(where, "obj/" + std::to_string(w)); };
  std::vector<int> children;
  for (size_t w = 0; w < kWriters; ++w) children.push_back(start(w));
  auto kill = [&](size_t w) {
    ::kill(children[w], SIGKILL);
    ASSERT_EQ(wait_for(children[w]), 128 + SIGKILL) << "it ended by itself";
    vault->refresh();
    ASSERT_GE(in(*vault, w), committed[w]);
    ASSERT_LE(in(*vault, w), committed[w] + 1);
  };
  for (int kills = 0; kills < all; ++kills) {
    ::usleep(static_cast<useconds_t>(random() % 4000));
    const size_t w = random() % kWriters;
    ASSERT_NO_FATAL_FAILURE(kill(w)) << "after " << kills << " kills";
    children[w] = start(w);
  }
  for (size_t w = 0; w < kWriters; ++w) ASSERT_NO_FATAL_FAILURE(kill(w));
  auto fresh = Vault::open(path);
  uint32_t commits = 0;
  for (size_t w = 0; w < kWriters; ++w) {
    EXPECT_EQ(in(*fresh, w), in(*vault, w));
    EXPECT_GT(in(*fresh, w), 0u);
    commits += committed[w];
  }
  std::printf("matrix: %-24s %8d times, %u transactions of 8 writers: none lost\n", "kill -9", all, commits);
  put(*vault, "obj/end", "x");
  EXPECT_TRUE(check(path, vault.get()).clean());
  EXPECT_TRUE(outside_tools_read(path));
}
#endif

// --- fork ---

TEST_F(Concurrency, AForkedChildGoesOnWithItsOwnDescriptor) {
  auto vault = make_store(path);
  put(*vault, "obj/a", "parent");
  int status = in_child([&] {
    vault->after_fork_close();
    vault->after_fork_reopen();
    if (!vault->unlocked()) throw std::runtime_error("login does not survive");
    if (get(*vault, "obj/a") != "parent") throw std::runtime_error("not readable");
    put(*vault, "obj/b", "child");
  });
  EXPECT_EQ(status, 0);
  vault->refresh();
  EXPECT_EQ(get(*vault, "obj/b"), "child");
}

#ifndef VTPM_SHARED_LOG  // it holds the lock of the file
TEST_F(Concurrency, AForkIsDetectedByTheProcessId) {
  auto vault = make_store(path);
  int waiting = 0;
  vault->change([&](Transaction& transaction) {
    int child = start_child([&] {
      vault->refresh();  // opens anew
      if (!vault->unlocked() || vault->find("obj/a")) throw std::runtime_error("not as it was");
    });
    EXPECT_EQ(wait_for(child), 0);
    // The parent's lock is still its own: a second process waits for it.
    waiting = start_child([&] { put(*Vault::open(path), "obj/b", "after", Protection::kClear); });
    ::usleep(100000);
    EXPECT_FALSE(Vault::open(path)->find("obj/b"));
    transaction.put("obj/a", "p11-object", Protection::kClear, as_bytes("first"));
  });
  EXPECT_EQ(wait_for(waiting), 0);
  vault->refresh();
  EXPECT_LT(vault->find("obj/a")->sequence, vault->find("obj/b")->sequence);
}

// An idle child must not keep its parent's lock for its life.
TEST_F(Concurrency, AnIdleChildHoldsNoLock) {
  auto vault = make_store(path);
  SharedCounters ready(1);
  int child = 0;
  vault->change([&](Transaction&) {
    child = start_child([&] {
      vault->after_fork_close();
      ready[0] = 1;
      ::pause();
    });
    while (ready[0] == 0) ::usleep(1000);
  });
  put(*Vault::open(path), "obj/a", "x", Protection::kClear);
  ::kill(child, SIGKILL);
  wait_for(child);
  EXPECT_TRUE(vault->refresh());
}
#endif

}  // namespace
}  // namespace vtpm::store
