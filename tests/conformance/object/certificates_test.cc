// SPDX-License-Identifier: Apache-2.0
// X.509 certificate objects (PKCS#11 3.2, 4.6).
#include <openssl/core_names.h>
#include <openssl/x509.h>

#include <algorithm>

#include "pkcs11/cryptoki/types.h"
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/peer.h"
#include "tests/conformance/harness/surgeon.h"
#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

class Certificates : public WithUser {
 protected:
  peer::Key key = peer::Key::generate_ec("P-256");
  peer::Certificate certificate = peer::self_signed(key, "conformance");
  Template least = {{CKA_CLASS, CKO_CERTIFICATE},
                    {CKA_CERTIFICATE_TYPE, CKC_X_509},
                    {CKA_SUBJECT, certificate.subject},
                    {CKA_VALUE, certificate.der}};
};

TEST_F(Certificates, KeepWhatTheyWereGiven) {
  const auto object = session.create(least.with({{CKA_ISSUER, certificate.issuer},
                                                 {CKA_SERIAL_NUMBER, certificate.serial},
                                                 {CKA_ID, from_hex("c0ffee")},
                                                 {CKA_LABEL, "certificate"},
                                                 {CKA_TOKEN, true},
                                                 {CKA_CERTIFICATE_CATEGORY, 2}}));
  EXPECT_EQ(session.number(object, CKA_CLASS), CKO_CERTIFICATE);
  EXPECT_EQ(session.number(object, CKA_CERTIFICATE_TYPE), CKC_X_509);
  EXPECT_EQ(session.get(object, CKA_VALUE), certificate.der);
  EXPECT_EQ(session.get(object, CKA_SUBJECT), certificate.subject);
  EXPECT_EQ(session.get(object, CKA_ISSUER), certificate.issuer);
  EXPECT_EQ(session.get(object, CKA_SERIAL_NUMBER), certificate.serial);
  EXPECT_EQ(session.get(object, CKA_ID), from_hex("c0ffee"));
  EXPECT_EQ(session.text(object, CKA_LABEL), "certificate");
  EXPECT_EQ(session.number(object, CKA_CERTIFICATE_CATEGORY), 2u);
}

TEST_F(Certificates, FillInWhatTheirValueContains) {
  const auto object = session.create(least);
  EXPECT_EQ(session.get(object, CKA_ISSUER), certificate.issuer);
  EXPECT_EQ(session.get(object, CKA_SERIAL_NUMBER), certificate.serial);
  EXPECT_EQ(session.text(object, CKA_START_DATE), "20240101");
  EXPECT_EQ(session.text(object, CKA_END_DATE), "20340101");
  EXPECT_EQ(session.number(object, CKA_CERTIFICATE_CATEGORY), 0u);
  EXPECT_FALSE(session.flag(object, CKA_TRUSTED));
  EXPECT_FALSE(session.flag(object, CKA_PRIVATE)) << "findable before login";
  EXPECT_FALSE(session.flag(object, CKA_TOKEN));
  EXPECT_EQ(session.get(object, CKA_LABEL), Bytes{});
}

TEST_F(Certificates, CheckValueIsTheBeginningOfTheDigest) {
  const auto object = session.create(least);
  Bytes digest = peer::digest("SHA1", certificate.der);
  digest.resize(3);
  EXPECT_EQ(session.get(object, CKA_CHECK_VALUE), digest);  // 4.6.3
}

TEST_F(Certificates, HaveTheIdOfTheirKeyByDefault) {
  for (const bool rsa : {false, true}) {
    const peer::Key own = rsa ? peer::Key::generate_rsa(2048) : key;
    const auto certificate_object = session.create(least.with({{CKA_VALUE, peer::self_signed(own, "x").der}}));
    const auto public_object = rsa ? session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                                     {CKA_KEY_TYPE, CKK_RSA},
                                                     {CKA_MODULUS, own.number(OSSL_PKEY_PARAM_RSA_N)},
                                                     {CKA_PUBLIC_EXPONENT, own.number(OSSL_PKEY_PARAM_RSA_E)}})
                                   : session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                                     {CKA_KEY_TYPE, CKK_EC},
                                                     {CKA_EC_PARAMS, kP256},
                                                     {CKA_EC_POINT, peer::octet_string(own.ec_point())}});
    EXPECT_EQ(session.get(certificate_object, CKA_ID).size(), 20u);
    EXPECT_EQ(session.get(certificate_object, CKA_ID), session.get(public_object, CKA_ID));
  }
}

