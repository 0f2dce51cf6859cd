// SPDX-License-Identifier: Apache-2.0
// The log in shared memory itself: every body runs again, lost answers are resolved, and processes share it across
// forks.
#include "tests/store/log/shared_log.h"

#include <gtest/gtest.h>

#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

class SharedLogTest : public testing::Test {
 protected:
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

TEST_F(SharedLogTest, EveryBodyRunsAgainAndIsCommittedOnce) {
  auto vault = make_store(path);
  int runs = 0;
  const Committed committed = vault->change([&](Transaction& transaction) {
    ++runs;
    transaction.put("obj/a", "p11-object", Protection::kSealed, as_bytes("run " + std::to_string(runs)));
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(get(*vault, "obj/a"), "run 2");
  EXPECT_EQ(vault->find("obj/a")->sequence, committed.sequence_of("obj/a"));
}

TEST_F(SharedLogTest, WhatABodyReadsIsOfTheStateThatItsChangeIsMadeTo) {
  auto one = make_store(path);
  auto two = Vault::open(path);
  put(*one, "obj/a", "1", Protection::kClear);
  bool interfered = false;
  one->change([&](Transaction& transaction) {
    const std::string now = get(*one, "obj/a");
    if (now == "1" && !std::exchange(interfered, true)) put(*two, "obj/b", "of another", Protection::kClear);
    transaction.put("obj/a", "p11-object", Protection::kClear, as_bytes(now + one->read("obj/a")->type));
  });
  EXPECT_TRUE(interfered);
  EXPECT_EQ(get(*one, "obj/a"), "1p11-object") << "no run builds on another one";
  EXPECT_EQ(get(*one, "obj/b"), "of another");
}

TEST_F(SharedLogTest, ALostAnswerIsNeitherLostNorMadeTwice) {
  auto vault = make_store(path);
  const SharedLogCounts before = shared_log_counts();
  for (int i = 0; i < 30; ++i) {
    vault->change([&](Transaction& transaction) {
      const std::string next = std::to_string(vault->find("obj/n") ? std::stoi(get(*vault, "obj/n")) + 1 : 1);
      transaction.put("obj/n", "p11-object", Protection::kSealed, as_bytes(next));
    });
  }
  EXPECT_EQ(get(*vault, "obj/n"), "30");
  const SharedLogCounts after = shared_log_counts();
  EXPECT_EQ(after.commits - before.commits, 30u);
  EXPECT_GE(after.conflicts - before.conflicts, 30u);
  EXPECT_GE(after.lost_made - before.lost_made, 5u);
  EXPECT_GE(after.lost_unmade - before.lost_unmade, 5u);
}

// `refresh` may be a moment behind: whether a key is the store's is decided on the newest state.
TEST_F(SharedLogTest, ARawKeyIsComparedWithTheNewestState) {
  const auto raw = [](uint8_t byte) { return std::make_shared<const RawKey>(SecretBytes(Bytes(32, byte))); };
  CreateOptions options = cheap_options();
  options.raw_key = raw(1);
  auto one = Vault::create(path, options, {}, nullptr);
  auto two = Vault::open(path);
  const SharedLogLags lags;
  one->rekey_raw(*raw(2));
  EXPECT_EQ(two->unlock_raw(*raw(1)), UnlockResult::kWrongSecret);
  EXPECT_EQ(two->unlock_raw(*raw(2)), UnlockResult::kUnlocked);
}

TEST_F(SharedLogTest, AKeyThatAReKeyHasOutdatedIsNotTakenForTheStores) {
  auto one = make_store(path);
  auto two = Vault::open(path);
  ASSERT_EQ(two->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  const SharedLogLags lags;
  one->rekey(kept);
  EXPECT_EQ(code_thrown_by([&] { two->set_secret(Role::kUser, as_bytes("5678")); }), ErrorCode::kLocked);
}

TEST_F(SharedLogTest, ProcessesShareIt) {
  auto vault = make_store(path);
  put(*vault, "obj/n", "0");
  constexpr int kProcesses = 4, kRounds = 50;
  std::vector<int> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(start_child([&] {
      for (int i = 0; i < kRounds; ++i) {
        vault->change([&](Transaction& transaction) {
          const std::string next = std::to_string(std::stoi(get(*vault, "obj/n")) + 1);
          transaction.put("obj/n", "p11-object", Protection::kSealed, as_bytes(next));
        });
      }
    }));
  }
  for (const int child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_TRUE(vault->refresh());
  EXPECT_EQ(get(*vault, "obj/n"), std::to_string(kProcesses * kRounds));
  EXPECT_EQ(code_thrown_by([&] { put(*vault, "obj/long", std::string(2 << 20, 'x')); }), ErrorCode::kNoSpace);
}

}  // namespace
}  // namespace vtpm::store
