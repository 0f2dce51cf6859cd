// SPDX-License-Identifier: Apache-2.0
// A bar on the terminal for work that takes longer than a second. Without a terminal nothing is drawn.
#pragma once

#include <chrono>
#include <string>

namespace vtpm::tools {

class ProgressBar {
 public:
  /// `what` names the work: "re-keying". The bar is drawn on standard error if that is a terminal.
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(size_t done, size_t all);
  /// Removes the bar. Call it before anything else is written to the terminal.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  const std::string what_;
  const bool terminal_;
  const Clock::time_point begun_ = Clock::now();
  size_t drawn_ = 0;  // percentage plus one; 0: nothing was drawn
};

}  // namespace vtpm::tools
