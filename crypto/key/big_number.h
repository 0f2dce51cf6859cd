// SPDX-License-Identifier: Apache-2.0
// Conversion between bytes and OpenSSL's numbers. Private to crypto/.
#pragma once

#include <openssl/param_build.h>

#include "base/bytes.h"
#include "crypto/library/openssl.h"

namespace vtpm::crypto {

using ParameterBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Parameters = Owned<OSSL_PARAM, OSSL_PARAM_free>;

BigNumber public_number(ByteView bytes);
/// A number that OpenSSL processes in constant time and wipes when it is freed, also in copies made by a parameter
/// builder.
BigNumber secret_number(ByteView bytes = {});

/// Big-endian, without leading zeros.
Bytes big_endian_bytes(const BIGNUM* number);
/// Big-endian, left-padded to `size` bytes; 0: without leading zeros.
SecretBytes secret_big_endian_bytes(const BIGNUM* number, size_t size = 0);

/// EVP_PKEY_fromdata. `type`: "RSA" or "EC"; `selection`: EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEYPAIR. Returns null if
/// libcrypto rejects the numbers (for instance a point that is not on the curve).
Key key_from_parameters(const char* type, int selection, OSSL_PARAM_BLD* builder);
/// A number of a key (OSSL_PKEY_PARAM_…).
BigNumber number_of(const EVP_PKEY* key, const char* name);

}  // namespace vtpm::crypto
