// SPDX-License-Identifier: Apache-2.0
// Objects by which a token describes itself (PKCS#11 3.2, 4.13 to 4.15), and trust objects (4.7).
#include <set>

#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

using Descriptions = WithToken;

std::vector<CK_OBJECT_HANDLE> of_class(Session& session, CK_OBJECT_CLASS object_class) {
  return session.find({{CKA_CLASS, object_class}});
}

TEST_F(Descriptions, ProfileObjectsClaimTheProfilesThatHold) {
  Session session(slot, Session::kReadOnly);
  std::set<CK_ULONG> ids;
  for (const CK_OBJECT_HANDLE object : of_class(session, CKO_PROFILE))
    ids.insert(session.number(object, CKA_PROFILE_ID));
  EXPECT_EQ(ids, (std::set<CK_ULONG>{CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER, CKP_AUTHENTICATION_TOKEN,
                                     CKP_PUBLIC_CERTIFICATES_TOKEN}));  // also without a certificate
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_PROFILE}, {CKA_PROFILE_ID, CKP_BASELINE_PROVIDER}}).size(), 1u);
}

TEST_F(Descriptions, MechanismObjectsAreTheMechanismList) {
  Session session(slot, Session::kReadOnly);
  CK_ULONG count = 0;
  MUST(p11->C_GetMechanismList(slot, nullptr, &count));
  std::vector<CK_MECHANISM_TYPE> list(count);
  MUST(p11->C_GetMechanismList(slot, list.data(), &count));
  std::set<CK_ULONG> types;
  for (const CK_OBJECT_HANDLE object : of_class(session, CKO_MECHANISM))
    types.insert(session.number(object, CKA_MECHANISM_TYPE));
  EXPECT_EQ(types, std::set<CK_ULONG>(list.begin(), list.end()));
}

TEST_F(Descriptions, TheValidationObjectClaimsNoValidation) {
  Session session(slot, Session::kReadOnly);
  const auto found = of_class(session, CKO_VALIDATION);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(session.number(found[0], CKA_VALIDATION_TYPE), CKV_TYPE_SOFTWARE);
  EXPECT_EQ(session.number(found[0], CKA_VALIDATION_AUTHORITY_TYPE), CKV_AUTHORITY_TYPE_UNSPECIFIED);
  EXPECT_EQ(session.number(found[0], CKA_VALIDATION_FLAG), 0u);
  EXPECT_EQ(session.get(found[0], CKA_VALIDATION_VERSION).size(), sizeof(CK_VERSION));
}

TEST_F(Descriptions, AreLeftOutOfASearchThatDoesNotNameThem) {
  Session session(slot);
  EXPECT_TRUE(session.find({}).empty());
  EXPECT_TRUE(session.find({{CKA_MODIFIABLE, false}}).empty());
}

TEST_F(Descriptions, CannotBeChangedByAnyUser) {
  Session session(slot);
  session.login();
  for (const CK_OBJECT_CLASS object_class : {CKO_PROFILE, CKO_MECHANISM, CKO_VALIDATION}) {
    const CK_OBJECT_HANDLE object = of_class(session, object_class).at(0);
    EXPECT_RV(CKR_ACTION_PROHIBITED, session.try_set(object, {{CKA_LABEL, "mine"}}));
    EXPECT_RV(CKR_ACTION_PROHIBITED, session.try_copy(object, {}));
    EXPECT_RV(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(session, object));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create({{CKA_CLASS, object_class}, {CKA_TOKEN, true}}));
    EXPECT_FALSE(session.flag(object, CKA_PRIVATE));
    EXPECT_TRUE(session.flag(object, CKA_TOKEN));
    CK_ULONG size = 0;
    EXPECT_RV(CKR_OK, p11->C_GetObjectSize(session, object, &size));
  }
}

