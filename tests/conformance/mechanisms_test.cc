// C_GetMechanismList and C_GetMechanismInfo (PKCS#11 2.40, 5.5): what is advertised works, and nothing else does.
#include <algorithm>
#include <set>

#include "tests/conformance/symmetric.h"

namespace vtpm::conformance {
namespace {

enum Type { kNone, kRsa, kEc, kAes, kAes128, kXts, kChaCha20, kGeneric, kHmac };

struct Row {
  CK_MECHANISM_TYPE mechanism;
  Type key;
  CK_FLAGS uses;
};
constexpr CK_FLAGS kSignVerify = CKF_SIGN | CKF_VERIFY, kCrypt = CKF_ENCRYPT | CKF_DECRYPT;
constexpr CK_FLAGS kRecover = CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER;

/// A new mechanism of the module is a new row here, with its tests beside those of its kind.
const std::vector<Row>& rows();
const Row kNamedRows[] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa, CKF_GENERATE_KEY_PAIR},
    {CKM_EC_KEY_PAIR_GEN, kEc, CKF_GENERATE_KEY_PAIR},
    {CKM_RSA_PKCS, kRsa, kSignVerify | kRecover | kCrypt},
    {CKM_RSA_X_509, kRsa, kSignVerify | kRecover | kCrypt},
    {CKM_RSA_PKCS_OAEP, kRsa, kCrypt},
    {CKM_SHA1_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA224_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA256_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA384_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA512_RSA_PKCS, kRsa, kSignVerify},
    {CKM_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_SHA1_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_SHA224_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_SHA256_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_SHA384_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_SHA512_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_ECDSA, kEc, kSignVerify},
    {CKM_ECDSA_SHA1, kEc, kSignVerify},
    {CKM_ECDSA_SHA224, kEc, kSignVerify},
    {CKM_ECDSA_SHA256, kEc, kSignVerify},
    {CKM_ECDSA_SHA384, kEc, kSignVerify},
    {CKM_ECDSA_SHA512, kEc, kSignVerify},
    {CKM_SHA3_224_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA3_224_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_ECDSA_SHA3_224, kEc, kSignVerify},
    {CKM_SHA3_256_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA3_256_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_ECDSA_SHA3_256, kEc, kSignVerify},
    {CKM_SHA3_384_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA3_384_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_ECDSA_SHA3_384, kEc, kSignVerify},
    {CKM_SHA3_512_RSA_PKCS, kRsa, kSignVerify},
    {CKM_SHA3_512_RSA_PKCS_PSS, kRsa, kSignVerify},
    {CKM_ECDSA_SHA3_512, kEc, kSignVerify},
    {CKM_GENERIC_SECRET_KEY_GEN, kGeneric, CKF_GENERATE},
    {CKM_AES_KEY_GEN, kAes, CKF_GENERATE},
    {CKM_AES_XTS_KEY_GEN, kXts, CKF_GENERATE},
    {CKM_CHACHA20_KEY_GEN, kChaCha20, CKF_GENERATE},
    {CKM_AES_ECB, kAes, kCrypt},
    {CKM_AES_CBC, kAes, kCrypt},
    {CKM_AES_CBC_PAD, kAes, kCrypt},
    {CKM_AES_CTR, kAes, kCrypt},
    {CKM_AES_CTS, kAes, kCrypt},
    {CKM_AES_OFB, kAes, kCrypt},
    {CKM_AES_CFB1, kAes, kCrypt},
    {CKM_AES_CFB8, kAes, kCrypt},
    {CKM_AES_CFB64, kAes, kCrypt},
    {CKM_AES_CFB128, kAes, kCrypt},
    {CKM_AES_GCM, kAes, kCrypt},
    {CKM_AES_CCM, kAes, kCrypt},
    {CKM_AES_XTS, kXts, kCrypt},
    {CKM_CHACHA20, kChaCha20, kCrypt},
    {CKM_CHACHA20_POLY1305, kChaCha20, kCrypt},
    {CKM_AES_CMAC, kAes, kSignVerify},
    {CKM_AES_CMAC_GENERAL, kAes, kSignVerify},
    {CKM_AES_GMAC, kAes, kSignVerify},
    {CKM_AES_XCBC_MAC, kAes128, kSignVerify},
    {CKM_AES_XCBC_MAC_96, kAes128, kSignVerify},
};

