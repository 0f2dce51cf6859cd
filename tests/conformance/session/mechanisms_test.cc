// SPDX-License-Identifier: Apache-2.0
// C_GetMechanismList and C_GetMechanismInfo (PKCS#11 3.2, 5.5): what is advertised works, and nothing else does.
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/conformance/harness/keys.h"

namespace vtpm::conformance {
namespace {

enum Type {
  kNone,
  kRsa,
  kEc,
  kAes,
  kAes128,
  kCamellia,
  kAria,
  kXts,
  kChaCha20,
  kGeneric,
  kHmac,
  kSecret,
  kEdwards,
  kMontgomery,
  kDsaKey,
  kDhKey
};

struct Row {
  CK_MECHANISM_TYPE mechanism;
  Type key;
  CK_FLAGS uses;
  const char* shown_by;  // the test with the standard's vectors, or with the word of another implementation
};
constexpr CK_FLAGS kSignVerify = CKF_SIGN | CKF_VERIFY, kCrypt = CKF_ENCRYPT | CKF_DECRYPT,
                   kWraps = CKF_WRAP | CKF_UNWRAP, kRecovers = CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER,
                   kEncapsulates = CKF_ENCAPSULATE | CKF_DECAPSULATE;

/// A new mechanism of the module is a new row here, with its tests beside those of its kind.
const std::vector<Row>& rows();
const Row kNamedRows[] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa, CKF_GENERATE_KEY_PAIR, "Generation.RsaKeysOfEverySizeSign"},
    {CKM_EC_KEY_PAIR_GEN, kEc, CKF_GENERATE_KEY_PAIR, "Generation.EcKeysOnEveryCurveSign"},
    {CKM_RSA_PKCS, kRsa, kRecovers | kSignVerify | kCrypt | kWraps | kEncapsulates,
     "Signing.RsaPkcsSignsADigestInfoOrOtherData"},
    {CKM_RSA_X_509, kRsa, kRecovers | kSignVerify | kCrypt | kWraps | kEncapsulates,
     "RsaVectors.RawOperationsMatchThePublishedVectors"},
    {CKM_RSA_PKCS_OAEP, kRsa, kCrypt | kWraps | kEncapsulates, "Encryption.OaepWithEveryHashAndMgf"},
    {CKM_SHA1_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA224_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA256_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA384_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA512_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssSignsADigest"},
    {CKM_SHA1_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_SHA224_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_SHA256_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_SHA384_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_SHA512_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_ECDSA, kEc, kSignVerify, "Signing.EcdsaSignsADigestOfAnyLength"},
    {CKM_ECDSA_SHA1, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_ECDSA_SHA224, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_ECDSA_SHA256, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_ECDSA_SHA384, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_ECDSA_SHA512, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_SHA3_224_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA3_224_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_ECDSA_SHA3_224, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_SHA3_256_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA3_256_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_ECDSA_SHA3_256, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_SHA3_384_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA3_384_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_ECDSA_SHA3_384, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_SHA3_512_RSA_PKCS, kRsa, kSignVerify, "RsaVectors.Pkcs1SignaturesMatchThePublishedVectors"},
    {CKM_SHA3_512_RSA_PKCS_PSS, kRsa, kSignVerify, "Signing.RsaPssWithEveryHashVerifiesWithOpenssl"},
    {CKM_ECDSA_SHA3_512, kEc, kSignVerify, "KeyTypes.EcdsaOnEveryCurveMatchesThePublishedVectors"},
    {CKM_GENERIC_SECRET_KEY_GEN, kGeneric, CKF_GENERATE, "SecretKeys.OfEveryTypeAreGenerated"},
    {CKM_AES_KEY_GEN, kAes, CKF_GENERATE, "SecretKeys.OfEveryTypeAreGenerated"},
    {CKM_AES_XTS_KEY_GEN, kXts, CKF_GENERATE, "SecretKeys.OfEveryTypeAreGenerated"},
    {CKM_CHACHA20_KEY_GEN, kChaCha20, CKF_GENERATE, "SecretKeys.OfEveryTypeAreGenerated"},
    {CKM_AES_ECB, kAes, kCrypt | kWraps, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CBC, kAes, kCrypt | kWraps, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CBC_PAD, kAes, kCrypt | kWraps, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CTR, kAes, kCrypt | kWraps, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CTS, kAes, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_OFB, kAes, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CFB1, kAes, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CFB8, kAes, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CFB64, kAes, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_CFB128, kAes, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_CAMELLIA_CTR, kCamellia, kCrypt | kWraps, "Ciphers.MatchThePublishedVectors"},
    {CKM_AES_GCM, kAes, kCrypt | kWraps, "Ciphers.AuthenticatedModesMatchThePublishedVectors"},
    {CKM_AES_CCM, kAes, kCrypt | kWraps, "Ciphers.AuthenticatedModesMatchThePublishedVectors"},
    {CKM_AES_XTS, kXts, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_CHACHA20, kChaCha20, kCrypt, "Ciphers.MatchThePublishedVectors"},
    {CKM_CHACHA20_POLY1305, kChaCha20, kCrypt, "Ciphers.AuthenticatedModesMatchThePublishedVectors"},
    {CKM_AES_CMAC, kAes, kSignVerify, "Macs.AesMatchesThePublishedVectors"},
    {CKM_AES_CMAC_GENERAL, kAes, kSignVerify, "Macs.AesMatchesThePublishedVectors"},
    {CKM_AES_GMAC, kAes, kSignVerify, "Macs.AesMatchesThePublishedVectors"},
    {CKM_AES_XCBC_MAC, kAes128, kSignVerify, "Macs.AesMatchesThePublishedVectors"},
    {CKM_AES_XCBC_MAC_96, kAes128, kSignVerify, "Macs.AesMatchesThePublishedVectors"},
    {CKM_AES_KEY_WRAP, kAes, kCrypt | kWraps, "Wrap.KeyWrapMatchesThePublishedVectors"},
    {CKM_AES_KEY_WRAP_PAD, kAes, kCrypt | kWraps, "Wrap.KeyWrapWithPaddingMatchesThePublishedVectors"},
    {CKM_AES_KEY_WRAP_KWP, kAes, kCrypt | kWraps, "Wrap.KeyWrapMatchesThePublishedVectors"},
    {CKM_AES_KEY_WRAP_PKCS7, kAes, kCrypt | kWraps, "Wrap.KeyWrapWithPaddingMatchesThePublishedVectors"},
    {CKM_RSA_AES_KEY_WRAP, kRsa, kWraps, "Wrap.RsaAesKeyWrapIsOpenedByOpenssl"},
    {CKM_ECDH_AES_KEY_WRAP, kEc, kWraps, "Wrap.EcdhAesKeyWrapIsOpenedByOpenssl"},
    {CKM_ECDH_COF_AES_KEY_WRAP, kEc, kWraps, "Wrap.EcdhCofactorAesKeyWrapIsOpenedByOpenssl"},
    {CKM_ECDH_X_AES_KEY_WRAP, kMontgomery, kWraps, "KeyTypes.EcdhAesKeyWrapOnMontgomeryCurves"},
    {CKM_SHAKE_128_KEY_DERIVATION, kSecret, CKF_DERIVE, "Derive.DerivesShakeOfKeys"},
    {CKM_SHAKE_256_KEY_DERIVATION, kSecret, CKF_DERIVE, "Derive.DerivesShakeOfKeys"},
    {CKM_EC_EDWARDS_KEY_PAIR_GEN, kEdwards, CKF_GENERATE_KEY_PAIR,
     "KeyTypes.GeneratedPairsOnEdwardsAndMontgomeryCurvesWork"},
    {CKM_EC_MONTGOMERY_KEY_PAIR_GEN, kMontgomery, CKF_GENERATE_KEY_PAIR,
     "KeyTypes.GeneratedPairsOnEdwardsAndMontgomeryCurvesWork"},
    {CKM_EDDSA, kEdwards, kSignVerify, "KeyTypes.EddsaWithContextOrPrehashMatchesThePublishedVectors"},
    {CKM_DSA_KEY_PAIR_GEN, kDsaKey, CKF_GENERATE_KEY_PAIR, "KeyTypes.DsaKeysOfGeneratedDomainParametersSign"},
    {CKM_DSA_PARAMETER_GEN, kDsaKey, CKF_GENERATE, "KeyTypes.DsaKeysOfGeneratedDomainParametersSign"},
    {CKM_DH_PKCS_KEY_PAIR_GEN, kDhKey, CKF_GENERATE_KEY_PAIR, "KeyTypes.DhPairsDeriveTheSameSecret"},
    {CKM_DH_PKCS_PARAMETER_GEN, kDhKey, CKF_GENERATE, "KeyTypes.DhPairsDeriveTheSameSecret"},
    {CKM_DH_PKCS_DERIVE, kDhKey, CKF_DERIVE | kEncapsulates, "KeyTypes.DhMatchesThePublishedVectors"},
    {CKM_DSA, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA1, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA224, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA256, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA384, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA512, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA3_224, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA3_256, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA3_384, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_DSA_SHA3_512, kDsaKey, kSignVerify, "KeyTypes.DsaMatchesThePublishedVectors"},
    {CKM_ECDH1_DERIVE, kEc, CKF_DERIVE | kEncapsulates, "Derive.EcdhMatchesThePublishedVectorsInTheTpmAndInSoftware"},
    {CKM_ECDH1_COFACTOR_DERIVE, kEc, CKF_DERIVE | kEncapsulates,
     "Derive.EcdhMatchesThePublishedVectorsInTheTpmAndInSoftware"},
    {CKM_HKDF_DERIVE, kSecret, CKF_DERIVE, "Kdf.HkdfMatchesThePublishedVectors"},
    {CKM_HKDF_DATA, kSecret, CKF_DERIVE, "Kdf.HkdfMatchesThePublishedVectors"},
    {CKM_HKDF_KEY_GEN, kSecret, CKF_GENERATE, "Kdf.HkdfGenerateMakesKeys"},
    {CKM_SP800_108_COUNTER_KDF, kSecret, CKF_DERIVE, "Kdf.Sp800108MatchesThePublishedVectors"},
    {CKM_SP800_108_FEEDBACK_KDF, kSecret, CKF_DERIVE, "Kdf.Sp800108MatchesThePublishedVectors"},
    {CKM_SP800_108_DOUBLE_PIPELINE_KDF, kSecret, CKF_DERIVE, "Kdf.Sp800108MatchesThePublishedVectors"},
    {CKM_PKCS5_PBKD2, kSecret, CKF_GENERATE, "Kdf.Pbkdf2MatchesThePublishedVectors"},
    {CKM_CONCATENATE_BASE_AND_KEY, kSecret, CKF_DERIVE, "Derive.MatchesTheExamplesOfTheStandard"},
    {CKM_CONCATENATE_BASE_AND_DATA, kSecret, CKF_DERIVE, "Derive.MatchesTheExamplesOfTheStandard"},
    {CKM_CONCATENATE_DATA_AND_BASE, kSecret, CKF_DERIVE, "Derive.MatchesTheExamplesOfTheStandard"},
    {CKM_XOR_BASE_AND_DATA, kSecret, CKF_DERIVE, "Derive.MatchesTheExamplesOfTheStandard"},
    {CKM_EXTRACT_KEY_FROM_KEY, kSecret, CKF_DERIVE, "Derive.MatchesTheExamplesOfTheStandard"},
    {CKM_AES_ECB_ENCRYPT_DATA, kAes, CKF_DERIVE, "Derive.DerivesFromEncryptedData"},
    {CKM_AES_CBC_ENCRYPT_DATA, kAes, CKF_DERIVE, "Derive.DerivesFromEncryptedData"},
    {CKM_TLS12_MASTER_KEY_DERIVE, kSecret, CKF_DERIVE, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_TLS12_MASTER_KEY_DERIVE_DH, kSecret, CKF_DERIVE, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, kSecret, CKF_DERIVE,
     "Kdf.TlsExtendedMasterSecretMatchesThePublishedVectors"},
    {CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, kSecret, CKF_DERIVE,
     "Kdf.TlsExtendedMasterSecretMatchesThePublishedVectors"},
    {CKM_TLS12_KEY_AND_MAC_DERIVE, kSecret, CKF_DERIVE, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_TLS12_KEY_SAFE_DERIVE, kSecret, CKF_DERIVE, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_TLS_KDF, kSecret, CKF_DERIVE, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_TLS12_KDF, kSecret, CKF_DERIVE, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_TLS_MAC, kSecret, kSignVerify, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_TLS12_MAC, kSecret, kSignVerify, "Kdf.TlsMatchesThePublishedVectors"},
    {CKM_SHA512_T, kNone, CKF_DIGEST, "Macs.Sha512TMatchesThePublishedVectors"},
    {CKM_SHA512_T_HMAC, kHmac, kSignVerify, "Macs.Sha512TMatchesThePublishedVectors"},
    {CKM_SHA512_T_KEY_GEN, kHmac, CKF_GENERATE, "SecretKeys.OfEveryTypeAreGenerated"},
    {CKM_SHA512_T_KEY_DERIVATION, kSecret, CKF_DERIVE, "Derive.DerivesSha512TOfKeys"},
    {CKM_PUB_KEY_FROM_PRIV_KEY, kNone, CKF_DERIVE, "Derive.PublicKeysFromPrivateKeys"},
};

/// And what each hash, and each block cipher beside AES, brings along.
const std::vector<Row>& rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> result(std::begin(kNamedRows), std::end(kNamedRows));
    for (const HashRow& hash : kEveryHash) {
      result.push_back({hash.digest, kNone, CKF_DIGEST, "Digests.PublishedVectorsInOneCall"});
      result.push_back({hash.hmac, kHmac, kSignVerify, "Macs.HmacMatchesThePublishedVectors"});
      result.push_back({hash.hmac_general, kHmac, kSignVerify, "Macs.HmacMatchesThePublishedVectors"});
      result.push_back({hash.key_gen, kHmac, CKF_GENERATE, "SecretKeys.OfEveryTypeAreGenerated"});
      result.push_back({hash.key_derivation, kSecret, CKF_DERIVE, "Derive.DerivesDigestsOfKeys"});
    }
    for (const BlockCipherRow& cipher : kOtherBlockCiphers) {
      const Type key = cipher.key == CKK_CAMELLIA ? kCamellia : kAria;
      result.push_back({cipher.key_gen, key, CKF_GENERATE, "SecretKeys.OfEveryTypeAreGenerated"});
      for (const CK_MECHANISM_TYPE type : {cipher.ecb, cipher.cbc, cipher.cbc_pad})
        result.push_back({type, key, kCrypt | kWraps, "Ciphers.MatchThePublishedVectors"});
      for (const CK_MECHANISM_TYPE type : {cipher.ecb_encrypt_data, cipher.cbc_encrypt_data})
        result.push_back({type, key, CKF_DERIVE, "Derive.DerivesFromEncryptedData"});
    }
    return result;
  }();
  return all;
}
constexpr CK_FLAGS kUseFlags = CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_SIGN_RECOVER | CKF_VERIFY |
                               CKF_VERIFY_RECOVER | CKF_GENERATE | CKF_GENERATE_KEY_PAIR | CKF_WRAP | CKF_UNWRAP |
                               CKF_DERIVE | CKF_ENCAPSULATE | CKF_DECAPSULATE;

