// SPDX-License-Identifier: Apache-2.0
// R0.20: a vault without its key serves the clear entries; when the key arrives, the handlers are called.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

class LateKey : public testing::Test {
 protected:
  LateKey() {
    auto maker = make_store(path);
    put(*maker, "tpm0/permall", "state");
    put(*maker, "nic0/eeprom", "in clear", Protection::kClear);
    vault = Vault::open(path);
  }
  UnlockResult unlock() { return vault->unlock(Role::kUser, as_bytes(kUserPin)); }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  std::unique_ptr<Vault> vault;
};

TEST_F(LateKey, R0_20_ReadsFailBeforeTheKeyAndHandlersAreCalledWhenItComes) {
  std::string tpm, nic = "not called";
  const auto on_tpm = vault->on_key("tpm0/", [&](const std::vector<EntryInfo>& sealed) {
    ASSERT_EQ(sealed.size(), 1u);
    tpm += get(*vault, sealed[0].name) + ";";
    put(*vault, "tpm0/seen", "a handler may use the vault in every way");
  });
  const auto on_nic = vault->on_key(
      "nic0/", [&](const std::vector<EntryInfo>& sealed) { nic = std::to_string(sealed.size()) + " had to wait"; });
  EXPECT_EQ(get(*vault, "nic0/eeprom"), "in clear");
  EXPECT_EQ(code_thrown_by([&] { vault->read("tpm0/permall"); }), ErrorCode::kLocked);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("wrong")), UnlockResult::kWrongSecret);
  EXPECT_EQ(tpm, "");
  ASSERT_EQ(unlock(), UnlockResult::kUnlocked);
  EXPECT_EQ(tpm, "state;");
  EXPECT_EQ(nic, "0 had to wait");
}

TEST_F(LateKey, AreCalledAgainAfterLockAndUnlockOnly) {
  int calls = 0;
  const auto handler = vault->on_key("", [&](const std::vector<EntryInfo>&) { ++calls; });
  unlock();
  unlock();
  vault->verify(Role::kUser, as_bytes(kUserPin));
  EXPECT_EQ(calls, 1) << "the key was there already";
  vault->lock();
  unlock();
  EXPECT_EQ(calls, 2);
}

TEST_F(LateKey, HandlersGoSafely) {
  int first = 0, second = 0;
  KeySubscription own;
  own = vault->on_key("", [&](const std::vector<EntryInfo>&) {
    ++first;
    own = KeySubscription();
  });
  auto other = std::make_unique<KeySubscription>(vault->on_key("", [&](const std::vector<EntryInfo>&) { ++second; }));
  unlock();
  vault->lock();
  other.reset();
  unlock();
  EXPECT_EQ(first, 1) << "it took itself back";
  EXPECT_EQ(second, 1);
  KeySubscription late = vault->on_key("", [](const std::vector<EntryInfo>&) {});
  vault.reset();  // a subscription may outlive the vault
}

TEST_F(LateKey, AHandlerThatFailsKeepsNoOtherFromBeingCalled) {
  int called = 0;
  const auto bad = vault->on_key("", [](const std::vector<EntryInfo>&) { throw Error(ErrorCode::kIo, "a device"); });
  const auto good = vault->on_key("", [&](const std::vector<EntryInfo>&) { ++called; });
  EXPECT_EQ(code_thrown_by([&] { unlock(); }), ErrorCode::kIo);
  EXPECT_EQ(called, 1);
  EXPECT_TRUE(vault->unlocked());
}

TEST_F(LateKey, TakingAHandlerBackWaitsForItsCall) {
  std::atomic<bool> running{false}, done{false};
  auto slow = std::make_unique<KeySubscription>(vault->on_key("", [&](const std::vector<EntryInfo>&) {
    running = true;
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    done = true;
  }));
  std::thread opener([&] { unlock(); });
  while (!running) std::this_thread::yield();
  slow.reset();
  EXPECT_TRUE(done);
  opener.join();
}

}  // namespace
}  // namespace vtpm::store
