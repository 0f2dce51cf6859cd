// SPDX-License-Identifier: Apache-2.0
// What a store says of the token in it: the entry token/info (docs/format.md, "PKCS#11 objects").
#pragma once

#include <cstdint>
#include <string>

#include "pkcs11/cryptoki/cryptoki.h"
#include "store/vault/vault.h"

namespace vtpm::pkcs11 {

struct Identity {
  std::string label;   // 32 bytes, blank-padded
  std::string serial;  // 16 hexadecimal digits; empty for a new token: then it comes from the UUID
  CK_SLOT_ID slot = 0;
  uint64_t created = 0;  // when the token was first made, seconds since 1970; 0: now
};

/// Throws Error: kNotAStore (the store holds no token), kCorrupt.
Identity read_identity(const store::Vault& vault);
/// Records what does not come from the store's header.
void put_identity(store::Transaction& transaction, const Identity& identity);
/// Gives the token in an unlocked store another label, 32 bytes, blank-padded. Throws Error: kLocked, kReadOnly …
void change_label(store::Vault& vault, const std::string& label);
/// 32 bytes, blank-padded, without the blanks.
std::string trimmed(std::string label);

}  // namespace vtpm::pkcs11
