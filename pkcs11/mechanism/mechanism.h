// SPDX-License-Identifier: Apache-2.0
// The mechanisms of this token: one row each. C_GetMechanismList, C_GetMechanismInfo and every C_…Init read this table,
// so that nothing is advertised that does not work, and nothing works that is not advertised.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "crypto/symmetric/aead_cipher.h"
#include "crypto/symmetric/cipher.h"
#include "crypto/symmetric/mac.h"
#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

/// Mechanisms that one piece of code makes. The rooms above have a maker for each family (family_table.h).
enum class Family {
  kDigest,
  kRsaKeyPair,
  kEcKeyPair,
  kFieldKeyPair,  // DSA, DH
  kDomain,        // domain parameters of those
  kSecretKey,
  kRsaPkcs,
  kRsaX509,
  kRsaPss,
  kRsaOaep,
  kEcdsa,
  kEddsa,
  kDsa,
  kMac,
  kCipher,
  kAead,
  kPbkdf2,
  kEcdh,
  kDh,
  kHkdf,
  kHkdfData,
  kKbkdf,
  kConcatenateKey,
  kConcatenateData,  // base || data
  kPrependData,      // data || base
  kXorData,
  kExtractBits,
  kEncryptData,
  kDigestKey,
  kShakeKey,
  kTlsMaster,
  kTlsExtendedMaster,
  kTlsKeyMaterial,
  kTlsKdf,
  kTlsMac,
  kPublicFromPrivate,
  kKeyWrap,
  kRsaAesWrap,  // an AES key that travels under OAEP wraps
  kEcdhAesWrap  // an AES key that a fresh key pair agrees on wraps
};
constexpr size_t kFamilies = static_cast<size_t>(Family::kEcdhAesWrap) + 1;  // the last one

/// What distinguishes the mechanisms of one family, where no other column does.
enum class Variant : uint8_t {
  kNone,
  kKw,        // RFC 3394
  kKwp,       // RFC 5649
  kKwpOrKw,   // KWP, or KW after PKCS #7 padding (RFC 3394 with an initial value of 8 bytes)
  kPaddedKw,  // KW after PKCS #7 padding
  kCounter,
  kFeedback,
  kDoublePipeline,
  kShake128,
  kShake256,
  kWithVectors,     // the key block has initialization vectors
  kWithoutVectors,  // it has none
  kBarePoint,       // the wrapped key begins with a bare point
  kEncodedPoint,    // it begins with a point in the encoding of CKA_EC_POINT
  kCount            // how many there are
};
constexpr size_t kVariants = static_cast<size_t>(Variant::kCount);

/// The family that a variant belongs to. In a family that has variants every mechanism has one of them, and in any
/// other family Variant::kNone (mechanism.cc checks it), so that no variant is a default.
struct VariantRow {
  Variant variant;
  Family family;
};
constexpr VariantRow kVariantRows[] = {
    {Variant::kKw, Family::kKeyWrap},
    {Variant::kKwp, Family::kKeyWrap},
    {Variant::kKwpOrKw, Family::kKeyWrap},
    {Variant::kPaddedKw, Family::kKeyWrap},
    {Variant::kCounter, Family::kKbkdf},
    {Variant::kFeedback, Family::kKbkdf},
    {Variant::kDoublePipeline, Family::kKbkdf},
    {Variant::kShake128, Family::kShakeKey},
    {Variant::kShake256, Family::kShakeKey},
    {Variant::kWithVectors, Family::kTlsKeyMaterial},
    {Variant::kWithoutVectors, Family::kTlsKeyMaterial},
    {Variant::kBarePoint, Family::kEcdhAesWrap},
    {Variant::kEncodedPoint, Family::kEcdhAesWrap},
};

/// What the mechanism's parameter is.
enum class Parameter {
  kNone,             // both fields of the caller's CK_MECHANISM are ignored, and the pointer is never followed
  kOfTheFamily,      // required (PSS, OAEP …) or optional (AES key wrap)
  kEddsa,            // CK_EDDSA_PARAMS, or none
  kMacLength,        // CK_MAC_GENERAL_PARAMS
  kSha512T,          // CK_MAC_GENERAL_PARAMS: t, in bits
  kVector,           // 16 bytes
  kCounterBlock,     // CK_AES_CTR_PARAMS, CK_CAMELLIA_CTR_PARAMS, which are alike
  kChaCha20,         // CK_CHACHA20_PARAMS
  kGcm,              // CK_GCM_PARAMS
  kCcm,              // CK_CCM_PARAMS
  kChaCha20Poly1305  // CK_SALSA20_CHACHA20_POLY1305_PARAMS
};

/// The key type of mechanisms that work without a key, and of those that take any secret key or any private one.
constexpr CK_KEY_TYPE kNoKey = CK_UNAVAILABLE_INFORMATION;
constexpr CK_KEY_TYPE kAnySecretKey = CK_UNAVAILABLE_INFORMATION - 1;
constexpr CK_KEY_TYPE kAnyPrivateKey = CK_UNAVAILABLE_INFORMATION - 2;

struct Mechanism {
  CK_MECHANISM_TYPE type;
  std::string_view name;
  Family family;
  std::optional<crypto::Hash> hash;  // the hash that is part of the mechanism; of SHA-512/t none
  CK_ULONG min_size, max_size;       // of the key, in its unit: bits of RSA, EC …, bytes of secrets; 0 for digests
  CK_FLAGS flags;                    // CKF_SIGN …; CKF_HW where the TPM can do it for at least one key size
  CK_KEY_TYPE key_type;              // that it works with, or makes
  Parameter parameter = Parameter::kNone;
  std::optional<crypto::CipherMode> mode = {};
  std::optional<crypto::AeadMode> aead = {};
  std::optional<crypto::MacAlgorithm> mac = {};
  size_t mac_bytes = 0;  // of a code that the mechanism shortens; 0 for all of it