using Mechanisms = WithUser;

std::vector<CK_MECHANISM_TYPE> list(CK_SLOT_ID slot) {
  CK_ULONG count = 0;
  MUST(p11->C_GetMechanismList(slot, nullptr, &count));
  std::vector<CK_MECHANISM_TYPE> all(count);
  MUST(p11->C_GetMechanismList(slot, all.data(), &count));
  all.resize(count);
  return all;
}

CK_MECHANISM_INFO info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type) {
  CK_MECHANISM_INFO result{};
  MUST(p11->C_GetMechanismInfo(slot, type, &result));
  return result;
}

/// The mechanism with a parameter that is right for it.
Mechanism with_its_parameter(CK_MECHANISM_TYPE type) {
  static Bytes some(16, 1);
  for (const HashRow& hash : kEveryHash)
    if (type == hash.hmac_general) return Mechanism::with_parameter(type, bytes_of(CK_ULONG{8}));
  switch (type) {
    case CKM_AES_CBC:
    case CKM_AES_CBC_PAD:
    case CKM_AES_CTS:
    case CKM_AES_OFB:
    case CKM_AES_CFB1:
    case CKM_AES_CFB8:
    case CKM_AES_CFB64:
    case CKM_AES_CFB128:
    case CKM_AES_XTS:
    case CKM_CAMELLIA_CBC:
    case CKM_CAMELLIA_CBC_PAD:
    case CKM_ARIA_CBC:
    case CKM_ARIA_CBC_PAD:
      return Mechanism::with_parameter(type, some);
    case CKM_AES_CTR:
    case CKM_CAMELLIA_CTR:
      return Mechanism::with_parameter(type, bytes_of(CK_AES_CTR_PARAMS{128, {}}));
    case CKM_SHA512_T:
    case CKM_SHA512_T_HMAC:
    case CKM_SHA512_T_KEY_DERIVATION:
      return sha512_t(type, 200);
    case CKM_AES_CMAC_GENERAL:
      return Mechanism::with_parameter(type, bytes_of(CK_ULONG{8}));
    case CKM_AES_GCM:
    case CKM_AES_GMAC:
      return Mechanism::with_parameter(type, bytes_of(CK_GCM_PARAMS{some.data(), 12, 96, nullptr, 0, 128}));
    case CKM_AES_CCM:
      return Mechanism::with_parameter(type, bytes_of(CK_CCM_PARAMS{0, some.data(), 12, nullptr, 0, 16}));
    case CKM_CHACHA20:
      return Mechanism::with_parameter(type, bytes_of(CK_CHACHA20_PARAMS{some.data(), 32, some.data(), 96}));
    case CKM_CHACHA20_POLY1305:
      return Mechanism::with_parameter(type,
                                       bytes_of(CK_SALSA20_CHACHA20_POLY1305_PARAMS{some.data(), 96, nullptr, 0}));

    case CKM_TLS_MAC:
    case CKM_TLS12_MAC:
      return Mechanism::with_parameter(type, bytes_of(CK_TLS_MAC_PARAMS{CKM_SHA256, 12, 1}));
    case CKM_PKCS5_PBKD2:
      return Mechanism::with_parameter(
          type, bytes_of(CK_PKCS5_PBKD2_PARAMS2{CKZ_SALT_SPECIFIED, some.data(), 16, 1, CKP_PKCS5_PBKD2_HMAC_SHA256,
                                                nullptr, 0, some.data(), 8}));
    case CKM_RSA_PKCS_OAEP:
      return Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA256);
    case CKM_RSA_PKCS_PSS:
    case CKM_SHA256_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA256, CKG_MGF1_SHA256, 32);
    case CKM_SHA1_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA_1, CKG_MGF1_SHA1, 20);
    case CKM_SHA224_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA224, CKG_MGF1_SHA224, 28);
    case CKM_SHA384_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA384, CKG_MGF1_SHA384, 48);
    case CKM_SHA512_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA512, CKG_MGF1_SHA512, 64);
    case CKM_SHA3_224_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA3_224, CKG_MGF1_SHA3_224, 28);
    case CKM_SHA3_256_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA3_256, CKG_MGF1_SHA3_256, 32);
    case CKM_SHA3_384_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA3_384, CKG_MGF1_SHA3_384, 48);
    case CKM_SHA3_512_RSA_PKCS_PSS:
      return Mechanism::pss(type, CKM_SHA3_512, CKG_MGF1_SHA3_512, 64);
    default:
      return type;
  }
}

