// SPDX-License-Identifier: Apache-2.0
// RSA paddings of RFC 8017 around the raw operation, for keys in the TPM and in software alike.
//
// `size` is the size of the modulus in bytes (k); encoded blocks have k bytes. The time of the decoders of encrypted
// blocks does not depend on the contents, and they do not reveal which check failed.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

/// EMSA-PKCS1-v1_5 over `payload` (a DigestInfo, or any bytes for CKM_RSA_PKCS); nothing if it exceeds k - 11 bytes.
std::optional<Bytes> pkcs1_sign_encode(ByteView payload, size_t size);
/// The payload of a signature block; nothing if the padding is wrong.
std::optional<Bytes> pkcs1_sign_decode(ByteView block);
/// DER DigestInfo (RFC 8017, 9.2 note 1).
Bytes digest_info(Hash hash, ByteView digest);

/// RSAES-PKCS1-v1_5. Encoding returns nothing if the message exceeds k - 11 bytes, decoding if the padding is wrong.
std::optional<SecretBytes> pkcs1_encrypt_encode(ByteView message, size_t size);
std::optional<SecretBytes> pkcs1_encrypt_decode(ByteView block);

/// RSAES-OAEP with any pair of hashes and any label. Encoding returns nothing if the message exceeds k - 2h - 2 bytes.
struct OaepParameters {
  Hash hash = Hash::kSha1;
  Hash mgf = Hash::kSha1;
  Bytes label;
};
std::optional<SecretBytes> oaep_encode(ByteView message, size_t size, const OaepParameters& parameters);
std::optional<SecretBytes> oaep_decode(ByteView block, const OaepParameters& parameters);

/// EMSA-PSS with any salt length that fits. `modulus_bits` is the exact bit length; the block has ceil(bits / 8)
/// bytes.
struct PssParameters {
  Hash hash = Hash::kSha256;
  Hash mgf = Hash::kSha256;
  size_t salt_bytes = 32;
};
/// Returns nothing if the digest has the wrong size or the salt does not fit.
std::optional<Bytes> pss_encode(ByteView digest, size_t modulus_bits, const PssParameters& parameters);
/// Also checks that the salt has the requested length.
bool pss_verify(ByteView digest, ByteView block, size_t modulus_bits, const PssParameters& parameters);

}  // namespace vtpm::crypto
