// SPDX-License-Identifier: Apache-2.0
// The mechanisms of this token, one row each (PKCS#11 3.2, chapter 6). C_GetMechanismList, C_GetMechanismInfo and every
// C_…Init function read this table. Therefore the module advertises exactly the mechanisms that work.
//
// The rows are constants. Every function may be called by several threads at the same time, except hide_mechanisms.
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

/// Mechanisms that the same code implements. The rooms above have a maker for each family (family_table.h).
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
  kRsaAesWrap,  // wraps with an AES key that OAEP encrypts
  kEcdhAesWrap  // wraps with an AES key that a fresh key pair agrees on
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
  kNone,             // pParameter and ulParameterLen are ignored; the pointer is never followed
  kOfTheFamily,      // a structure of the family: required (PSS, OAEP …) or optional (AES key wrap)
  kEddsa,            // CK_EDDSA_PARAMS, or none
  kMacLength,        // CK_MAC_GENERAL_PARAMS
  kSha512T,          // CK_MAC_GENERAL_PARAMS: t, in bits
  kVector,           // 16 bytes
  kCounterBlock,     // CK_AES_CTR_PARAMS or CK_CAMELLIA_CTR_PARAMS, which have the same layout
  kChaCha20,         // CK_CHACHA20_PARAMS
  kGcm,              // CK_GCM_PARAMS
  kCcm,              // CK_CCM_PARAMS
  kChaCha20Poly1305  // CK_SALSA20_CHACHA20_POLY1305_PARAMS
};

/// Values of Mechanism::key_type for mechanisms that work without a key, with any secret key, and with any private key.
constexpr CK_KEY_TYPE kNoKey = CK_UNAVAILABLE_INFORMATION;
constexpr CK_KEY_TYPE kAnySecretKey = CK_UNAVAILABLE_INFORMATION - 1;
constexpr CK_KEY_TYPE kAnyPrivateKey = CK_UNAVAILABLE_INFORMATION - 2;

struct Mechanism {
  CK_MECHANISM_TYPE type;
  std::string_view name;
  Family family;
  std::optional<crypto::Hash> hash;  // the hash that is part of the mechanism; none for SHA-512/t
  CK_ULONG min_size, max_size;       // of the key: in bits for key pairs, in bytes for secret keys; 0 for digests
  CK_FLAGS flags;                    // CKF_SIGN …; CKF_HW where the TPM can do it for at least one key size
  CK_KEY_TYPE key_type;              // of the keys that the mechanism uses or makes
  Parameter parameter = Parameter::kNone;
  std::optional<crypto::CipherMode> mode = {};
  std::optional<crypto::AeadMode> aead = {};
  std::optional<crypto::MacAlgorithm> mac = {};
  size_t mac_bytes = 0;  // the length of a MAC that the mechanism truncates; 0: the whole MAC

  CK_KEY_TYPE other_key_type = kNoKey;  // a second key type that the mechanism uses
  /// The sizes that C_GetMechanismInfo returns, where the standard requires another unit or other numbers than those
  /// above.
  struct Sizes {
    CK_ULONG least, most;
  };
  std::optional<Sizes> shown_sizes = {};
  Variant variant = Variant::kNone;
  /// The mechanism uses or makes halves of key pairs, or their domain parameters. key_kind.cc checks that the mark
  /// agrees with key_type.
  bool of_pairs = false;
  /// The sizes in CK_MECHANISM_INFO.
  Sizes sizes() const { return shown_sizes.value_or(Sizes{min_size, max_size}); }

  /// Whether the mechanism works with secret keys, of one type or of any.
  constexpr bool works_with_secret_keys() const {
    return !of_pairs && key_type != kNoKey && key_type != kAnyPrivateKey;
  }
  /// Whether the mechanism has a parameter, required or optional, in the operation `use` (one CKF_ flag). Encapsulation
  /// by Diffie-Hellman has none: what the parameter of C_DeriveKey contains is its cipher text.
  bool has_parameter(CK_FLAGS use) const {
    return parameter != Parameter::kNone &&
           !(family == Family::kDh && (use == CKF_ENCAPSULATE || use == CKF_DECAPSULATE));
  }
  /// Whether the mechanism works with keys of this type. HMAC takes generic secrets besides the key type of its hash.
  bool takes_key_type(CK_KEY_TYPE type_of_key) const {
    return type_of_key == key_type || key_type == kAnySecretKey || key_type == kAnyPrivateKey ||
           (other_key_type != kNoKey && type_of_key == other_key_type) ||
           (mac == crypto::MacAlgorithm::kHmac && type_of_key == CKK_GENERIC_SECRET);
  }
};

