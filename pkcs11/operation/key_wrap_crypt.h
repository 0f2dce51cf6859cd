// SPDX-License-Identifier: Apache-2.0
// AES key wrap as encryption in one part: KW (RFC 3394), KW after PKCS #7 padding, KWP (RFC 5649). CKM_AES_KEY_WRAP_PAD
// is KWP, and unwraps KW after PKCS #7 padding too.
#pragma once

#include "pkcs11/operation/crypt.h"

namespace vtpm::pkcs11 {

/// Throws Refusal CKR_MECHANISM_PARAM_INVALID.
std::unique_ptr<Crypt> make_key_wrap_crypt(const Mechanism& row, const CK_MECHANISM& mechanism, ByteView key,
                                           crypto::Direction direction);

}  // namespace vtpm::pkcs11