TEST_F(Mechanisms, ListIsTheTable) {
  const auto advertised = list(slot);
  std::set<CK_MECHANISM_TYPE> expected;
  for (const Row& row : rows()) expected.insert(row.mechanism);
  EXPECT_EQ(std::set<CK_MECHANISM_TYPE>(advertised.begin(), advertised.end()), expected);
  EXPECT_EQ(advertised.size(), expected.size()) << "a mechanism is listed twice";
}

TEST_F(Mechanisms, ListFollowsTheLengthConvention) {
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11->C_GetMechanismList(slot, nullptr, &count));
  const CK_ULONG all = count;
  std::vector<CK_MECHANISM_TYPE> types(all + 1, kAbsurd);
  count = all - 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetMechanismList(slot, types.data(), &count));
  EXPECT_EQ(count, all);
  EXPECT_EQ(types[all - 1], kAbsurd);
  count = all + 1;
  EXPECT_RV(CKR_OK, p11->C_GetMechanismList(slot, types.data(), &count));
  EXPECT_EQ(count, all);
  EXPECT_EQ(types[all], kAbsurd);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetMechanismList(slot, types.data(), nullptr));
}

TEST_F(Mechanisms, InformationSaysWhatEachCanDo) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.mechanism);
    const CK_MECHANISM_INFO what = info(slot, row.mechanism);
    EXPECT_EQ(what.flags & kUseFlags, row.uses);
    // The TPM is the device: RSA and EC run in it, all else in software.
    EXPECT_EQ(bool(what.flags & CKF_HW), row.key == kRsa || row.key == kEc);
    if (row.key == kRsa) {
      EXPECT_EQ(what.ulMinKeySize, 1024u);
      EXPECT_GE(what.ulMaxKeySize, 3072u);
    }
    if (row.key == kEc) {
      EXPECT_EQ(what.ulMinKeySize, 224u);
      EXPECT_EQ(what.ulMaxKeySize, 521u);
    }
    // 3.2, 6.3: each mechanism on curves says which forms it takes.
    const bool on_curves = row.key == kEc || row.key == kEdwards || row.key == kMontgomery;
    const CK_FLAGS forms = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_CURVENAME | CKF_EC_UNCOMPRESS;
    EXPECT_EQ(what.flags & forms, on_curves ? forms : 0);
    const bool of_a_peer = row.mechanism == CKM_ECDH1_DERIVE || row.mechanism == CKM_ECDH1_COFACTOR_DERIVE;
    EXPECT_EQ(what.flags & CKF_EC_COMPRESS, of_a_peer ? CKF_EC_COMPRESS : 0);
    // Bytes; for generic secrets bits (2.40, 2.4 of the mechanisms).
    const auto sizes = std::pair(what.ulMinKeySize, what.ulMaxKeySize);
    if (row.key == kAes || row.key == kCamellia || row.key == kAria) {
      EXPECT_EQ(sizes, std::pair(16UL, 32UL));
    }
    if (row.key == kAes128) {
      EXPECT_EQ(sizes, std::pair(16UL, 16UL));
    }
    if (row.key == kXts) {
      EXPECT_EQ(sizes, std::pair(32UL, 64UL));
    }
    if (row.key == kChaCha20) {
      const CK_ULONG size = row.mechanism == CKM_CHACHA20 ? 256 : 32;  // bits, bytes (3.2, 6.58 and 6.61)
      EXPECT_EQ(sizes, std::pair(size, size));
    }
    if (row.mechanism == CKM_SP800_108_COUNTER_KDF) {
      EXPECT_EQ(sizes, std::pair(8UL, 8 * 255 * 64UL)) << "bits (3.2, 6.42)";
    }
    if (row.mechanism == CKM_TLS12_MASTER_KEY_DERIVE_DH) {
      EXPECT_EQ(sizes, std::pair(48UL, 48UL)) << "whatever was agreed upon (3.2, 6.40)";
    }
    if (row.key == kGeneric) {
      EXPECT_EQ(sizes, std::pair(8UL, 8 * 255 * 64UL));
    }
  }
}