/// The block cipher of a key type; nothing for other types.
std::optional<crypto::BlockCipher> block_cipher_of(CK_KEY_TYPE type);

/// Every row, hidden ones included; static.
std::span<const Mechanism> mechanisms();
/// The row of a mechanism, by its type or by its name ("CKM_AES_GCM"), hidden or not; null if the token does not have
/// it.
const Mechanism* find_mechanism(CK_MECHANISM_TYPE type);
const Mechanism* find_mechanism(std::string_view name);
bool is_mechanism(std::string_view name);

/// From now on the module offers all mechanisms but those with these names (`mechanisms.hidden`). C_Initialize calls it
/// while no other call runs.
void hide_mechanisms(std::span<const std::string> hidden);
/// Whether the module offers the mechanism of a row of this table: lists it, describes it and lets applications use it.
bool is_offered(const Mechanism& row);

/// The row for a caller's mechanism, which must offer `use` (one CKF_ flag). Throws Refusal: CKR_ARGUMENTS_BAD for a
/// null pointer, CKR_MECHANISM_INVALID for a mechanism that is unknown, hidden or not for this use,
/// CKR_MECHANISM_PARAM_INVALID for a null pointer with a length where the mechanism has a parameter.
const Mechanism& require_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use);
/// Copies the caller's parameter of `size` bytes. Throws Refusal CKR_MECHANISM_PARAM_INVALID if it is missing or has
/// another size.
void copy_parameter(const CK_MECHANISM& mechanism, void* to, size_t size);
/// A copy of the parameter structure, because the caller's may be unaligned. Throws Refusal CKR_MECHANISM_PARAM_INVALID
/// if it is missing or has another size.
template <typename T>
T mechanism_parameter(const CK_MECHANISM& mechanism) {
  T parameter;
  copy_parameter(mechanism, &parameter, sizeof parameter);
  return parameter;
}

/// The t of SHA-512/t, in bits. Throws Refusal CKR_MECHANISM_PARAM_INVALID unless 0 < t < 512 and t != 384 (FIPS 180-4,
/// 5.3.6).
unsigned sha512_t_parameter(const CK_MECHANISM& mechanism);
/// A new digest for a row of Family::kDigest or kDigestKey. Throws Refusal CKR_MECHANISM_PARAM_INVALID.
crypto::Digest digest_of(const Mechanism& row, const CK_MECHANISM& mechanism);

/// The length of a nonce of ChaCha20-Poly1305, in bytes. PKCS#11 3.2 has ulNonceLen in bits ("ChaCha20/Poly1305"), but
/// many applications count bytes: 96 or 12, and 192 or 24 for XChaCha20-Poly1305. Throws Refusal
/// CKR_MECHANISM_PARAM_INVALID for any other value.
size_t poly1305_nonce_bytes(CK_ULONG nonce_length);

/// Copies `size` bytes from where a parameter points. Throws Refusal CKR_MECHANISM_PARAM_INVALID for a null pointer.
void copy_structure(const void* from, void* to, size_t size);
/// A copy of the bytes that a parameter points to. Throws Refusal CKR_MECHANISM_PARAM_INVALID for a null pointer with a
/// length, and for more than kMostParameter bytes.
Bytes parameter_bytes(const void* from, size_t bytes);
/// The same without a copy, for secrets: a view of the caller's memory.
ByteView parameter_view(const void* from, size_t bytes);

/// A copy of the structure that a parameter points to. Throws Refusal CKR_MECHANISM_PARAM_INVALID for a null pointer.
template <typename T>
T parameter_structure(const void* from) {
  T structure;
  copy_structure(from, &structure, sizeof structure);
  return structure;
}

/// The hash of a digest mechanism (CKM_SHA_1 …) that needs no parameter, for CKA_NAME_HASH_ALGORITHM; nothing for any
/// other mechanism.
std::optional<crypto::Hash> digest_of_mechanism(CK_MECHANISM_TYPE type);
/// The hashes of RSA's paddings (SHA-1, SHA-2, SHA-3), by CKM_SHA_1 … and by CKG_MGF1_SHA1 …; nothing for any other
/// value.
std::optional<crypto::Hash> hash_of_mechanism(CK_MECHANISM_TYPE type);
std::optional<crypto::Hash> hash_of_mgf(CK_ULONG mgf);

}  // namespace vtpm::pkcs11