  CK_KEY_TYPE other_key_type = kNoKey;  // that it works with too
  /// What C_GetMechanismInfo has where the standard wants another unit, or other numbers, than those above.
  struct Sizes {
    CK_ULONG least, most;
  };
  std::optional<Sizes> told = {};
  Variant variant = Variant::kNone;
  bool of_pairs = false;  // it works with the halves of key pairs, or makes them
  Sizes sizes() const { return told.value_or(Sizes{min_size, max_size}); }

  constexpr bool works_with_secret_keys() const {
    return !of_pairs && key_type != kNoKey && key_type != kAnyPrivateKey;
  }
  /// Whether the mechanism has a parameter, required or optional, in the operation `use` (one CKF_ flag). The cipher
  /// text of encapsulation by Diffie-Hellman is what the parameter is in C_DeriveKey.
  bool has_parameter(CK_FLAGS use) const {
    return parameter != Parameter::kNone &&
           !(family == Family::kDh && (use == CKF_ENCAPSULATE || use == CKF_DECAPSULATE));
  }
  /// HMAC takes generic secrets beside the hash's own key type.
  bool takes_key_type(CK_KEY_TYPE type_of_key) const {
    return type_of_key == key_type || key_type == kAnySecretKey || key_type == kAnyPrivateKey ||
           (other_key_type != kNoKey && type_of_key == other_key_type) ||
           (mac == crypto::MacAlgorithm::kHmac && type_of_key == CKK_GENERIC_SECRET);
  }
};

/// What keys of this type are for; nothing for types that are not of block ciphers.
std::optional<crypto::BlockCipher> block_cipher_of(CK_KEY_TYPE type);

std::span<const Mechanism> mechanisms();
/// Nothing when the token does not know the type.
const Mechanism* find_mechanism(CK_MECHANISM_TYPE type);
const Mechanism* find_mechanism(std::string_view name);
bool is_mechanism(std::string_view name);

/// From now on the module offers all mechanisms but these (`mechanisms.hidden`). C_Initialize calls it, while no other
/// call runs.
void hide_mechanisms(std::span<const std::string> hidden);
/// Whether the module offers a mechanism that it knows: whether it is listed, described and may be used.
bool is_offered(const Mechanism& row);

/// The row for a caller's mechanism, which must offer `use` (one CKF_ flag). Throws Refusal: CKR_ARGUMENTS_BAD (null),
/// CKR_MECHANISM_INVALID (also of one that is hidden); CKR_MECHANISM_PARAM_INVALID where there is a parameter, for a
/// null pointer with a length.
const Mechanism& require_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use);
void copy_parameter(const CK_MECHANISM& mechanism, void* to, size_t size);
/// The parameter structure, copied (the caller's may be unaligned). Throws CKR_MECHANISM_PARAM_INVALID for another
/// size.
template <typename T>
T mechanism_parameter(const CK_MECHANISM& mechanism) {
  T parameter;
  copy_parameter(mechanism, &parameter, sizeof parameter);
  return parameter;
}

/// The t of SHA-512/t. Throws CKR_MECHANISM_PARAM_INVALID unless 0 < t < 512 and t != 384 (FIPS 180-4, 5.3.6).
unsigned sha512_t_parameter(const CK_MECHANISM& mechanism);
/// The digest of a row of Family::kDigest or kDigestKey. Throws CKR_MECHANISM_PARAM_INVALID.
crypto::Digest digest_of(const Mechanism& row, const CK_MECHANISM& mechanism);

/// The bytes of a nonce of ChaCha20-Poly1305. ulNonceLen is in bits (3.2, 6.61), but many callers count bytes: 96 or
/// 12, 192 or 24 for XChaCha20-Poly1305. Throws CKR_MECHANISM_PARAM_INVALID for anything else.
size_t poly1305_nonce_bytes(CK_ULONG nonce_length);

void copy_structure(const void* from, void* to, size_t size);
/// Bytes that a parameter points to, copied. Throws CKR_MECHANISM_PARAM_INVALID for a null pointer with a length, and
/// for a length that nobody means.
Bytes parameter_bytes(const void* from, size_t bytes);
/// The same where they are, for secrets.
ByteView parameter_view(const void* from, size_t bytes);

/// A structure that a parameter points to, copied. Throws CKR_MECHANISM_PARAM_INVALID for a null pointer.
template <typename T>
T parameter_structure(const void* from) {
  T structure;
  copy_structure(from, &structure, sizeof structure);
  return structure;
}

/// CKM_SHA_1 …: every digest of the token that its mechanism says all about, for CKA_NAME_HASH_ALGORITHM.
std::optional<crypto::Hash> digest_of_mechanism(CK_MECHANISM_TYPE type);
/// CKM_SHA_1 … and CKG_MGF1_SHA1 … as hashes for RSA's paddings (SHA-1, SHA-2, SHA-3); nothing for anything else.
std::optional<crypto::Hash> hash_of_mechanism(CK_MECHANISM_TYPE type);
std::optional<crypto::Hash> hash_of_mgf(CK_ULONG mgf);

}  // namespace vtpm::pkcs11
