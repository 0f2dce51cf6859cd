// SPDX-License-Identifier: Apache-2.0
// The mandatory cases of the OASIS profiles (PKCS #11 Profiles 3.2, 5: BL-M-1-32, EXT-M-1-32, AUTH-M-1-32,
// CERT-M-1-32), call by call, with this token's values instead of the examples, and the claims of CKO_PROFILE objects.
#include <set>

#include "pkcs11/cryptoki/types.h"
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

/// Each case runs between C_Initialize and C_Finalize, with a token that exists.
class Profiles : public testing::Test {
 protected:
  Profiles() {
    Library library;
    make_token("token1");
    Session owner(slot_of("token1"));
    owner.login();
    prepare(owner);
  }
  void prepare(Session& owner) {
    owner.generate(CKM_RSA_PKCS_KEY_PAIR_GEN,
                   {{CKA_MODULUS_BITS, 2048}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}, {CKA_LABEL, "testrsa-pub"}},
                   {{CKA_TOKEN, true}, {CKA_SIGN, true}, {CKA_LABEL, "testrsa-pri"}});
    owner.create({{CKA_CLASS, CKO_CERTIFICATE},
                  {CKA_CERTIFICATE_TYPE, CKC_X_509},
                  {CKA_TOKEN, true},
                  {CKA_LABEL, "a root"},
                  {CKA_SUBJECT, certificate.subject},
                  {CKA_VALUE, certificate.der}});
  }
  void initialize() {
    MUST(p11->C_Initialize(nullptr));
    CK_INFO info;
    MUST(p11_3().C_GetInfo(&info));
    EXPECT_EQ(info.cryptokiVersion.major, 3);
    EXPECT_EQ(info.cryptokiVersion.minor, 2);
    EXPECT_EQ(info.flags, 0u);
    CK_ULONG count = 0;
    MUST(p11->C_GetSlotList(CK_TRUE, nullptr, &count));
    std::vector<CK_SLOT_ID> list(count);
    MUST(p11->C_GetSlotList(CK_TRUE, list.data(), &count));
    slot = list.at(0);
  }
  void describe() {
    CK_SLOT_INFO slot_info;
    MUST(p11->C_GetSlotInfo(slot, &slot_info));
    EXPECT_EQ(slot_info.flags, CKF_TOKEN_PRESENT);
    CK_TOKEN_INFO info;
    MUST(p11->C_GetTokenInfo(slot, &info));
    EXPECT_EQ(std::string(reinterpret_cast<char*>(info.label), 32), "token1                          ");
    const CK_FLAGS flags = CKF_RNG | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED;
    EXPECT_EQ(info.flags & flags, flags);
    EXPECT_EQ(info.ulMaxPinLen, 255u);
    EXPECT_EQ(info.ulMinPinLen, 4u);
  }
  void open(CK_FLAGS flags) { MUST(p11->C_OpenSession(slot, flags | CKF_SERIAL_SESSION, nullptr, nullptr, &session)); }
  void login() { MUST(p11->C_Login(session, CKU_USER, const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size())); }
  std::vector<CK_OBJECT_HANDLE> find(Template wanted, CK_ULONG most) {
    std::vector<CK_OBJECT_HANDLE> found(most);
    CK_ULONG count = 0;
    MUST(p11->C_FindObjectsInit(session, wanted.data(), wanted.size()));
    MUST(p11->C_FindObjects(session, found.data(), most, &count));
    MUST(p11->C_FindObjectsFinal(session));
    found.resize(count);
    return found;
  }
  Bytes get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    CK_ATTRIBUTE attribute{type, nullptr, 0};
    MUST(p11->C_GetAttributeValue(session, object, &attribute, 1));
    Bytes value(attribute.ulValueLen);
    attribute.pValue = value.data();
    MUST(p11->C_GetAttributeValue(session, object, &attribute, 1));
    return value;
  }
  /// The token claims this profile, to sessions with and without a login.
  void expect_claim(CK_PROFILE_ID profile, bool claimed = true) {
    EXPECT_EQ(find({{CKA_CLASS, CKO_PROFILE}, {CKA_PROFILE_ID, profile}}, 2).size(), claimed ? 1u : 0u);
  }
  void end() {
    MUST(p11->C_CloseSession(session));
    MUST(p11->C_CloseAllSessions(slot));
    MUST(p11->C_Finalize(nullptr));
  }

  Scratch scratch;
  const peer::Certificate certificate = peer::self_signed(peer::Key::generate_ec("P-256"), "root");
  CK_SLOT_ID slot = 0;
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
};