TEST_F(Certificates, ArePublicAndFindableBeforeLogin) {
  session.create(least.with({{CKA_TOKEN, true}, {CKA_ID, from_hex("01")}, {CKA_LABEL, "open"}}));
  session.logout();
  library.restart();
  Session before(slot_of("conformance"), Session::kReadOnly);
  for (const Template& by : {Template{{CKA_CLASS, CKO_CERTIFICATE}}, Template{{CKA_ID, from_hex("01")}},
                             Template{{CKA_LABEL, "open"}}, Template{{CKA_SUBJECT, certificate.subject}},
                             Template{{CKA_ISSUER, certificate.issuer}, {CKA_SERIAL_NUMBER, certificate.serial}},
                             Template{{CKA_VALUE, certificate.der}}}) {
    const auto found = before.find(by);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(before.get(found[0], CKA_VALUE), certificate.der);
  }
}

TEST_F(Certificates, WithWrongAttributesAreRejected) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(least.without(CKA_CERTIFICATE_TYPE)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(least.without(CKA_SUBJECT)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(least.without(CKA_VALUE)));
  EXPECT_RV(one_of(CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT),
            session.try_create(least.with({{CKA_CERTIFICATE_TYPE, CKC_WTLS}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_CERTIFICATE_TYPE, Bytes{0}}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_PUBLIC_KEY_INFO, "another's"}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_CERTIFICATE_CATEGORY, 9}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(least.with({{CKA_SIGN, true}})));
  EXPECT_TRUE(session.find({}).empty());
}

// A value that is not a certificate is stored as it is, and no attribute is derived from it.
TEST_F(Certificates, ThatAreNotDerAreStoredAsTheyAre) {
  const Bytes der = certificate.der;
  const Bytes pem = bytes("-----BEGIN CERTIFICATE-----\n");
  for (const Bytes& value :
       {bytes("no certificate"), pem, der + Bytes{0}, Bytes(der.begin(), der.end() - 1), Bytes{0x30}}) {
    const auto plain = session.create(least.with({{CKA_TOKEN, true}, {CKA_VALUE, value}}));
    EXPECT_EQ(session.get(plain, CKA_VALUE), value);
    for (const CK_ATTRIBUTE_TYPE empty :
         {CKA_ID, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_START_DATE, CKA_END_DATE, CKA_PUBLIC_KEY_INFO})
      EXPECT_EQ(session.get(plain, empty), Bytes());
    EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_get(plain, CKA_CHECK_VALUE));
    EXPECT_FALSE(session.flag(plain, CKA_TRUSTED));
    const Template said = {{CKA_ID, "id"},
                           {CKA_ISSUER, "issuer"},
                           {CKA_SERIAL_NUMBER, "serial"},
                           {CKA_START_DATE, "20240101"},
                           {CKA_PUBLIC_KEY_INFO, "info"}};
    Template whole = least.with({{CKA_VALUE, value}});
    for (const Attribute& attribute : said.attributes()) whole = whole.with({attribute});
    const auto filled = session.create(whole);
    for (const Attribute& attribute : said.attributes())
      EXPECT_EQ(session.get(filled, attribute.type), attribute.value);
    session.logout();
    session.login(CKU_SO);
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_create(least.with({{CKA_VALUE, value}, {CKA_TRUSTED, true}})));
    const auto found = session.find({{CKA_CLASS, CKO_CERTIFICATE}, {CKA_VALUE, value}, {CKA_TOKEN, true}}).at(0);
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(found, {{CKA_TRUSTED, true}}));
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_copy(found, {{CKA_TRUSTED, true}}));
    EXPECT_FALSE(session.flag(found, CKA_TRUSTED));
    session.logout();
    session.login();
  }
}

