// SPDX-License-Identifier: Apache-2.0
// Whether the token's store is still the one that was opened, and how each call catches up with it.
//
// A store can be removed, initialized anew (C_InitToken) or replaced by an older copy of itself by any process.
#pragma once

#include <atomic>
#include <memory>

#include "store/vault/vault.h"

namespace vtpm::pkcs11 {

class StoreWatch {
 public:
  explicit StoreWatch(std::shared_ptr<store::Vault> vault) : vault_(std::move(vault)) {}

  /// Catches up with other processes: one comparison when nothing changed. Takes no lock of the token's, so threads
  /// that sign do this at the same time. Throws Refusal CKR_DEVICE_REMOVED once the store is gone, Error.
  void refresh();
  /// The same after a change of this call, which is on the disk: that somebody holds the store up now must not make the
  /// change look like a failure.
  void refresh_after_change();
  /// Once true, always true: the store was removed or initialized anew.
  bool removed() const { return removed_; }
  void mark_removed() { removed_ = true; }
  /// Before what must not repeat. Throws Refusal CKR_DEVICE_ERROR where an older copy of the store was put back.
  void refuse_rolled_back();

 private:
  void tell_rollback();

  const std::shared_ptr<store::Vault> vault_;
  std::atomic<bool> removed_{false};
  std::atomic<uint64_t> rollbacks_told_{0};
};

}  // namespace vtpm::pkcs11
