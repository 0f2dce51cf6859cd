// SPDX-License-Identifier: Apache-2.0
// PKCS #8, the encoding of private keys that other programs read (RFC 5208, RFC 5958; RSA: RFC 8017, A.1.2; EC: RFC
// 5915; Edwards and Montgomery: RFC 8410; DSA and DH: PKCS#11 3.2, section 6.7).
#pragma once

#include <memory>

#include "crypto/key/software_key.h"

namespace vtpm::crypto {

/// DER PrivateKeyInfo, version 0.
SecretBytes private_key_info(const SoftwareKey& key);
/// Checks every number as an import does. Throws kInvalidArgument unless `der` is exactly one PrivateKeyInfo of a
/// supported type and named curve.
std::unique_ptr<SoftwareKey> from_private_key_info(ByteView der);

}  // namespace vtpm::crypto
