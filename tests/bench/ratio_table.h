// SPDX-License-Identifier: Apache-2.0
// The result of the benchmarks: ratios of two sides that were measured alternately in one run.
//
// A reporter of Google Benchmark that shows its usual lines for what has no partner, and at the end one table with the
// median of every operation for each side. A benchmark is in the table if its name is "operation/side".
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

namespace vtpm::bench {

class RatioTable : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

  /// Whether any benchmark has ended with an error.
  bool failed() const { return failed_; }

 private:
  struct Key {
    std::string operation;
    int64_t threads;
    bool operator<(const Key& other) const {
      return std::tie(operation, threads) < std::tie(other.operation, other.threads);
    }
  };
  struct Time {
    double real, processor;  // microseconds for one operation
  };
  /// 0: not measured.
  double median(const Key& key, const std::string& side, double Time::*which = &Time::real) const;
  /// Whether OpenSSL was measured too.
  bool compared() const;
  void print_signatures() const;
  void print_speed_up() const;
  void print_logins() const;
  void print_others() const;

  std::vector<Key> order_;
  std::map<Key, std::map<std::string, std::vector<Time>>> microseconds_;
  bool failed_ = false;
};

}  // namespace vtpm::bench
