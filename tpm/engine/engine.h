// SPDX-License-Identifier: Apache-2.0
// The TPM of one token.
//
// An engine runs up to `limit` of the process's devices (tpm/engine/pool.h), all booted from the token's one permanent
// state. A key that one of them has wrapped loads in the others, so threads work in parallel, each on a device of its
// own. Devices move between engines, least recently used first.
//
// Commands that do not store (create, load, sign, decrypt, random, NV read) run through `use` or `use_current`.
// Commands that store (NV define, write and increment, EvictControl, …) run through `change`, whose caller commits the
// state that it returns (docs/architecture.md, "C_CreateObject of a data object on NV").
//
// The engine knows neither PKCS#11 nor stores. It is thread-safe. Faults throw Error: kTpm (unexpected response code,
// which the sentence contains), kTpmFailure or kNoMemory (the device is dead; its next use boots it again), kNvFull,
// kNvExists, kAuthFailed, kNotFound, and what the PermanentStateSource throws.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "tpm/engine/booted_tpm.h"

namespace vtpm::tpm {

/// Where an engine finds the committed permanent state. Its owner implements it. Any thread calls it; the engine holds
/// no lock of its own meanwhile, because the source may wait for locks.
class PermanentStateSource {
 public:
  virtual ~PermanentStateSource() = default;
  /// The version of the newest state that any process has committed before the call began. Different states have
  /// different versions; never 0. It is called before every use of the newest state, so it must be cheap.
  virtual uint64_t version() = 0;
  struct State {
    uint64_t version = 0;
    SecretBytes permanent;  // libtpms' blob ("permall")
  };
  /// The newest state and its version. Throws Error if it cannot be read.
  virtual State load() = 0;
};

class Engine {
 public:
  /// Boots nothing. `limit`: the number of devices that the engine uses at the same time at most, at least 1.
  explicit Engine(std::shared_ptr<PermanentStateSource> source, unsigned limit = 8);
  /// As `forget`. No thread may be inside a call.
  ~Engine();

  // --- states that belong to no engine: each call takes a device for its duration and turns it off at the end ---

  /// Makes a new TPM: fresh seeds, and an ECC P-256 storage root key that is persisted at 0x81000001
  /// (tpm/engine/storage_root.h). `furnish`, if given, then changes or reads it. Returns the permanent state.
  static SecretBytes manufacture(const std::function<void(BootedTpm&)>& furnish = {});
  /// Boots `permanent` and runs `work` on it. What `work` changes is lost, unless `work` takes it from the device.
  static void inspect(ByteView permanent, const std::function<void(BootedTpm&)>& work);
  /// The same, and returns the permanent state that `work` leaves. That differs from `permanent` even if `work` changes
  /// nothing, because each boot counts.
  static SecretBytes visit(ByteView permanent, const std::function<void(BootedTpm&)>& work);

  // --- this token's TPM ---

  /// Runs `work(BootedTpm&)` on a free device and returns its result; waits while all devices are busy. The device may
  /// hold an older state than the newest one. That is right for keys, which load in every state. `work` must not call
  /// this engine. What it makes the TPM store is discarded afterwards.
  template <typename F>
  auto use(F&& work) {
    return run<F>(std::forward<F>(work), Freshness::kAny);
  }
  /// The same on a device that holds the newest committed state (PermanentStateSource::version): for what reads NV.
  template <typename F>
  auto use_current(F&& work) {
    return run<F>(std::forward<F>(work), Freshness::kCurrent);
  }

  /// Runs commands that store and returns the permanent state to be committed. It begins with the newest committed
  /// state, or with what this thread's pending change has made of it: several calls may make one change.
  ///
  /// Contract with the caller:
  ///   - The caller holds the store's lock from before the first call until the state is committed, so that the state
  ///     is based on what it replaces. (On a store without a lock, the commit compares: Vault::change.)
  ///   - The change is pending until the same thread calls `committed` or `discard`, exactly one of them. It must call
  ///     one whatever happens to the commit, and before it begins another change. It may do so after the lock was
  ///     released: meanwhile other threads use other devices, and their changes begin with the committed state.
  ///   - While the change is pending, `use` and `use_current` of this thread run on it, without asking for a version.
  /// If `work` throws, the exception comes out, the pending change is discarded, and neither call is needed.
  SecretBytes change(const std::function<void(BootedTpm&)>& work);
  /// The pending change of this thread was committed as the version `version`, which PermanentStateSource reports for
  /// this state and no other. The device goes on without a reload. Does nothing if no change is pending.
  void committed(uint64_t version);
  /// Takes the pending change of this thread back: the device boots the committed state before its next use. Does
  /// nothing if no change is pending.
  void discard();

  /// The key `id` (tpm/engine/loaded_keys.h) was deleted. It is flushed from free devices now and from busy ones before
  /// their next use. Must not be called inside `use`. If memory runs out, the key stays loaded until another one takes
  /// its place, or until `forget`.
  void drop_key(uint64_t id) noexcept;

  /// At logout: discards the pending change of this thread and turns the engine's devices off, which wipes their memory
  /// and their cached keys. Waits for devices that are busy. The engine can be used again.
  void forget();
  /// In the child of a fork: every device boots again before its next use, because its random generator would repeat
  /// the parent's numbers.
  void after_fork() noexcept;

 private:
  enum class Freshness { kAny, kCurrent };
  struct Impl;
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