TEST_F(Mechanisms, InformationOfOthersIsRefused) {
  CK_MECHANISM_INFO what;
  for (const CK_MECHANISM_TYPE type :
       {CKM_MD5, CKM_DES_ECB, CKM_RSA_9796, CKM_X9_42_DH_DERIVE, CK_MECHANISM_TYPE{0x7FFFFFFF}, kAbsurd})
    EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_GetMechanismInfo(slot, type, &what));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetMechanismInfo(slot, CKM_SHA256, nullptr));
}

std::map<Type, KeyPair> keys_of_each_type(Session& session) {
  const KeyPair rsa = session.generate_rsa(2048), ec = session.generate_ec(kP256);
  const auto same = [](CK_OBJECT_HANDLE key) { return KeyPair{key, key}; };
  Bytes two_keys(32, 1);
  two_keys[0] = 2;
  const auto on = [&](CK_MECHANISM_TYPE type, const char* curve) {
    return session.generate(type, {{CKA_EC_PARAMS, curve_parameters(curve)}}, {});
  };
  // The prime of RFC 7919's ffdhe2048 is the token's own; any DSA key will do.
  CK_OBJECT_HANDLE dsa = CK_INVALID_HANDLE, dh = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DSA_PARAMETER_GEN, {{CKA_PRIME_BITS, 1024}}, &dsa));
  MUST(try_generate_key(session, CKM_DH_PKCS_PARAMETER_GEN, {{CKA_PRIME_BITS, 2048}}, &dh));
  const auto in = [&](CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE domain) {
    Template parameters = {{CKA_PRIME, session.get(domain, CKA_PRIME)}, {CKA_BASE, session.get(domain, CKA_BASE)}};
    if (domain == dsa) parameters = parameters.with({{CKA_SUBPRIME, session.get(domain, CKA_SUBPRIME)}});
    return session.generate(type, parameters, {});
  };
  return {{kEdwards, on(CKM_EC_EDWARDS_KEY_PAIR_GEN, "Ed25519")},
          {kMontgomery, on(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, "X25519")},
          {kDsaKey, in(CKM_DSA_KEY_PAIR_GEN, dsa)},
          {kDhKey, in(CKM_DH_PKCS_KEY_PAIR_GEN, dh)},
          {kNone, rsa},
          {kRsa, rsa},
          {kEc, ec},
          {kAes, same(secret_key(session, CKK_AES, Bytes(16, 1)))},
          {kAes128, same(secret_key(session, CKK_AES, Bytes(16, 1)))},
          {kCamellia, same(secret_key(session, CKK_CAMELLIA, Bytes(16, 1)))},
          {kAria, same(secret_key(session, CKK_ARIA, Bytes(16, 1)))},
          {kXts, same(secret_key(session, CKK_AES_XTS, two_keys))},
          {kChaCha20, same(secret_key(session, CKK_CHACHA20, Bytes(32, 1)))},
          {kGeneric, same(secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1)))},
          {kSecret, same(secret_key(session, CKK_GENERIC_SECRET, Bytes(48, 1)))},
          {kHmac, same(secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1)))}};
}

