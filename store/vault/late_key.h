// SPDX-License-Identifier: Apache-2.0
// Who waits for the key of a vault: Vault::on_key.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

struct KeySubscription::Handler {
  std::string prefix;
  Vault::Reload reload;
  std::recursive_mutex running;  // held around a call; by its own thread again when a handler ends its subscription
  std::atomic<bool> ended{false};
};

class KeyHandlers {
 public:
  using Handler = KeySubscription::Handler;
  void add(const std::shared_ptr<Handler>& handler);
  /// Calls every handler with what it waited for; rethrows the first fault when all have been called.
  void call(const Vault& vault);
  /// Child side: no other thread was inside.
  void after_fork();

 private:
  std::vector<std::shared_ptr<Handler>> living();

  std::mutex mutex_;
  std::vector<std::weak_ptr<Handler>> handlers_;  // in the order of their registration
};

}  // namespace vtpm::store
