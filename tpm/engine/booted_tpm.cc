// SPDX-License-Identifier: Apache-2.0
#include "tpm/engine/booted_tpm.h"

#include <optional>

#include "tpm/engine/storage_root.h"

namespace vtpm::tpm {

uint32_t BootedTpm::storage_root() {
  if (root_session_ != session() || storage_root_ == 0) {
    derived_root_ = Handle();  // belongs to a session that has ended, so nothing is flushed
    storage_root_ = 0;
    root_session_ = session();
    const std::optional<uint32_t> found = find_storage_root(*this);
    if (!found) derived_root_ = derive_storage_root(*this);
    storage_root_ = found.value_or(derived_root_.value());
  }
  return storage_root_;
}

void BootedTpm::forget_keys() noexcept {
  derived_root_ = Handle();
  storage_root_ = 0;
  keys_.clear();
}

}  // namespace vtpm::tpm
