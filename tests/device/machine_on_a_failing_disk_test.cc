// SPDX-License-Identifier: Apache-2.0
// A machine whose store lies on a disk that loses a sync, runs full, or gets an older copy of the store back.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/numbers.h"
#include "device/machine.h"
#include "tests/store/disk/scratch.h"
#include "tests/store/disk/simulated_disk.h"
#include "tpm/use/nv.h"

namespace vtpm::device {
namespace {

constexpr uint32_t kIndex = 0x01800001;
constexpr const char* kPath = "/store.vtpm";

/// One permanent state for all tests, because making a TPM takes a while.
const SecretBytes& new_state() {
  static const SecretBytes* const state = new SecretBytes(tpm::Engine::manufacture());
  return *state;
}

/// TPM2_GetRandom of 16 bytes: a command that stores nothing.
const Bytes kGetRandom = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 16};

class MachineOnAFailingDisk : public testing::Test {
 protected:
  MachineOnAFailingDisk() : vault_(store::make_store(kPath, options())) {
    vault_->change([](store::Transaction& transaction) { Machine::place(transaction, kFirstMachine, new_state()); });
    machine_ = std::make_unique<Machine>(vault_);
    machine_->open(1);
  }
  /// Makes the file so large that no test's commit grows or compacts it.
  void make_room() {
    vault_->change([](store::Transaction& transaction) { transaction.reserve(2 << 20, 1); });
  }
  ~MachineOnAFailingDisk() override { disk_.between = nullptr; }

  store::CreateOptions options() {
    store::CreateOptions options = store::cheap_options();
    options.file_system = &disk_;
    return options;
  }
  /// The same store as another process has it open.
  std::shared_ptr<store::Vault> opened_again() {
    store::OpenOptions options;
    options.file_system = &disk_;
    std::shared_ptr<store::Vault> vault = store::Vault::open(kPath, options);
    EXPECT_EQ(vault->unlock(store::Role::kUser, as_bytes(store::kUserPin)), store::UnlockResult::kUnlocked);
    return vault;
  }
  static std::vector<uint32_t> areas(Machine& machine) {
    return machine.engine()->use_current([](tpm::Commands& tpm) { return tpm::nv_list(tpm); });
  }
  static void define_area(Machine& machine, uint32_t index) {
    machine.change([&](Change& change) {
      change.run([&](tpm::BootedTpm& tpm) { tpm::nv_define(tpm, index, 8, tpm::nv_default_attributes()); });
    });
  }
  /// Puts an older copy of the store in its place, and lets the vault find out.
  void put_back(const Bytes& older) {
    disk_.contents(kPath) = older;
    vault_->refresh();
    ASSERT_EQ(vault_->rollbacks(), 1u);
  }

