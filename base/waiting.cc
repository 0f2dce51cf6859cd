// SPDX-License-Identifier: Apache-2.0
#include "base/waiting.h"

#include <pthread.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include "base/clocked_lock.h"

namespace vtpm {
namespace {

using Clock = WaitPolicy::Clock;

constexpr std::chrono::microseconds kShortPause{50};
constexpr std::chrono::milliseconds kLongPause{2}, kShortPausesFor{100}, kTellAfter{1000};

constinit thread_local WaitPolicy* in_force = nullptr;

/// The time by which the kernel may lengthen a sleep of this thread: that of the short pause itself, unless the
/// application has set another.
std::chrono::nanoseconds timer_slack() {
  const int slack = prctl(PR_GET_TIMERSLACK);
  return std::chrono::nanoseconds(std::max(slack, 0));
}

int64_t now_in_seconds() { return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()); }

std::string utc(int64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  struct tm broken {};
  char text[32] = "an unknown time";
  if (gmtime_r(&time, &broken)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &broken);
  return text;
}

}  // namespace

// --- the policy ---

WaitPolicy::WaitPolicy(std::optional<std::chrono::milliseconds> limit) : limit_(limit) {
  if (in_force) return;
  in_force = this;
  in_force_ = true;
}

WaitPolicy::~WaitPolicy() {
  if (in_force_) in_force = nullptr;
}

WaitPolicy* WaitPolicy::current() noexcept { return in_force; }

WaitPolicy::Keep::Keep() noexcept : policy_(in_force) {
  if (policy_) ++policy_->kept_;
}

WaitPolicy::Keep::~Keep() {
  if (policy_) --policy_->kept_;
}

// --- one wait ---

void HeldSince::held() noexcept {
  int64_t not_held = 0;
  if (since_.load(std::memory_order_relaxed) == 0)
    since_.compare_exchange_strong(not_held, now_in_seconds(), std::memory_order_relaxed);
}

Wait::Wait(std::string_view what, For whom, int64_t since)
    : what_(what), whom_(whom), since_(since != 0 ? since : now_in_seconds()), policy_(in_force), began_(Clock::now()) {
  if (policy_) ++policy_->waits_;
}

Wait::~Wait() {
  // A wait inside of another one is part of its time.
  if (policy_ && --policy_->waits_ == 0) policy_->waited_ += Clock::now() - began_;
}

void Wait::pause() {
  const bool first = Clock::now() - began_ < kShortPausesFor;
  const Clock::time_point until = begin_pause(first ? Clock::duration(kShortPause) : Clock::duration(kLongPause));
  std::this_thread::sleep_until(first ? std::max(until - timer_slack(), Clock::now() + std::chrono::microseconds(1))
                                      : until);
  end_pause();
}

Clock::time_point Wait::begin_pause(Clock::duration longest) {
  const Clock::time_point now = Clock::now();
  if (!policy_) return now + longest;
  const Clock::duration lasted = now - began_;
  if (policy_->limit_) {
    const Clock::duration left = *policy_->limit_ - policy_->waited_ - lasted;
    if (left <= Clock::duration::zero()) {
      const auto limit = std::chrono::duration_cast<std::chrono::seconds>(*policy_->limit_);
      throw LockTimeout(sentence(lasted) + ": the call has waited for locks for " + std::to_string(limit.count()) +
                        " s in total (lock_timeout); look for a process that is stopped or holds a lock on the file");
    }
    longest = std::min(longest, left);
  }
  if (lasted >= kTellAfter && !announced_) {
    announced_ = true;
    policy_->announce(sentence(lasted));
  }
  if (policy_->kept_ == 0) {
    policy_->step_aside();
    aside_ = true;
  }
  return now + longest;
}

void Wait::end_pause() {
  if (!aside_) return;
  aside_ = false;
  policy_->come_back();
}

std::string Wait::sentence(Clock::duration lasted) const {
  const char* by = whom_ == For::kProcess  ? " has been locked by another process since "
                   : whom_ == For::kThread ? " has been in use by another thread of this process since "
                                           : " has been in use by another process or thread since ";
  const auto seconds =
      std::max<int64_t>(now_in_seconds() - since_, std::chrono::duration_cast<std::chrono::seconds>(lasted).count());
  return std::string(what_) + by + utc(since_) + " (for " + std::to_string(seconds) + " s)";
}

// --- delays ---

void pause_for(std::chrono::milliseconds time) {
  // The delay is split into short sleeps, because a thread that ends the session or the module waits for this call.
  constexpr std::chrono::milliseconds kPiece{20};
  const Clock::time_point end = Clock::now() + time;
  for (Clock::time_point now = Clock::now(); now < end; now = Clock::now()) {
    const bool aside = in_force && in_force->kept_ == 0;
    if (aside) in_force->step_aside();
    std::this_thread::sleep_until(std::min(end, now + kPiece));
    if (aside) in_force->come_back();
  }
}

// --- mutexes ---

std::unique_lock<std::mutex> lock_within_limit(std::mutex& mutex, std::string_view what) {
  std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
  if (lock) return lock;
  if (!in_force) {
    lock.lock();
    return lock;
  }
  // Most waits for a thread are short.
  pthread_mutex_t* const native = mutex.native_handle();
  bool got = mutex_lock_until(native, Clock::now() + std::chrono::milliseconds(1));
  if (!got) {
    Wait wait(what, Wait::For::kThread);
    do {
      got = wait.pause([&](Clock::time_point deadline) { return mutex_lock_until(native, deadline); },
                       [&] { pthread_mutex_unlock(native); });
    } while (!got);
  }
  return {mutex, std::adopt_lock};
}

}  // namespace vtpm
