// SPDX-License-Identifier: Apache-2.0
// vtpm_bench and vtpm_tpm_bench: the cost of this module compared with OpenSSL and SoftHSM, as ratios in one run
// (docs/performance.md).
//
// Every benchmark is repeated, interleaved at random with the others, so that other load on the host affects all sides
// alike, and the medians are compared. Any option of Google Benchmark goes before or instead of these defaults:
// --benchmark_filter=P-256, say, or --benchmark_repetitions=21.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "tests/bench/bench_token.h"
#include "tests/bench/benchmarks.h"
#include "tests/bench/ratio_table.h"

int main(int argc, char** argv) {
  std::vector<std::string> defaults = {"--benchmark_repetitions=15", "--benchmark_min_time=0.05",
                                       "--benchmark_enable_random_interleaving=true"};
  std::vector<char*> arguments = {argv[0]};
  for (std::string& option : defaults) arguments.push_back(option.data());
  arguments.insert(arguments.end(), argv + 1, argv + argc);  // the last of two equal options counts
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  static const vtpm::bench::Scratch scratch;  // removed by exit too
  vtpm::bench::register_benchmarks();
  vtpm::bench::RatioTable table;
  benchmark::RunSpecifiedBenchmarks(&table);
  return table.failed() ? 1 : 0;
}
