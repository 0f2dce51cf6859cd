// SPDX-License-Identifier: Apache-2.0
// EdDSA with a context, or over a digest of the message (RFC 8032: Ed25519ctx, Ed25519ph, Ed448 with a context,
// Ed448ph), over libcrypto's curve arithmetic. Private to crypto/.
//
// OpenSSL 3.0 has the pure forms only, which it computes itself. The secret values (the nonce, the key's scalar and
// prefix) are kept in numbers that are wiped, and are used in constant time: libcrypto's ladder, fixed-top division and
// multiplication.
#pragma once

#include "crypto/key/key.h"

namespace vtpm::crypto {

/// `key`: the private key of RFC 8032; `point`: its public half; `message`: when prehashed, the digest of
/// EddsaMode::digest. Deterministic.
Bytes eddsa_sign_by_curve(Curve curve, ByteView key, ByteView point, ByteView message, const EddsaMode& mode);
/// As strict as section 5.1.7 allows: S must be below the order and the point canonical, and the encoding of [S]B -
/// [k]A, without the cofactor, must equal R.
bool eddsa_verify_by_curve(Curve curve, ByteView point, ByteView message, ByteView signature, const EddsaMode& mode);

}  // namespace vtpm::crypto
