// SPDX-License-Identifier: Apache-2.0
// Key derivation: HKDF for keys from keys, Argon2id and PBKDF2 for keys from PINs. Others: crypto/kdf/kbkdf.h (SP
// 800-108), crypto/kdf/agreement_kdf.h (X9.63, SP 800-56A), crypto/kdf/tls_prf.h.
#pragma once

#include <cstdint>

#include "base/argon2_parameters.h"
#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

using vtpm::Argon2Parameters;

/// HKDF (RFC 5869), first half. An empty salt is one of as many zeros as the digest has octets.
SecretBytes hkdf_extract(Hash hash, ByteView salt, ByteView key);
/// HKDF, second half. `size` up to 255 digests, else kInvalidArgument.
SecretBytes hkdf_expand(Hash hash, ByteView extracted, ByteView info, size_t size);
/// HKDF-SHA-256, extract and expand. `size` up to 8160 octets.
SecretBytes hkdf(ByteView key, ByteView salt, ByteView info, size_t size);

/// Argon2id version 0x13 (RFC 9106). Runs in the calling thread whatever `lanes` says: the module creates no threads.
/// `salt` at least 8 octets. Throws kInvalidArgument outside the bounds, kNoMemory when there is too little memory.
SecretBytes argon2id(ByteView secret, ByteView salt, const Argon2Parameters& parameters, size_t size);

/// PBKDF2 with HMAC over any hash but BLAKE2b below 512 bits (RFC 8018), for keys that an application asks for: from
/// one iteration to 2^31 - 1.
SecretBytes pbkdf2(Hash hash, ByteView secret, ByteView salt, uint32_t iterations, size_t size);
/// The store's: PBKDF2-HMAC-SHA-256, within bounds that a hostile file can not exceed.
constexpr uint32_t kPbkdf2Least = 10'000, kPbkdf2Most = 10'000'000;
struct Pbkdf2Parameters {
  uint32_t iterations = 600'000;
};
/// Iterations out of bounds: kInvalidArgument.
SecretBytes pbkdf2(ByteView secret, ByteView salt, uint32_t iterations, size_t size);

/// PBKDF2-HMAC-SHA-512 with whatever iteration count a format of others prescribes; not for secrets of our own.
SecretBytes pbkdf2_sha512(ByteView secret, ByteView salt, uint32_t iterations, size_t size);

}  // namespace vtpm::crypto
