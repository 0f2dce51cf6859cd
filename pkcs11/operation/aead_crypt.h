// SPDX-License-Identifier: Apache-2.0
// Authenticated encryption behind C_Encrypt and C_Decrypt (PKCS#11 3.2, 5.8, 5.10 and 6.13). The tag follows the
// cipher text. Decryption returns no plain text before it has checked the tag, so that a message in parts comes out of
// C_DecryptFinal as a whole.
#pragma once

#include "pkcs11/operation/crypt.h"

namespace vtpm::pkcs11 {

/// `row` is an AEAD; `key` is the value of a key that fits it. Copies what the parameter points to. Throws Refusal
/// CKR_MECHANISM_PARAM_INVALID.
std::unique_ptr<Crypt> make_aead_crypt(const Mechanism& row, const CK_MECHANISM& mechanism, ByteView key,
                                       crypto::Direction direction);

}  // namespace vtpm::pkcs11
