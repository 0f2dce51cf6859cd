// SPDX-License-Identifier: Apache-2.0
// How long a call waits for locks that others hold, and what it gives up meanwhile.
//
// The rule belongs to the call, not to the lock: whoever begins one (a C_ function, a command of the tool) declares a
// `WaitPolicy`, and every wait below it on the same thread obeys. Where no policy is in force, a wait has no limit.
//
//   WaitPolicy   the time that all waits of one call may take together
//   Wait         one wait for one lock: the caller tries, pauses, and tries again
//   wait_until   the same as one line, for anything that can be tried (flock, an open file description lock)
//   lock_within_limit   a mutex of this process under the same limit
//   pause_for    a delay that is wanted: it takes nothing of the limit
//
// A wait tries again every 50 us for the first 100 ms and every 2 ms afterwards (no doubling: measured with eight
// processes, doubling to 10 ms makes somebody wait 2.4 s where this makes nobody wait longer than 26 ms).
// docs/decisions/0001-waiting-for-locks.md has the reasons.
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

/// The waits of a call have taken all the time that they may. The sentence says which file has been locked since when.
class LockTimeout : public Error {
 public:
  explicit LockTimeout(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// In force on the thread that makes it, until its end. Of several on one thread the outermost decides, so that a
/// command of the tool that calls C_ functions waits as the tool does.
class WaitPolicy {
 public:
  using Clock = std::chrono::steady_clock;

  /// `limit`: for all waits of the call together; nothing: they have none. Time in which the call works does not count.
  explicit WaitPolicy(std::optional<std::chrono::milliseconds> limit);
  virtual ~WaitPolicy();
  WaitPolicy(const WaitPolicy&) = delete;
  WaitPolicy& operator=(const WaitPolicy&) = delete;

  /// The one in force on this thread, or null.
  static WaitPolicy* current() noexcept;

  /// While one lives on a thread, its waits do not step aside: something has been changed in memory that nobody else
  /// may see half-done. The limit holds all the same. May be moved, on its thread.
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
  /// Around every pause of a wait, unless a `Keep` lives: what the call holds and others may need meanwhile is given up
  /// and taken again. `come_back` may throw when the call has no ground to stand on any longer; all is taken by then.
  virtual void step_aside() {}
  virtual void come_back() {}
  /// A wait has lasted a second; `sentence` says for what.
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

/// Since when a lock is seen to be held by others, for a lock that is tried again and again. Any thread may call.
class HeldSince {
 public:
  void held() noexcept;
  void free() noexcept {
    if (since_.load(std::memory_order_relaxed) != 0) since_.store(0, std::memory_order_relaxed);
  }
  /// Seconds since 1970; 0: it is not known to be held.
  int64_t since() const noexcept { return since_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> since_{0};
};

/// One wait, from the first try that failed to the one that succeeds. Lives on one thread.
class Wait {
 public:
  enum class For { kProcess, kThread, kAnyone };
  /// `what`: the path of the file, or what else is waited for; outlives the wait. `since`: when it was first seen to be
  /// held (seconds since 1970); 0: now.
  Wait(std::string_view what, For whom, int64_t since = 0);
  ~Wait();
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  /// Sleeps until it is time to try again. Throws LockTimeout when the call's waits have taken their time, and whatever
  /// the policy throws when it comes back.
  void pause();
  /// The same, but `waits_until(deadline)`, which answers whether it has got what is waited for, takes the place of the
  /// sleep. When it has and the policy throws, `undo` is called.
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

/// Calls `attempt` until it answers true. The parameters and what it throws are those of `Wait`, and what `attempt`
/// throws. What `attempt` locks is to be given up by its own call (LOCK_UN), not only by closing: a process that was
/// forked during the wait has the descriptor too.
template <typename Attempt>
void wait_until(Attempt&& attempt, std::string_view what, Wait::For whom) {
  if (attempt()) return;
  Wait wait(what, whom);
  do {
    wait.pause();
  } while (!attempt());
}

/// Sleeps for that long. Nobody is waited for, so it has no limit; but the call steps aside meanwhile, unless a `Keep`
/// lives, and what the policy throws when it comes back is thrown.
void pause_for(std::chrono::milliseconds time);

/// Locks a mutex that a thread may hold which waits for somebody else in turn. Throws as `Wait::pause` does.
std::unique_lock<std::mutex> lock_within_limit(std::mutex& mutex, std::string_view what);

}  // namespace vtpm
