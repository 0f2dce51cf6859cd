// SPDX-License-Identifier: Apache-2.0
#include "tools/progress_bar.h"

#include <unistd.h>

#include <cstdio>

namespace vtpm::tools {
namespace {

constexpr std::chrono::seconds kPatience{1};
constexpr size_t kWidth = 40;

}  // namespace

ProgressBar::ProgressBar(std::string what) : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (drawn_ != 0) std::fputs("\r\033[K", stderr);
  drawn_ = 0;
}

void ProgressBar::show(size_t done, size_t all) {
  if (!terminal_ || all == 0) return;
  const size_t percent = done * 100 / all;
  if (drawn_ == percent + 1 || (drawn_ == 0 && Clock::now() - begun_ < kPatience)) return;
  drawn_ = percent + 1;
  const std::string bar(kWidth * percent / 100, '#');
  std::fprintf(stderr, "\r%s [%-*s] %3zu %%", what_.c_str(), static_cast<int>(kWidth), bar.c_str(), percent);
  std::fflush(stderr);
}

}  // namespace vtpm::tools
