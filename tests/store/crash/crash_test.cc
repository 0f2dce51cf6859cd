// SPDX-License-Identifier: Apache-2.0
// Simulated power cuts: each test records what an operation does to the disk and opens every disk that a cut may leave.
//
// What was confirmed is there, nothing is there that was never written, no older version of anything is served, and the
// store takes the next change. Each test prints its row of the matrix.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/store/crash/crash_scenarios.h"

namespace vtpm::store {
namespace {

void expect_clean(const char* operation, const Verdicts& verdicts, size_t at_least) {
  print_row(operation, verdicts);
  EXPECT_TRUE(verdicts.clean()) << verdicts.first;
  EXPECT_GE(verdicts.states, sanitized() ? at_least / 120 : at_least);
}

// Wider with VTPM_TEST_LONG=1, narrower where a sanitizer makes each state twenty times as dear.
Verdicts explore_all(const char* name) {
  const Scenario& scenario = crash_scenario(name);
  Breadth breadth = scenario.breadth;
  size_t repetitions = scenario.repetitions;
  if (sanitized()) {
    breadth = {2, 4, 10};
    repetitions = (repetitions + 2) / 3;
  }
  if (long_test()) {
    breadth = {12, breadth.random * 8, breadth.prefixes * 8};
    repetitions = repetitions * 4;
  }
  return explore(scenario, breadth, repetitions);
}

TEST(Crash, R0_22_ACutCreationLeavesNoStoreOrAWholeOne) { expect_clean("create", explore_all("create"), 500); }
TEST(Crash, ACutReplacementLeavesTheOldStoreOrTheNewOne) { expect_clean("replace", explore_all("replace"), 500); }
TEST(Crash, R0_22_CommitsAreThereAsAWholeOrNotAtAll) { expect_clean("commit", explore_all("commit"), 30000); }
TEST(Crash, R0_13_ACutGrowthLosesNothing) { expect_clean("extend", explore_all("extend"), 2500); }
TEST(Crash, ACutOnAFullDiskLosesNothing) { expect_clean("a full disk", explore_all("a full disk"), 1000); }
TEST(Crash, R0_13_ACutCompactionLosesNothing) { expect_clean("compact", explore_all("compact"), 5000); }
TEST(Crash, R0_22_TwoWritersInFlightLoseNothingConfirmed) {
  expect_clean("two writers", explore_all("two writers in flight"), 15000);
}
TEST(Crash, NothingThatAReaderWasShownIsLost) {
  expect_clean("shown to a reader", explore_all("shown to a reader"), 500);
}
TEST(Crash, ADeathAfterTheRenameLosesNothing) {
  expect_clean("death after a rename", explore_all("death after a rename"), 500);
}
TEST(Crash, R0_15_ACutRepairCanBeRepeated) { expect_clean("repair", explore_all("repair"), 500); }
TEST(Crash, R0_15_ACutRepairOfRotServesNothingOlder) {
  expect_clean("repair of rot", explore_all("repair of rot"), 500);
}
TEST(Crash, ACutWhileATornEndIsCleanedLosesNothing) {
  expect_clean("clean a torn end", explore_all("after a torn end"), 3000);
}
TEST(Crash, ACutRewriteAfterAFailedSyncLosesNothing) {
  expect_clean("after a failed sync", explore_all("after a failed sync"), 300);
}
TEST(Crash, ACutRewriteInPlaceLosesNothing) {
  expect_clean("in place", explore_all("after failed syncs, in place"), 1000);
}

// A changed PIN: the old one or the new one opens what is left, the old one never once the change was promised.
TEST(Crash, AKeySlotChangedInPlaceOpensWithTheOldOrTheNewPin) {
  expect_clean("key slot in place", explore_all("key-slot change in place"), 500);
}
TEST(Crash, AChangedKeySlotOpensWithTheOldOrTheNewPin) {
  expect_clean("key-slot change", explore_all("key-slot change"), 3000);
}

// The crash of a recovery: cut while the first writer after a cut cleans up.
TEST(Crash, R0_22_ACutDuringRecoveryLosesNothing) {
  History history;
  crash_scenario("commit").run(history);
  std::mt19937 random(3);
  Verdicts total;
  CrashStates states(history.disk.steps());
  const size_t stride = sanitized() ? 50 : long_test() ? 1 : 7;
  for (size_t step = history.first_step(); step <= history.disk.steps().size(); step += stride) {
    states.after(step, {3, 6, 6}, random, [&](SimulatedDisk& left) {
      History second(left);
      auto store = FileLog::open(second.disk, kCrashPath, false);
      second.commit(*store, {clear_draft("obj/1", "recovered"), deletion("obj/2")});
      total += second.explore(long_test() ? Breadth{6, 60, 400} : Breadth{3, 10, 60});
      return true;
    });
  }
  expect_clean("crash in the recovery", total, 8000);
}

}  // namespace
}  // namespace vtpm::store
