// SPDX-License-Identifier: Apache-2.0
// The rows of the mechanisms: all that this module says of each. mechanism.h describes the columns.
//
// A new mechanism of an existing family is one row. mechanism.cc checks what the rows must have in common, key_kind.cc
// and secret_key.cc (pkcs11/object/) check their key types, and family_table.h checks that each family has its makers.
// No other file includes this one.
#pragma once

#include "pkcs11/cryptoki/limits.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {
namespace mechanism_rows {

using crypto::AeadMode;
using crypto::CipherMode;
using crypto::Hash;
using crypto::MacAlgorithm;
using F = Family;
using P = Parameter;
using Type = CK_MECHANISM_TYPE;
using Name = std::string_view;

constexpr CK_FLAGS kSignVerify = CKF_SIGN | CKF_VERIFY | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE;
constexpr CK_FLAGS kCrypt = CKF_ENCRYPT | CKF_DECRYPT;
constexpr CK_FLAGS kSeal = kCrypt | CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
constexpr CK_FLAGS kRecovers = CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER;
constexpr CK_FLAGS kWraps = CKF_WRAP | CKF_UNWRAP;
constexpr CK_FLAGS kEncapsulates = CKF_ENCAPSULATE | CKF_DECAPSULATE;
constexpr CK_FLAGS kCurves = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME | CKF_EC_UNCOMPRESS;

// The columns that rows of one kind share.
constexpr Mechanism with_pairs(Mechanism row) {
  row.of_pairs = true;
  return row;
}
constexpr Mechanism variant(Variant variant, Mechanism row) {
  row.variant = variant;
  return row;
}
constexpr Mechanism rsa(Type type, Name name, F family, std::optional<Hash> hash, CK_FLAGS flags,
                        P parameter = P::kNone) {
  return with_pairs({type, name, family, hash, 1024, 8192, CKF_HW | flags, CKK_RSA, parameter});
}
constexpr Mechanism rsa_pkcs(Type type, Name name, Hash hash) {
  return rsa(type, name, F::kRsaPkcs, hash, kSignVerify);
}
constexpr Mechanism rsa_pss(Type type, Name name, std::optional<Hash> hash) {
  return rsa(type, name, F::kRsaPss, hash, kSignVerify, P::kOfTheFamily);
}
constexpr Mechanism ec(Type type, Name name, F family, std::optional<Hash> hash, CK_FLAGS flags,
                       P parameter = P::kNone) {
  return with_pairs({type, name, family, hash, 224, 521, CKF_HW | flags | kCurves, CKK_EC, parameter});
}
/// The mechanism works with keys on Montgomery curves too.
constexpr Mechanism agreement(Type type, Name name, F family, CK_FLAGS flags) {
  Mechanism row = ec(type, name, family, {}, flags, P::kOfTheFamily);
  row.other_key_type = CKK_EC_MONTGOMERY;
  return row;
}
constexpr Mechanism raw_curve(Type type, Name name, F family, CK_KEY_TYPE key, CK_FLAGS flags, P parameter = P::kNone) {
  return with_pairs({type, name, family, {}, 255, 448, flags | kCurves, key, parameter});
}
constexpr Mechanism dsa(Type type, Name name, F family, std::optional<Hash> hash, CK_FLAGS flags = kSignVerify) {
  return with_pairs({type, name, family, hash, 1024, 3072, flags, CKK_DSA});
}
constexpr Mechanism dh(Type type, Name name, F family, CK_ULONG least, CK_FLAGS flags, P parameter = P::kNone) {
  return with_pairs({type, name, family, {}, least, 8192, flags, CKK_DH, parameter});
}
constexpr Mechanism ecdsa(Type type, Name name, std::optional<Hash> hash) {
  return ec(type, name, F::kEcdsa, hash, kSignVerify);
}
constexpr Mechanism digest(Type type, Name name, std::optional<Hash> hash, P parameter = P::kNone) {
  return {type, name, F::kDigest, hash, 0, 0, CKF_DIGEST, kNoKey, parameter};
}
constexpr Mechanism hmac(Type type, Name name, std::optional<Hash> hash, CK_KEY_TYPE key, P parameter = P::kNone) {
  return {type, name, F::kMac, hash, 1, kMostSecret, kSignVerify, key, parameter, {}, {}, MacAlgorithm::kHmac};
}
constexpr Mechanism secret(Type type, Name name, CK_KEY_TYPE key, CK_ULONG least, CK_ULONG most,
                           std::optional<Hash> hash = {}) {
  return {type, name, F::kSecretKey, hash, least, most, CKF_GENERATE, key};
}
constexpr Mechanism block_cipher(Type type, Name name, CK_KEY_TYPE key, CipherMode mode, P parameter = P::kVector,
                                 CK_FLAGS more = 0) {
  return {type, name, F::kCipher, {}, 16, 32, kCrypt | more, key, parameter, mode};
}
constexpr Mechanism aes(Type type, Name name, CipherMode mode) { return block_cipher(type, name, CKK_AES, mode); }
constexpr Mechanism key_wrap(Type type, Name name) {
  return {type, name, F::kKeyWrap, {}, 16, 32, kCrypt | kWraps, CKK_AES, P::kOfTheFamily};
}
constexpr Mechanism aes_mac(Type type, Name name, MacAlgorithm mac, P parameter = P::kNone, CK_ULONG most = 32,
                            size_t bytes = 0, CK_FLAGS flags = kSignVerify) {
  return {type, name, F::kMac, {}, 16, most, flags, CKK_AES, parameter, {}, {}, mac, bytes};
}

/// Derivation from a secret key of any type, unless the row says which.
constexpr Mechanism derive(Type type, Name name, F family, std::optional<Hash> hash = {},
                           CK_KEY_TYPE key = kAnySecretKey, CK_ULONG least = 1, CK_ULONG most = kMostSecret) {
  return {type, name, family, hash, least, most, CKF_DERIVE, key, P::kOfTheFamily};
}
constexpr Mechanism derive_by_encryption(Type type, Name name, CK_KEY_TYPE key, CipherMode mode) {
  Mechanism row = derive(type, name, F::kEncryptData, {}, key, 16, 32);
  row.mode = mode;
  return row;
}
/// C_GetMechanismInfo shows the sizes in bits.
constexpr Mechanism in_bits(Mechanism row) {
  row.shown_sizes = Mechanism::Sizes{8 * row.min_size, 8 * row.max_size};
  return row;
}
/// From a Diffie-Hellman secret of any length; C_GetMechanismInfo shows the 48 bytes of the result (3.2, 6.40).
constexpr Mechanism tls_dh(Type type, Name name, F family) {
  Mechanism row = derive(type, name, family, {}, CKK_GENERIC_SECRET);
  row.shown_sizes = Mechanism::Sizes{48, 48};
  return row;
}
constexpr Mechanism derive_without_parameter(Type type, Name name, F family) {
  Mechanism row = derive(type, name, family);
  row.parameter = P::kNone;
  return row;
}
constexpr Mechanism derive_by_digest(Type type, Name name, std::optional<Hash> hash, P parameter = P::kNone) {
  Mechanism row = derive(type, name, F::kDigestKey, hash);
  row.parameter = parameter;
  return row;
}

/// From a key of one of the types for HKDF (3.2, 6.62).
constexpr Mechanism hkdf(Type type, Name name, F family) {
  Mechanism row = derive(type, name, family, {}, CKK_HKDF);
  row.other_key_type = CKK_GENERIC_SECRET;
  return row;
}

#define M(type) type, #type
// The mechanisms of each hash: the digest, HMAC with a whole and with a shortened result, the generation of keys for
// it, and the derivation of a key by its digest.
#define HASH(stem, hash, key, derivation)                             \
  digest(M(CKM_##stem), hash), hmac(M(CKM_##stem##_HMAC), hash, key), \
      hmac(M(CKM_##stem##_HMAC_GENERAL), hash, key, P::kMacLength),   \
      secret(M(CKM_##stem##_KEY_GEN), key, 1, kMostSecret, hash), derive_by_digest(M(CKM_##derivation), hash)

// The mechanisms of each block cipher.
#define BLOCK_CIPHER(stem)                                                                        \
  secret(M(CKM_##stem##_KEY_GEN), CKK_##stem, 16, 32),                                            \
      block_cipher(M(CKM_##stem##_ECB), CKK_##stem, CipherMode::kEcb, P::kNone, kWraps),          \
      block_cipher(M(CKM_##stem##_CBC), CKK_##stem, CipherMode::kCbc, P::kVector, kWraps),        \
      block_cipher(M(CKM_##stem##_CBC_PAD), CKK_##stem, CipherMode::kCbcPad, P::kVector, kWraps), \
      derive_by_encryption(M(CKM_##stem##_ECB_ENCRYPT_DATA), CKK_##stem, CipherMode::kEcb),       \
      derive_by_encryption(M(CKM_##stem##_CBC_ENCRYPT_DATA), CKK_##stem, CipherMode::kCbc)

inline constexpr Mechanism kAll[] = {
    rsa(M(CKM_RSA_PKCS_KEY_PAIR_GEN), F::kRsaKeyPair, {}, CKF_GENERATE_KEY_PAIR),
    ec(M(CKM_EC_KEY_PAIR_GEN), F::kEcKeyPair, {}, CKF_GENERATE_KEY_PAIR),

    raw_curve(M(CKM_EC_EDWARDS_KEY_PAIR_GEN), F::kEcKeyPair, CKK_EC_EDWARDS, CKF_GENERATE_KEY_PAIR),
    raw_curve(M(CKM_EC_MONTGOMERY_KEY_PAIR_GEN), F::kEcKeyPair, CKK_EC_MONTGOMERY, CKF_GENERATE_KEY_PAIR),
    dsa(M(CKM_DSA_KEY_PAIR_GEN), F::kFieldKeyPair, {}, CKF_GENERATE_KEY_PAIR),
    dsa(M(CKM_DSA_PARAMETER_GEN), F::kDomain, {}, CKF_GENERATE),
    dh(M(CKM_DH_PKCS_KEY_PAIR_GEN), F::kFieldKeyPair, 1024, CKF_GENERATE_KEY_PAIR),
    dh(M(CKM_DH_PKCS_PARAMETER_GEN), F::kDomain, 2048, CKF_GENERATE),

    rsa(M(CKM_RSA_PKCS), F::kRsaPkcs, {}, kRecovers | kSignVerify | kCrypt | kWraps | kEncapsulates),
    rsa_pkcs(M(CKM_SHA1_RSA_PKCS), Hash::kSha1),
    rsa_pkcs(M(CKM_SHA224_RSA_PKCS), Hash::kSha224),
    rsa_pkcs(M(CKM_SHA256_RSA_PKCS), Hash::kSha256),
    rsa_pkcs(M(CKM_SHA384_RSA_PKCS), Hash::kSha384),
    rsa_pkcs(M(CKM_SHA512_RSA_PKCS), Hash::kSha512),
    rsa_pkcs(M(CKM_SHA3_224_RSA_PKCS), Hash::kSha3_224),
    rsa_pkcs(M(CKM_SHA3_256_RSA_PKCS), Hash::kSha3_256),
    rsa_pkcs(M(CKM_SHA3_384_RSA_PKCS), Hash::kSha3_384),
    rsa_pkcs(M(CKM_SHA3_512_RSA_PKCS), Hash::kSha3_512),
    rsa(M(CKM_RSA_X_509), F::kRsaX509, {}, kRecovers | kSignVerify | kCrypt | kWraps | kEncapsulates),
    rsa(M(CKM_RSA_PKCS_OAEP), F::kRsaOaep, {}, kCrypt | kWraps | kEncapsulates, P::kOfTheFamily),
    rsa_pss(M(CKM_RSA_PKCS_PSS), {}),
    rsa_pss(M(CKM_SHA1_RSA_PKCS_PSS), Hash::kSha1),
    rsa_pss(M(CKM_SHA224_RSA_PKCS_PSS), Hash::kSha224),
    rsa_pss(M(CKM_SHA256_RSA_PKCS_PSS), Hash::kSha256),
    rsa_pss(M(CKM_SHA384_RSA_PKCS_PSS), Hash::kSha384),
    rsa_pss(M(CKM_SHA512_RSA_PKCS_PSS), Hash::kSha512),
    rsa_pss(M(CKM_SHA3_224_RSA_PKCS_PSS), Hash::kSha3_224),
    rsa_pss(M(CKM_SHA3_256_RSA_PKCS_PSS), Hash::kSha3_256),
    rsa_pss(M(CKM_SHA3_384_RSA_PKCS_PSS), Hash::kSha3_384),
    rsa_pss(M(CKM_SHA3_512_RSA_PKCS_PSS), Hash::kSha3_512),

    ecdsa(M(CKM_ECDSA), {}),
    ecdsa(M(CKM_ECDSA_SHA1), Hash::kSha1),
    ecdsa(M(CKM_ECDSA_SHA224), Hash::kSha224),
    ecdsa(M(CKM_ECDSA_SHA256), Hash::kSha256),
    ecdsa(M(CKM_ECDSA_SHA384), Hash::kSha384),
    ecdsa(M(CKM_ECDSA_SHA512), Hash::kSha512),
    ecdsa(M(CKM_ECDSA_SHA3_224), Hash::kSha3_224),
    ecdsa(M(CKM_ECDSA_SHA3_256), Hash::kSha3_256),
    ecdsa(M(CKM_ECDSA_SHA3_384), Hash::kSha3_384),
    ecdsa(M(CKM_ECDSA_SHA3_512), Hash::kSha3_512),
    raw_curve(M(CKM_EDDSA), F::kEddsa, CKK_EC_EDWARDS, kSignVerify, P::kEddsa),

    dsa(M(CKM_DSA), F::kDsa, {}),
    dsa(M(CKM_DSA_SHA1), F::kDsa, Hash::kSha1),
    dsa(M(CKM_DSA_SHA224), F::kDsa, Hash::kSha224),
    dsa(M(CKM_DSA_SHA256), F::kDsa, Hash::kSha256),
    dsa(M(CKM_DSA_SHA384), F::kDsa, Hash::kSha384),
    dsa(M(CKM_DSA_SHA512), F::kDsa, Hash::kSha512),
    dsa(M(CKM_DSA_SHA3_224), F::kDsa, Hash::kSha3_224),
    dsa(M(CKM_DSA_SHA3_256), F::kDsa, Hash::kSha3_256),
    dsa(M(CKM_DSA_SHA3_384), F::kDsa, Hash::kSha3_384),
    dsa(M(CKM_DSA_SHA3_512), F::kDsa, Hash::kSha3_512),

    HASH(SHA_1, Hash::kSha1, CKK_SHA_1_HMAC, SHA1_KEY_DERIVATION),
    HASH(SHA224, Hash::kSha224, CKK_SHA224_HMAC, SHA224_KEY_DERIVATION),
    HASH(SHA256, Hash::kSha256, CKK_SHA256_HMAC, SHA256_KEY_DERIVATION),
    HASH(SHA384, Hash::kSha384, CKK_SHA384_HMAC, SHA384_KEY_DERIVATION),
    HASH(SHA512, Hash::kSha512, CKK_SHA512_HMAC, SHA512_KEY_DERIVATION),
    HASH(SHA512_224, Hash::kSha512_224, CKK_SHA512_224_HMAC, SHA512_224_KEY_DERIVATION),
    HASH(SHA512_256, Hash::kSha512_256, CKK_SHA512_256_HMAC, SHA512_256_KEY_DERIVATION),
    digest(M(CKM_SHA512_T), {}, P::kSha512T),
    hmac(M(CKM_SHA512_T_HMAC), {}, CKK_SHA512_T_HMAC, P::kSha512T),
    secret(M(CKM_SHA512_T_KEY_GEN), CKK_SHA512_T_HMAC, 1, kMostSecret),
    derive_by_digest(M(CKM_SHA512_T_KEY_DERIVATION), {}, P::kSha512T),
    HASH(SHA3_224, Hash::kSha3_224, CKK_SHA3_224_HMAC, SHA3_224_KEY_DERIVATION),
    HASH(SHA3_256, Hash::kSha3_256, CKK_SHA3_256_HMAC, SHA3_256_KEY_DERIVATION),
    HASH(SHA3_384, Hash::kSha3_384, CKK_SHA3_384_HMAC, SHA3_384_KEY_DERIVATION),
    HASH(SHA3_512, Hash::kSha3_512, CKK_SHA3_512_HMAC, SHA3_512_KEY_DERIVATION),
    HASH(BLAKE2B_160, Hash::kBlake2b160, CKK_BLAKE2B_160_HMAC, BLAKE2B_160_KEY_DERIVE),
    HASH(BLAKE2B_256, Hash::kBlake2b256, CKK_BLAKE2B_256_HMAC, BLAKE2B_256_KEY_DERIVE),
    HASH(BLAKE2B_384, Hash::kBlake2b384, CKK_BLAKE2B_384_HMAC, BLAKE2B_384_KEY_DERIVE),
    HASH(BLAKE2B_512, Hash::kBlake2b512, CKK_BLAKE2B_512_HMAC, BLAKE2B_512_KEY_DERIVE),

    secret(M(CKM_GENERIC_SECRET_KEY_GEN), CKK_GENERIC_SECRET, 8,
           8 * kMostSecret),  // in bits
    secret(M(CKM_AES_XTS_KEY_GEN), CKK_AES_XTS, 32, 64),
    secret(M(CKM_CHACHA20_KEY_GEN), CKK_CHACHA20, 32, 32),

    BLOCK_CIPHER(AES),
    block_cipher(M(CKM_AES_CTR), CKK_AES, CipherMode::kCtr, P::kCounterBlock, kWraps),
    aes(M(CKM_AES_CTS), CipherMode::kCts),
    aes(M(CKM_AES_OFB), CipherMode::kOfb),
    aes(M(CKM_AES_CFB1), CipherMode::kCfb1),
    aes(M(CKM_AES_CFB8), CipherMode::kCfb8),
    aes(M(CKM_AES_CFB64), CipherMode::kCfb64),
    aes(M(CKM_AES_CFB128), CipherMode::kCfb128),
    BLOCK_CIPHER(CAMELLIA),
    block_cipher(M(CKM_CAMELLIA_CTR), CKK_CAMELLIA, CipherMode::kCtr, P::kCounterBlock, kWraps),
    BLOCK_CIPHER(ARIA),
    {M(CKM_AES_XTS), F::kCipher, {}, 32, 64, kCrypt, CKK_AES_XTS, P::kVector, CipherMode::kXts},
    in_bits({M(CKM_CHACHA20), F::kCipher, {}, 32, 32, kCrypt, CKK_CHACHA20, P::kChaCha20, CipherMode::kChaCha20}),

    {M(CKM_AES_GCM), F::kAead, {}, 16, 32, kSeal | kWraps, CKK_AES, P::kGcm, {}, AeadMode::kGcm},
    {M(CKM_AES_CCM), F::kAead, {}, 16, 32, kSeal | kWraps, CKK_AES, P::kCcm, {}, AeadMode::kCcm},
    {M(CKM_CHACHA20_POLY1305),
     F::kAead,
     {},
     32,
     32,
     kSeal,
     CKK_CHACHA20,
     P::kChaCha20Poly1305,
     {},
     AeadMode::kChaCha20Poly1305},

    aes_mac(M(CKM_AES_CMAC), MacAlgorithm::kCmac),
    aes_mac(M(CKM_AES_CMAC_GENERAL), MacAlgorithm::kCmac, P::kMacLength),
    // Not for messages: a second message with the same initialization vector would reveal the authentication key.
    aes_mac(M(CKM_AES_GMAC), MacAlgorithm::kGmac, P::kGcm, 32, 0, CKF_SIGN | CKF_VERIFY),
    aes_mac(M(CKM_AES_XCBC_MAC), MacAlgorithm::kXcbcMac, P::kNone, 16),
    aes_mac(M(CKM_AES_XCBC_MAC_96), MacAlgorithm::kXcbcMac, P::kNone, 16, 12),

    variant(Variant::kKw, key_wrap(M(CKM_AES_KEY_WRAP))),
    variant(Variant::kKwpOrKw, key_wrap(M(CKM_AES_KEY_WRAP_PAD))),
    variant(Variant::kKwp, key_wrap(M(CKM_AES_KEY_WRAP_KWP))),
    variant(Variant::kPaddedKw, key_wrap(M(CKM_AES_KEY_WRAP_PKCS7))),
    rsa(M(CKM_RSA_AES_KEY_WRAP), F::kRsaAesWrap, {}, kWraps, P::kOfTheFamily),
    variant(Variant::kBarePoint, agreement(M(CKM_ECDH_AES_KEY_WRAP), F::kEcdhAesWrap, kWraps)),
    variant(Variant::kEncodedPoint, ec(M(CKM_ECDH_COF_AES_KEY_WRAP), F::kEcdhAesWrap, {}, kWraps, P::kOfTheFamily)),
    variant(Variant::kEncodedPoint,
            raw_curve(M(CKM_ECDH_X_AES_KEY_WRAP), F::kEcdhAesWrap, CKK_EC_MONTGOMERY, kWraps, P::kOfTheFamily)),

    dh(M(CKM_DH_PKCS_DERIVE), F::kDh, 1024, CKF_DERIVE | kEncapsulates, P::kOfTheFamily),
    agreement(M(CKM_ECDH1_DERIVE), F::kEcdh, CKF_DERIVE | kEncapsulates | CKF_EC_COMPRESS),
    ec(M(CKM_ECDH1_COFACTOR_DERIVE), F::kEcdh, {}, CKF_DERIVE | kEncapsulates | CKF_EC_COMPRESS, P::kOfTheFamily),
    hkdf(M(CKM_HKDF_DERIVE), F::kHkdf),
    hkdf(M(CKM_HKDF_DATA), F::kHkdfData),
    secret(M(CKM_HKDF_KEY_GEN), CKK_HKDF, 1, kMostSecret),
    variant(Variant::kCounter, in_bits(derive(M(CKM_SP800_108_COUNTER_KDF), F::kKbkdf))),
    variant(Variant::kFeedback, in_bits(derive(M(CKM_SP800_108_FEEDBACK_KDF), F::kKbkdf))),
    variant(Variant::kDoublePipeline, in_bits(derive(M(CKM_SP800_108_DOUBLE_PIPELINE_KDF), F::kKbkdf))),
    {M(CKM_PKCS5_PBKD2), F::kPbkdf2, {}, 1, kMostSecret, CKF_GENERATE, kNoKey, P::kOfTheFamily},
    variant(Variant::kShake128, derive_without_parameter(M(CKM_SHAKE_128_KEY_DERIVATION), F::kShakeKey)),
    variant(Variant::kShake256, derive_without_parameter(M(CKM_SHAKE_256_KEY_DERIVATION), F::kShakeKey)),
    derive(M(CKM_CONCATENATE_BASE_AND_KEY), F::kConcatenateKey),
    derive(M(CKM_CONCATENATE_BASE_AND_DATA), F::kConcatenateData),
    derive(M(CKM_CONCATENATE_DATA_AND_BASE), F::kPrependData),
    derive(M(CKM_XOR_BASE_AND_DATA), F::kXorData),
    derive(M(CKM_EXTRACT_KEY_FROM_KEY), F::kExtractBits),
    derive(M(CKM_TLS12_MASTER_KEY_DERIVE), F::kTlsMaster, {}, CKK_GENERIC_SECRET, 48, 48),
    tls_dh(M(CKM_TLS12_MASTER_KEY_DERIVE_DH), F::kTlsMaster),
    derive(M(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE), F::kTlsExtendedMaster, {}, CKK_GENERIC_SECRET, 48, 48),
    tls_dh(M(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH), F::kTlsExtendedMaster),
    variant(Variant::kWithVectors,
            derive(M(CKM_TLS12_KEY_AND_MAC_DERIVE), F::kTlsKeyMaterial, {}, CKK_GENERIC_SECRET, 48, 48)),
    variant(Variant::kWithoutVectors,
            derive(M(CKM_TLS12_KEY_SAFE_DERIVE), F::kTlsKeyMaterial, {}, CKK_GENERIC_SECRET, 48, 48)),
    derive(M(CKM_TLS_KDF), F::kTlsKdf, {}, CKK_GENERIC_SECRET),
    derive(M(CKM_TLS12_KDF), F::kTlsKdf, {}, CKK_GENERIC_SECRET),
    {M(CKM_TLS_MAC), F::kTlsMac, {}, 1, kMostSecret, kSignVerify, CKK_GENERIC_SECRET, P::kOfTheFamily},
    {M(CKM_TLS12_MAC), F::kTlsMac, {}, 1, kMostSecret, kSignVerify, CKK_GENERIC_SECRET, P::kOfTheFamily},
    {M(CKM_PUB_KEY_FROM_PRIV_KEY), F::kPublicFromPrivate, {}, 0, 0, CKF_DERIVE, kAnyPrivateKey},
};
#undef BLOCK_CIPHER
#undef HASH
#undef M

}  // namespace mechanism_rows

inline constexpr const auto& kMechanisms = mechanism_rows::kAll;

}  // namespace vtpm::pkcs11
