// SPDX-License-Identifier: Apache-2.0
// Key derivation: HKDF for keys from keys, Argon2id and PBKDF2 for keys from PINs. `size` is in bytes. Others:
// crypto/kdf/kbkdf.h (SP 800-108), crypto/kdf/agreement_kdf.h (X9.63, SP 800-56A), crypto/kdf/tls_prf.h.
#pragma once

#include <cstdint>

#include "base/argon2_parameters.h"
#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

using vtpm::Argon2Parameters;

/// HKDF-Extract (RFC 5869). An empty salt means as many zeros as the digest has bytes.
SecretBytes hkdf_extract(Hash hash, ByteView salt, ByteView key);
/// HKDF-Expand. Throws kInvalidArgument for more than 255 digests.
SecretBytes hkdf_expand(Hash hash, ByteView extracted, ByteView info, size_t size);
/// HKDF-SHA-256, extract and expand. `size`: at most 8160.
SecretBytes hkdf(ByteView key, ByteView salt, ByteView info, size_t size);

/// Argon2id version 0x13 (RFC 9106). Runs in the calling thread for any number of lanes, because the module creates no
/// threads. `salt`: at least 8 bytes. Throws kInvalidArgument for parameters out of range, kNoMemory if the memory is
/// not available.
SecretBytes argon2id(ByteView secret, ByteView salt, const Argon2Parameters& parameters, size_t size);

/// PBKDF2 with HMAC over any hash except BLAKE2b below 512 bits (RFC 8018), for keys that an application requests: 1 to
/// 2^31 - 1 iterations.
SecretBytes pbkdf2(Hash hash, ByteView secret, ByteView salt, uint32_t iterations, size_t size);
/// PBKDF2-HMAC-SHA-256 of the store, with bounds that limit the work that a hostile file can cause.
constexpr uint32_t kPbkdf2Least = 10'000, kPbkdf2Most = 10'000'000;
struct Pbkdf2Parameters {
  uint32_t iterations = 600'000;
};
/// Throws kInvalidArgument for iterations out of range.
SecretBytes pbkdf2(ByteView secret, ByteView salt, uint32_t iterations, size_t size);

/// PBKDF2-HMAC-SHA-512 with the iteration count that another program's format prescribes; not for the store's own
/// secrets.
SecretBytes pbkdf2_sha512(ByteView secret, ByteView salt, uint32_t iterations, size_t size);

}  // namespace vtpm::crypto
