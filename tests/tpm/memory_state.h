// SPDX-License-Identifier: Apache-2.0
// A committed permanent state in memory, in the place of a store. Several engines share it, as processes share a store.
#pragma once

#include <mutex>

#include "tpm/engine/engine.h"

namespace vtpm::tpm {

class MemoryState : public PermanentStateSource {
 public:
  MemoryState() : permanent_(Engine::manufacture()) {}
  explicit MemoryState(SecretBytes permanent) : permanent_(std::move(permanent)) {}

  uint64_t version() override {
    const std::lock_guard lock(mutex_);
    return version_;
  }
  State load() override {
    const std::lock_guard lock(mutex_);
    ++loads_;
    return {version_, permanent_.clone()};
  }
  uint64_t commit(SecretBytes permanent) {
    const std::lock_guard lock(mutex_);
    permanent_ = std::move(permanent);
    return ++version_;
  }
  unsigned loads() {
    const std::lock_guard lock(mutex_);
    return loads_;
  }

  /// Runs a command that stores as a token does: takes the store's lock, changes, commits.
  void change(Engine& engine, const std::function<void(BootedTpm&)>& work) {
    const std::lock_guard lock(store_);
    engine.committed(commit(engine.change(work)));
  }
  std::mutex& store() { return store_; }

 private:
  std::mutex store_;  // the store's lock
  std::mutex mutex_;
  SecretBytes permanent_;
  uint64_t version_ = 1;
  unsigned loads_ = 0;
};

}  // namespace vtpm::tpm