/// And what each hash brings along.
const std::vector<Row>& rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> result(std::begin(kNamedRows), std::end(kNamedRows));
    for (const HashRow& hash : kEveryHash) {
      result.push_back({hash.digest, kNone, CKF_DIGEST});
      result.push_back({hash.hmac, kHmac, kSignVerify});
      result.push_back({hash.hmac_general, kHmac, kSignVerify});
      result.push_back({hash.key_gen, kHmac, CKF_GENERATE});
    }
    return result;
  }();
  return all;
}
constexpr CK_FLAGS kUseFlags = CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_SIGN_RECOVER | CKF_VERIFY |
                               CKF_VERIFY_RECOVER | CKF_GENERATE | CKF_GENERATE_KEY_PAIR | CKF_WRAP | CKF_UNWRAP |
                               CKF_DERIVE;

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
    if (type == hash.hmac_general) return Mechanism::with_parameter(type, octets_of(CK_ULONG{8}));
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
      return Mechanism::with_parameter(type, some);
    case CKM_AES_CTR:
      return Mechanism::with_parameter(type, octets_of(CK_AES_CTR_PARAMS{128, {}}));
    case CKM_AES_CMAC_GENERAL:
      return Mechanism::with_parameter(type, octets_of(CK_ULONG{8}));
    case CKM_AES_GCM:
    case CKM_AES_GMAC:
      return Mechanism::with_parameter(type, octets_of(CK_GCM_PARAMS{some.data(), 12, 96, nullptr, 0, 128}));
    case CKM_AES_CCM:
      return Mechanism::with_parameter(type, octets_of(CK_CCM_PARAMS{0, some.data(), 12, nullptr, 0, 16}));
    case CKM_CHACHA20:
      return Mechanism::with_parameter(type, octets_of(CK_CHACHA20_PARAMS{some.data(), 32, some.data(), 96}));
    case CKM_CHACHA20_POLY1305:
      return Mechanism::with_parameter(type,
                                       octets_of(CK_SALSA20_CHACHA20_POLY1305_PARAMS{some.data(), 12, nullptr, 0}));

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
      EXPECT_EQ(what.ulMinKeySize, 256u);
      EXPECT_EQ(what.ulMaxKeySize, 521u);
      EXPECT_EQ(what.flags & (CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS),
                CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS);
    }
    // Octets; for generic secrets bits (2.40, 2.4 of the mechanisms).
    const auto sizes = std::pair(what.ulMinKeySize, what.ulMaxKeySize);
    if (row.key == kAes) {
      EXPECT_EQ(sizes, std::pair(16UL, 32UL));
    }
    if (row.key == kAes128) {
      EXPECT_EQ(sizes, std::pair(16UL, 16UL));
    }
    if (row.key == kXts) {
      EXPECT_EQ(sizes, std::pair(32UL, 64UL));
    }
    if (row.key == kChaCha20) {
      EXPECT_EQ(sizes, std::pair(32UL, 32UL));
    }
    if (row.key == kGeneric) {
      EXPECT_EQ(sizes, std::pair(8UL, 32768UL));
    }
  }
}

TEST_F(Mechanisms, InformationOfOthersIsRefused) {
  CK_MECHANISM_INFO what;
  for (const CK_MECHANISM_TYPE type :
       {CKM_MD5, CKM_DES_ECB, CKM_RSA_9796, CKM_DSA, CK_MECHANISM_TYPE{0x7FFFFFFF}, kAbsurd})
    EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_GetMechanismInfo(slot, type, &what));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetMechanismInfo(slot, CKM_SHA256, nullptr));
}

TEST_F(Mechanisms, TheFlagsAreExact) {
  const KeyPair rsa = session.generate_rsa(2048), ec = session.generate_ec(kP256);
  const auto same = [](CK_OBJECT_HANDLE key) { return KeyPair{key, key}; };
  Bytes two_keys(32, 1);
  two_keys[0] = 2;
  const std::map<Type, KeyPair> keys = {{kNone, rsa},
                                        {kRsa, rsa},
                                        {kEc, ec},
                                        {kAes, same(secret_key(session, CKK_AES, Bytes(16, 1)))},
                                        {kAes128, same(secret_key(session, CKK_AES, Bytes(16, 1)))},
                                        {kXts, same(secret_key(session, CKK_AES_XTS, two_keys))},
                                        {kChaCha20, same(secret_key(session, CKK_CHACHA20, Bytes(32, 1)))},
                                        {kGeneric, same(secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1)))},
                                        {kHmac, same(secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1)))}};
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
    const Template octets = {{CKA_VALUE_LEN, 32}};
    expect_as_flagged(CKF_GENERATE, "C_GenerateKey", try_generate_key(session, row.mechanism, octets));
    if (!(flags & CKF_GENERATE_KEY_PAIR)) {
      EXPECT_RV(CKR_MECHANISM_INVALID, session.try_generate(mechanism, {{CKA_MODULUS_BITS, 1024}}, {}));
    }
  }
}

TEST_F(Mechanisms, NothingElseBegins) {
  const KeyPair rsa = session.generate_rsa(1024);
  std::set<CK_MECHANISM_TYPE> known;
  for (const Row& row : rows()) known.insert(row.mechanism);
  for (CK_MECHANISM_TYPE type = 0; type < 0x4100; ++type) {
    if (known.count(type)) continue;
    Mechanism mechanism = type;
    ASSERT_EQ(rv_name(p11->C_SignInit(session, mechanism.get(), rsa.private_key)), "CKR_MECHANISM_INVALID") << type;
    ASSERT_EQ(rv_name(p11->C_EncryptInit(session, mechanism.get(), rsa.public_key)), "CKR_MECHANISM_INVALID") << type;
    ASSERT_EQ(rv_name(p11->C_DigestInit(session, mechanism.get())), "CKR_MECHANISM_INVALID") << type;
  }
}

TEST_F(Mechanisms, TheFreeSlotListsThemToo) {
  // p11-kit and Java ask before a token is initialised.
  EXPECT_EQ(list(free_slot()).size(), rows().size());
}

}  // namespace
}  // namespace vtpm::conformance
