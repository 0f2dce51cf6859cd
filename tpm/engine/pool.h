// SPDX-License-Identifier: Apache-2.0
// The process's TPM devices and who uses which.
//
// There are as many as `make_devices` makes (tpm/host/devices.h). An engine takes more of them while its threads want
// to work at once; when none is free, the least recently used device of another engine moves. Moving turns it off,
// which wipes it.
//
// Locks: one mutex per slot, held while the device works and by `try_lock` first, so threads spread over the slots;
// and the pool's own mutex, held only while owners change, never together with waiting for a slot, never on the path
// of an engine that finds one of its slots free. Nothing of an engine's PermanentStateSource is called under either.
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

/// One device. Everything but the atomics belongs to the holder of `mutex`; `owner` and `version` are written by the
/// holder only and read by anyone as a hint.
struct Slot {
  explicit Slot(std::unique_ptr<Device> made) : device(std::move(made)), commands(*device) {}

  std::mutex mutex;
  std::atomic<const void*> owner = nullptr;
  std::atomic<uint64_t> version = 0;   // of the committed state that it holds; 0: must be powered on before use
  std::atomic<int64_t> last_used = 0;  // steady clock, nanoseconds
  int process = 0;                     // that powered it on: a forked child's copy would repeat its random numbers
  const std::unique_ptr<Device> device;
  BootedTpm commands;

  /// A key that is no more must not stay loaded: its id is left here by whoever does not hold the slot, and the next
  /// holder flushes it.
  void bury(uint64_t key);
  void flush_buried();

  /// Forgets everything; the slot is nobody's.
  void vacate() noexcept;

 private:
  std::mutex buried_mutex_;
  std::vector<uint64_t> buried_;
  std::atomic<bool> any_buried_ = false;  // so that the signing path takes no mutex
};

/// A slot that the current thread holds.
struct Hold {
  Slot* slot = nullptr;
  std::unique_lock<std::mutex> lock;
  Slot* operator->() const { return slot; }
};

class Pool {
 public:
  /// The one pool; made at the first use and never destroyed, so that nothing of ours runs at exit.
  static Pool& get();

  /// A slot of `owner`, which then owns at most `limit`. Waits while all are busy. `preferred`: of several free ones
  /// rather one that holds this version (0: any).
  Hold acquire(const void* owner, unsigned limit, uint64_t preferred);
  /// Vacates all slots of `owner`, waiting for those that are busy.
  void release_all(const void* owner) noexcept;
  /// Calls `action` for each slot that `owner` has, without its lock: for the atomics only.
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
