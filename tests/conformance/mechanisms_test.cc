// C_GetMechanismList and C_GetMechanismInfo (PKCS#11 2.40, 5.5): what is advertised works, and nothing else does.
#include <algorithm>
#include <set>

#include "tests/conformance/harness.h"

namespace vtpm::conformance {
namespace {

enum Type { kNone, kRsa, kEc };

struct Row {
  CK_MECHANISM_TYPE mechanism;
  Type key;
  CK_FLAGS uses;
};
constexpr CK_FLAGS kSignVerify = CKF_SIGN | CKF_VERIFY, kCrypt = CKF_ENCRYPT | CKF_DECRYPT;

/// A new mechanism of the module is a new row here, with its tests beside those of its kind.
const Row kRows[] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa, CKF_GENERATE_KEY_PAIR},
    {CKM_EC_KEY_PAIR_GEN, kEc, CKF_GENERATE_KEY_PAIR},
    {CKM_RSA_PKCS, kRsa, kSignVerify | kCrypt},
    {CKM_RSA_X_509, kRsa, kSignVerify | kCrypt},
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
    {CKM_SHA_1, kNone, CKF_DIGEST},
    {CKM_SHA224, kNone, CKF_DIGEST},
    {CKM_SHA256, kNone, CKF_DIGEST},
    {CKM_SHA384, kNone, CKF_DIGEST},
    {CKM_SHA512, kNone, CKF_DIGEST},
};
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
  switch (type) {
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
    default:
      return type;
  }
}

TEST_F(Mechanisms, ListIsTheTable) {
  const auto advertised = list(slot);
  std::set<CK_MECHANISM_TYPE> expected;
  for (const Row& row : kRows) expected.insert(row.mechanism);
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
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.mechanism);
    const CK_MECHANISM_INFO what = info(slot, row.mechanism);
    EXPECT_EQ(what.flags & kUseFlags, row.uses);
    // The TPM is the device: RSA and EC run in it, digests in software.
    EXPECT_EQ(bool(what.flags & CKF_HW), row.key != kNone);
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
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.mechanism);
    const KeyPair& pair = row.key == kEc ? ec : rsa;
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
    if (!(flags & CKF_GENERATE_KEY_PAIR)) {
      EXPECT_RV(CKR_MECHANISM_INVALID, session.try_generate(mechanism, {{CKA_MODULUS_BITS, 1024}}, {}));
    }
  }
}

TEST_F(Mechanisms, NothingElseBegins) {
  const KeyPair rsa = session.generate_rsa(1024);
  std::set<CK_MECHANISM_TYPE> known;
  for (const Row& row : kRows) known.insert(row.mechanism);
  for (CK_MECHANISM_TYPE type = 0; type < 0x1100; ++type) {
    if (known.count(type)) continue;
    Mechanism mechanism = type;
    ASSERT_EQ(rv_name(p11->C_SignInit(session, mechanism.get(), rsa.private_key)), "CKR_MECHANISM_INVALID") << type;
    ASSERT_EQ(rv_name(p11->C_EncryptInit(session, mechanism.get(), rsa.public_key)), "CKR_MECHANISM_INVALID") << type;
    ASSERT_EQ(rv_name(p11->C_DigestInit(session, mechanism.get())), "CKR_MECHANISM_INVALID") << type;
  }
}

TEST_F(Mechanisms, TheFreeSlotListsThemToo) {
  // p11-kit and Java ask before a token is initialised.
  EXPECT_EQ(list(free_slot()).size(), std::size(kRows));
}

}  // namespace
}  // namespace vtpm::conformance