TEST_F(Profiles, BL_M_1_32) {
  initialize();
  describe();
  open(0);
  EXPECT_EQ(find({{CKA_TOKEN, true}}, 1).size(), 1u);
  expect_claim(CKP_BASELINE_PROVIDER);
  end();
}

TEST_F(Profiles, EXT_M_1_32) {
  initialize();
  describe();
  CK_ULONG count = 0;
  MUST(p11->C_GetMechanismList(slot, nullptr, &count));
  std::vector<CK_MECHANISM_TYPE> list(count);
  MUST(p11->C_GetMechanismList(slot, list.data(), &count));
  const std::set<CK_MECHANISM_TYPE> offered(list.begin(), list.end());
  const std::pair<CK_MECHANISM_TYPE, CK_FLAGS> expected[] = {
      {CKM_SHA512, CKF_DIGEST},
      {CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR},
      {CKM_RSA_PKCS, CKF_ENCRYPT | CKF_DECRYPT | CKF_SIGN | CKF_VERIFY | CKF_WRAP | CKF_UNWRAP}};
  for (const auto& [mechanism, flags] : expected) {
    EXPECT_TRUE(offered.count(mechanism));
    CK_MECHANISM_INFO info;
    MUST(p11->C_GetMechanismInfo(slot, mechanism, &info));
    EXPECT_EQ(info.flags & flags, flags);
  }
  open(CKF_RW_SESSION);
  login();
  EXPECT_EQ(find({{CKA_TOKEN, true}}, 1).size(), 1u);
  expect_claim(CKP_EXTENDED_PROVIDER);
  MUST(p11->C_Logout(session));
  end();
}

TEST_F(Profiles, AUTH_M_1_32) {
  initialize();
  open(CKF_RW_SESSION);
  login();
  const auto public_keys = find({{CKA_TOKEN, true}, {CKA_LABEL, "testrsa-pub"}, {CKA_CLASS, CKO_PUBLIC_KEY}}, 1);
  ASSERT_EQ(public_keys.size(), 1u);
  const Bytes modulus = get(public_keys[0], CKA_MODULUS), exponent = get(public_keys[0], CKA_PUBLIC_EXPONENT);
  EXPECT_EQ(modulus.size(), 256u);
  EXPECT_EQ(exponent, from_hex("010001"));
  const auto private_keys = find({{CKA_TOKEN, true}, {CKA_LABEL, "testrsa-pri"}, {CKA_CLASS, CKO_PRIVATE_KEY}}, 1);
  ASSERT_EQ(private_keys.size(), 1u);
  Mechanism mechanism = CKM_SHA256_RSA_PKCS;
  MUST(p11->C_SignInit(session, mechanism.get(), private_keys[0]));
  Bytes data = bytes("a certificate request"), signature(256);
  CK_ULONG size = signature.size();
  MUST(p11->C_Sign(session, data.data(), data.size(), signature.data(), &size));
  EXPECT_TRUE(peer::Key::rsa_public(modulus, exponent)
                  .verifies({.kind = peer::Scheme::kPkcs1, .hash = "SHA256"}, data, signature));
  expect_claim(CKP_AUTHENTICATION_TOKEN);
  MUST(p11->C_Logout(session));
  end();
}

TEST_F(Profiles, CERT_M_1_32) {
  initialize();
  open(0);
  const auto found = find({{CKA_TOKEN, true}, {CKA_CLASS, CKO_CERTIFICATE}, {CKA_LABEL, "a root"}}, 5);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(get(found[0], CKA_LABEL), bytes("a root"));
  EXPECT_EQ(get(found[0], CKA_VALUE), certificate.der);
  // The token also has a sealed private key, which could be a certificate as far as the module knows (docs/pkcs11.md).
  expect_claim(CKP_PUBLIC_CERTIFICATES_TOKEN, false);
  login();
  expect_claim(CKP_PUBLIC_CERTIFICATES_TOKEN, true);
  MUST(p11->C_Logout(session));
  end();
}

