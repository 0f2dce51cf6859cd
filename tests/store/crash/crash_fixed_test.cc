// SPDX-License-Identifier: Apache-2.0
// Power cuts while a store is exported to the fixed-capacity layout and imported from it: the source stays as it is,
// and what was promised is there as a whole. And: each place that syncs on these ways is needed.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <set>

#include "store/care/fixed_layout.h"
#include "tests/store/crash/crash_history.h"

namespace vtpm::store {
namespace {

const std::string kFixedPath = "dir/store.fixed", kBackPath = "dir/back.vtpm";

OpenOptions on(SimulatedDisk& disk) {
  OpenOptions options;
  options.file_system = &disk;
  return options;
}

void export_on(SimulatedDisk& disk) {
  auto vault = Vault::open(kCrashPath, on(disk));
  if (vault->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked) throw std::runtime_error("no login");
  FixedExportOptions options;
  options.file_system = &disk;
  export_fixed(*vault, kFixedPath, options);
}

void import_on(SimulatedDisk& disk) {
  FixedImportOptions options;
  options.file_system = &disk;
  import_fixed(kFixedPath, kBackPath, options);
}

struct Journey {
  const char* name;
  bool starts_fixed;
  std::string to;
  std::function<void(SimulatedDisk&)> go;
  bool works(SimulatedDisk& left) const {
    if (to == kFixedPath) import_on(left);
    auto vault = Vault::open(kBackPath, on(left));
    return vault->unlock(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked &&
           get(*vault, "obj/sealed") == "sealed" && get(*vault, "obj/clear") == "clear";
  }
};

const Journey kExport{"export --fixed", false, kFixedPath, export_on};
const Journey kImport{"import", true, kBackPath, import_on};

// What is on the disk before: a store, and for the import its export.
void begin(const Journey& journey, SimulatedDisk& disk) {
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  {
    auto vault = make_store(kCrashPath, options);
    put(*vault, "obj/sealed", "sealed");
    put(*vault, "obj/clear", "clear", Protection::kClear);
  }
  if (journey.starts_fixed) export_on(disk);
}

Verdicts explore(const Journey& journey, const std::string& left_out, std::set<std::string>* sites = nullptr) {
  SimulatedDisk disk;
  begin(journey, disk);
  const std::set<std::string> others = disk.sites();
  const size_t begun = disk.steps().size();
  if (!left_out.empty()) disk.leave_out(left_out);
  journey.go(disk);
  const size_t promised = disk.steps().size();
  if (sites)
    std::set_difference(disk.sites().begin(), disk.sites().end(), others.begin(), others.end(),
                        std::inserter(*sites, sites->end()));

  Verdicts verdicts;
  auto wrong = [&](size_t& count, const std::string& what) {
    ++count;
    if (verdicts.first.empty()) verdicts.first = what;
  };
  std::mt19937 random(7);
  CrashStates states(disk.steps());
  Breadth breadth = sanitized() ? Breadth{2, 2, 2} : Breadth{3, 12, 16};
  if (long_test() && left_out.empty()) breadth = {6, 400, 600};
  for (size_t step = begun; step <= promised; ++step) {
    states.after(step, breadth, random, [&](SimulatedDisk& left) {
      ++verdicts.states;
      if (get(*Vault::open(kCrashPath, on(left)), "obj/clear") != "clear") wrong(verdicts.lost, "the source is gone");
      const bool is_there = left.exists(journey.to);
      if (!is_there && step == promised) wrong(verdicts.lost, "what was promised is not there");
      try {
        if (!is_there) journey.go(left);
        if (!journey.works(left)) wrong(verdicts.ghosts, "it is there, and is not what was written");
      } catch (const Error& error) {
        wrong(verdicts.unusable, error.what());
      }
      return left_out.empty() || verdicts.clean();
    });
    if (!left_out.empty() && !verdicts.clean()) break;
  }
  return verdicts;
}

class CrashFixed : public testing::TestWithParam<const Journey*> {};

TEST_P(CrashFixed, ACutLeavesAllOrNothing) {
  const Verdicts verdicts = explore(*GetParam(), "");
  print_row(GetParam()->name, verdicts);
  EXPECT_TRUE(verdicts.clean()) << verdicts.first;
  EXPECT_GE(verdicts.states, sanitized() ? 10u : 30u);
}

TEST_P(CrashFixed, EverySyncIsNeeded) {
  std::set<std::string> sites;
  explore(*GetParam(), "", &sites);
  size_t mutants = 0;
  for (const std::string& site : sites) {
    if (site.find(" run:") == std::string::npos || site.rfind("lock ", 0) == 0) continue;  // the journey's own
    ++mutants;
    const Verdicts verdicts = explore(*GetParam(), site);
    std::printf("mutant: without %-32s %s: %s\n", site.c_str(), GetParam()->name, verdicts.first.c_str());
    EXPECT_FALSE(verdicts.clean()) << "nothing breaks without the " << site;
  }
  EXPECT_GE(mutants, 2u);
}

INSTANTIATE_TEST_SUITE_P(Journeys, CrashFixed, testing::Values(&kExport, &kImport),
                         [](const auto& each) { return each.param == &kExport ? "Export" : "Import"; });

}  // namespace
}  // namespace vtpm::store