TEST_F(Certificates, OnlyTheSoTrusts) {
  const ReturnValues refused = {CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT,
                                CKR_USER_NOT_LOGGED_IN};
  EXPECT_RV(refused, session.try_create(least.with({{CKA_TRUSTED, true}})));
  const auto object = session.create(least.with({{CKA_TOKEN, true}, {CKA_LABEL, "root"}}));
  EXPECT_RV(refused, session.try_set(object, {{CKA_TRUSTED, true}}));
  session.logout();
  session.login(CKU_SO);
  const auto found = session.find({{CKA_LABEL, "root"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_RV(CKR_OK, session.try_set(found[0], {{CKA_TRUSTED, true}}));
  EXPECT_TRUE(session.flag(found[0], CKA_TRUSTED));
  session.logout();
  session.login();
  EXPECT_TRUE(session.flag(session.find({{CKA_LABEL, "root"}}).at(0), CKA_TRUSTED));
}

TEST_F(Certificates, ACheckValueIsRightOrRefused) {
  Bytes right = peer::digest("SHA1", certificate.der);
  right.resize(3);
  EXPECT_EQ(session.get(session.create(least.with({{CKA_CHECK_VALUE, right}})), CKA_CHECK_VALUE), right);
  EXPECT_EQ(session.get(session.create(least.with({{CKA_CHECK_VALUE, Bytes()}})), CKA_CHECK_VALUE), Bytes());
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_CHECK_VALUE, Bytes(3)}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_CHECK_VALUE, right + Bytes{0}}})));
}

TEST_F(Certificates, EnumeratedAttributesTakeListedValuesOnly) {
  for (CK_ULONG choice = 0; choice <= 4; ++choice) {
    const CK_RV expected = choice <= 3 ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
    EXPECT_RV(expected, session.try_create(least.with({{CKA_CERTIFICATE_CATEGORY, choice}})));
    EXPECT_RV(expected, session.try_create(least.with({{CKA_JAVA_MIDP_SECURITY_DOMAIN, choice}})));
  }
  EXPECT_RV(CKR_OK, session.try_create(least.with({{CKA_NAME_HASH_ALGORITHM, CKM_SHA256}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_NAME_HASH_ALGORITHM, CKM_RSA_PKCS}})));
}

TEST_F(Certificates, HashesAreOfAnyDigestOfTheToken) {
  struct {
    CK_MECHANISM_TYPE type;
    size_t bytes;
  } const rows[] = {{CKM_SHA_1, 20},       {CKM_SHA512_224, 28},  {CKM_SHA512, 64},      {CKM_SHA3_384, 48},
                    {CKM_BLAKE2B_160, 20}, {CKM_BLAKE2B_256, 32}, {CKM_BLAKE2B_384, 48}, {CKM_BLAKE2B_512, 64}};
  for (const auto& row : rows) {
    const Template hashed = least.with({{CKA_NAME_HASH_ALGORITHM, row.type},
                                        {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes(row.bytes, 1)},
                                        {CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes(row.bytes, 2)}});
    EXPECT_RV(CKR_OK, session.try_create(hashed)) << row.type;
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              session.try_create(hashed.with({{CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes(row.bytes - 1, 2)}})));
    EXPECT_RV(CKR_OK, session.try_create({{CKA_CLASS, CKO_TRUST},
                                          {CKA_ISSUER, "i"},
                                          {CKA_SERIAL_NUMBER, "s"},
                                          {CKA_NAME_HASH_ALGORITHM, row.type},
                                          {CKA_HASH_OF_CERTIFICATE, Bytes(row.bytes, 1)},
                                          {CKA_TRUST_SERVER_AUTH, CKT_TRUSTED}}));
  }
  // The name of the hash mechanism does not contain the length of the digest.
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_NAME_HASH_ALGORITHM, CKM_SHA512_T}})));
}

// 3.4: the years of a CK_DATE are "1900" to "9999".
TEST_F(Certificates, DatesHaveYearsFrom1900) {
  for (const char* date : {"19000101", "20240229", "99991231"})
    EXPECT_EQ(session.text(session.create(least.with({{CKA_START_DATE, date}})), CKA_START_DATE), date);
  for (const char* date : {"18991231", "00010101", "09991231"})
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(least.with({{CKA_START_DATE, date}}))) << date;
}