TEST_F(Descriptions, HaveTheSameIdsForEver) {
  std::set<std::string> before, after;
  for (std::set<std::string>* ids : {&before, &after}) {
    Session session(slot_of("conformance"), Session::kReadOnly);
    for (const CK_OBJECT_CLASS object_class : {CKO_PROFILE, CKO_MECHANISM, CKO_VALIDATION})
      for (const CK_OBJECT_HANDLE object : of_class(session, object_class)) {
        EXPECT_TRUE(ids->insert(session.text(object, kUniqueId)).second);
        EXPECT_EQ(session.find({{CKA_CLASS, object_class}, {kUniqueId, session.get(object, kUniqueId)}}).size(), 1u);
      }
    session.close();
    library.restart();
  }
  EXPECT_EQ(before, after);
}

// --- trust ---

class Trust : public WithToken {
 protected:
  const Template anchor = {{CKA_CLASS, CKO_TRUST},
                           {CKA_TOKEN, true},
                           {CKA_ISSUER, "issuer"},
                           {CKA_SERIAL_NUMBER, "number"},
                           {CKA_HASH_OF_CERTIFICATE, Bytes(32, 1)},
                           {CKA_NAME_HASH_ALGORITHM, CKM_SHA256},
                           {CKA_TRUST_SERVER_AUTH, CKT_TRUST_ANCHOR}};
  Session session{slot};
};

TEST_F(Trust, IsKeptWithItsDefaults) {
  session.login();
  const CK_OBJECT_HANDLE object = session.create(anchor);
  EXPECT_EQ(session.number(object, CKA_TRUST_SERVER_AUTH), CKT_TRUST_ANCHOR);
  EXPECT_EQ(session.number(object, CKA_TRUST_CODE_SIGNING), CKT_TRUST_UNKNOWN);
  EXPECT_FALSE(session.flag(object, CKA_PRIVATE));
  EXPECT_TRUE(session.flag(object, CKA_MODIFIABLE));
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_TRUST}, {CKA_ISSUER, "issuer"}, {CKA_SERIAL_NUMBER, "number"}}).size(), 1u);
  EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_TRUST_OCSP_SIGNING, CKT_NOT_TRUSTED}}));
  EXPECT_EQ(session.number(object, CKA_TRUST_OCSP_SIGNING), CKT_NOT_TRUSTED);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{CKA_ISSUER, "another"}}));
}

TEST_F(Trust, IsShownAfterALoginOnly) {
  session.login();
  const CK_OBJECT_HANDLE object = session.create(anchor);
  session.logout();
  EXPECT_TRUE(of_class(session, CKO_TRUST).empty());
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(object, CKA_TRUST_SERVER_AUTH));
  session.login(CKU_SO);
  EXPECT_EQ(of_class(session, CKO_TRUST).size(), 1u);
  session.logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(anchor)) << "its author could not be authenticated";
  EXPECT_RV(CKR_OK, session.try_create(anchor.with({{CKA_TOKEN, false}}))) << "an application's own business";
  EXPECT_EQ(of_class(session, CKO_TRUST).size(), 1u);
}

TEST_F(Trust, NamesItsCertificate) {
  session.login();
  for (const CK_ATTRIBUTE_TYPE needed :
       {CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_HASH_OF_CERTIFICATE, CKA_NAME_HASH_ALGORITHM})
    EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(anchor.without(needed))) << std::hex << needed;
  EXPECT_RV(CKR_OK, session.try_create(anchor.without(CKA_HASH_OF_CERTIFICATE)
                                           .without(CKA_NAME_HASH_ALGORITHM)
                                           .with({{CKA_TRUST_SERVER_AUTH, CKT_NOT_TRUSTED}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(anchor.with({{CKA_HASH_OF_CERTIFICATE, Bytes(20, 1)}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(anchor.with({{CKA_NAME_HASH_ALGORITHM, CKM_AES_CBC}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(anchor.with({{CKA_TRUST_IPSEC_IKE, 5}})));
  const CK_OBJECT_HANDLE distrust =
      session.create(anchor.without(CKA_HASH_OF_CERTIFICATE).with({{CKA_TRUST_SERVER_AUTH, CKT_NOT_TRUSTED}}));
  // "except for the possibility of a template being incomplete" (4.1.2, 4.1.3).
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_set(distrust, {{CKA_TRUST_SERVER_AUTH, CKT_TRUSTED}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_copy(distrust, {{CKA_TRUST_SERVER_AUTH, CKT_TRUSTED}}));
}

}  // namespace
}  // namespace vtpm::conformance
