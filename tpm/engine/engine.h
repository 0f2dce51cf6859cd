// SPDX-License-Identifier: Apache-2.0
// The TPM of one token.
//
// An engine runs up to `limit` of the process's libtpms instances, all booted from the token's one permanent state: a
// key wrapped by one loads in the others, so threads work in parallel, each on an instance of its own. Commands that do
// not store (create, load, sign, decrypt, random, NV read) run through `use`. Commands that store (NV define / write /
// increment, EvictControl, …) run through `change`, between the store's lock and the store's commit, as
// docs/architecture.md shows. Instances move between engines, least recently used first.
//
// TPM words only: no PKCS#11, no store. Thread-safe. Faults throw Error: kTpm (unexpected response code, in the
// sentence), kTpmFailure (the instance died; it is re-booted at the next use), kNvFull, kNvExists, kAuthFailed,
// kNotFound.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "tpm/engine/booted_tpm.h"

namespace vtpm::tpm {

/// The committed permanent state, as its owner keeps it. Called from any thread.
class PermanentStateSource {
 public:
  virtual ~PermanentStateSource() = default;
  /// Changes whenever anyone, in any process, has committed a new state. Cheap; never 0.
  virtual uint64_t version() = 0;
  struct State {
    uint64_t version = 0;
    SecretBytes permanent;  // libtpms "permall" blob
  };
  virtual State load() = 0;
};

class Engine {
 public:
  explicit Engine(std::shared_ptr<PermanentStateSource> source, unsigned limit = 8);
  ~Engine();

  /// Makes a new TPM (seeds, an ECC P-256 storage root key persisted at 0x81000001) and returns its permanent state.
  /// `furnish` may add to it and look at it before that.
  static SecretBytes manufacture(const std::function<void(BootedTpm&)>& furnish = {});

  /// Boots a state that belongs to nobody's engine, runs `work`, and returns the permanent state that it then has.
  static SecretBytes visit(ByteView permanent, const std::function<void(BootedTpm&)>& work);

  /// Runs `work(BootedTpm&)` on some free instance. The state it was booted from may be older than the newest: right
  /// for keys, which every state loads.
  template <typename F>
  auto use(F&& work) {
    return run<F>(std::forward<F>(work), Freshness::kAny);
  }
  /// The same on an instance that holds the newest committed state: for whatever reads NV.
  template <typename F>
  auto use_current(F&& work) {
    return run<F>(std::forward<F>(work), Freshness::kCurrent);
  }
  /// Storing commands. The caller holds the store's lock; the instance is brought to the newest state first. Returns
  /// the permanent state to be committed; afterwards exactly one of `committed` (with the version that
  /// `PermanentStateSource` will report for it) or `discard` (the instance is re-booted from the committed state) must
  /// follow before the lock goes. When `work` throws, nothing was changed that survives, and neither call is needed.
  SecretBytes change(const std::function<void(BootedTpm&)>& work);
  void committed(uint64_t version);
  void discard();

  /// A key is no more (tpm/engine/loaded_keys.h): it is flushed from the instances that are free, from busy ones before
  /// their next use. Not from inside of `use`.
  void drop_key(uint64_t id) noexcept;

  /// Logout: terminates the instances, wipes their memory and their key caches. The engine can be used again.
  void forget();
  /// Child side of fork: every instance re-boots before its next use (its random generator must not repeat).
  void after_fork() noexcept;

 private:
  enum class Freshness { kAny, kCurrent };
  struct Impl;
  class Lease;  // an instance held by the current thread
  template <typename F>
  auto run(F&& work, Freshness freshness) {
    using Result = decltype(work(std::declval<BootedTpm&>()));
    if constexpr (std::is_void_v<Result>) {
      run_erased([&](BootedTpm& tpm) { work(tpm); }, freshness);
    } else {
      std::optional<Result> result;
      run_erased([&](BootedTpm& tpm) { result.emplace(work(tpm)); }, freshness);
      return std::move(*result);
    }
  }
  void run_erased(const std::function<void(BootedTpm&)>& work, Freshness freshness);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtpm::tpm
