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

  // The pending changes, each with its slot and the thread that has made it. Other threads cannot get the slot; the
  // commands of that thread run on it and see what it has changed. There may be several: the store's lock is released
  // before the commit is synced, so another thread's change begins while this one is pending.
  struct Change {
    std::thread::id thread;
    Hold hold;
  };
  std::mutex changes_mutex;
  std::list<Change> changes;
  std::atomic<unsigned> change_count = 0;  // so that the signing path takes no mutex

  /// The slot of this thread's pending change, which only this thread uses; null if it has none.
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

/// A slot that holds a state as new as `freshness` asks for. The source is called only while no slot is held, because
/// it may take locks for which the holder of a slot must not wait.
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

/// Ends this thread's pending change. The slot holds `version` then; 0: it must be powered on before its next use.
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

/// A slot that no engine owns for the lifetime of this: its own address is the owner. The slot is vacated at the end.
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

void Engine::inspect(ByteView permanent, const std::function<void(BootedTpm&)>& work) {
  Visitor visitor;
  visitor.hold->commands.power_on(permanent);
  work(visitor.hold->commands);
}

SecretBytes Engine::visit(ByteView permanent, const std::function<void(BootedTpm&)>& work) {
  SecretBytes left;
  inspect(permanent, [&](BootedTpm& tpm) {
    work(tpm);
    left = tpm.device().permanent();
  });
  return left;
}

void Engine::run_erased(const std::function<void(BootedTpm&)>& work, Freshness freshness) {
  if (Hold* const pending = impl_->pending()) return work((*pending)->commands);
  const Hold hold = impl_->ready(freshness);
  // A command that stored all the same (a dictionary-attack event, for instance) has left a state that nothing commits:
  // the next use boots the committed state.
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
      // A slot that must be powered on before its next use, or was powered on by another process, has no usable keys.
      if (lock && slot.owner == impl_.get() && slot.version != 0 && slot.process == this_process()) slot.flush_buried();
    });
  } catch (...) {
    // Memory ran out: the key stays loaded until another one takes its place, or until `forget`.
  }
}

void Engine::forget() {
  discard();
  Pool::get().release_all(impl_.get());
}

void Engine::after_fork() noexcept {
  // The thread of a pending change may not exist in the child. The fork gate (pkcs11/session/module.cc) lets no fork
  // happen while a change is pending.
  Pool::get().for_each(impl_.get(), [](Slot& slot) { slot.version = 0; });
}

}  // namespace vtpm::tpm
