// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/store_watch.h"

#include "base/settings/log.h"
#include "base/waiting.h"
#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {

void StoreWatch::refresh() {
  refuse_if(removed_, CKR_DEVICE_REMOVED, "the store of this token was removed or initialized anew");
  try {
    vault_->refresh();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kReplaced) throw;
    removed_ = true;
    refuse(CKR_DEVICE_REMOVED, error.sentence());
  }
  report_rollback();
}

void StoreWatch::refresh_after_change() {
  const WaitPolicy::Keep not_reported_yet;
  try {
    refresh();
  } catch (const LockTimeout& timeout) {
    log_line(LogLevel::kWarning, timeout.sentence());
  }
}

// Reports each rollback once.
void StoreWatch::report_rollback() {
  const uint64_t seen = vault_->rollbacks();
  if (seen == rollbacks_reported_ || rollbacks_reported_.exchange(seen) == seen) return;
  log_line(LogLevel::kError, vault_->path() + ": an older copy of the store was put in its place (its entry " +
                                 vault_->rolled_back_name() +
                                 " is not the one that was read before): counters and NV areas are refused to this " +
                                 "process until it calls C_Finalize");
}

void StoreWatch::refuse_rolled_back() {
  report_rollback();
  refuse_if(vault_->rollbacks() != 0, CKR_DEVICE_ERROR,
            "an older copy of the store was put in its place: counters and NV areas cannot be trusted");
}

}  // namespace vtpm::pkcs11
