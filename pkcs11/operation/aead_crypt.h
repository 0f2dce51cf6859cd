// SPDX-License-Identifier: Apache-2.0
// Authenticated encryption behind C_Encrypt and C_Decrypt. The tag follows the cipher text; decryption puts nothing out
// before the tag was checked, so in parts everything comes with C_DecryptFinal.
#pragma once

#include "pkcs11/operation/crypt.h"

namespace vtpm::pkcs11 {

/// `key`: the value of a key that fits the row. Throws Refusal CKR_MECHANISM_PARAM_INVALID.
std::unique_ptr<Crypt> make_aead_crypt(const Mechanism& row, const CK_MECHANISM& mechanism, ByteView key,
                                       crypto::Direction direction);

}  // namespace vtpm::pkcs11