/// `certificate` with a validity that begins in 1850, which a GeneralizedTime can express. Its signature is wrong then.
Bytes of_1850(const Bytes& certificate) {
  const unsigned char* at = certificate.data();
  X509* x509 = d2i_X509(nullptr, &at, static_cast<long>(certificate.size()));
  ASN1_TIME_set_string(X509_getm_notBefore(x509), "18500101000000Z");
  unsigned char *signed_part = nullptr, *whole = nullptr;
  i2d_re_X509_tbs(x509, &signed_part);
  const int size = i2d_X509(x509, &whole);
  const Bytes made(whole, whole + size);
  OPENSSL_free(signed_part);
  OPENSSL_free(whole);
  X509_free(x509);
  return made;
}

TEST_F(Certificates, ThatAreOlderThanDatesHaveNone) {
  const auto object = session.create(least.with({{CKA_VALUE, of_1850(certificate.der)}}));
  EXPECT_EQ(session.text(object, CKA_START_DATE), "");
  EXPECT_EQ(session.text(object, CKA_END_DATE), "20340101");
}

// Footnotes 2 to 4 of the table of 4.6.3.
TEST_F(Certificates, ThatAreElsewhereAreKnownByTheHashesOfTheirKeys) {
  const Template elsewhere = least.with({{CKA_VALUE, Bytes()},
                                         {CKA_URL, "https://example.org/certificate"},
                                         {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes(20, 1)},
                                         {CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes(20, 2)}});
  for (const Template& kept : {elsewhere, elsewhere.with({{CKA_VALUE, certificate.der}})}) {
    const CK_OBJECT_HANDLE object = session.create(kept);
    EXPECT_EQ(session.text(object, CKA_URL), "https://example.org/certificate");
    EXPECT_EQ(session.get(object, CKA_HASH_OF_ISSUER_PUBLIC_KEY), Bytes(20, 2));
    for (const CK_ATTRIBUTE_TYPE hash : {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, CKA_HASH_OF_ISSUER_PUBLIC_KEY}) {
      EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(kept.without(hash)));
      EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(kept.with({{hash, Bytes()}})));
      EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kept.with({{hash, Bytes(32, 1)}})));
      EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kept.with({{CKA_NAME_HASH_ALGORITHM, CKM_SHA256}})));
    }
  }
  EXPECT_RV(CKR_OK, session.try_create(elsewhere.with({{CKA_NAME_HASH_ALGORITHM, CKM_SHA256},
                                                       {CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes(32, 1)},
                                                       {CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes(32, 2)}})));
  EXPECT_RV(CKR_OK, session.try_create(elsewhere.with({{CKA_CHECK_VALUE, Bytes(3, 1)}})))
      << "the module cannot check it";
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(elsewhere.with({{CKA_CHECK_VALUE, Bytes(4, 1)}})));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(elsewhere.without(CKA_URL)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(elsewhere.without(CKA_VALUE))) << "specified, even if empty";
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(least.with({{CKA_VALUE, Bytes()}, {CKA_URL, Bytes()}})));
}

TEST_F(Certificates, ThatAreTrustedDoNotChange) {
  session.create(least.with({{CKA_TOKEN, true}, {CKA_LABEL, "root"}}));
  session.logout();
  session.login(CKU_SO);
  CK_OBJECT_HANDLE trusted = session.find({{CKA_LABEL, "root"}}).at(0);
  MUST(session.try_set(trusted, {{CKA_TRUSTED, true}}));
  for (const bool so : {true, false}) {
    SCOPED_TRACE(so);
    for (const Attribute& change :
         {Attribute(CKA_LABEL, "other"), Attribute(CKA_ID, "other"), Attribute(CKA_ISSUER, "other"),
          Attribute(CKA_SERIAL_NUMBER, "other"), Attribute(CKA_COPYABLE, false), Attribute(CKA_TRUSTED, false)}) {
      EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(trusted, {change}));
      // A copy with another value, which the SO has not seen, cannot be trusted either.
      if (change.type != CKA_TRUSTED) {
        EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_copy(trusted, {change}));
        EXPECT_RV(CKR_OK, session.try_copy(trusted, {change, {CKA_TRUSTED, false}}));
      }
    }
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    EXPECT_RV(CKR_OK, session.try_copy(trusted, {{CKA_TOKEN, false}, {CKA_MODIFIABLE, false}}, &copy));
    EXPECT_TRUE(session.flag(copy, CKA_TRUSTED));
    if (!so) break;
    session.logout();
    session.login();
    trusted = session.find({{CKA_LABEL, "root"}, {CKA_TRUSTED, true}, {CKA_TOKEN, true}}).at(0);
  }
  EXPECT_RV(CKR_OK, p11->C_DestroyObject(session, trusted));
}