TEST_F(Mechanisms, TheFlagsAreExact) {
  const std::map<Type, KeyPair> keys = keys_of_each_type(session);
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.mechanism);
    const KeyPair& pair = keys.at(row.key);
    const CK_FLAGS flags = info(slot, row.mechanism).flags;
    const auto expect_as_flagged = [&](CK_FLAGS flag, const char* function, CK_RV answer) {
      EXPECT_EQ(rv_name(answer), flags & flag ? "CKR_OK" : "CKR_MECHANISM_INVALID") << function;
    };
    Mechanism mechanism = with_its_parameter(row.mechanism);
    const auto fresh = [&] { return Session(slot); };  // an operation that has begun goes with its session
    expect_as_flagged(CKF_SIGN, "C_SignInit", p11->C_SignInit(fresh(), mechanism.get(), pair.private_key));
    expect_as_flagged(CKF_VERIFY, "C_VerifyInit", p11->C_VerifyInit(fresh(), mechanism.get(), pair.public_key));
    expect_as_flagged(CKF_ENCRYPT, "C_EncryptInit", p11->C_EncryptInit(fresh(), mechanism.get(), pair.public_key));
    expect_as_flagged(CKF_DECRYPT, "C_DecryptInit", p11->C_DecryptInit(fresh(), mechanism.get(), pair.private_key));
    expect_as_flagged(CKF_DIGEST, "C_DigestInit", p11->C_DigestInit(fresh(), mechanism.get()));
    const bool parameters = row.mechanism == CKM_DSA_PARAMETER_GEN || row.mechanism == CKM_DH_PKCS_PARAMETER_GEN;
    const Template bytes =
        parameters ? Template{{CKA_PRIME_BITS, row.key == kDsaKey ? 1024 : 2048}} : Template{{CKA_VALUE_LEN, 32}};
    expect_as_flagged(CKF_GENERATE, "C_GenerateKey", try_generate_key(session, mechanism, bytes));
    EXPECT_EQ(try_wrap(session, mechanism, pair.public_key, 0) == CKR_MECHANISM_INVALID, !(flags & CKF_WRAP));
    EXPECT_EQ(try_unwrap(session, mechanism, pair.private_key, {}, {}) == CKR_MECHANISM_INVALID, !(flags & CKF_UNWRAP));
    EXPECT_EQ(try_derive(session, mechanism, pair.private_key, {}) == CKR_MECHANISM_INVALID, !(flags & CKF_DERIVE));
    CK_ULONG size = 0;
    CK_OBJECT_HANDLE none = CK_INVALID_HANDLE;
    EXPECT_EQ(p11_3().C_EncapsulateKey(session, mechanism.get(), 0, nullptr, 0, nullptr, &size, &none) ==
                  CKR_MECHANISM_INVALID,
              !(flags & CKF_ENCAPSULATE));
    CK_BYTE byte = 0;
    EXPECT_EQ(
        p11_3().C_DecapsulateKey(session, mechanism.get(), 0, nullptr, 0, &byte, 1, &none) == CKR_MECHANISM_INVALID,
        !(flags & CKF_DECAPSULATE));
    // GnuTLS 3.7 and Knot generate by CKM_EDDSA; the standard's flags do not say so.
    if (!(flags & CKF_GENERATE_KEY_PAIR) && row.mechanism != CKM_EDDSA) {
      EXPECT_RV(CKR_MECHANISM_INVALID, session.try_generate(mechanism, {{CKA_MODULUS_BITS, 1024}}, {}));
    }
  }
}

