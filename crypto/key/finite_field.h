// SPDX-License-Identifier: Apache-2.0
// DSA and Diffie-Hellman keys as OpenSSL objects. Private to crypto/.
#pragma once

#include "crypto/key/big_number.h"
#include "crypto/key/key.h"

namespace vtpm::crypto {

/// `type`: "DSA" or "DH". `value` may be empty (domain parameters only), `secret` null. `private_bits`: the length of
/// generated private values; 0: OpenSSL's choice. Throws kInvalidArgument if the numbers cannot be such a key.
Key finite_field_key(const char* type, const DomainParameters& domain, ByteView value, const BIGNUM* secret,
                     unsigned private_bits = 0);
/// Without leading zeros.
DomainParameters normalised(const DomainParameters& domain);
/// base^secret mod prime in constant time.
Bytes finite_field_power(const DomainParameters& domain, const BIGNUM* secret);
/// The public half of a DSA or DH key; nothing if it has no usable parameters.
std::optional<PublicKey> finite_field_public(KeyType type, const EVP_PKEY* key);

}  // namespace vtpm::crypto
