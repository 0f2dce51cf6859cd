// SPDX-License-Identifier: Apache-2.0
#include "tpm/engine/pool.h"

#include <algorithm>
#include <chrono>

#include "tpm/host/devices.h"

namespace vtpm::tpm {

namespace {

// An engine that has a device already takes another engine's device only after that was idle for so long (nanoseconds).
// Otherwise two busy tokens would take devices from each other at every call, and each move costs 1.5 ms of self-tests.
constexpr int64_t kIdle = 1'000'000'000;

int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

}  // namespace

void Slot::bury(uint64_t key) {
  const std::lock_guard lock(buried_mutex_);
  buried_.push_back(key);
  any_buried_ = true;
}

void Slot::flush_buried() {
  if (!any_buried_) return;
  std::vector<uint64_t> keys;
  {
    const std::lock_guard lock(buried_mutex_);
    keys.swap(buried_);
    any_buried_ = false;
  }
  for (const uint64_t key : keys) commands.keys().forget(key);
}

void Slot::vacate() noexcept {
  commands.power_off();
  commands.forget_keys();
  version = 0;
  owner = nullptr;
}

Pool& Pool::get() {
  static Pool* pool = new Pool;
  return *pool;
}

Pool::Pool() {
  for (std::unique_ptr<Device>& device : make_devices()) slots_.push_back(std::make_unique<Slot>(std::move(device)));
}

Hold Pool::acquire(const void* owner, unsigned limit, uint64_t preferred) {
  Hold hold = try_own(owner, preferred);
  if (hold.slot == nullptr) hold = try_take(owner, limit);
  while (hold.slot == nullptr) hold = wait(owner);
  hold->last_used.store(now(), std::memory_order_relaxed);
  return hold;
}

Hold Pool::try_own(const void* owner, uint64_t preferred) {
  for (const bool any : {preferred == 0, true}) {
    for (const auto& slot : slots_) {
      if (slot->owner.load(std::memory_order_relaxed) != owner) continue;
      if (!any && slot->version.load(std::memory_order_relaxed) != preferred) continue;
      std::unique_lock lock(slot->mutex, std::try_to_lock);
      if (lock.owns_lock() && slot->owner == owner) return {slot.get(), std::move(lock)};
    }
  }
  return {};
}

Hold Pool::try_take(const void* owner, unsigned limit) {
  const std::lock_guard guard(mutex_);
  std::vector<Slot*> candidates;
  unsigned owned = 0;
  for (const auto& slot : slots_) {
    if (slot->owner == owner) {
      ++owned;
    } else {
      candidates.push_back(slot.get());
    }
  }
  if (owned >= limit && owned > 0) return {};
  // Slots without an owner come first, then the least recently used.
  std::sort(candidates.begin(), candidates.end(), [](const Slot* a, const Slot* b) {
    return std::pair(a->owner != nullptr, a->last_used.load()) < std::pair(b->owner != nullptr, b->last_used.load());
  });
  for (Slot* slot : candidates) {
    if (owned > 0 && slot->owner != nullptr && now() - slot->last_used < kIdle) continue;
    std::unique_lock lock(slot->mutex, std::try_to_lock);
    if (!lock.owns_lock()) continue;
    slot->vacate();
    slot->owner = owner;
    return {slot, std::move(lock)};
  }
  return {};
}

Hold Pool::wait(const void* owner) {
  std::vector<Slot*> own, all;
  for (const auto& slot : slots_) {
    all.push_back(slot.get());
    if (slot->owner == owner) own.push_back(slot.get());
  }
  // Waiting threads choose slots in turn, so that they do not all wait for the same one.
  const std::vector<Slot*>& from = own.empty() ? all : own;
  Slot* slot = from[turn_.fetch_add(1, std::memory_order_relaxed) % from.size()];
  std::unique_lock lock(slot->mutex);
  if (slot->owner == owner) return {slot, std::move(lock)};
  if (!own.empty()) return {};  // the slot has moved meanwhile: try again
  slot->vacate();
  slot->owner = owner;
  return {slot, std::move(lock)};
}

void Pool::release_all(const void* owner) noexcept {
  for (const auto& slot : slots_) {
    if (slot->owner != owner) continue;
    const std::lock_guard lock(slot->mutex);
    if (slot->owner == owner) slot->vacate();
  }
}

void Pool::for_each(const void* owner, const std::function<void(Slot&)>& action) {
  for (const auto& slot : slots_) {
    if (slot->owner == owner) action(*slot);
  }
}

}  // namespace vtpm::tpm