/// Whether the standard defines a parameter for the mechanism, required or optional; for CKM_DH_PKCS_DERIVE in
/// C_DeriveKey only.
bool has_parameter(CK_MECHANISM_TYPE type) {
  constexpr CK_MECHANISM_TYPE kHave[] = {CKM_EDDSA,
                                         CKM_AES_KEY_WRAP,
                                         CKM_AES_KEY_WRAP_PAD,
                                         CKM_AES_KEY_WRAP_KWP,
                                         CKM_AES_KEY_WRAP_PKCS7,
                                         CKM_RSA_AES_KEY_WRAP,
                                         CKM_ECDH_AES_KEY_WRAP,
                                         CKM_ECDH_COF_AES_KEY_WRAP,
                                         CKM_ECDH_X_AES_KEY_WRAP,
                                         CKM_DH_PKCS_DERIVE,
                                         CKM_ECDH1_DERIVE,
                                         CKM_ECDH1_COFACTOR_DERIVE,
                                         CKM_HKDF_DERIVE,
                                         CKM_HKDF_DATA,
                                         CKM_SP800_108_COUNTER_KDF,
                                         CKM_SP800_108_FEEDBACK_KDF,
                                         CKM_SP800_108_DOUBLE_PIPELINE_KDF,
                                         CKM_CONCATENATE_BASE_AND_KEY,
                                         CKM_CONCATENATE_BASE_AND_DATA,
                                         CKM_CONCATENATE_DATA_AND_BASE,
                                         CKM_XOR_BASE_AND_DATA,
                                         CKM_EXTRACT_KEY_FROM_KEY,
                                         CKM_AES_ECB_ENCRYPT_DATA,
                                         CKM_AES_CBC_ENCRYPT_DATA,
                                         CKM_CAMELLIA_ECB_ENCRYPT_DATA,
                                         CKM_CAMELLIA_CBC_ENCRYPT_DATA,
                                         CKM_ARIA_ECB_ENCRYPT_DATA,
                                         CKM_ARIA_CBC_ENCRYPT_DATA,
                                         CKM_TLS12_MASTER_KEY_DERIVE,
                                         CKM_TLS12_MASTER_KEY_DERIVE_DH,
                                         CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
                                         CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH,
                                         CKM_TLS12_KEY_AND_MAC_DERIVE,
                                         CKM_TLS12_KEY_SAFE_DERIVE,
                                         CKM_TLS_KDF,
                                         CKM_TLS12_KDF};
  return with_its_parameter(type).get()->pParameter != nullptr ||
         std::find(std::begin(kHave), std::end(kHave), type) != std::end(kHave);
}

