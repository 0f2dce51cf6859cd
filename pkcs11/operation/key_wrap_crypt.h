// SPDX-License-Identifier: Apache-2.0
// AES key wrap as encryption in one part (PKCS#11 3.2, 6.16): KW (RFC 3394), KW after PKCS #7 padding, and KWP (RFC
// 5649). CKM_AES_KEY_WRAP_PAD is KWP; it also unwraps KW after PKCS #7 padding.
#pragma once

#include "pkcs11/operation/crypt.h"

namespace vtpm::pkcs11 {

/// `key`: the value of a key that fits the row. Throws Refusal CKR_MECHANISM_PARAM_INVALID.
std::unique_ptr<Crypt> make_key_wrap_crypt(const Mechanism& row, const CK_MECHANISM& mechanism, ByteView key,
                                           crypto::Direction direction);

}  // namespace vtpm::pkcs11