// GnuTLS looks for the issuers that a token trusts after it has logged out.
TEST_F(Certificates, TrustThatALoginHasAuthenticatedHoldsUntilFinalize) {
  session.create(least.with({{CKA_TOKEN, true}, {CKA_LABEL, "root"}}));
  session.logout();
  session.login(CKU_SO);
  MUST(session.try_set(session.find({{CKA_LABEL, "root"}}).at(0), {{CKA_TRUSTED, true}}));
  const auto trusted = [](Session& seen) {
    return seen.find({{CKA_TRUSTED, true}, {CKA_CLASS, CKO_CERTIFICATE}}).size();
  };
  session.logout();
  EXPECT_EQ(trusted(session), 1u);
  library.restart();
  {
    Session later(slot_of("conformance"));
    EXPECT_EQ(trusted(later), 0u) << "before the first login of the process";
    later.login();
    later.logout();
    EXPECT_EQ(trusted(later), 1u) << "although it was not read during the login";
    later.login();
  }  // closing the last session logs the user out
  Session again(slot_of("conformance"));
  EXPECT_EQ(trusted(again), 1u);
  EXPECT_EQ(operate(scratch, "count-public"), "1\n");
  again.login();
  again.logout();
  operate(scratch, "break-public");
  EXPECT_EQ(again.find({{CKA_LABEL, "root"}}).size(), 1u);
  EXPECT_EQ(trusted(again), 0u) << "other bytes than those that were authenticated";
}

// Each public copy is a record of its own: one that was written without a login is not authenticated.
TEST_F(Certificates, ACopyThatIsMadeAfterTheLogoutIsNotTrusted) {
  session.create(least.with({{CKA_TOKEN, true}, {CKA_LABEL, "root"}}));
  session.logout();
  session.login(CKU_SO);
  MUST(session.try_set(session.find({{CKA_LABEL, "root"}}).at(0), {{CKA_TRUSTED, true}}));
  session.logout();
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  if (session.try_copy(session.find({{CKA_LABEL, "root"}}).at(0), {}, &copy) == CKR_OK) {
    EXPECT_FALSE(session.flag(copy, CKA_TRUSTED));
  }
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  EXPECT_EQ(later.find({{CKA_TRUSTED, true}}).size(), 1u);
  later.logout();
  EXPECT_EQ(later.find({{CKA_TRUSTED, true}}).size(), 1u);
}

TEST_F(Certificates, TrustThatIsNotAuthenticatedIsIgnored) {
  session.logout();
  session.create(least.with({{CKA_TOKEN, true}, {CKA_LABEL, "forged"}}));
  operate(scratch, "trust");
  const auto forged = [&] { return session.find({{CKA_LABEL, "forged"}}).at(0); };
  EXPECT_FALSE(session.flag(forged(), CKA_TRUSTED));
  session.login();
  EXPECT_FALSE(session.flag(forged(), CKA_TRUSTED));
  EXPECT_TRUE(session.find({{CKA_TRUSTED, true}}).empty());
  // A session that writes such an object again does not make it trusted either.
  EXPECT_RV(CKR_OK, session.try_set(forged(), {{CKA_ID, "another"}}));
  EXPECT_FALSE(session.flag(forged(), CKA_TRUSTED));
  EXPECT_EQ(operate(scratch, "count"), "0\n");
}

