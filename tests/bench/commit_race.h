// SPDX-License-Identifier: Apache-2.0
// How many records a second several processes commit to one store, by engine (tests/bench/engines.h).
#pragma once

#include <string>
#include <vector>

#include "tests/bench/engines.h"

namespace vtpm::bench {

struct Race {
  std::vector<int> processes;
  unsigned rounds = 5;    // each engine has a turn in every round, so that other load affects all engines alike
  double seconds = 1;     // of one turn
  size_t record = 1024;   // bytes
  std::string directory;  // for the stores, one after the other
};

struct RaceResult {
  int processes = 0;
  std::vector<double> per_second;  // of each engine: the median of its rounds
};

/// Throws std::exception; also when a process fails to commit.
std::vector<RaceResult> run(const Race& race);

double median(std::vector<double> values);

}  // namespace vtpm::bench