// Applications leave both fields as they find them (PowerDNS 4.7): the pointer is never followed.
TEST_F(Mechanisms, WithoutAParameterNeitherFieldIsRead) {
  const std::map<Type, KeyPair> keys = keys_of_each_type(session);
  const CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1));
  for (const auto& [type, pair] : keys) {  // as far as they can
    for (const CK_ATTRIBUTE_TYPE use : {CKA_WRAP, CKA_VERIFY_RECOVER, CKA_ENCAPSULATE})
      session.try_set(pair.public_key, {{use, true}});
    for (const CK_ATTRIBUTE_TYPE use : {CKA_UNWRAP, CKA_SIGN_RECOVER, CKA_DERIVE, CKA_DECAPSULATE})
      session.try_set(pair.private_key, {{use, true}});
  }
  void* const nowhere = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(nowhere, MAP_FAILED);
  const auto fresh = [&] { return Session(slot); };
  Bytes data(64, 1), out(1024);
  const CK_FUNCTION_LIST_3_2& v3 = p11_3();
  size_t seen = 0;
  for (const Row& row : rows()) {
    const bool derives_only = row.mechanism == CKM_DH_PKCS_DERIVE;
    if (has_parameter(row.mechanism) && !derives_only) continue;
    ++seen;
    const CK_MECHANISM garbage[] = {
        {row.mechanism, nowhere, kAbsurd}, {row.mechanism, nullptr, 5}, {row.mechanism, nowhere, 0}};
    for (CK_MECHANISM mechanism : garbage) {
      SCOPED_TRACE(std::to_string(row.mechanism) + " with " + std::to_string(mechanism.ulParameterLen));
      const KeyPair& pair = keys.at(row.key);
      CK_OBJECT_HANDLE made = CK_INVALID_HANDLE, other = CK_INVALID_HANDLE;
      const auto uses = [&](CK_FLAGS flag) { return (row.uses & flag) != 0; };
      if (uses(CKF_DIGEST)) {
        EXPECT_RV(CKR_OK, p11->C_DigestInit(fresh(), &mechanism));
      }
      if (uses(CKF_ENCRYPT)) {
        EXPECT_RV(CKR_OK, p11->C_EncryptInit(fresh(), &mechanism, pair.public_key));
      }
      if (uses(CKF_DECRYPT)) {
        EXPECT_RV(CKR_OK, p11->C_DecryptInit(fresh(), &mechanism, pair.private_key));
      }
      if (uses(CKF_SIGN)) {
        EXPECT_RV(CKR_OK, p11->C_SignInit(fresh(), &mechanism, pair.private_key));
        EXPECT_RV(CKR_OK, p11->C_VerifyInit(fresh(), &mechanism, pair.public_key));
        EXPECT_RV(CKR_OK, v3.C_MessageSignInit(fresh(), &mechanism, pair.private_key));
        EXPECT_RV(CKR_OK, v3.C_MessageVerifyInit(fresh(), &mechanism, pair.public_key));
        EXPECT_RV(CKR_OK, v3.C_VerifySignatureInit(fresh(), &mechanism, pair.public_key, data.data(), data.size()));
      }
      if (uses(CKF_SIGN_RECOVER)) {
        EXPECT_RV(CKR_OK, p11->C_SignRecoverInit(fresh(), &mechanism, pair.private_key));
        EXPECT_RV(CKR_OK, p11->C_VerifyRecoverInit(fresh(), &mechanism, pair.public_key));
      }
      CK_ULONG size = out.size();
      if (uses(CKF_WRAP)) {
        EXPECT_RV(CKR_OK, p11->C_WrapKey(session, &mechanism, pair.public_key, secret, out.data(), &size));
        Template wanted = shown_secret(16).with({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET}});
        EXPECT_RV(CKR_OK, p11->C_UnwrapKey(session, &mechanism, pair.private_key, out.data(), size, wanted.data(),
                                           wanted.size(), &made));
      }
      Template shown = shown_secret(16);
      if (uses(CKF_DERIVE) && !derives_only) {
        const bool of_a_pair = row.mechanism == CKM_PUB_KEY_FROM_PRIV_KEY;
        EXPECT_RV(CKR_OK, p11->C_DeriveKey(session, &mechanism, pair.private_key, of_a_pair ? nullptr : shown.data(),
                                           of_a_pair ? 0 : shown.size(), &made));
      }
      if (uses(CKF_ENCAPSULATE)) {
        size = out.size();
        EXPECT_RV(CKR_OK, v3.C_EncapsulateKey(session, &mechanism, pair.public_key, shown.data(), shown.size(),
                                              out.data(), &size, &made));
        EXPECT_RV(CKR_OK, v3.C_DecapsulateKey(session, &mechanism, pair.private_key, shown.data(), shown.size(),
                                              out.data(), size, &made));
      }
      if (uses(CKF_GENERATE)) {
        Template bytes = row.key == kDsaKey  ? Template{{CKA_PRIME_BITS, 1024}}
                         : row.key == kDhKey ? Template{{CKA_PRIME_BITS, 2048}}
                                             : Template{{CKA_VALUE_LEN, 32}};
        EXPECT_RV(CKR_OK, p11->C_GenerateKey(session, &mechanism, bytes.data(), bytes.size(), &made));
      }
      if (uses(CKF_GENERATE_KEY_PAIR)) {
        Template half = {{CKA_MODULUS_BITS, 1024}};
        if (row.key == kEc || row.key == kEdwards || row.key == kMontgomery)
          half = {{CKA_EC_PARAMS, session.get(pair.public_key, CKA_EC_PARAMS)}};
        if (row.key == kDsaKey || row.key == kDhKey)
          half = {{CKA_PRIME, session.get(pair.public_key, CKA_PRIME)},
                  {CKA_BASE, session.get(pair.public_key, CKA_BASE)}};
        if (row.key == kDsaKey) half = half.with({{CKA_SUBPRIME, session.get(pair.public_key, CKA_SUBPRIME)}});
        EXPECT_RV(CKR_OK,
                  p11->C_GenerateKeyPair(session, &mechanism, half.data(), half.size(), nullptr, 0, &made, &other));
      }
    }
  }
  EXPECT_GT(seen, 100u);
  munmap(nowhere, 4096);
}

