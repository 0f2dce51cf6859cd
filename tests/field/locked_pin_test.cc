// SPDX-License-Identifier: Apache-2.0
// The PIN is locked, and the user has the recovery phrase.
#include <gtest/gtest.h>

#include <ctime>

#include "store/vault/recovery_phrase.h"
#include "tests/conformance/harness/harness.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

std::string phrase() { return std::string(as_text(generate_recovery_phrase())); }

class LockedPin : public testing::Test {
 protected:
  // A store with a locked user PIN and one recovery key slot.
  void make(std::string_view recovery, CreateOptions options = cheap_options()) {
    options.attempt_limits.emplace_back(Role::kUser, 1);
    Vault::create(
        path, options,
        {{Role::kSo, as_bytes(kSoPin)}, {Role::kUser, as_bytes(kUserPin)}, {Role::kRecovery, as_bytes(recovery)}},
        nullptr);
    ASSERT_EQ(attempt("wrong"), UnlockResult::kWrongSecret);
    ASSERT_EQ(attempt(kUserPin), UnlockResult::kLockedOut);
  }
  UnlockResult attempt(std::string_view secret) { return Vault::open(path)->unlock(Role::kUser, as_bytes(secret)); }
  Attempts attempts(Role role) { return Vault::open(path)->attempts(role); }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

TEST_F(LockedPin, OpensByTheRecoveryPhraseWhichUnlocksIt) {
  const std::string right = phrase();
  make(right);
  EXPECT_EQ(attempt(phrase()), UnlockResult::kWrongSecret);
  EXPECT_EQ(attempts(Role::kRecovery).failures, 1u);
  EXPECT_EQ(attempts(Role::kUser).failures, 1u) << "it is counted by itself";
  EXPECT_EQ(attempt(right), UnlockResult::kUnlocked);
  EXPECT_EQ(attempts(Role::kRecovery).failures, 0u);
  EXPECT_EQ(attempts(Role::kUser).failures, 0u);
  EXPECT_EQ(attempt(kUserPin), UnlockResult::kUnlocked);
  EXPECT_TRUE(outside_tools_read(path));
}

TEST_F(LockedPin, IsReadFromAPhraseAsItIsTyped) {
  std::string right = phrase();
  make(right);
  for (char& c : right) c = c == '-' ? ' ' : static_cast<char>(std::tolower(c));
  EXPECT_EQ(attempt(right), UnlockResult::kUnlocked);
}

TEST_F(LockedPin, AChosenRecoverySecretStaysBehindTheLock) {
  make("a secret that somebody chose");
  EXPECT_EQ(attempt("a secret that somebody chose"), UnlockResult::kLockedOut);
  EXPECT_EQ(attempt(phrase()), UnlockResult::kWrongSecret);
}

TEST_F(LockedPin, WithoutARecoverySlotIsLocked) {
  make("x");
  auto vault = Vault::open(path);
  ASSERT_EQ(vault->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  DesiredState gone;
  gone.state = DesiredState::State::kInactive;
  gone.keyslot = 3;
  vault->amend(gone);
  EXPECT_EQ(attempt(phrase()), UnlockResult::kLockedOut);
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Repeated attempts with a locked PIN must not use processor time.
TEST_F(LockedPin, StretchesNothingButPhrases) {
  CreateOptions dear = cheap_options();
  dear.kdf = crypto::Pbkdf2Parameters{1'000'000};
  const std::string right = phrase();
  make(right, dear);
  std::string mistyped = right;
  mistyped[3] = mistyped[3] == '7' ? '8' : '7';
  const auto vault = Vault::open(path);
  const auto cost_of = [&](std::string_view secret, UnlockResult expected) {
    const double begin = cpu_seconds();
    EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(secret)), expected);
    return cpu_seconds() - begin;
  };
  const double phrase_cost = cost_of(phrase(), UnlockResult::kWrongSecret);
  for (const std::string_view secret : {kUserPin, std::string_view(mistyped), std::string_view()})
    EXPECT_LT(cost_of(secret, UnlockResult::kLockedOut), phrase_cost / 4) << secret;
}

TEST_F(LockedPin, TakesAHundredPhrasesAndNoMore) {
  const std::string right = phrase();
  make(right);
  EXPECT_EQ(attempts(Role::kRecovery).limit, 100u);
  const auto vault = Vault::open(path);
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(vault->unlock(Role::kUser, generate_recovery_phrase()), UnlockResult::kWrongSecret) << i;
  EXPECT_EQ(attempt(right), UnlockResult::kLockedOut);
  ASSERT_EQ(vault->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  vault->set_secret(Role::kUser, as_bytes("5678"));
  EXPECT_EQ(attempts(Role::kRecovery).failures, 0u) << "a new PIN is a new beginning";
  EXPECT_EQ(attempt(right), UnlockResult::kUnlocked);
}

TEST_F(LockedPin, ManyRightPhrasesAtOnceDoNotLockEachOtherOut) {
  const std::string right = phrase();
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kRecovery, 1}};
  make(right, options);
  std::vector<int> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(start_child([&] {
      for (int round = 0; round < 3; ++round) {
        if (attempt(right) != UnlockResult::kUnlocked) throw Error(ErrorCode::kAuthFailed, "refused");
      }
    }));
  }
  for (const int child : children) EXPECT_EQ(wait_for(child), 0);
}

