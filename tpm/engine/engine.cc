// SPDX-License-Identifier: Apache-2.0
#include "tpm/engine/engine.h"

#include <atomic>
#include <list>
#include <mutex>
#include <thread>

#include "base/process.h"
#include "tpm/engine/pool.h"
#include "tpm/engine/storage_root.h"
#include "tpm/host/device.h"

namespace vtpm::tpm {

struct Engine::Impl {
  Impl(std::shared_ptr<PermanentStateSource> source_in, unsigned limit_in)
      : source(std::move(source_in)), limit(limit_in) {}

  std::shared_ptr<PermanentStateSource> source;
  unsigned limit;

  // Changes that are neither committed nor discarded yet, each with its slot and the thread that made it. Other threads
  // cannot get the slot; that thread's own commands run on it and see what it changed. There may be several: the
  // store's lock goes before the commit is synced, so the next change begins while the last one is not settled.
  struct Change {
    std::thread::id thread;
    Hold hold;
  };
  std::mutex changes_mutex;
  std::list<Change> changes;
  std::atomic<unsigned> change_count = 0;  // so that the signing path takes no mutex

  /// The slot of this thread's change; null when it has made none. Nobody else touches it.
  Hold* pending();
  Hold ready(Freshness freshness);
  void settle(uint64_t version);
};

Hold* Engine::Impl::pending() {
  if (change_count.load(std::memory_order_relaxed) == 0) return nullptr;  // a thread sees its own change in any case
  const std::lock_guard lock(changes_mutex);
  for (Change& change : changes) {
    if (change.thread == std::this_thread::get_id()) return &change.hold;
  }
  return nullptr;
}

/// A slot that holds a state as new as was asked for. The source is only asked while no slot is held: it may take locks
/// that the holder of a slot must not wait for.
Hold Engine::Impl::ready(Freshness freshness) {
  const uint64_t wanted = freshness == Freshness::kCurrent ? source->version() : 0;
  std::optional<PermanentStateSource::State> loaded;
  for (;;) {
    Hold hold = Pool::get().acquire(this, limit, loaded ? loaded->version : wanted);
    const uint64_t version = hold->version;
    if (version != 0 && hold->device->alive() && hold->process == this_process()) {
      hold->flush_buried();
      if (freshness == Freshness::kAny || version == wanted || (loaded && version == loaded->version)) return hold;
    }
    if (loaded) {
      hold->version = 0;
      hold->commands.power_on(loaded->permanent);
      hold->process = this_process();
      hold->version = loaded->version;
      return hold;
    }
    hold = {};
    loaded = source->load();
  }
}

/// Ends the pending change; the slot holds `version` now (0: it must be powered on again).
void Engine::Impl::settle(uint64_t version) {
  Hold* const hold = pending();
  if (hold == nullptr) return;
  (*hold)->version = version;
  const std::lock_guard lock(changes_mutex);
  changes.remove_if([&](const Change& change) { return &change.hold == hold; });
  --change_count;
}

Engine::Engine(std::shared_ptr<PermanentStateSource> source, unsigned limit)
    : impl_(std::make_unique<Impl>(std::move(source), limit)) {}

Engine::~Engine() { forget(); }

namespace {

/// A slot for a while. Its own address makes an owner that nobody else is; the instance is vacated, whatever happens.
struct Visitor {
  Hold hold = Pool::get().acquire(this, 1, 0);
  ~Visitor() { hold->vacate(); }
};

}  // namespace

SecretBytes Engine::manufacture(const std::function<void(BootedTpm&)>& furnish) {
  Visitor visitor;
  BootedTpm& tpm = visitor.hold->commands;
  tpm.power_on_new();
  create_storage_root(tpm);
  if (furnish) furnish(tpm);
  return visitor.hold->device->permanent();
}

SecretBytes Engine::visit(ByteView permanent, const std::function<void(BootedTpm&)>& work) {
  Visitor visitor;
  visitor.hold->commands.power_on(permanent);
  work(visitor.hold->commands);
  return visitor.hold->device->permanent();
}

void Engine::run_erased(const std::function<void(BootedTpm&)>& work, Freshness freshness) {
  if (Hold* const pending = impl_->pending()) return work((*pending)->commands);
  const Hold hold = impl_->ready(freshness);
  // A command that stored nevertheless (a dictionary-attack event, say) has left a state that is nobody's: the next use
  // starts from the committed one.
  struct Check {
    Slot& slot;
    ~Check() {
      if (!slot.device->alive() || slot.device->take_stored()) slot.version = 0;
    }
  } check{*hold.slot};
  work(hold->commands);
}

SecretBytes Engine::change(const std::function<void(BootedTpm&)>& work) {
  Hold* pending = impl_->pending();
  if (pending == nullptr) {
    Hold hold = impl_->ready(Freshness::kCurrent);
    const std::lock_guard lock(impl_->changes_mutex);
    pending = &impl_->changes.emplace_back(Impl::Change{std::this_thread::get_id(), std::move(hold)}).hold;
    ++impl_->change_count;
  }
  try {
    work((*pending)->commands);
    Device& device = *(*pending)->device;
    std::optional<SecretBytes> stored = device.take_stored();
    return stored ? std::move(*stored) : device.permanent();
  } catch (...) {
    impl_->settle(0);
    throw;
  }
}

void Engine::committed(uint64_t version) { impl_->settle(version); }

void Engine::discard() { impl_->settle(0); }

void Engine::drop_key(uint64_t id) noexcept {
  try {
    const Hold* const mine = impl_->pending();
    Pool::get().for_each(impl_.get(), [&](Slot& slot) {
      slot.bury(id);
      if (mine != nullptr && mine->slot == &slot) return;
      const std::unique_lock lock(slot.mutex, std::try_to_lock);
      // Of a slot that must be powered on again, or was by another process, nothing is used any more.
      if (lock && slot.owner == impl_.get() && slot.version != 0 && slot.process == this_process()) slot.flush_buried();
    });
  } catch (...) {
    // No memory: the key stays loaded until it is pushed out, or until logout.
  }
}

void Engine::forget() {
  discard();
  Pool::get().release_all(impl_.get());
}

void Engine::after_fork() noexcept {
  // The holder of a pending change may not exist in the child; its lock is part of the pool's that the fork gate keeps.
  Pool::get().for_each(impl_.get(), [](Slot& slot) { slot.version = 0; });
}

}  // namespace vtpm::tpm
