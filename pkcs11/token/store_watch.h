// SPDX-License-Identifier: Apache-2.0
// Whether the token's store is still the one that was opened, and how each call catches up with it.
//
// Any process can remove a store, initialize it anew (C_InitToken), or replace it with an older copy of itself. Every
// function may be called by several threads at the same time.
#pragma once

#include <atomic>
#include <memory>

#include "store/vault/vault.h"

namespace vtpm::pkcs11 {

class StoreWatch {
 public:
  explicit StoreWatch(std::shared_ptr<store::Vault> vault) : vault_(std::move(vault)) {}

  /// Catches up with other processes: one comparison when nothing changed. Takes no lock of the token, so that threads
  /// that sign can call it at the same time. Throws Refusal CKR_DEVICE_REMOVED once the store is gone, Error.
  void refresh();
  /// The same after this call has committed a change. A timeout while another process holds a lock is only logged, so
  /// that a committed change does not look like a failure.
  void refresh_after_change();
  /// Whether the store was removed or initialized anew. Once true, it stays true.
  bool removed() const { return removed_; }
  void mark_removed() { removed_ = true; }
  /// Must be called before a counter or NV area is used. Throws Refusal CKR_DEVICE_ERROR if an older copy of the store
  /// was put in its place.
  void refuse_rolled_back();

 private:
  void report_rollback();

  const std::shared_ptr<store::Vault> vault_;
  std::atomic<bool> removed_{false};
  std::atomic<uint64_t> rollbacks_reported_{0};
};

}  // namespace vtpm::pkcs11
