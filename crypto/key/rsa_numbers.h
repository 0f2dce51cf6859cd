// SPDX-License-Identifier: Apache-2.0
// Completing and checking the numbers of an RSA private key (RFC 8017, 3.2). Private to crypto/.
#pragma once

#include "crypto/key/big_number.h"
#include "crypto/key/software_key.h"

namespace vtpm::crypto {

/// All eight numbers: n = p q, e dP = 1 mod p-1, e dQ = 1 mod q-1, q qInv = 1 mod p.
struct RsaKeyNumbers {
  BigNumber n, e, d, p, q, dp, dq, qinv;
};
/// Computes the missing numbers; n, e and d are sufficient. Throws kInvalidArgument if the numbers are inconsistent.
/// Whether p and q are prime is not checked here, but by a trial of the key.
RsaKeyNumbers complete_rsa_numbers(const RsaNumbers& numbers);

/// Generates n, e, d and p of a new key whose modulus has exactly `bits` bits. `exponent`: odd and at least 3.
RsaNumbers make_rsa_numbers(unsigned bits, ByteView exponent);

}  // namespace vtpm::crypto
