// SPDX-License-Identifier: Apache-2.0
// The operations on a store whose disk is recorded. Both the enumeration of crashes and the test that leaves out syncs
// run all of them.
#pragma once

#include <functional>
#include <vector>

#include "tests/store/crash/crash_history.h"

namespace vtpm::store {

struct Scenario {
  const char* name;
  bool starts_empty;  // no store is there at first
  std::function<void(History&)> run;
  Breadth breadth;     // in ./check
  size_t repetitions;  // of the whole, with other random numbers
};

const std::vector<Scenario>& crash_scenarios();
const Scenario& crash_scenario(const std::string& name);

/// Runs a scenario `repetitions` times and looks at every disk.
Verdicts explore(const Scenario& scenario, const Breadth& breadth, size_t repetitions);

}  // namespace vtpm::store
