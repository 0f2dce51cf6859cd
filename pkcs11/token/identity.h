// SPDX-License-Identifier: Apache-2.0
// The identity of the token in a store: the entry token/info (docs/format.md, "PKCS#11 objects").
#pragma once

#include <cstdint>
#include <string>

#include "pkcs11/cryptoki/cryptoki.h"
#include "store/vault/vault.h"

namespace vtpm::pkcs11 {

struct Identity {
  std::string label;   // 32 bytes, blank-padded
  std::string serial;  // 16 hexadecimal digits; empty for a new token, whose serial number is made from the UUID
  CK_SLOT_ID slot = 0;
  uint64_t created = 0;  // the time at which the token was first made, in seconds since 1970; 0: now
};

/// Reads the identity. Throws Error: kNotAStore (the store contains no token), kCorrupt.
Identity read_identity(const store::Vault& vault);
/// Writes the part of the identity that is not in the store's header.
void put_identity(store::Transaction& transaction, const Identity& identity);
/// Changes the label of the token in an unlocked store. `label`: 32 bytes, blank-padded. Throws Error: kLocked,
/// kReadOnly …; then the label is unchanged.
void change_label(store::Vault& vault, const std::string& label);
/// A blank-padded label without the blanks.
std::string trimmed(std::string label);

}  // namespace vtpm::pkcs11
