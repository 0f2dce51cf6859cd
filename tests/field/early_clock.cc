// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program: simulates a host whose clock was never set and starts in 1970.
#include <sys/time.h>

#include <ctime>

namespace {

constexpr time_t kMorning = 3600;

}  // namespace

extern "C" {

#pragma GCC visibility push(default)

time_t time(time_t* out) {
  if (out) *out = kMorning;
  return kMorning;
}

int clock_gettime(clockid_t, timespec* out) noexcept {
  *out = {kMorning, 0};
  return 0;
}

int gettimeofday(timeval* __restrict out, void* __restrict) noexcept {
  *out = {kMorning, 0};
  return 0;
}

#pragma GCC visibility pop
}
