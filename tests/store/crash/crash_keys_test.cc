// SPDX-License-Identifier: Apache-2.0
// Crashes of operations that need the master key. Each disk is opened with a secret, so there are fewer of them.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "store/log/file_log.h"
#include "tests/store/crash/crash_history.h"

namespace vtpm::store {
namespace {

Breadth breadth() { return sanitized() ? Breadth{2, 4, 4} : long_test() ? Breadth{6, 200, 400} : Breadth{3, 12, 12}; }

// A desired state: the slot is active or it is not, whatever else opens the store goes on to do so.
TEST(Crash, ACutAmendLeavesTheSlotActiveOrNotAndOthersAlone) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  auto vault = make_store(kCrashPath, options);
  put(*vault, "obj/x", "sealed");
  DesiredState active, inactive;
  active.secret = SecretBytes(as_bytes("fresh"));
  inactive.state = DesiredState::State::kInactive;
  inactive.old_secret = SecretBytes(as_bytes("fresh"));
  const size_t begun = disk.steps().size();
  vault->amend(active);
  const size_t added = disk.steps().size();
  vault->amend(inactive);
  const size_t removed = disk.steps().size();

  size_t disks = 0, wrong = 0;
  std::mt19937 random(5);
  CrashStates states(disk.steps());
  for (size_t step = begun; step <= disk.steps().size(); ++step) {
    states.after(step, breadth(), random, [&](SimulatedDisk& left) {
      ++disks;
      OpenOptions on_disk;
      on_disk.file_system = &left;
      auto reader = Vault::open(kCrashPath, on_disk);
      bool fresh_opens = reader->verify(Role::kUser, as_bytes("fresh")) == UnlockResult::kUnlocked;
      wrong += (step == added && !fresh_opens) || (step >= removed && fresh_opens);
      wrong += reader->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked;
      wrong += get(*reader, "obj/x") != "sealed";
      return true;
    });
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GE(disks, sanitized() ? 25u : 50u);
  std::printf("matrix: %-24s %8zu states, %zu wrong\n", "amend", disks, wrong);
}

std::vector<KeptKeySlot> keep() {
  std::vector<KeptKeySlot> slots;
  slots.push_back({1, SecretBytes(as_bytes(kSoPin))});
  slots.push_back({2, SecretBytes(as_bytes(kUserPin))});
  return slots;
}

Bytes wrapped_key(SimulatedDisk& disk, std::string_view slot) {
  return to_bytes(parse_entry(FileLog::open(disk, kCrashPath, true)->read(slot)->bytes)->data());
}

struct Rekeyed {
  std::set<std::string> sites;
  size_t disks = 0, wrong = 0, again = 0, on_the_medium = 0;
};

// Re-keys a store, without one of its syncs, and looks at what cuts leave.
Rekeyed rekey_and_cut(const std::string& left_out) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  auto vault = make_store(kCrashPath, options);
  Values values;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "obj/" + std::to_string(i), value(200 + 300 * static_cast<size_t>(i), 'v');
    put(*vault, name, value, i % 2 ? Protection::kClear : Protection::kSealed);
    values[name] = value;
  }
  const Bytes old_key = wrapped_key(disk, "keyslot/2");
  const size_t begun = disk.steps().size();
  if (!left_out.empty()) disk.leave_out(left_out);
  vault->rekey(keep());
  const size_t promised = disk.steps().size();
  put(*vault, "obj/after", "epoch 2");

  Rekeyed result;
  result.sites = disk.sites();
  std::mt19937 random(5);
  CrashStates states(disk.steps());
  for (size_t step = begun; step <= disk.steps().size(); ++step) {
    states.after(step, breadth(), random, [&](SimulatedDisk& left) {
      ++result.disks;
      OpenOptions on_disk;
      on_disk.file_system = &left;
      auto reader = Vault::open(kCrashPath, on_disk);
      result.wrong += reader->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked;
      const auto slots = reader->slots();
      result.wrong +=
          slots.size() != 2 || slots[0].epoch != slots[1].epoch || (step >= promised && slots[0].epoch != 2);
      for (const auto& [name, value] : values)
        result.wrong += get(*reader, name) != value || !reader->read(name)->bound;
      if (result.disks % 5 != 0) return true;
      ++result.again;
      reader->rekey(keep());
      for (const auto& [name, value] : values) result.wrong += get(*reader, name) != value;
      result.wrong += !is_well_formed(left.contents(kCrashPath));
      return true;
    });
    result.on_the_medium += step >= promised && states.on_the_medium(old_key);
  }
  return result;
}

// A re-key: the old store or the new one, never a mixture, and whatever is left can be re-keyed again.
TEST(Crash, ACutRekeyLeavesTheOldStoreOrTheNewOne) {
  const Rekeyed result = rekey_and_cut("");
  EXPECT_EQ(result.wrong, 0u);
  EXPECT_EQ(result.on_the_medium, 0u) << "the old key is still in the old file's blocks";
  EXPECT_GE(result.disks, sanitized() ? 50u : 100u);
  std::printf("matrix: %-24s %8zu states, %zu wrong; %zu re-keyed again\n", "re-key", result.disks, result.wrong,
              result.again);
}

TEST(Mutation, TheSyncThatWipesTheOldKeyIsNeeded) {
  size_t mutants = 0;
  for (const std::string& site : rekey_and_cut("").sites) {
    if (site.rfind("sync rewrite:", 0) != 0) continue;
    ++mutants;
    EXPECT_GT(rekey_and_cut(site).on_the_medium, 0u) << "nothing breaks without the " << site;
  }
  EXPECT_EQ(mutants, 1u);
}

}  // namespace
}  // namespace vtpm::store
