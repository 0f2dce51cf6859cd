// SPDX-License-Identifier: Apache-2.0
// DSA and Diffie-Hellman keys as OpenSSL holds them. Private to crypto/.
#pragma once

#include "crypto/key/big_number.h"
#include "crypto/key/key.h"

namespace vtpm::crypto {

/// `type` "DSA" or "DH". `value` may be empty (domain parameters alone), `secret` null. `private_bits`: how long
/// generated private values shall be; 0: as OpenSSL finds right. Throws kInvalidArgument when the numbers can be no
/// such key.
Key finite_field_key(const char* type, const DomainParameters& domain, ByteView value, const BIGNUM* secret,
                     unsigned private_bits = 0);
/// Without leading zeros.
DomainParameters normalised(const DomainParameters& domain);
/// base^secret mod prime in constant time.
Bytes finite_field_power(const DomainParameters& domain, const BIGNUM* secret);
/// The public half of a DSA or DH key; nothing when it has no parameters or they are unusable.
std::optional<PublicKey> finite_field_public(KeyType type, const EVP_PKEY* key);

}  // namespace vtpm::crypto
