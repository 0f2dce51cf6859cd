// SPDX-License-Identifier: Apache-2.0
// POSIX locks with a deadline on the steady clock, so that setting the system time changes no wait.
#pragma once

#include <pthread.h>

#include <chrono>
#include <ctime>

namespace vtpm {

// ThreadSanitizer of the supported compilers does not know the functions that take a clock, and would report every
// access.
#if defined(__SANITIZE_THREAD__)
#define VTPM_CLOCKED_LOCK 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VTPM_CLOCKED_LOCK 0
#endif
#endif
#ifndef VTPM_CLOCKED_LOCK
#define VTPM_CLOCKED_LOCK 1
#endif

inline timespec to_timespec(std::chrono::nanoseconds since_epoch) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((since_epoch - seconds).count())};
}

/// Converts `deadline` to the clock of the functions below.
inline timespec lock_deadline(std::chrono::steady_clock::time_point deadline) {
#if VTPM_CLOCKED_LOCK
  return to_timespec(deadline.time_since_epoch());
#else
  const auto left = deadline - std::chrono::steady_clock::now();
  return to_timespec((std::chrono::system_clock::now() + left).time_since_epoch());
#endif
}

/// Each locks and returns true, or returns false when the deadline has passed.
inline bool mutex_lock_until(pthread_mutex_t* mutex, std::chrono::steady_clock::time_point deadline) {
  const timespec when = lock_deadline(deadline);
#if VTPM_CLOCKED_LOCK
  return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &when) == 0;
#else
  return pthread_mutex_timedlock(mutex, &when) == 0;
#endif
}

inline bool read_lock_until(pthread_rwlock_t* lock, std::chrono::steady_clock::time_point deadline) {
  const timespec when = lock_deadline(deadline);
#if VTPM_CLOCKED_LOCK
  return pthread_rwlock_clockrdlock(lock, CLOCK_MONOTONIC, &when) == 0;
#else
  return pthread_rwlock_timedrdlock(lock, &when) == 0;
#endif
}

inline bool write_lock_until(pthread_rwlock_t* lock, std::chrono::steady_clock::time_point deadline) {
  const timespec when = lock_deadline(deadline);
#if VTPM_CLOCKED_LOCK
  return pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &when) == 0;
#else
  return pthread_rwlock_timedwrlock(lock, &when) == 0;
#endif
}

}  // namespace vtpm