TEST_F(Mechanisms, NothingElseBegins) {
  const KeyPair rsa = session.generate_rsa(1024);
  std::set<CK_MECHANISM_TYPE> known;
  for (const Row& row : rows()) known.insert(row.mechanism);
  // Every number that the standard may have given; of the gaps between its ranges a sample.
  const auto in_a_gap = [](CK_MECHANISM_TYPE type) {
    return (type > 0x1200 && type < 0x2000) || (type > 0x2200 && type < 0x4000);
  };
  for (CK_MECHANISM_TYPE type = 0; type < 0x4100; type += in_a_gap(type) ? 16 : 1) {
    if (known.count(type)) continue;
    Mechanism mechanism = type;
    ASSERT_EQ(rv_name(p11->C_SignInit(session, mechanism.get(), rsa.private_key)), "CKR_MECHANISM_INVALID") << type;
    ASSERT_EQ(rv_name(p11->C_EncryptInit(session, mechanism.get(), rsa.public_key)), "CKR_MECHANISM_INVALID") << type;
    ASSERT_EQ(rv_name(p11->C_DigestInit(session, mechanism.get())), "CKR_MECHANISM_INVALID") << type;
  }
}

TEST_F(Mechanisms, EachIsShownByATest) {
  std::set<std::string> tests;
  const testing::UnitTest& program = *testing::UnitTest::GetInstance();
  for (int i = 0; i < program.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *program.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j)
      tests.insert(std::string(suite.name()) + "." + suite.GetTestInfo(j)->name());
  }
  for (const Row& row : rows()) EXPECT_TRUE(tests.count(row.shown_by)) << row.shown_by << " of " << row.mechanism;
}

// p11-kit and Java ask before a token is initialized.
TEST(FreeSlot, ListsTheMechanismsWhileItHasATokenInIt) {
  const Scratch scratch;
  const Library library;
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11->C_GetMechanismList(free_slot(), nullptr, &count));
  EXPECT_GT(count, 200u);
}

}  // namespace
}  // namespace vtpm::conformance
