// SPDX-License-Identifier: Apache-2.0
// RSA paddings of RFC 8017 around the raw operation, for keys in the TPM and in software alike.
//
// `size` is the modulus in octets (k), encoded blocks are k octets. Decoders of encrypted blocks run in time that does
// not depend on the contents and do not tell which check failed.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

/// EMSA-PKCS1-v1_5 over `payload` (a DigestInfo, or any octets for CKM_RSA_PKCS): at most k - 11 octets, else nothing.
std::optional<Bytes> pkcs1_sign_encode(ByteView payload, size_t size);
/// The payload of a signature block, or nothing.
std::optional<Bytes> pkcs1_sign_decode(ByteView block);
/// DER DigestInfo (RFC 8017, 9.2 note 1).
Bytes digest_info(Hash hash, ByteView digest);

/// RSAES-PKCS1-v1_5. Message at most k - 11 octets, else nothing.
std::optional<SecretBytes> pkcs1_encrypt_encode(ByteView message, size_t size);
std::optional<SecretBytes> pkcs1_encrypt_decode(ByteView block);

/// RSAES-OAEP with any pair of hashes and any label. Message at most k - 2h - 2 octets, else nothing.
struct OaepParameters {
  Hash hash = Hash::kSha1;
  Hash mgf = Hash::kSha1;
  Bytes label;
};
std::optional<SecretBytes> oaep_encode(ByteView message, size_t size, const OaepParameters& parameters);
std::optional<SecretBytes> oaep_decode(ByteView block, const OaepParameters& parameters);

/// EMSA-PSS with any salt length that fits. `modulus_bits` is the exact bit length; the block has ceil(bits / 8)
/// octets.
struct PssParameters {
  Hash hash = Hash::kSha256;
  Hash mgf = Hash::kSha256;
  size_t salt_octets = 32;
};
/// Nothing when the digest has the wrong size or the salt does not fit.
std::optional<Bytes> pss_encode(ByteView digest, size_t modulus_bits, const PssParameters& parameters);
/// Checks the salt length that was asked for.
bool pss_verify(ByteView digest, ByteView block, size_t modulus_bits, const PssParameters& parameters);

}  // namespace vtpm::crypto
