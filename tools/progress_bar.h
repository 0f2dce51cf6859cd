// SPDX-License-Identifier: Apache-2.0
// A bar on the terminal for work that takes longer than a second; nothing anywhere else.
#pragma once

#include <chrono>
#include <string>

namespace vtpm::tools {

class ProgressBar {
 public:
  /// `what`: "re-keying". Drawn on standard error when that is a terminal.
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(size_t done, size_t all);
  /// Takes the bar away, before anything is written to the terminal.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  const std::string what_;
  const bool terminal_;
  const Clock::time_point begun_ = Clock::now();
  size_t drawn_ = 0;  // per cent, plus one; 0: nothing yet
};

}  // namespace vtpm::tools
