// SPDX-License-Identifier: Apache-2.0
// EdDSA with a context, or over a digest of the message (RFC 8032: Ed25519ctx, Ed25519ph, Ed448 with a context,
// Ed448ph), over libcrypto's curve arithmetic. Private to crypto/.
//
// OpenSSL 3.0 has the pure forms only, and those stay its own. What is secret here (the nonce, the key's scalar and
// prefix) lives in numbers that are wiped and is computed with in constant time: libcrypto's ladder, fixed-top division
// and multiplication.
#pragma once

#include "crypto/key/key.h"

namespace vtpm::crypto {

/// `key`: private octets of RFC 8032, `point`: its public half, `message`: the digest of EddsaMode::digest when
/// prehashed. Deterministic.
Bytes eddsa_sign_by_curve(Curve curve, ByteView key, ByteView point, ByteView message, const EddsaMode& mode);
/// As strict as 5.1.7 allows: S below the order, the point canonical, and [S]B = R + [k]A without the cofactor, which
/// R's octets must be equal to.
bool eddsa_verify_by_curve(Curve curve, ByteView point, ByteView message, ByteView signature, const EddsaMode& mode);

}  // namespace vtpm::crypto
