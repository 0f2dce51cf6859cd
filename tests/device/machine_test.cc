// SPDX-License-Identifier: Apache-2.0
// A TPM whose state lives in a vault: what is committed together, what is taken back, and how entries are named.
#include "device/machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <stdexcept>

#include "base/numbers.h"
#include "store/care/report.h"
#include "tests/store/disk/scratch.h"
#include "tpm/host/device.h"
#include "tpm/use/nv.h"

namespace vtpm::device {
namespace {

constexpr uint32_t kIndex = 0x01800001;

/// One permanent state for all tests, because making a TPM takes a while.
const SecretBytes& new_state() {
  static const SecretBytes* const state = new SecretBytes(tpm::Engine::manufacture());
  return *state;
}

uint64_t response_code(ByteView response) { return read_be(response.subspan(6, 4)); }

/// TPM2_NV_ReadPublic (Part 3, 31.6).
Bytes read_nv_public(uint32_t index) {
  Bytes command = {0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x69};
  write_be(command, index, 4);
  return command;
}

/// Vault::refresh shows nothing new as long as this lives.
std::atomic<bool> lags = false;
struct Lagging {
  Lagging() { lags = true; }
  ~Lagging() { lags = false; }
};

class MachineTest : public testing::Test {
 protected:
  MachineTest() : vault_(store::make_store(directory_.file("store.vtpm"))) {
    vault_->change([](store::Transaction& transaction) { Machine::place(transaction, kFirstMachine, new_state()); });
    machine_ = std::make_unique<Machine>(vault_);
    machine_->open(2);
  }

  /// The same store as another process has it open.
  std::shared_ptr<store::Vault> opened_again() {
    std::shared_ptr<store::Vault> vault = store::Vault::open(directory_.file("store.vtpm"));
    EXPECT_EQ(vault->unlock(store::Role::kUser, as_bytes(store::kUserPin)), store::UnlockResult::kUnlocked);
    return vault;
  }
  static std::vector<uint32_t> areas(Machine& machine) {
    return machine.engine()->use_current([](tpm::Commands& tpm) { return tpm::nv_list(tpm); });
  }
  static void define(tpm::Commands& tpm, uint32_t index) {
    tpm::nv_define(tpm, index, 8, tpm::nv_default_attributes());
  }
  static void put_record(Change& change) {
    change.transaction().put("record", "test", store::Protection::kSealed, as_bytes("beside the area"));
  }
  Suspended suspended_machine() const { return {machine_->state(), {SecretBytes(as_bytes("volatile")), std::nullopt}}; }

  const store::ScratchDirectory directory_;
  const std::shared_ptr<store::Vault> vault_;
  std::unique_ptr<Machine> machine_;
};

TEST_F(MachineTest, AChangeCommitsTheStateAndTheRecordsAsOne) {
  const auto before = machine_->version();
  machine_->change([](Change& change) {
    put_record(change);
    change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex); });
    EXPECT_EQ(change.look([](tpm::Commands& tpm) { return tpm::nv_list(tpm); }), std::vector<uint32_t>{kIndex});
  });
  vault_->refresh();
  EXPECT_NE(machine_->version(), before);
  EXPECT_EQ(store::get(*vault_, "record"), "beside the area");
  EXPECT_EQ(areas(*machine_), std::vector<uint32_t>{kIndex});

  const auto other = opened_again();
  Machine elsewhere(other);
  elsewhere.open(1);
  EXPECT_EQ(areas(elsewhere), std::vector<uint32_t>{kIndex});
  EXPECT_EQ(elsewhere.version(), machine_->version());
}

TEST_F(MachineTest, ABodyThatThrowsChangesNothing) {
  const auto before = machine_->version();
  const auto throwing = [&] {
    machine_->change([](Change& change) {
      put_record(change);
      change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex); });
      throw std::runtime_error("the caller's");
    });
  };
  EXPECT_THROW(throwing(), std::runtime_error);
  EXPECT_EQ(machine_->version(), before);
  EXPECT_EQ(store::get(*vault_, "record"), "(none)");
  EXPECT_TRUE(areas(*machine_).empty());
}

