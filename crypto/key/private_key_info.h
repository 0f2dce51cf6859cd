// SPDX-License-Identifier: Apache-2.0
// PKCS #8: private keys as octets that other programs understand (RFC 5208, RFC 5958; RSA: RFC 8017, A.1.2, EC: RFC
// 5915, Edwards and Montgomery: RFC 8410, DSA and DH: PKCS #11, "wrapping and unwrapping private keys").
#pragma once

#include <memory>

#include "crypto/key/software_key.h"

namespace vtpm::crypto {

/// DER PrivateKeyInfo, version 0.
SecretBytes private_key_info(const SoftwareKey& key);
/// Every number is checked as on import. Throws kInvalidArgument for anything else than exactly one PrivateKeyInfo of a
/// type and a named curve that we know.
std::unique_ptr<SoftwareKey> from_private_key_info(ByteView der);

}  // namespace vtpm::crypto