TEST_F(LockedPin, EvaluatesNoMoreWrongPhrasesThanItsLimit) {
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kRecovery, 7}};
  make(phrase(), options);
  int wrong = 0;
  std::vector<int> children;
  for (int i = 0; i < 5; ++i) {
    children.push_back(start_child([&] {
      const auto vault = Vault::open(path);
      int mine = 0;
      while (vault->unlock(Role::kUser, generate_recovery_phrase()) != UnlockResult::kLockedOut) ++mine;
      if (mine > 7) throw Error(ErrorCode::kInternal, "too many");
      save(scratch.file("wrong." + std::to_string(i)), Bytes(static_cast<size_t>(mine)));
    }));
  }
  for (const int child : children) EXPECT_EQ(wait_for(child), 0);
  for (int i = 0; i < 5; ++i) wrong += static_cast<int>(load(scratch.file("wrong." + std::to_string(i))).size());
  EXPECT_EQ(wrong, 7);
  EXPECT_EQ(attempts(Role::kRecovery).failures, 7u);
}

TEST_F(LockedPin, IsNotLockedByPhrasesWhileItIsOpen) {
  const std::string right = phrase();
  CreateOptions options = cheap_options();
  options.attempt_limits = {{Role::kUser, 3}};
  Vault::create(path, options,
                {{Role::kSo, as_bytes(kSoPin)}, {Role::kUser, as_bytes(kUserPin)}, {Role::kRecovery, as_bytes(right)}},
                nullptr);
  EXPECT_EQ(attempt(phrase()), UnlockResult::kWrongSecret);
  EXPECT_EQ(attempts(Role::kUser).failures, 1u) << "one attempt at the PIN and the phrases, as ever";
  EXPECT_EQ(attempts(Role::kRecovery).failures, 0u);
  EXPECT_EQ(attempt(right), UnlockResult::kUnlocked);
}

}  // namespace
}  // namespace vtpm::store

namespace vtpm::conformance {
namespace {

using LockedToken = WithToken;

std::string store_of(const Scratch& scratch, CK_SLOT_ID slot) {
  const CK_TOKEN_INFO info = token_info(slot);
  return scratch.store() + "/" + std::string(reinterpret_cast<const char*>(info.serialNumber), 16) + ".vtpm";
}

TEST_F(LockedToken, LogsInByThePhraseAndAnswersPinLockedToTheRest) {
  const std::string right(as_text(store::generate_recovery_phrase()));
  {
    const auto vault = store::Vault::open(store_of(scratch, slot));
    ASSERT_EQ(vault->unlock(store::Role::kUser, kUserPin), store::UnlockResult::kUnlocked);
    store::DesiredState desired;
    desired.role = store::Role::kRecovery;
    desired.secret = SecretBytes(as_bytes(right));
    vault->amend(desired);
  }
  Session session(slot);
  while (!(token_flags(slot) & CKF_USER_PIN_LOCKED))
    EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, bytes("not it")));
  EXPECT_RV(CKR_PIN_LOCKED, session.try_login(CKU_USER, kUserPin));
  std::string mistyped = right;
  mistyped[0] = mistyped[0] == 'X' ? 'Y' : 'X';
  EXPECT_RV(CKR_PIN_LOCKED, session.try_login(CKU_USER, bytes(mistyped)));
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, bytes(as_text(store::generate_recovery_phrase()))));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_LOCKED);
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, bytes(right)));
  EXPECT_FALSE(token_flags(slot) & CKF_USER_PIN_LOCKED);
  session.logout();
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
}

}  // namespace
}  // namespace vtpm::conformance
