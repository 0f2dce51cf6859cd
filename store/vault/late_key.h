// SPDX-License-Identifier: Apache-2.0
// The handlers that wait for the key of a vault (Vault::on_key).
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
  std::recursive_mutex running;  // held during a call; recursive, because a handler may end its own subscription
  std::atomic<bool> ended{false};
};

/// Thread-safe.
class KeyHandlers {
 public:
  using Handler = KeySubscription::Handler;
  void add(const std::shared_ptr<Handler>& handler);
  /// Calls every handler with the sealed entries below its prefix. Rethrows the first exception after all were called.
  void call(const Vault& vault);
  /// In the child of a fork: makes the locks again. No other thread may have been inside.
  void after_fork();

 private:
  std::vector<std::shared_ptr<Handler>> living();

  std::mutex mutex_;
  std::vector<std::weak_ptr<Handler>> handlers_;  // in the order of their registration
};

}  // namespace vtpm::store
