// SPDX-License-Identifier: Apache-2.0
// One instance: power, independence, what it leaves behind, and what it does when it fails.
#include "tpm/host/instance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "base/numbers.h"
#include "crypto/library/random.h"
#include "tests/tpm/errors.h"
#include "tests/tpm/memory_state.h"
#include "tpm/command/commands.h"
#include "tpm/engine/pool.h"
#include "tpm/engine/storage_root.h"
#include "tpm/host/copies.h"
#include "tpm/host/guard.h"
#include "tpm/use/nv.h"
#include "tpm/use/resident_key.h"

namespace vtpm::tpm {
namespace {

constexpr uint32_t kIndex = 0x01800001;

/// Holds a slot during a test.
class Borrowed {
 public:
  Borrowed() : hold_(Pool::get().acquire(this, 1, 0)) {}
  ~Borrowed() { hold_->vacate(); }
  BootedTpm& tpm() { return hold_->commands; }
  Instance& instance() { return dynamic_cast<Instance&>(*hold_->device); }

 private:
  Hold hold_;
};

bool contains(ByteView memory, ByteView secret) {
  return std::search(memory.begin(), memory.end(), secret.begin(), secret.end()) != memory.end();
}

TEST(Guard, ReturnsFalseWhenCutOff) {
  Call call;
  bool after = false;
  EXPECT_FALSE(run_guarded(call, [&] {
    current_call->cut_off();
    after = true;
  }));
  EXPECT_FALSE(after);
  EXPECT_EQ(current_call, nullptr);
  EXPECT_TRUE(run_guarded(call, [&] { after = true; }));
  EXPECT_TRUE(after);
}

TEST(HeapTest, KeepsContentsAndReleasesEverything) {
  Heap heap;
  auto* text = static_cast<char*>(heap.allocate(6));
  std::copy_n("hello", 6, text);
  (void)heap.allocate(0);
  text = static_cast<char*>(heap.resize(text, 100'000));
  EXPECT_STREQ(text, "hello");
  text = static_cast<char*>(heap.resize(text, 3));
  EXPECT_EQ(std::string(text, 3), "hel");
  EXPECT_NE(heap.resize(nullptr, 5), nullptr);
  EXPECT_EQ(heap.allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(heap.allocate_before_zeros(SIZE_MAX - 10, 20), nullptr);
  const auto* before = static_cast<const char*>(heap.allocate_before_zeros(3, 1000));
  EXPECT_EQ(std::count(before, before + 1003, 0), 1003);
  heap.release(nullptr);
  heap.release(text);
  heap.release_all();  // the leak check of the sanitizer finds what this leaves
}

TEST(InstanceTest, EveryNewTpmHasOtherSeeds) {
  const SecretBytes one = Engine::manufacture(), other = Engine::manufacture();
  Bytes roots[2];
  for (const SecretBytes* state : {&one, &other}) {
    auto engine = std::make_shared<Engine>(std::make_shared<MemoryState>(state->clone()));
    const KeyBlob key = create_ec(*engine, crypto::Curve::kP256);
    // TPM2B_CREATION_DATA carries the parent's name: the storage root key's, which the seed determines.
    roots[state == &other] = Bytes(key.creation_data.end() - 80, key.creation_data.end());
  }
  EXPECT_NE(roots[0], roots[1]);
  EXPECT_FALSE(equal(one, other));
}

TEST(InstanceTest, ANewTpmHasTheStorageRootAtItsHandle) {
  const SecretBytes state = Engine::manufacture();
  Borrowed borrowed;
  borrowed.tpm().power_on(state);
  EXPECT_EQ(borrowed.tpm().handles(0x81000000), std::vector<uint32_t>{kStorageRoot});
}

TEST(InstanceTest, TwoInOneProcessAreIndependent) {
  const SecretBytes state = Engine::manufacture();
  Borrowed one, other;
  one.tpm().power_on(state);
  other.tpm().power_on_new();
  nv_define(one.tpm(), kIndex, 4, nv_default_attributes());
  nv_write(one.tpm(), *nv_public(one.tpm(), kIndex), 0, as_bytes("mine"));
  EXPECT_TRUE(nv_list(other.tpm()).empty());
  nv_define(other.tpm(), kIndex, 6, nv_default_attributes());
  nv_write(other.tpm(), *nv_public(other.tpm(), kIndex), 0, as_bytes("theirs"));
  EXPECT_EQ(as_text(nv_read(one.tpm(), *nv_public(one.tpm(), kIndex))), "mine");
  EXPECT_EQ(as_text(nv_read(other.tpm(), *nv_public(other.tpm(), kIndex))), "theirs");
  other.tpm().power_off();
  EXPECT_EQ(as_text(nv_read(one.tpm(), *nv_public(one.tpm(), kIndex))), "mine");
}

TEST(InstanceTest, TwoOfOneStateDoNotRepeatEachOther) {
  const SecretBytes state = Engine::manufacture();
  Borrowed one, other;
  one.tpm().power_on(state);
  other.tpm().power_on(state);
  EXPECT_FALSE(equal(one.tpm().get_random(32), other.tpm().get_random(32)));
  const SecretBytes first = one.tpm().get_random(32);
  one.tpm().power_on(state);
  EXPECT_FALSE(equal(first, one.tpm().get_random(32)));
}

TEST(InstanceTest, RandomBytesOfAnyNumberAreReturnedAndAccepted) {
  Borrowed borrowed;
  borrowed.tpm().power_on_new();
  for (const size_t size : {0, 1, 63, 64, 65, 1000}) EXPECT_EQ(borrowed.tpm().get_random(size).size(), size);
  borrowed.tpm().stir_random(Bytes(1000, 7));
  borrowed.tpm().stir_random({});
}

TEST(InstanceTest, OnlyStoringCommandsStore) {
  const SecretBytes state = Engine::manufacture();
  Borrowed borrowed;
  borrowed.tpm().power_on(state);
  EXPECT_FALSE(borrowed.instance().take_stored());  // what the boot stores is discarded
  (void)borrowed.tpm().get_random(32);
  EXPECT_FALSE(borrowed.instance().take_stored());
  nv_define(borrowed.tpm(), kIndex, 4, nv_default_attributes());
  const auto stored = borrowed.instance().take_stored();
  ASSERT_TRUE(stored);
  EXPECT_TRUE(equal(*stored, borrowed.instance().permanent()));
  EXPECT_FALSE(borrowed.instance().take_stored());
}

TEST(InstanceTest, NothingOfTheTpmRemainsAfterPowerOff) {
  const SecretBytes state = Engine::manufacture();
  const Bytes secret = crypto::random_bytes(32);
  Borrowed borrowed;
  borrowed.tpm().power_on(state);
  nv_define(borrowed.tpm(), kIndex, 32, nv_default_attributes());
  nv_write(borrowed.tpm(), *nv_public(borrowed.tpm(), kIndex), 0, secret);
  ASSERT_TRUE(contains(borrowed.instance().memory(), secret));
  borrowed.tpm().power_off();
  const ByteView memory = borrowed.instance().memory();
  EXPECT_TRUE(std::all_of(memory.begin(), memory.end(), [](uint8_t byte) { return byte == 0; }));
  EXPECT_EQ(code_of([&] { borrowed.instance().execute(Bytes(10)); }), ErrorCode::kTpmFailure);
  EXPECT_EQ(code_of([&] { borrowed.instance().permanent(); }), ErrorCode::kTpmFailure);
  borrowed.tpm().power_on(state);
  EXPECT_EQ(borrowed.tpm().get_random(8).size(), 8u);
}

// --- a copy whose functions the test has written ---

constexpr uint16_t kNoSessions = 0x8001;
std::atomic<uint32_t> response_code = 0;
std::atomic<bool> runs = false, is_cancelling = false;
uint8_t cancel_flag[16] = {};  // the copy's .bss

Bytes& scripted_response() {
  static Bytes* const response = new Bytes;
  return *response;
}

Copy scripted_copy() {
  Copy copy = {};
  copy.choose_tpm_version = [](TPMLIB_TPMVersion) { return TPM_RESULT{TPM_SUCCESS}; };
  copy.register_callbacks = [](libtpms_callbacks*) { return TPM_RESULT{TPM_SUCCESS}; };
  copy.main_init = [] { return TPM_RESULT{TPM_SUCCESS}; };
  copy.terminate = [] {};
  copy.process = [](unsigned char** response, uint32_t* size, uint32_t*, unsigned char*, uint32_t) {
    Bytes& made = scripted_response();
    made.clear();
    write_be(made, kNoSessions, 2);
    write_be(made, 10, 4);
    write_be(made, response_code, 4);
    *response = made.data();
    *size = 10;
    return TPM_RESULT{TPM_SUCCESS};
  };
  copy.zeroed = {cancel_flag, sizeof cancel_flag};
  return copy;
}

// The random generator of a resumed TPM repeats numbers unless TPM2_StirRandom has succeeded.
TEST(InstanceTest, ATpmThatCannotBeStirredIsNotResumed) {
  const Copy copy = scripted_copy();
  Instance instance(copy);
  const Snapshot snapshot = {SecretBytes(as_bytes("permanent")), SecretBytes(as_bytes("volatile"))};
  response_code = 0x101;  // TPM_RC_FAILURE
  EXPECT_EQ(code_of([&] { instance.resume(snapshot); }), ErrorCode::kTpmFailure);
  EXPECT_FALSE(instance.alive());
  response_code = 0x100;  // TPM_RC_INITIALIZE: TPM2_Startup has not come yet, and will seed the generator
  EXPECT_NO_THROW(instance.resume(snapshot));
  response_code = 0;
  EXPECT_NO_THROW(instance.resume(snapshot));
  EXPECT_TRUE(instance.alive());
}

// A cancel that comes late must not write into a copy that is off, or belongs to another TPM by then.
TEST(InstanceTest, PowerOffWaitsForACancelThatHasBegun) {
  Copy copy = scripted_copy();
  copy.process = [](unsigned char** response, uint32_t* size, uint32_t*, unsigned char*, uint32_t) {
    runs = true;
    while (!is_cancelling) std::this_thread::yield();
    Bytes& made = scripted_response();
    made = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x09};  // TPM_RC_CANCELED
    *response = made.data();
    *size = 10;
    return TPM_RESULT{TPM_SUCCESS};
  };
  copy.cancel_command = [] {
    is_cancelling = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel_flag[0] = 1;
    is_cancelling = false;
    return TPM_RESULT{TPM_SUCCESS};
  };
  Instance instance(copy);
  instance.power_on(Bytes(1, 1));
  std::thread canceller([&] {
    while (!runs) std::this_thread::yield();
    instance.cancel();
  });
  (void)instance.execute(Bytes(10));
  instance.power_off();
  EXPECT_FALSE(is_cancelling);
  canceller.join();
  EXPECT_EQ(cancel_flag[0], 0) << "the cancel wrote into a copy that was off";
}

TEST(InstanceTest, AnInvalidCommandGetsAnErrorResponse) {
  Borrowed borrowed;
  borrowed.tpm().power_on_new();
  for (size_t size = 0; size < 40; ++size) {
    const ByteView answer = borrowed.instance().execute(Bytes(size, 0xA5));
    ASSERT_GE(answer.size(), 10u);
    EXPECT_NE(answer[9], 0);
  }
  EXPECT_EQ(borrowed.tpm().get_random(8).size(), 8u);
}

// A state that libtpms cannot read must be rejected: a new TPM in its place would lose the keys of the old one.
TEST(InstanceTest, AnUnreadableStateIsRejected) {
  SecretBytes state = Engine::manufacture();
  Borrowed borrowed;
  const auto boot = [&](ByteView permanent) { return code_of([&] { borrowed.tpm().power_on(permanent); }); };
  EXPECT_EQ(boot({}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(boot(Bytes(1, 0)), ErrorCode::kTpmFailure);
  EXPECT_EQ(boot(Bytes(5000, 0)), ErrorCode::kTpmFailure);
  EXPECT_EQ(boot(Bytes(200'000, 0xFF)), ErrorCode::kTpmFailure);
  EXPECT_EQ(boot(state.view().first(state.size() - 1)), ErrorCode::kTpmFailure);
  EXPECT_EQ(boot(state.view().first(100)), ErrorCode::kTpmFailure);
  // "-----BEGIN INITSTATE" and a TPM 1.2 permanent state's first bytes.
  EXPECT_EQ(boot(as_bytes("-----BEGIN INITSTATE-----\nAAAA\n-----END INITSTATE-----\n")), ErrorCode::kTpmFailure);
  EXPECT_EQ(boot(Bytes{0x00, 0x01, 0x00, 0x00, 0x00, 0x00}), ErrorCode::kTpmFailure);
  borrowed.tpm().power_on(state);
  EXPECT_EQ(borrowed.tpm().handles(0x81000000).size(), 1u);
}

/// A state that libtpms 0.9.2 wrote: the storage root key, and four areas of 40 bytes 0x50, 0x51, … at
/// 0x01800001.
SecretBytes golden_state() {
  std::ifstream file(VTPM_TEST_DATA "/tpm_permall.bin", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return SecretBytes(as_bytes(bytes));
}

TEST(InstanceTest, AStateOfAnEarlierLibtpmsBoots) {
  Borrowed borrowed;
  borrowed.tpm().power_on(golden_state());
  EXPECT_EQ(borrowed.tpm().handles(0x81000000), std::vector<uint32_t>{kStorageRoot});
  EXPECT_TRUE(equal(nv_read(borrowed.tpm(), *nv_public(borrowed.tpm(), kIndex + 3)), Bytes(40, 0x53)));
}

// One state and one seed, so that every run makes the same mutations.
TEST(InstanceTest, MutatedStatesDoNotEndTheProcess) {
  const SecretBytes state = golden_state();
  ASSERT_FALSE(state.empty());
  constexpr int kMutations = 3000;
  std::mt19937 random(20240901);
  int refused = 0, cut_off = 0, walked = 0;
  Borrowed borrowed;
  testing::internal::CaptureStderr();
  for (int i = 0; i < kMutations; ++i) {
    SecretBytes mutated = state.clone();
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      // Extreme values at random places find more than flipped bits do: they change sizes, counts and enumerations.
      const size_t at = random() % mutated.size();
      mutated[at] = static_cast<uint8_t>(random() % 4 == 0 ? random() : (random() % 2 == 0 ? 0xFF : 0x00));
    }
    try {
      borrowed.tpm().power_on(mutated);
      (void)borrowed.tpm().get_random(16);
      for (const uint32_t index : nv_list(borrowed.tpm())) {
        if (const auto area = nv_public(borrowed.tpm(), index)) (void)nv_read(borrowed.tpm(), *area);
      }
      nv_define(borrowed.tpm(), kIndex + 100, 64, nv_default_attributes());
      ++walked;
    } catch (const Error& error) {
      const bool guarded_call = error.sentence().find("inconsistency") != std::string::npos ||
                                error.sentence().find("assertion") != std::string::npos;
      ++(guarded_call ? cut_off : refused);
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  RecordProperty("walked", walked);
  RecordProperty("refused", refused);
  RecordProperty("cut_off", cut_off);
  EXPECT_GT(walked, 0);
  EXPECT_GT(refused, 0);
  EXPECT_GT(cut_off, 0);  // otherwise the guard was not tested
  borrowed.tpm().power_on(state);
  EXPECT_EQ(nv_list(borrowed.tpm()).size(), 4u);
}

}  // namespace
}  // namespace vtpm::tpm