  store::SimulatedDisk disk_;
  const std::shared_ptr<store::Vault> vault_;
  std::unique_ptr<Machine> machine_;
};

// The number of a commit and the count of rollbacks are one version. A count that is read after the commit, when an
// older copy has been put back meanwhile, gives the TPM of this process a version that another state gets later.
TEST_F(MachineOnAFailingDisk, AnOlderCopyThatComesBehindTheCommitDoesNotPassForTheCommittedState) {
  make_room();
  const std::shared_ptr<store::Vault> other = opened_again();
  const Bytes older = disk_.contents(kPath);
  define_area(*machine_, kIndex);
  store::put(*vault_, "newer", "is missing in the older copy, and was durable");
  bool committing = false;
  uint64_t lost_number = 0;
  std::thread reader;
  // The store's lock is free again when the commit is synced. There the older copy comes, and another thread reads it.
  disk_.between = [&] {
    if (!committing || reader.joinable() || disk_.contents(kPath) == older) return;
    committing = false;
    const bool lock_is_free = other->try_change(store::change_nothing).has_value();
    committing = true;
    if (!lock_is_free) return;
    other->refresh();
    lost_number = other->find(machine_->entries().permanent)->sequence;
    disk_.contents(kPath) = older;
    reader = std::thread([&] { vault_->refresh(); });
    while (vault_->rollbacks() == 0) std::this_thread::yield();
  };
  machine_->change([&](Change& change) {
    change.run([](tpm::BootedTpm& tpm) { tpm::nv_define(tpm, kIndex + 1, 8, tpm::nv_default_attributes()); });
    committing = true;
  });
  disk_.between = nullptr;
  ASSERT_TRUE(reader.joinable()) << "the older copy was never put in";
  reader.join();

  Machine elsewhere(opened_again());
  elsewhere.open(1);
  define_area(elsewhere, kIndex + 2);  // its login took two numbers
  ASSERT_EQ(elsewhere.version()->number, lost_number);
  EXPECT_EQ(areas(*machine_), std::vector<uint32_t>{kIndex + 2});
}

TEST_F(MachineOnAFailingDisk, ARawCommandIsRefusedOnceAnOlderCopyWasPutBack) {
  const Bytes older = disk_.contents(kPath);
  define_area(*machine_, kIndex);
  EXPECT_FALSE(machine_->execute(kGetRandom, Machine::Stores::kNo).empty());
  put_back(older);
  for (const auto stores : {Machine::Stores::kNo, Machine::Stores::kMaybe}) {
    EXPECT_EQ(store::code_thrown_by([&] { machine_->execute(kGetRandom, stores); }), ErrorCode::kTampered);
  }
}

// What was committed and could not be synced is visible. A response must not show what a power failure takes back.
TEST_F(MachineOnAFailingDisk, TheStateIsDurableBeforeARawCommandsResponseIsReleased) {
  const auto step_behind = [&](size_t begin, store::DiskStep::Kind kind) {
    const auto& steps = disk_.steps();
    const auto found = std::find_if(steps.begin() + static_cast<ptrdiff_t>(begin), steps.end(),
                                    [&](const store::DiskStep& step) { return step.kind == kind; });
    return found == steps.end() ? 0 : static_cast<size_t>(found - steps.begin()) + 1;
  };
  make_room();
  uint32_t index = kIndex;
  for (const auto stores : {Machine::Stores::kNo, Machine::Stores::kMaybe}) {
    Machine elsewhere(opened_again());
    elsewhere.open(1);
    size_t lost = 0;  // the step behind the sync that has failed
    for (size_t calls = 1; lost == 0; ++calls) {
      ASSERT_LT(calls, 50u) << "no sync has failed";
      const size_t begin = disk_.steps().size();
      disk_.fail_after(calls, ErrorCode::kIo);
      try {
        define_area(elsewhere, index++);
      } catch (const Error&) {
      }
      lost = step_behind(begin, store::DiskStep::Kind::kLose);
    }
    try {
      (void)machine_->execute(kGetRandom, stores);
    } catch (const Error& error) {  // this process has learned of the failed sync, and released no response
      EXPECT_EQ(error.code(), ErrorCode::kIo);
      EXPECT_FALSE(machine_->execute(kGetRandom, stores).empty());
    }
    EXPECT_NE(step_behind(lost, store::DiskStep::Kind::kSync), 0u) << "the commit that was lost was not synced again";
  }
}

// A store without room rejects a change. That must be known before the TPM executes commands.
TEST_F(MachineOnAFailingDisk, RoomIsReservedForTheCallersRecordsToo) {
  constexpr size_t kRecords = 100, kBytes = 4096;
  disk_.capacity = disk_.used() + 330 * 1024;
  bool has_run = false;
  EXPECT_EQ(store::code_thrown_by([&] {
              machine_->change([&](Change& change) {
                for (size_t i = 0; i < kRecords; ++i) {
                  change.transaction().put("record" + std::to_string(i), "test", store::Protection::kSealed,
                                           Bytes(kBytes, 1));
                }
                change.run([&](tpm::BootedTpm& tpm) {
                  has_run = true;
                  tpm::nv_define(tpm, kIndex, 8, tpm::nv_default_attributes());
                });
              });
            }),
            ErrorCode::kNoSpace);
  EXPECT_FALSE(has_run) << "the store could not take the change, and the TPM had executed it";
  EXPECT_TRUE(areas(*machine_).empty());
}

}  // namespace
}  // namespace vtpm::device