TEST_F(MachineTest, CommandsThatThrowChangeNothing) {
  EXPECT_EQ(store::code_thrown_by([&] {
              machine_->change([](Change& change) {
                change.run([](tpm::BootedTpm& tpm) {
                  define(tpm, kIndex);
                  define(tpm, kIndex);
                });
              });
            }),
            ErrorCode::kNvExists);
  EXPECT_TRUE(areas(*machine_).empty());
}

TEST_F(MachineTest, CommandsOfOneChangeBuildOnEachOther) {
  machine_->change([](Change& change) {
    change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex); });
    change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex + 1); });
  });
  EXPECT_EQ(areas(*machine_), (std::vector<uint32_t>{kIndex, kIndex + 1}));
}

TEST_F(MachineTest, ChangesOfTwoProcessesAreBothKept) {
  const auto other = opened_again();
  Machine elsewhere(other);
  elsewhere.open(1);
  (void)areas(elsewhere);  // boots its TPM with the state that the next change replaces
  machine_->change([](Change& change) { change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex); }); });
  elsewhere.change([](Change& change) { change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex + 1); }); });
  EXPECT_EQ(areas(*machine_), (std::vector<uint32_t>{kIndex, kIndex + 1}));
}

// The cheap refresh of some logs shows what was committed up to a moment before (store::EntryLog::refresh).
TEST_F(MachineTest, WhatReadsNvSeesEveryCommitThoughTheLogsCheapRefreshLags) {
  Machine elsewhere(opened_again());
  elsewhere.open(1);
  elsewhere.change([](Change& change) { change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex); }); });
  const Lagging lagging;
  EXPECT_EQ(areas(*machine_), std::vector<uint32_t>{kIndex});
  elsewhere.change([](Change& change) { change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex + 1); }); });
  const SecretBytes response = machine_->execute(read_nv_public(kIndex + 1), Machine::Stores::kNo);
  EXPECT_EQ(response_code(response), 0u);
}

// The attribute `norollback` (docs/format.md, "Rollback"). A type that has it for ever need not carry it, but the list
// of such types is closed.
TEST_F(MachineTest, EveryStateThatItWritesCarriesNoRollback) {
  const Suspended came = {machine_->state(), {SecretBytes(as_bytes("volatile")), SecretBytes(as_bytes("save"))}};
  machine_->replace(machine_->state(), &came, nullptr);
  const Entries& names = machine_->entries();
  std::vector<std::string> without = {names.permanent, names.suspended_permanent, names.suspended_volatile,
                                      names.suspended_save};
  for (const store::EntryReport& entry : store::check(directory_.file("store.vtpm")).entries) {
    const bool carries = std::any_of(entry.attributes.begin(), entry.attributes.end(), [](const auto& attribute) {
      return attribute.name == "norollback" && !attribute.mandatory;
    });
    if (carries) std::erase(without, entry.name);
  }
  EXPECT_EQ(without, std::vector<std::string>{});
}

TEST_F(MachineTest, AMachineThatIsNotOpenChangesRecordsOnly) {
  machine_->close()->forget();
  EXPECT_EQ(machine_->engine(), nullptr);
  machine_->change(put_record);
  EXPECT_EQ(store::get(*vault_, "record"), "beside the area");
  EXPECT_EQ(
      store::code_thrown_by([&] { machine_->change([](Change& change) { change.run([](tpm::BootedTpm&) {}); }); }),
      ErrorCode::kLocked);
}

TEST_F(MachineTest, EachMachineHasEntriesOfItsOwn) {
  vault_->change([](store::Transaction& transaction) { Machine::place(transaction, "machine/desk", new_state()); });
  Machine desk(vault_, "machine/desk");
  desk.open(1);
  const auto first = machine_->version();
  desk.change([](Change& change) { change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex); }); });
  EXPECT_EQ(areas(desk), std::vector<uint32_t>{kIndex});
  EXPECT_TRUE(areas(*machine_).empty());
  EXPECT_EQ(machine_->version(), first);
  EXPECT_EQ(desk.entries().permanent, "machine/desk/permall");
  EXPECT_EQ(machine_->entries().permanent, "tpm0/permall");
  EXPECT_EQ(machine_->entries().object_prefix, kFirstObjectPrefix);
}

