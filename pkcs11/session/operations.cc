// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/operations.h"

#include <algorithm>

namespace vtpm::pkcs11 {

void Operations::cancel(CK_FLAGS kinds) noexcept {
  for (const OperationKindRow& row : kOperationKinds) {
    if (kinds & row.flag) end(row.kind);
  }
}

bool Operations::any(Saving saving) const noexcept {
  return std::any_of(std::begin(kOperationKinds), std::end(kOperationKinds),
                     [&](const OperationKindRow& row) { return row.saving == saving && at(row.kind); });
}

KeyUse* Operations::waiting_for_pin() const noexcept {
  for (auto any = active_.rbegin(); any != active_.rend(); ++any) {
    KeyUse* const use = *any ? (*any)->use() : nullptr;
    if (use && use->needs_authentication) return use;
  }
  return nullptr;
}

}  // namespace vtpm::pkcs11
