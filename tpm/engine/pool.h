// SPDX-License-Identifier: Apache-2.0
// The TPM devices of the process, and which engine uses which of them.
//
// `make_devices` (tpm/host/devices.h) makes all of them. An engine takes more devices as long as its threads need them
// at the same time. If none is free, the least recently used device of another engine moves to it. A device that moves
// is turned off, which wipes it.
//
// Locks. Each slot has a mutex, which is held while the device works. It is tried first, so that threads spread over
// the slots. The pool's own mutex is held only while owners change, never during a wait for a slot, and never by an
// engine that finds one of its slots free. No function of an engine's PermanentStateSource is called under either.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "tpm/engine/booted_tpm.h"
#include "tpm/host/device.h"

namespace vtpm::tpm {

/// One device. The holder of `mutex` uses everything in it. Other threads may read the atomics, as a hint; only the
/// holder writes `owner`, and 0 is the only value that another thread writes into `version`.
struct Slot {
  explicit Slot(std::unique_ptr<Device> made) : device(std::move(made)), commands(*device) {}

  std::mutex mutex;
  std::atomic<const void*> owner = nullptr;
  std::atomic<uint64_t> version = 0;  // of the committed state in the device; 0: must be powered on before its next use
  std::atomic<int64_t> last_used = 0;  // steady clock, nanoseconds
  int process = 0;                     // has powered it on; in another one it would repeat random numbers
  const std::unique_ptr<Device> device;
  BootedTpm commands;

  /// Leaves the id of a deleted key here, so that the next holder flushes it. Any thread may call it.
  void bury(uint64_t key);
  /// Flushes the keys whose ids were left here. Called by the holder.
  void flush_buried();

  /// Turns the device off and wipes what is known of its keys. The slot has no owner then.
  void vacate() noexcept;

 private:
  std::mutex buried_mutex_;
  std::vector<uint64_t> buried_;
  std::atomic<bool> any_buried_ = false;  // so that the signing path takes no mutex
};

/// A slot that this thread holds, until the object is destroyed.
struct Hold {
  Slot* slot = nullptr;
  std::unique_lock<std::mutex> lock;
  Slot* operator->() const { return slot; }
};

class Pool {
 public:
  /// The pool of the process. The first call makes it; it is never destroyed, so that no code runs at exit.
  static Pool& get();

  /// Returns a slot of `owner`, the address of an engine, which owns at most `limit` slots afterwards. Waits while all
  /// slots are busy. `preferred`: among free slots, one with this version is preferred; 0: any. The device may be off.
  Hold acquire(const void* owner, unsigned limit, uint64_t preferred);
  /// Vacates all slots of `owner`. Waits for those that are busy.
  void release_all(const void* owner) noexcept;
  /// Calls `action` for each slot of `owner` without its lock: `action` uses the atomics only, or locks the slot.
  void for_each(const void* owner, const std::function<void(Slot&)>& action);
  size_t size() const { return slots_.size(); }

 private:
  Pool();
  Hold try_own(const void* owner, uint64_t preferred);
  Hold try_take(const void* owner, unsigned limit);
  Hold wait(const void* owner);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<unsigned> turn_ = 0;
};

}  // namespace vtpm::tpm
