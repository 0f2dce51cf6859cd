// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/ratio_table.h"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

namespace vtpm::bench {
namespace {

// The targets of docs/performance.md: this module's time over OpenSSL's, with one thread. They are printed beside the
// measured ratios and never checked, because a busy host must not make a test fail.
struct Target {
  std::string_view operation;
  double ratio;
};
constexpr Target kTargets[] = {{"RSA-2048", 1.10}, {"RSA-3072", 1.05}, {"P-256", 1.50},
                               {"P-384", 1.05},    {"P-521", 1.15},    {"ECDH P-256", 1.40}};

constexpr const char* kOurs = "vtpm";
constexpr const char* kOpenSsl = "openssl";
constexpr const char* kSoftHsm = "softhsm";
constexpr const char* kOthers = "";
constexpr std::string_view kLogin = "login + first ";

std::string number(double value, const char* format = "%.1f") {
  if (value == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

double over(double a, double b) { return b == 0 ? 0 : a / b; }

}  // namespace

namespace {

/// Whether the run failed: Run::error_occurred up to Google Benchmark 1.7, Run::skipped (an enumeration, 0 when not)
/// since.
template <typename R>
bool has_failed(const R& run) {
  if constexpr (requires { run.error_occurred; }) {
    return run.error_occurred;
  } else {
    return static_cast<int>(run.skipped) != 0;
  }
}
template <typename R>
const std::string& failure_of(const R& run) {
  if constexpr (requires { run.error_message; }) {
    return run.error_message;
  } else {
    return run.skip_message;
  }
}

}  // namespace

bool RatioTable::ReportContext(const Context& context) {
  PrintBasicContext(&GetErrorStream(), context);
  return true;
}

void RatioTable::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (has_failed(run)) {
      GetErrorStream() << run.benchmark_name() << ": " << failure_of(run) << "\n";
      failed_ = true;
    }
    if (has_failed(run) || run.run_type != Run::RT_Iteration) continue;
    const std::string& name = run.run_name.function_name;
    const size_t slash = name.rfind('/');
    const Key key{name.substr(0, slash), run.threads};
    const std::string side = slash == std::string::npos ? kOthers : name.substr(slash + 1);
    if (microseconds_.find(key) == microseconds_.end()) order_.push_back(key);
    const double to_microseconds = 1e6 / benchmark::GetTimeUnitMultiplier(run.time_unit);
    microseconds_[key][side].push_back(
        {run.GetAdjustedRealTime() * to_microseconds, run.GetAdjustedCPUTime() * to_microseconds});
  }
}

double RatioTable::median(const Key& key, const std::string& side, double Time::*which) const {
  const auto of_key = microseconds_.find(key);
  if (of_key == microseconds_.end()) return 0;
  const auto of_side = of_key->second.find(side);
  if (of_side == of_key->second.end()) return 0;
  std::vector<double> sorted;
  for (const Time& time : of_side->second) sorted.push_back(time.*which);
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

bool RatioTable::compared() const {
  return std::any_of(order_.begin(), order_.end(), [&](const Key& key) { return median(key, kOpenSsl) != 0; });
}

void RatioTable::print_signatures() const {
  if (!compared()) return;
  std::printf("\n%-12s %7s %10s %10s %7s %8s %10s %14s\n", "operation", "threads", "vtpm us", "OpenSSL us", "ratio",
              "target", "SoftHSM us", "SoftHSM / vtpm");
  for (const Key& key : order_) {
    // A single thread waits for no other, so its processor time is the cost, whatever other load the host has.
    const auto which = key.threads == 1 ? &Time::processor : &Time::real;
    const double ours = median(key, kOurs, which), openssl = median(key, kOpenSsl, which),
                 peer = median(key, kSoftHsm, which);
    if (ours == 0 || openssl == 0) continue;
    const auto target = std::find_if(std::begin(kTargets), std::end(kTargets),
                                     [&](const Target& each) { return each.operation == key.operation; });
    const bool has_target = target != std::end(kTargets) && key.threads == 1;
    std::printf("%-12s %7d %10s %10s %7s %8s %10s %14s\n", key.operation.c_str(), static_cast<int>(key.threads),
                number(ours).c_str(), number(openssl).c_str(), number(ours / openssl, "%.3f").c_str(),
                has_target ? number(target->ratio, "%.2f").c_str() : "", number(peer).c_str(),
                number(over(peer, ours), "%.2f").c_str());
  }
}

void RatioTable::print_speed_up() const {
  if (!compared()) return;
  std::printf("\n%-12s two threads over one: %8s %10s %10s   (target: 1.8 on two idle cores)\n", "operation", "vtpm",
              "OpenSSL", "SoftHSM");
  for (const Key& key : order_) {
    if (key.threads != 2) continue;
    const Key alone{key.operation, 1};
    std::printf("%-12s %30s %10s %10s\n", key.operation.c_str(),
                number(over(median(alone, kOurs), median(key, kOurs)), "%.2f").c_str(),
                number(over(median(alone, kOpenSsl), median(key, kOpenSsl)), "%.2f").c_str(),
                number(over(median(alone, kSoftHsm), median(key, kSoftHsm)), "%.2f").c_str());
  }
}

void RatioTable::print_logins() const {
  const double kdf = median({"login KDF", 1}, kOthers), syncs = median({"login syncs", 1}, kOthers);
  if (kdf == 0 || syncs == 0) return;
  std::printf("\nC_Login to the end of the first C_Sign, the KDF (%.1f ms) subtracted   (target: 5 ms)\n", kdf / 1000);
  for (const Key& key : order_) {
    if (key.operation.compare(0, kLogin.size(), kLogin) != 0) continue;
    const double rest = (median(key, kOthers) - kdf) / 1000;
    std::printf("  %-20s %6.2f ms, of which two syncs of this disk have %.2f ms\n",
                key.operation.c_str() + kLogin.size(), rest, syncs / 1000);
  }
}

void RatioTable::print_others() const {
  bool titled = false;
  for (const Key& key : order_) {
    const double time = median(key, kOthers);
    if (time == 0 || key.operation.compare(0, 5, "login") == 0) continue;
    if (!std::exchange(titled, true)) std::printf("\nin the TPM alone, without PKCS#11\n");
    std::printf("  %-34s %d thread%s %10.1f us\n", key.operation.c_str(), static_cast<int>(key.threads),
                key.threads == 1 ? " " : "s", time);
  }
}

void RatioTable::Finalize() {
  std::sort(order_.begin(), order_.end());  // random interleaving leaves them in the order of their first end
  print_signatures();
  print_speed_up();
  print_logins();
  print_others();
  std::fflush(stdout);
}

}  // namespace vtpm::bench
