#include "pkcs11/mechanism.h"

#include <cstring>

#include "pkcs11/refusal.h"

namespace vtpm::pkcs11 {
namespace {

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
constexpr CK_FLAGS kRecover = CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER;
constexpr CK_FLAGS kSeal = kCrypt | CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
constexpr CK_FLAGS kCurves = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;
constexpr CK_ULONG kMostSecret = 4096;  // octets of a generic secret

// The columns that rows of one kind share.
constexpr Mechanism rsa(Type type, Name name, F family, std::optional<Hash> hash, CK_FLAGS flags,
                        P parameter = P::kNone) {
  return {type, name, family, hash, 1024, 8192, CKF_HW | flags, CKK_RSA, parameter};
}
constexpr Mechanism rsa_pkcs(Type type, Name name, Hash hash) {
  return rsa(type, name, F::kRsaPkcs, hash, kSignVerify);
}
constexpr Mechanism rsa_pss(Type type, Name name, std::optional<Hash> hash) {
  return rsa(type, name, F::kRsaPss, hash, kSignVerify, P::kOfTheFamily);
}
constexpr Mechanism ec(Type type, Name name, F family, std::optional<Hash> hash, CK_FLAGS flags) {
  return {type, name, family, hash, 256, 521, CKF_HW | flags | kCurves, CKK_EC};
}
constexpr Mechanism ecdsa(Type type, Name name, std::optional<Hash> hash) {
  return ec(type, name, F::kEcdsa, hash, kSignVerify);
}
constexpr Mechanism digest(Type type, Name name, Hash hash) {
  return {type, name, F::kDigest, hash, 0, 0, CKF_DIGEST, kNoKey};
}
constexpr Mechanism hmac(Type type, Name name, Hash hash, CK_KEY_TYPE key, P parameter = P::kNone) {
  return {type, name, F::kMac, hash, 1, kMostSecret, kSignVerify, key, parameter, {}, {}, MacAlgorithm::kHmac};
}
constexpr Mechanism secret(Type type, Name name, CK_KEY_TYPE key, CK_ULONG least, CK_ULONG most,
                           std::optional<Hash> hash = {}) {
  return {type, name, F::kSecretKey, hash, least, most, CKF_GENERATE, key};
}
constexpr Mechanism aes(Type type, Name name, CipherMode mode, P parameter = P::kVector) {
  return {type, name, F::kCipher, {}, 16, 32, kCrypt, CKK_AES, parameter, mode};
}
constexpr Mechanism aes_mac(Type type, Name name, MacAlgorithm mac, P parameter = P::kNone, CK_ULONG most = 32,
                            size_t octets = 0, CK_FLAGS flags = kSignVerify) {
  return {type, name, F::kMac, {}, 16, most, flags, CKK_AES, parameter, {}, {}, mac, octets};
}

#define M(type) type, #type
// What each hash brings along: the digest, HMAC with its whole and with a shortened result, and keys for it.
#define HASH(stem, hash, key)                                         \
  digest(M(CKM_##stem), hash), hmac(M(CKM_##stem##_HMAC), hash, key), \
      hmac(M(CKM_##stem##_HMAC_GENERAL), hash, key, P::kMacLength),   \
      secret(M(CKM_##stem##_KEY_GEN), key, 1, kMostSecret, hash)

constexpr Mechanism kTable[] = {
    rsa(M(CKM_RSA_PKCS_KEY_PAIR_GEN), F::kRsaKeyPair, {}, CKF_GENERATE_KEY_PAIR),
    ec(M(CKM_EC_KEY_PAIR_GEN), F::kEcKeyPair, {}, CKF_GENERATE_KEY_PAIR),

    rsa(M(CKM_RSA_PKCS), F::kRsaPkcs, {}, kSignVerify | kRecover | kCrypt),
    rsa_pkcs(M(CKM_SHA1_RSA_PKCS), Hash::kSha1),
    rsa_pkcs(M(CKM_SHA224_RSA_PKCS), Hash::kSha224),
    rsa_pkcs(M(CKM_SHA256_RSA_PKCS), Hash::kSha256),
    rsa_pkcs(M(CKM_SHA384_RSA_PKCS), Hash::kSha384),
    rsa_pkcs(M(CKM_SHA512_RSA_PKCS), Hash::kSha512),
    rsa_pkcs(M(CKM_SHA3_224_RSA_PKCS), Hash::kSha3_224),
    rsa_pkcs(M(CKM_SHA3_256_RSA_PKCS), Hash::kSha3_256),
    rsa_pkcs(M(CKM_SHA3_384_RSA_PKCS), Hash::kSha3_384),
    rsa_pkcs(M(CKM_SHA3_512_RSA_PKCS), Hash::kSha3_512),
    rsa(M(CKM_RSA_X_509), F::kRsaX509, {}, kSignVerify | kRecover | kCrypt),
    rsa(M(CKM_RSA_PKCS_OAEP), F::kRsaOaep, {}, kCrypt, P::kOfTheFamily),
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

    HASH(SHA_1, Hash::kSha1, CKK_SHA_1_HMAC),
    HASH(SHA224, Hash::kSha224, CKK_SHA224_HMAC),
    HASH(SHA256, Hash::kSha256, CKK_SHA256_HMAC),
    HASH(SHA384, Hash::kSha384, CKK_SHA384_HMAC),
    HASH(SHA512, Hash::kSha512, CKK_SHA512_HMAC),
    HASH(SHA512_224, Hash::kSha512_224, CKK_SHA512_224_HMAC),
    HASH(SHA512_256, Hash::kSha512_256, CKK_SHA512_256_HMAC),
    HASH(SHA3_224, Hash::kSha3_224, CKK_SHA3_224_HMAC),
    HASH(SHA3_256, Hash::kSha3_256, CKK_SHA3_256_HMAC),
    HASH(SHA3_384, Hash::kSha3_384, CKK_SHA3_384_HMAC),
    HASH(SHA3_512, Hash::kSha3_512, CKK_SHA3_512_HMAC),
    HASH(BLAKE2B_160, Hash::kBlake2b160, CKK_BLAKE2B_160_HMAC),
    HASH(BLAKE2B_256, Hash::kBlake2b256, CKK_BLAKE2B_256_HMAC),
    HASH(BLAKE2B_384, Hash::kBlake2b384, CKK_BLAKE2B_384_HMAC),
    HASH(BLAKE2B_512, Hash::kBlake2b512, CKK_BLAKE2B_512_HMAC),

    secret(M(CKM_GENERIC_SECRET_KEY_GEN), CKK_GENERIC_SECRET, 8, 8 * kMostSecret),  // in bits
    secret(M(CKM_AES_KEY_GEN), CKK_AES, 16, 32),
    secret(M(CKM_AES_XTS_KEY_GEN), CKK_AES_XTS, 32, 64),
    secret(M(CKM_CHACHA20_KEY_GEN), CKK_CHACHA20, 32, 32),

    aes(M(CKM_AES_ECB), CipherMode::kEcb, P::kNone),
    aes(M(CKM_AES_CBC), CipherMode::kCbc),
    aes(M(CKM_AES_CBC_PAD), CipherMode::kCbcPad),
    aes(M(CKM_AES_CTR), CipherMode::kCtr, P::kAesCounter),
    aes(M(CKM_AES_CTS), CipherMode::kCts),
    aes(M(CKM_AES_OFB), CipherMode::kOfb),
    aes(M(CKM_AES_CFB1), CipherMode::kCfb1),
    aes(M(CKM_AES_CFB8), CipherMode::kCfb8),
    aes(M(CKM_AES_CFB64), CipherMode::kCfb64),
    aes(M(CKM_AES_CFB128), CipherMode::kCfb128),
    {M(CKM_AES_XTS), F::kCipher, {}, 32, 64, kCrypt, CKK_AES_XTS, P::kVector, CipherMode::kXts},
    {M(CKM_CHACHA20), F::kCipher, {}, 32, 32, kCrypt, CKK_CHACHA20, P::kChaCha20, CipherMode::kChaCha20},

    {M(CKM_AES_GCM), F::kAead, {}, 16, 32, kSeal, CKK_AES, P::kGcm, {}, AeadMode::kGcm},
    {M(CKM_AES_CCM), F::kAead, {}, 16, 32, kSeal, CKK_AES, P::kCcm, {}, AeadMode::kCcm},
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
    // Not for messages: one initialisation vector for several of them would give the key away.
    aes_mac(M(CKM_AES_GMAC), MacAlgorithm::kGmac, P::kGcm, 32, 0, CKF_SIGN | CKF_VERIFY),
    aes_mac(M(CKM_AES_XCBC_MAC), MacAlgorithm::kXcbcMac, P::kNone, 16),
    aes_mac(M(CKM_AES_XCBC_MAC_96), MacAlgorithm::kXcbcMac, P::kNone, 16, 12),
};
#undef HASH
#undef M

}  // namespace

std::span<const Mechanism> mechanisms() { return kTable; }

const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) {
  for (const Mechanism& row : kTable) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

const Mechanism& require_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use) {
  refuse_if(!mechanism, CKR_ARGUMENTS_BAD, "the mechanism is a null pointer");
  const Mechanism* row = find_mechanism(mechanism->mechanism);
  if (!row || !(row->flags & use)) {
    refuse(CKR_MECHANISM_INVALID, row ? std::string(row->name) + " does not offer this operation"
                                      : "mechanism " + std::to_string(mechanism->mechanism) + " is not known here");
  }
  refuse_if(!mechanism->pParameter && mechanism->ulParameterLen, CKR_MECHANISM_PARAM_INVALID,
            "the mechanism's parameter has a length but a null pointer");
  return *row;
}

void require_no_parameter(const CK_MECHANISM& mechanism) {
  // A pointer without a length is harmless, and some applications pass one.
  refuse_if(mechanism.ulParameterLen != 0, CKR_MECHANISM_PARAM_INVALID, "this mechanism takes no parameter");
}

template <typename T>
T mechanism_parameter(const CK_MECHANISM& mechanism) {
  refuse_if(!mechanism.pParameter || mechanism.ulParameterLen != sizeof(T), CKR_MECHANISM_PARAM_INVALID,
            "the mechanism's parameter is missing or has a wrong size");
  T parameter;
  std::memcpy(&parameter, mechanism.pParameter, sizeof parameter);
  return parameter;
}
template CK_RSA_PKCS_PSS_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_RSA_PKCS_OAEP_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_MAC_GENERAL_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_AES_CTR_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_CHACHA20_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_GCM_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_CCM_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_SALSA20_CHACHA20_POLY1305_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_GCM_MESSAGE_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_CCM_MESSAGE_PARAMS mechanism_parameter(const CK_MECHANISM&);
template CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS mechanism_parameter(const CK_MECHANISM&);

Bytes parameter_octets(const void* from, size_t octets) {
  constexpr size_t kMost = size_t{16} << 20;
  refuse_if(!from && octets, CKR_MECHANISM_PARAM_INVALID, "the mechanism's parameter has a length but a null pointer");
  refuse_if(octets > kMost, CKR_MECHANISM_PARAM_INVALID, "a length in the mechanism's parameter is absurd");
  const auto* first = static_cast<const uint8_t*>(from);
  return {first, first + octets};
}

std::optional<Hash> hash_of_mechanism(CK_MECHANISM_TYPE type) {
  const Mechanism* row = find_mechanism(type);
  if (!row || row->family != Family::kDigest || *row->hash >= Hash::kBlake2b160) return std::nullopt;
  return row->hash;
}

std::optional<Hash> hash_of_mgf(CK_ULONG mgf) {
  constexpr struct {
    CK_ULONG mgf;
    Hash hash;
  } kMasks[] = {
      {CKG_MGF1_SHA1, Hash::kSha1},         {CKG_MGF1_SHA224, Hash::kSha224},     {CKG_MGF1_SHA256, Hash::kSha256},
      {CKG_MGF1_SHA384, Hash::kSha384},     {CKG_MGF1_SHA512, Hash::kSha512},     {CKG_MGF1_SHA3_224, Hash::kSha3_224},
      {CKG_MGF1_SHA3_256, Hash::kSha3_256}, {CKG_MGF1_SHA3_384, Hash::kSha3_384}, {CKG_MGF1_SHA3_512, Hash::kSha3_512}};
  for (const auto& row : kMasks) {
    if (row.mgf == mgf) return row.hash;
  }
  return std::nullopt;
}

}  // namespace vtpm::pkcs11