TEST_F(MachineTest, AStoreWithoutTheMachineIsCorrupt) {
  Machine absent(vault_, "machine/absent");
  EXPECT_EQ(absent.version(), std::nullopt);
  EXPECT_EQ(store::code_thrown_by([&] { (void)absent.state(); }), ErrorCode::kCorrupt);
}

// --- raw commands ---

Bytes get_random(uint16_t bytes) {
  Bytes command = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B};
  write_be(command, bytes, 2);
  return command;
}

/// TPM2_NV_DefineSpace by the owner, whose password is empty.
Bytes define_space(uint32_t index) {
  Bytes command = {0x80, 0x02, 0, 0, 0,    45, 0, 0,    0x01, 0x2A, 0x40, 0, 0, 0x01,
                   0,    0,    0, 9, 0x40, 0,  0, 0x09, 0,    0,    0,    0, 0};
  write_be(command, 0, 2);   // no auth value
  write_be(command, 14, 2);  // TPM2B_NV_PUBLIC
  write_be(command, index, 4);
  write_be(command, 0x000B, 2);  // SHA-256
  write_be(command, tpm::nv_default_attributes(), 4);
  write_be(command, 0, 2);  // no policy
  write_be(command, 8, 2);
  return command;
}

TEST_F(MachineTest, ARawCommandThatStoresNothingCommitsNothing) {
  const auto before = machine_->version();
  const SecretBytes response = machine_->execute(get_random(16), Machine::Stores::kNo);
  EXPECT_EQ(response_code(response), 0u);
  EXPECT_EQ(response.size(), 28u);
  vault_->refresh();
  EXPECT_EQ(machine_->version(), before);
}

TEST_F(MachineTest, WhatARawCommandStoresIsCommitted) {
  EXPECT_EQ(response_code(machine_->execute(define_space(kIndex), Machine::Stores::kMaybe)), 0u);
  EXPECT_EQ(areas(*machine_), std::vector<uint32_t>{kIndex});
  // What a command stores that was declared not to store is committed as well.
  EXPECT_EQ(response_code(machine_->execute(define_space(kIndex + 1), Machine::Stores::kNo)), 0u);
  EXPECT_EQ(areas(*machine_), (std::vector<uint32_t>{kIndex, kIndex + 1}));
  EXPECT_NE(response_code(machine_->execute(define_space(kIndex), Machine::Stores::kMaybe)), 0u) << "it is there";
}

// --- a suspended machine ---

TEST_F(MachineTest, ASuspendedMachineIsHandedOutOnce) {
  const Suspended came = suspended_machine();
  bool with_records = false;
  machine_->replace(machine_->state(), &came, [&](store::Transaction&) { with_records = true; });
  EXPECT_TRUE(with_records);
  const auto kept = machine_->suspended();
  ASSERT_TRUE(kept);
  EXPECT_TRUE(equal(kept->permanent, came.permanent));
  ASSERT_TRUE(kept->rest.volatile_state);
  EXPECT_EQ(as_text(*kept->rest.volatile_state), "volatile");
  EXPECT_FALSE(kept->rest.save_state);

  machine_->release_suspended(*kept);
  EXPECT_FALSE(machine_->suspended());
  EXPECT_EQ(store::code_thrown_by([&] { machine_->release_suspended(*kept); }), ErrorCode::kNotFound);
}

TEST_F(MachineTest, AChangeOfTheTpmDeletesTheSuspendedMachine) {
  const Suspended came = suspended_machine();
  machine_->replace(machine_->state(), &came, nullptr);
  machine_->change(put_record);
  EXPECT_TRUE(machine_->suspended()) << "the state has not changed";
  machine_->change([](Change& change) { change.run([](tpm::BootedTpm& tpm) { define(tpm, kIndex); }); });
  EXPECT_FALSE(machine_->suspended());
  machine_->forget_suspended();  // does nothing: there is none
}

}  // namespace

bool cheap_refresh_lags() { return lags; }

}  // namespace vtpm::device

// The linker puts this in the place of store::Vault::refresh (--wrap).
extern "C" bool __real__ZN4vtpm5store5Vault7refreshEv(vtpm::store::Vault* vault);
extern "C" bool __wrap__ZN4vtpm5store5Vault7refreshEv(vtpm::store::Vault* vault) {
  return !vtpm::device::cheap_refresh_lags() && __real__ZN4vtpm5store5Vault7refreshEv(vault);
}