// 5.5, condition 8: all certificates without a login, with the CKA_ID of their keys, which are found by it.
class PublicCertificates : public WithUser {
 protected:
  bool claimed() {
    return session.find({{CKA_CLASS, CKO_PROFILE}, {CKA_PROFILE_ID, CKP_PUBLIC_CERTIFICATES_TOKEN}}).size() == 1;
  }
  bool claimed_without_login() {
    session.logout();
    const bool is = claimed();
    session.login();
    return is;
  }
  CK_OBJECT_HANDLE certify(const peer::Key& of, const Template& more) {
    const peer::Certificate certificate = peer::self_signed(of, "claimed");
    Template wanted = {{CKA_CLASS, CKO_CERTIFICATE},
                       {CKA_CERTIFICATE_TYPE, CKC_X_509},
                       {CKA_TOKEN, true},
                       {CKA_SUBJECT, certificate.subject},
                       {CKA_VALUE, certificate.der}};
    for (const Attribute& attribute : more.attributes()) wanted = wanted.with({attribute});
    return session.create(wanted);
  }
  KeyPair import(bool half_is_private) {
    const Template curve = {{CKA_KEY_TYPE, CKK_EC}, {CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}};
    return {session.create(curve.with({{CKA_CLASS, CKO_PUBLIC_KEY},
                                       {CKA_EC_POINT, peer::octet_string(key.ec_point())},
                                       {CKA_PRIVATE, half_is_private}})),
            session.create(curve.with({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_VALUE, key.number("priv", 32)}}))};
  }
  const peer::Key key = peer::Key::generate_ec("P-256");
};

TEST_F(PublicCertificates, TheClaimGoesWithAPrivateOneAndComesBack) {
  EXPECT_TRUE(claimed_without_login()) << "of none, all are public";
  certify(key, {});
  EXPECT_TRUE(claimed_without_login());
  EXPECT_TRUE(claimed());
  const CK_OBJECT_HANDLE hidden = certify(key, {{CKA_PRIVATE, true}});
  EXPECT_FALSE(claimed());
  EXPECT_FALSE(claimed_without_login());
  MUST(p11->C_DestroyObject(session, session.find({{CKA_CLASS, CKO_CERTIFICATE}, {CKA_PRIVATE, true}}).at(0)));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(hidden, CKA_LABEL));
  EXPECT_TRUE(claimed());
  EXPECT_TRUE(claimed_without_login());
  certify(key, {{CKA_PRIVATE, true}, {CKA_TOKEN, false}});
  EXPECT_TRUE(claimed()) << "an object of the session is not on the token";
}

TEST_F(PublicCertificates, TheClaimNeedsKeysThatAreFoundByTheIdOfTheCertificate) {
  const KeyPair pair = import(false);
  const CK_OBJECT_HANDLE certificate = certify(key, {});
  EXPECT_TRUE(claimed());
  MUST(session.try_set(certificate, {{CKA_ID, "another"}}));
  EXPECT_FALSE(claimed()) << "8 b";
  MUST(session.try_set(pair.private_key, {{CKA_ID, "another"}}));
  EXPECT_FALSE(claimed()) << "8 c";
  MUST(session.try_set(pair.public_key, {{CKA_ID, "another"}}));
  EXPECT_TRUE(claimed());
  MUST(p11->C_DestroyObject(session, pair.public_key));
  EXPECT_FALSE(claimed());
  MUST(p11->C_DestroyObject(session, pair.private_key));
  EXPECT_TRUE(claimed()) << "no key matches it";
}

TEST_F(PublicCertificates, TheClaimIsNotMadeForKeysThatNeedALogin) {
  import(true);
  certify(key, {});
  EXPECT_FALSE(claimed());
}

}  // namespace
}  // namespace vtpm::conformance
