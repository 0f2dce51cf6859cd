// SPDX-License-Identifier: Apache-2.0
// Logins and changes of PINs while other processes compact, re-key or move the store's file.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

#include "store/care/report.h"
#include "store/log/file_log.h"
#include "store/vault/vault_impl.h"
#include "tests/store/crash/crash_history.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

using Word = std::atomic<uint32_t>;

// Values that child processes share with the test.
class SharedWords {
 public:
  SharedWords() : memory_(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedWords() { ::munmap(memory_, kBytes); }
  SharedWords(const SharedWords&) = delete;
  SharedWords& operator=(const SharedWords&) = delete;
  Word& operator[](size_t i) { return static_cast<Word*>(memory_)[i]; }

 private:
  static constexpr size_t kBytes = 4096;
  void* memory_;
};

enum : size_t { kWrong, kRefused, kIn, kStop, kMoved };

class Logins : public testing::Test {
 protected:
  void make(uint32_t user_limit) {
    CreateOptions options = cheap_options();
    options.attempt_limits = {{Role::kUser, user_limit}};
    make_store(path, options);
  }
  void count(UnlockResult result) {
    ++words[result == UnlockResult::kUnlocked ? kIn : result == UnlockResult::kLockedOut ? kRefused : kWrong];
  }
  // Replaces the file by new ones until it is stopped; with `like_older_versions` it does not take the login lock.
  int start_compacting(bool like_older_versions) {
    return start_child([this, like_older_versions] {
      auto vault = Vault::open(path);
      auto store = FileLog::open(posix_file_system(), path, false);
      while (!words[kStop]) {
        if (like_older_versions) {
          store->begin().compact();
        } else {
          vault->compact();
        }
        ++words[kMoved];
        ::usleep(200);
      }
    });
  }