TEST_F(Certificates, LabelAndIdMayChangeAndTheValueMayNot) {
  const auto object = session.create(least.with({{CKA_TOKEN, true}}));
  EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_LABEL, "new"}, {CKA_ID, from_hex("0102")}}));
  EXPECT_EQ(session.text(object, CKA_LABEL), "new");
  EXPECT_EQ(session.get(object, CKA_ID), from_hex("0102"));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{CKA_VALUE, "other"}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{CKA_CERTIFICATE_TYPE, CKC_X_509_ATTR_CERT}}));
}

TEST_F(Certificates, OfAttributesFillInWhatTheirValueContains) {
  for_each_line("attribute_certificate.txt", [&](const Line& line) {
    const Bytes value = line.bytes("certificate");
    const Template whole = {{CKA_CLASS, CKO_CERTIFICATE},
                            {CKA_CERTIFICATE_TYPE, CKC_X_509_ATTR_CERT},
                            {CKA_TOKEN, true},
                            {CKA_OWNER, Bytes()},
                            {CKA_VALUE, value}};
    const auto object = session.create(whole);
    EXPECT_EQ(session.get(object, CKA_OWNER), line.bytes("holder"));
    EXPECT_EQ(session.get(object, CKA_AC_ISSUER), line.bytes("issuer"));
    EXPECT_EQ(session.get(object, CKA_SERIAL_NUMBER), line.bytes("serial"));
    EXPECT_EQ(session.get(object, CKA_ATTR_TYPES), line.bytes("types"));
    EXPECT_EQ(session.text(object, CKA_START_DATE), line.text("not_before"));
    EXPECT_EQ(session.text(object, CKA_END_DATE), line.text("not_after"));
    // Values that the application gives take precedence, as with other certificates.
    const auto filled = session.create(whole.with({{CKA_AC_ISSUER, "issuer"}, {CKA_ATTR_TYPES, "types"}}));
    EXPECT_EQ(session.text(filled, CKA_AC_ISSUER), "issuer");
    EXPECT_EQ(session.text(filled, CKA_ATTR_TYPES), "types");
    EXPECT_EQ(session.find({{CKA_ATTR_TYPES, line.bytes("types")}}), std::vector{object});

    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(whole.with({{CKA_SUBJECT, "of the other kind"}})));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(whole.with({{CKA_URL, "https://example.org/ac"}})));
    // A value that is not a certificate of this kind is stored, and no attribute is derived from it.
    const auto fills_nothing = [&](const Bytes& other) {
      const auto plain = session.create(whole.with({{CKA_VALUE, other}, {CKA_TOKEN, false}}));
      EXPECT_EQ(session.get(plain, CKA_VALUE), other);
      for (const CK_ATTRIBUTE_TYPE empty :
           {CKA_OWNER, CKA_AC_ISSUER, CKA_SERIAL_NUMBER, CKA_ATTR_TYPES, CKA_START_DATE})
        EXPECT_EQ(session.get(plain, empty), Bytes());
    };
    fills_nothing(certificate.der);
    fills_nothing(value + Bytes{0});
    for (size_t size = 1; size < value.size(); ++size)
      fills_nothing(Bytes(value.begin(), value.begin() + ptrdiff_t(size)));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(whole.with({{CKA_VALUE, Bytes()}})));
    const Bytes version = from_hex("020101"), first = from_hex("020100");
    Bytes old = value;
    std::copy(first.begin(), first.end(), std::search(old.begin(), old.end(), version.begin(), version.end()));
    fills_nothing(old);
  });
}

// A certificate with any byte changed is either accepted or rejected, and nothing crashes.
TEST_F(Certificates, OfAttributesWithAnyByteChangedAreAcceptedOrRejected) {
  for_each_line("attribute_certificate.txt", [&](const Line& line) {
    const Bytes value = line.bytes("certificate");
    for (size_t at = 0; at < value.size(); ++at) {
      for (const uint8_t change : {0x01, 0x80, 0xFF}) {
        Bytes damaged = value;
        damaged[at] ^= change;
        EXPECT_RV(one_of(CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID),
                  session.try_create({{CKA_CLASS, CKO_CERTIFICATE},
                                      {CKA_CERTIFICATE_TYPE, CKC_X_509_ATTR_CERT},
                                      {CKA_OWNER, Bytes()},
                                      {CKA_VALUE, damaged}}));
      }
    }
  });
}

}  // namespace
}  // namespace vtpm::conformance
