// SPDX-License-Identifier: Apache-2.0
// How long a call waits for locks that others hold, and what it releases meanwhile.
//
// The limit belongs to the call, not to the lock: the outermost function (a C function of PKCS#11, a command of the
// tool) declares a `WaitPolicy`, and every wait below it on the same thread obeys it. Without a policy a wait has no
// limit.
//
//   WaitPolicy   the total time for all waits of one call
//   Wait         one wait for one lock: the caller tries, pauses, and tries again
//   wait_until   the same in one line, for anything that can be tried (flock, an open file description lock)
//   lock_within_limit   a mutex of this process under the same limit
//   pause_for    a deliberate delay, which does not count against the limit
//
// A wait tries again every 50 us for the first 100 ms and every 2 ms afterwards. The interval does not double: with
// eight processes, doubling to 10 ms made one of them wait 2.4 s, against 26 ms at most this way.
// docs/decisions/0001-waiting-for-locks.md gives the reasons.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vtpm {

/// The waits of a call have used up its limit. The sentence says which file has been locked and since when.
class LockTimeout : public Error {
 public:
  explicit LockTimeout(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// In force on the thread that constructs it, until it is destroyed. Of several on one thread the outermost is in
/// force, so that C functions called by a command of the tool wait as the tool does.
class WaitPolicy {
 public:
  using Clock = std::chrono::steady_clock;

  /// `limit`: for all waits of the call together; nothing: no limit. Only waiting counts, not working.
  explicit WaitPolicy(std::optional<std::chrono::milliseconds> limit);
  virtual ~WaitPolicy();
  WaitPolicy(const WaitPolicy&) = delete;
  WaitPolicy& operator=(const WaitPolicy&) = delete;

  /// The policy in force on this thread, or null.
  static WaitPolicy* current() noexcept;

  /// While one exists on a thread, its waits do not step aside, because a change in memory is incomplete. The limit
  /// applies all the same. May be moved, on its thread.
  class Keep {
   public:
    Keep() noexcept;
    Keep(Keep&& other) noexcept : policy_(other.policy_) { other.policy_ = nullptr; }
    Keep& operator=(Keep&&) = delete;
    ~Keep();

   private:
    WaitPolicy* policy_;
  };

 protected:
  /// Called before and after every pause of a wait, unless a `Keep` exists: they release and take again what the call
  /// holds and others may need. `come_back` may throw if the call cannot continue; it has taken everything by then.
  virtual void step_aside() {}
  virtual void come_back() {}
  /// Called when a wait has lasted a second; `sentence` says what it waits for.
  virtual void announce(const std::string& sentence) { (void)sentence; }

 private:
  friend class Wait;
  friend void pause_for(std::chrono::milliseconds time);
  const std::optional<Clock::duration> limit_;
  Clock::duration waited_{};  // by the waits that are over
  unsigned waits_ = 0;        // that run now, one inside the other
  unsigned kept_ = 0;
  bool in_force_ = false;
};

/// The time since which others have held a lock that is tried repeatedly. Thread-safe.
class HeldSince {
 public:
  void held() noexcept;
  void free() noexcept {
    if (since_.load(std::memory_order_relaxed) != 0) since_.store(0, std::memory_order_relaxed);
  }
  /// Seconds since 1970; 0: not known to be held.
  int64_t since() const noexcept { return since_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> since_{0};
};

/// One wait, from the first failed attempt to the one that succeeds. Used by one thread.
class Wait {
 public:
  enum class For { kProcess, kThread, kAnyone };
  /// `what`: the path of the file, or another name of the lock; must outlive the wait. `since`: when the lock was first
  /// seen to be held (seconds since 1970); 0: now.
  Wait(std::string_view what, For whom, int64_t since = 0);
  ~Wait();
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  /// Sleeps until the next attempt is due. Throws LockTimeout when the call's limit is used up, and what `come_back`
  /// throws.
  void pause();
  /// The same, with `waits_until(deadline)` instead of the sleep; it returns whether it has taken the lock. If it has
  /// and `come_back` throws, `undo` is called.
  template <typename WaitsUntil, typename Undo>
  bool pause(WaitsUntil&& waits_until, Undo&& undo) {
    const WaitPolicy::Clock::time_point deadline = begin_pause(std::chrono::milliseconds(10));
    const bool got = waits_until(deadline);
    try {
      end_pause();
    } catch (...) {
      if (got) undo();
      throw;
    }
    return got;
  }

 private:
  WaitPolicy::Clock::time_point begin_pause(WaitPolicy::Clock::duration longest);
  void end_pause();
  std::string sentence(WaitPolicy::Clock::duration lasted) const;

  const std::string_view what_;
  const For whom_;
  const int64_t since_;
  WaitPolicy* const policy_;
  const WaitPolicy::Clock::time_point began_;
  bool announced_ = false, aside_ = false;
};

/// Calls `attempt` until it returns true. The other parameters are those of `Wait`. Throws what `Wait::pause` and
/// `attempt` throw. A lock taken by `attempt` must be released explicitly (LOCK_UN), not only by closing the
/// descriptor: a process that was forked during the wait has the descriptor too.
template <typename Attempt>
void wait_until(Attempt&& attempt, std::string_view what, Wait::For whom) {
  if (attempt()) return;
  Wait wait(what, whom);
  do {
    wait.pause();
  } while (!attempt());
}

/// Sleeps for `time`, which does not count against the limit. The call steps aside meanwhile, unless a `Keep` exists.
/// Throws what `come_back` throws.
void pause_for(std::chrono::milliseconds time);

/// Locks a mutex whose holder may itself be waiting. Throws what `Wait::pause` throws.
std::unique_lock<std::mutex> lock_within_limit(std::mutex& mutex, std::string_view what);

}  // namespace vtpm