  SharedWords words;
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

// Login locks on two files once let two processes guess at the same time: 14 wrong PINs were evaluated where 10 are
// allowed.
TEST_F(Logins, NoMoreWrongPinsAreEvaluatedThanTheLimitBesideACompaction) {
  constexpr uint32_t kLimit = 10, kGuessers = 6, kRounds = 4;
  for (bool like_older_versions : {true, false}) {
    for (uint32_t round = 0; round < kRounds; ++round) {
      ::unlink(path.c_str());
      make(kLimit);
      for (size_t i = 0; i <= kMoved; ++i) words[i] = 0;
      const int compacting = start_compacting(like_older_versions);
      std::vector<int> guessing;
      for (uint32_t i = 0; i < kGuessers; ++i) {
        guessing.push_back(start_child([&] {
          auto vault = Vault::open(path);
          while (!words[kMoved]) ::usleep(100);
          for (UnlockResult result = UnlockResult::kWrongSecret; result != UnlockResult::kLockedOut;) {
            count(result = vault->unlock(Role::kUser, as_bytes("guess")));
          }
        }));
      }
      for (int child : guessing) EXPECT_EQ(wait_for(child), 0);
      words[kStop] = 1;
      EXPECT_EQ(wait_for(compacting), 0);
      EXPECT_EQ(words[kWrong], kLimit);
      EXPECT_EQ(words[kRefused], kGuessers);
      EXPECT_EQ(Vault::open(path)->attempts(Role::kUser).failures, kLimit);
    }
  }
}

TEST_F(Logins, RightPinsAreNotLockedOutBesideACompaction) {
  make(2);
  const int compacting = start_compacting(/*like_older_versions=*/false);
  std::vector<int> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(start_child([&] {
      auto vault = Vault::open(path);
      for (int round = 0; round < 6; ++round) count(vault->unlock(Role::kUser, as_bytes(kUserPin)));
    }));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  words[kStop] = 1;
  EXPECT_EQ(wait_for(compacting), 0);
  EXPECT_EQ(words[kIn], 48u);
  EXPECT_GT(words[kMoved], 0u);
}

// --- a change of secrets that is interrupted at each of its calls to the disk ---

// Between two of these calls another process may compact the store without the login lock, as earlier versions do, and
// re-key it. The lock is then on a file that no process uses any more.
class Interrupted : public testing::Test {
 protected:
  struct Stage {
    SimulatedDisk disk;
    std::unique_ptr<Vault> one, two;
  };
  static std::vector<KeptKeySlot> kept(std::string_view user_pin = kUserPin) {
    std::vector<KeptKeySlot> slots;
    slots.push_back({1, SecretBytes(as_bytes(kSoPin))});
    slots.push_back({2, SecretBytes(as_bytes(user_pin))});
    return slots;
  }
  static std::unique_ptr<Vault> open(SimulatedDisk& disk) {
    OpenOptions options;
    options.file_system = &disk;
    return Vault::open(kCrashPath, options);
  }
  static void re_key(Stage& stage) {
    FileLog::open(stage.disk, kCrashPath, false)->begin().compact();
    try {
      stage.two->refresh();
      if (!stage.two->unlocked()) stage.two->unlock(Role::kSo, as_bytes(kSoPin));
      stage.two->rekey(kept());
    } catch (const Error& error) {  // the first process has already changed the PIN
      if (error.code() != ErrorCode::kAuthFailed) throw;
    }
  }
  using Work = std::function<void(Stage&)>;
  // Interrupts `first`, which may fail, at each call, and checks that every key slot holds the store's key.
  void interrupt(const Work& first, const std::vector<std::string_view>& user_pins, size_t stride = 1) {
    size_t calls = 0, refused = 0;
    for (bool more = true; more; calls += stride) {
      Stage stage;
      CreateOptions options = cheap_options();
      options.file_system = &stage.disk;
      stage.one = make_store(kCrashPath, options);
      put(*stage.one, "obj/a", "sealed");
      stage.two = open(stage.disk);
      ASSERT_EQ(stage.two->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
      stage.disk.never_wait();
      more = false;
      size_t countdown = calls + 1;
      stage.disk.between = [&] {
        if (--countdown > 0) return;
        more = true;
        stage.disk.between = nullptr;
        try {
          re_key(stage);
        } catch (const WouldWait&) {
        }
      };
      try {
        first(stage);
      } catch (const Error& error) {
        ++refused;
        EXPECT_EQ(error.code(), ErrorCode::kLocked) << error.what();
      }
      stage.disk.between = nullptr;
      expect_whole(stage, user_pins, calls);
      if (HasFailure()) return;
    }
    std::printf("interrupted at %zu calls, refused %zu times\n", calls, refused);
    EXPECT_GT(calls, 10u);
  }
  static void expect_whole(Stage& stage, const std::vector<std::string_view>& user_pins, size_t call) {
    size_t open_it = 0;
    for (std::string_view pin : user_pins) {
      auto vault = open(stage.disk);
      if (vault->unlock(Role::kUser, as_bytes(pin)) != UnlockResult::kUnlocked) continue;
      ++open_it;
      EXPECT_TRUE(vault->unlocked()) << pin << ", call " << call;
      EXPECT_EQ(get(*vault, "obj/a"), "sealed") << "call " << call;
    }
    EXPECT_GE(open_it, 1u) << "no PIN opens the store, call " << call;
    auto officer = open(stage.disk);
    ASSERT_EQ(officer->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
    const auto slots = officer->slots();
    for (const KeySlotInfo& slot : slots) EXPECT_EQ(slot.epoch, slots[0].epoch) << slot.number << ", call " << call;
    EXPECT_TRUE(check(kCrashPath, officer.get(), nullptr, &stage.disk).clean()) << "call " << call;
  }
};

// C_SetPIN once returned CKR_OK and left a key slot with the key of the old epoch.
TEST_F(Interrupted, AChangedPinOpensTheStoreThatWasReKeyedMeanwhile) {
  interrupt(
      [](Stage& stage) {
        EXPECT_EQ(stage.one->change_secret(Role::kUser, as_bytes(kUserPin), as_bytes("fresh")),
                  UnlockResult::kUnlocked);
      },
      {"fresh"});
}

TEST_F(Interrupted, APinThatTheOfficerSetsOpensTheStoreThatWasReKeyedMeanwhile) {
  interrupt([](Stage& stage) { stage.one->set_secret(Role::kUser, as_bytes("fresh")); }, {"fresh", kUserPin}, 2);
}

TEST_F(Interrupted, AnAddedKeySlotOpensTheStoreThatWasReKeyedMeanwhile) {
  DesiredState desired;
  desired.secret = SecretBytes(as_bytes("fresh"));
  interrupt([&](Stage& stage) { stage.one->amend(desired); }, {"fresh", kUserPin});
}

TEST_F(Interrupted, TwoReKeysFollowOneAnother) {
  interrupt([](Stage& stage) { stage.one->rekey(kept()); }, {kUserPin}, 4);
}

// --- key slots that such a change has left in a store of an earlier version ---

class KeySlots : public Logins {
 protected:
  // A key slot for `secret`, written by a process that has the store's key, or an old one.
  void plant(unsigned number, std::string_view secret, const KdfCost& cost, std::shared_ptr<const MasterKey> key) {
    auto store = FileLog::open(posix_file_system(), path, false);
    const KeySlotKdf kdf = fresh_kdf(cost);
    auto stretched = std::make_shared<const StretchedSecret>(secret.empty() ? StretchedSecret(SecretBytes(64))
                                                                            : stretch(as_bytes(secret), kdf));
    auto writer = store->begin();
    std::vector<Draft> drafts;
    drafts.push_back(slot_draft(slot_name(number), role_name(Role::kUser), kdf, stretched, std::move(key), uuid()));
    writer.append(std::move(drafts));
    writer.release_and_sync();
  }
  // The secret of the key slot is unknown, and each attempt to open it costs a run of its KDF.
  void plant_riddle(unsigned number, const KdfCost& cost) { plant(number, "", cost, master()); }
  std::shared_ptr<const MasterKey> master() const {
    const auto store = FileLog::open(posix_file_system(), path, false);
    const KeySlot slot(std::move(store->read(slot_name(2))->bytes));
    return slot.master_key(stretch(as_bytes(kUserPin), slot.kdf()), store->uuid());
  }
  Uuid uuid() const { return FileLog::open(posix_file_system(), path, false)->uuid(); }
  void set_failures(Role role, const Attempts& attempts) {
    auto store = FileLog::open(posix_file_system(), path, false);
    auto writer = store->begin();
    std::vector<Draft> drafts;
    drafts.push_back(attempt_draft(role, attempts));
    writer.append(std::move(drafts));
    writer.release_and_sync();
  }
  static constexpr crypto::Argon2Parameters kCheap{8192, 1, 1}, kHuge{1 << 20, 64, 1}, kDear{24 * 1024, 1, 1};
  // The configured KDF is cheap, so that a planted key slot is expensive in comparison.
  std::unique_ptr<Vault> open() const {
    auto vault = Vault::open(path);
    vault->expect_cost(kCheap);
    return vault;
  }
};

TEST_F(KeySlots, OneOfAnEarlierEpochIsReportedAndCanBeSetAgain) {
  make(10);
  const auto old = master();
  auto vault = Vault::open(path);
  ASSERT_EQ(vault->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  put(*vault, "obj/a", "sealed");
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  kept.push_back({2, SecretBytes(as_bytes(kUserPin))});
  vault->rekey(kept);
  EXPECT_TRUE(check(path).clean());
  plant(2, kUserPin, kCheap, old);

  const StoreReport report = check(path);
  EXPECT_EQ(report.condition, Condition::kDamaged);
  size_t found = 0;
  for (const EntryReport& entry : report.entries) found += entry.verdict == Verdict::kWrongEpoch;
  EXPECT_EQ(found, 2u) << "both copies of the slot";
  EXPECT_EQ(code_thrown_by([&] { Vault::open(path)->unlock(Role::kUser, as_bytes(kUserPin)); }), ErrorCode::kCorrupt);
  EXPECT_EQ(Vault::open(path)->unlock(Role::kUser, as_bytes("wrong")), UnlockResult::kWrongSecret);
  vault->set_secret(Role::kUser, as_bytes(kUserPin));
  EXPECT_TRUE(check(path, vault.get()).clean());
  auto user = Vault::open(path);
  ASSERT_EQ(user->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*user, "obj/a"), "sealed");
}

// --- the security officer ---

// Tests the lock of the officer's byte as another process does.
bool somebody_is_delayed(const std::string& path) {
  auto file = posix_file_system().open(path, true);
  return !file->lock(LockByte::kSo, LockMode::kExclusive, false);
}

TEST_F(KeySlots, AUserDoesNotWaitForTheDelayOfAnOfficersWrongPin) {
  make(10);
  set_failures(Role::kSo, {1000, 0});  // three seconds
  auto vault = Vault::open(path);
  bool overtaken = false;
  for (uint32_t answers = 0; answers < 5 && !overtaken; ++answers) {  // this machine may be slow, but not always
    const int child = start_child([&] { count(Vault::open(path)->verify(Role::kSo, as_bytes("guess"))); });
    while (!somebody_is_delayed(path) && words[kWrong] == answers) ::usleep(1000);
    EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("wrong")), UnlockResult::kWrongSecret);
    EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
    vault->compact();
    overtaken = words[kWrong] == answers;
    EXPECT_EQ(wait_for(child), 0);
    EXPECT_EQ(words[kWrong], answers + 1) << "although the file has been replaced during the delay";
  }
  EXPECT_TRUE(overtaken) << "the officer's answer had to be waited for";
}

TEST_F(KeySlots, EightOfficersGuessNoFasterThanOne) {
  make(10);
  constexpr uint32_t kFailures = 14;
  set_failures(Role::kSo, {kFailures, 0});
  const auto begin = std::chrono::steady_clock::now();
  std::vector<int> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(start_child([&] {
      auto vault = Vault::open(path);
      while (!words[kStop]) count(vault->verify(Role::kSo, as_bytes("guess")));
    }));
  }
  const int compacting = start_compacting(/*like_older_versions=*/true);
  while (words[kWrong] < 2) ::usleep(1000);
  const uint32_t guesses = words[kWrong];
  const auto lasted = std::chrono::steady_clock::now() - begin;
  words[kStop] = 1;
  // The delay is 500 ms before the first attempt, 600 ms before the second, and so on.
  std::chrono::milliseconds delays{0};
  for (uint32_t i = 0; i < guesses; ++i) delays += std::chrono::milliseconds(100 * (kFailures - 9 + i));
  EXPECT_GE(lasted, delays) << guesses << " guesses";
  for (int child : children) {
    ::kill(child, SIGKILL);
    wait_for(child);
  }
  EXPECT_EQ(wait_for(compacting), 0);
}

// --- key slots whose KDF costs too much ---

// The process has less memory than the KDF of the planted key slots needs.
int start_with_little_memory(const std::function<void()>& work) {
  return start_child([work] {
    const rlimit little{512u << 20, 512u << 20};
    if (!sanitized() && ::setrlimit(RLIMIT_AS, &little) != 0) throw std::runtime_error("no limit");
    work();
  });
}

TEST_F(KeySlots, PlantedOnesDoNotDelayACorrectPin) {
  make(3);
  for (unsigned number = 3; number <= kMaxSlots; ++number) plant_riddle(number, kHuge);
  std::vector<int> children;
  for (int i = 0; i < 16; ++i) {
    children.push_back(start_with_little_memory([&] {
      auto vault = Vault::open(path);
      count(vault->unlock(Role::kUser, as_bytes(kUserPin)));
      // The KDF parameters of the planted key slots are not used for a new PIN either.
      if (vault->change_secret(Role::kSo, as_bytes(kSoPin), as_bytes(kSoPin)) != UnlockResult::kUnlocked) {
        throw std::runtime_error("the officer was refused");
      }
    }));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(words[kIn], 16u);
}

TEST_F(KeySlots, AnExpensiveSecretOpensWithTheLastAttempt) {
  make(3);
  plant(3, "dear", kDear, master());
  set_failures(Role::kUser, {2, 3});
  auto vault = open();
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes("dear")), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 0u);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("wrong")), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 1u) << "both groups are one attempt";
  // A new secret keeps the cost of the old one.
  ASSERT_EQ(vault->change_secret(Role::kUser, as_bytes("dear"), as_bytes("fresh")), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->slots()[2].kdf, describe(fresh_kdf(kDear)));
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("fresh")), UnlockResult::kUnlocked);
}

TEST_F(KeySlots, WrongPinsBesideExpensiveOnesAreLimited) {
  constexpr uint32_t kLimit = 4;
  make(kLimit);
  plant(3, "dear", kDear, master());
  std::vector<int> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(start_child([&] {
      auto vault = open();
      for (UnlockResult result = UnlockResult::kWrongSecret; result != UnlockResult::kLockedOut;) {
        count(result = vault->unlock(Role::kUser, as_bytes("guess")));
      }
    }));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_LE(words[kWrong], kLimit);
  EXPECT_EQ(words[kRefused], 3u);
  EXPECT_EQ(open()->attempts(Role::kUser).failures, kLimit);
}

}  // namespace
}  // namespace vtpm::store
