// SPDX-License-Identifier: Apache-2.0
// The objects that the TPM itself holds: its storage root key, certificates in NV, counters, bit fields, extend areas,
// areas with TPM attributes and auth values of their own (docs/pkcs11.md, "What the TPM holds").
#include <openssl/evp.h>

#include <fstream>
#include <iterator>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

using TpmObjects = WithUser;

constexpr CK_ULONG kIndex = 0x01800001;
const Template kArea = {
    {CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {kVtpmNvIndex, kIndex}, {CKA_VALUE, "in the TPM"}};
const Template kCounter = {{CKA_CLASS, CKO_HW_FEATURE}, {CKA_HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER}};

uint64_t number_of(const Bytes& bytes) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

/// C_GetAttributeValue with a buffer, once.
Bytes fetch(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  Bytes buffer(64);
  CK_ATTRIBUTE row = {type, buffer.data(), buffer.size()};
  MUST(p11->C_GetAttributeValue(session, object, &row, 1));
  buffer.resize(row.ulValueLen);
  return buffer;
}

// --- persistent keys ---

TEST_F(TpmObjects, TheStorageRootKeyIsAPublicKeyAfterLogin) {
  session.logout();
  EXPECT_TRUE(session.find({{kVtpmHandle, 0x81000001UL}}).empty()) << "OpenSSH offers every public key that it sees";
  session.login();
  const auto found = session.find({{CKA_CLASS, CKO_PUBLIC_KEY}, {kVtpmHandle, 0x81000001UL}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(session.number(found[0], CKA_KEY_TYPE), CKK_EC);
  EXPECT_EQ(session.get(found[0], CKA_EC_PARAMS), kP256);
  EXPECT_EQ(session.get(found[0], CKA_EC_POINT).size(), 67u);
  EXPECT_FALSE(session.flag(found[0], CKA_VERIFY)) << "a restricted decryption key (Part 1, 25.1.5)";
  EXPECT_TRUE(session.get(found[0], CKA_ID).empty());
  EXPECT_FALSE(session.flag(found[0], CKA_MODIFIABLE));
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(session, found[0]));
  EXPECT_RV(CKR_ACTION_PROHIBITED, session.try_set(found[0], {{CKA_LABEL, "mine"}}));
  EXPECT_TRUE(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {kVtpmHandle, 0x81000001UL}}).empty());
}

TEST_F(TpmObjects, KeepTheirUniqueIdAndHandle) {
  const auto before = session.find({{kVtpmHandle, 0x81000001UL}}).at(0);
  const Bytes id = session.get(before, kUniqueId);
  session.create(kArea);  // the TPM's state changes
  EXPECT_EQ(session.find({{kVtpmHandle, 0x81000001UL}}).at(0), before);
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  EXPECT_EQ(later.get(later.find({{kVtpmHandle, 0x81000001UL}}).at(0), kUniqueId), id);
}

// --- certificates ---

TEST_F(TpmObjects, ACertificateInNvIsACertificateBeforeLoginToo) {
  std::ifstream file(VTPM_TEST_DATA "/crypto/certificate.der", std::ios::binary);
  const Bytes certificate{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(certificate.empty());
  constexpr CK_ULONG kEkCertificate = 0x01C00016;  // P-384; the token has those of RSA-2048 and P-256
  const Bytes padded = certificate + Bytes(100, 0xFF);
  const auto area = session.create(kArea.with({{kVtpmNvIndex, kEkCertificate}, {CKA_VALUE, padded}}));
  library.restart();
  Session stranger(slot_of("conformance"));
  const auto found = stranger.find({{CKA_CLASS, CKO_CERTIFICATE}, {kVtpmNvIndex, kEkCertificate}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(stranger.get(found[0], CKA_VALUE), certificate) << "the padding is not part of it";
  EXPECT_TRUE(stranger.get(found[0], CKA_SUBJECT).empty()) << "OpenSSH offers every certificate's key that has one";
  EXPECT_TRUE(stranger.get(found[0], CKA_ID).empty());
  EXPECT_FALSE(stranger.get(found[0], CKA_ISSUER).empty());
  EXPECT_FALSE(stranger.get(found[0], CKA_SERIAL_NUMBER).empty());
  EXPECT_EQ(stranger.number(found[0], CKA_CERTIFICATE_TYPE), CKC_X_509);
  EXPECT_FALSE(stranger.flag(found[0], CKA_MODIFIABLE));
  stranger.login();
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(stranger, found[0]));
  // When the area is deleted, the certificate disappears.
  const auto data = stranger.find({{CKA_CLASS, CKO_DATA}, {kVtpmNvIndex, kEkCertificate}});
  ASSERT_EQ(data.size(), 1u);
  EXPECT_RV(CKR_OK, p11->C_DestroyObject(stranger, data[0]));
  EXPECT_TRUE(stranger.find({{kVtpmNvIndex, kEkCertificate}}).empty());
  (void)area;
}

// --- counters (4.3.4) ---

TEST_F(TpmObjects, ACounterRisesWhenItsValueIsFetched) {
  const auto counter = session.create(kCounter);
  EXPECT_GE(session.number(counter, kVtpmNvIndex), 0x01800000u);
  EXPECT_FALSE(session.flag(counter, CKA_RESET_ON_INIT));
  EXPECT_FALSE(session.flag(counter, CKA_HAS_RESET));
  const uint64_t start = number_of(fetch(session, counter, kVtpmNvValue));
  EXPECT_EQ(number_of(fetch(session, counter, CKA_VALUE)), start + 1);
  EXPECT_EQ(number_of(fetch(session, counter, CKA_VALUE)), start + 2);
  EXPECT_EQ(number_of(fetch(session, counter, kVtpmNvValue)), start + 2) << "without any effect";
  EXPECT_EQ(session.try_get(counter, CKA_VALUE), CKR_OK);  // a size query
  CK_BYTE small[7];
  CK_ATTRIBUTE row = {CKA_VALUE, small, sizeof small};
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetAttributeValue(session, counter, &row, 1));
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_HW_FEATURE}, {CKA_VALUE, Bytes(8, 0)}}).size(), 0u);
  EXPECT_EQ(number_of(fetch(session, counter, CKA_VALUE)), start + 3);
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  const auto again = later.find({{CKA_CLASS, CKO_HW_FEATURE}});
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(number_of(fetch(later, again[0], CKA_VALUE)), start + 4);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, later.try_set(again[0], {{CKA_VALUE, Bytes(8, 0)}}));
  EXPECT_RV(CKR_OK, p11->C_DestroyObject(later, again[0]));
}

TEST_F(TpmObjects, ACounterThatIsMadeAgainNeverGoesBack) {
  const auto counter = session.create(kCounter);
  uint64_t highest = 0;
  for (int i = 0; i < 5; ++i) highest = number_of(fetch(session, counter, CKA_VALUE));
  EXPECT_RV(CKR_OK, p11->C_DestroyObject(session, counter));
  const auto next = session.create(kCounter);
  EXPECT_GT(number_of(fetch(session, next, kVtpmNvValue)), highest);  // Part 3, 31.8.1
}

TEST_F(TpmObjects, AHardwareFeatureIsFoundOnlyByWhoAsksForIt) {
  session.create(kCounter.with({{CKA_LABEL, "ticks"}}));
  EXPECT_TRUE(session.find({}).empty());
  EXPECT_TRUE(session.find({{CKA_LABEL, "ticks"}}).empty());
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_HW_FEATURE}, {CKA_LABEL, "ticks"}}).size(), 1u);
  session.logout();
  EXPECT_TRUE(session.find({{CKA_CLASS, CKO_HW_FEATURE}}).empty()) << "the TPM is sealed";
}

// --- bit fields and extend areas ---

TEST_F(TpmObjects, ABitFieldCollectsBits) {
  const auto object = session.create(kArea.with({{kVtpmNvType, 2UL}, {CKA_VALUE, from_hex("0000000000000005")}}));
  EXPECT_EQ(session.get(object, CKA_VALUE), from_hex("0000000000000005"));
  EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_VALUE, from_hex("8000000000000002")}}));
  EXPECT_EQ(session.get(object, CKA_VALUE), from_hex("8000000000000007"));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_set(object, {{CKA_VALUE, Bytes(7, 1)}}));
  EXPECT_EQ(session.get(object, CKA_VALUE), from_hex("8000000000000007"));
}

TEST_F(TpmObjects, AnExtendAreaIsAHashOfItsHistory) {
  const auto object = session.create(kArea.with({{kVtpmNvType, 4UL}, {CKA_VALUE, "first"}}));
  EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_VALUE, "second"}}));
  Bytes expected(32, 0);  // Part 3, 31.9.1
  for (const char* event : {"first", "second"}) {
    const Bytes input = expected + bytes(event);
    ASSERT_EQ(EVP_Digest(input.data(), input.size(), expected.data(), nullptr, EVP_sha256(), nullptr), 1);
  }
  EXPECT_EQ(session.get(object, CKA_VALUE), expected);
}

// --- attributes and auth values ---

// TPMA_NV (Part 2, 13.4).
constexpr CK_ULONG kOwnerWrite = 1 << 1, kAuthWrite = 1 << 2, kOwnerRead = 1 << 17, kAuthRead = 1 << 18,
                   kNoDa = 1 << 25;

TEST_F(TpmObjects, TpmAttributesAreShown) {
  const auto object = session.create(kArea.with({{kVtpmNvAttributes, kOwnerWrite | kAuthRead | kNoDa}}));
  constexpr CK_ULONG kWritten = 1 << 29;
  EXPECT_EQ(session.number(object, kVtpmNvAttributes), kOwnerWrite | kAuthRead | kNoDa | kWritten);
  EXPECT_EQ(session.number(object, kVtpmNvType), 0u);
  EXPECT_EQ(session.text(object, CKA_VALUE), "in the TPM");
}

TEST_F(TpmObjects, AreasThatEndWithOneBootAreRejected) {
  for (const int bit : {14, 26, 27, 31}) {  // WRITE_STCLEAR, ORDERLY, CLEAR_STCLEAR, READ_STCLEAR
    const CK_ULONG attributes = kOwnerWrite | kOwnerRead | CK_ULONG{1} << bit;
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kArea.with({{kVtpmNvAttributes, attributes}}))) << bit;
  }
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kArea.with({{kVtpmNvAttributes, kOwnerWrite}})));
  EXPECT_TRUE(session.find({{kVtpmNvIndex, kIndex}}).empty());
}

TEST_F(TpmObjects, TheAuthValueOfAnAreaOpensIt) {
  const Template secret = kArea.with({{kVtpmNvAttributes, kAuthWrite | kAuthRead | kNoDa}, {kVtpmAuth, "sesame"}});
  const auto object = session.create(secret);
  EXPECT_EQ(session.text(object, CKA_VALUE), "in the TPM");
  EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_VALUE, "other octs"}}));
  EXPECT_EQ(session.text(object, CKA_VALUE), "other octs");
  // With a wrong auth value the read fails, and the other attributes are still returned.
  EXPECT_RV(CKR_OK, session.try_set(object, {{kVtpmAuth, "wrong"}}));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(object, CKA_VALUE));
  EXPECT_RV(CKR_ACTION_PROHIBITED, session.try_set(object, {{CKA_VALUE, "third octs"}}));
  EXPECT_EQ(session.number(object, kVtpmNvIndex), kIndex);
  EXPECT_RV(CKR_OK, session.try_set(object, {{kVtpmAuth, "sesame"}}));
  EXPECT_EQ(session.text(object, CKA_VALUE), "other octs");
}

TEST_F(TpmObjects, OrdinaryDataHasNoTpmAttributes) {
  const Template data = {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_VALUE, "x"}};
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(data.with({{kVtpmNvType, 2UL}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(data.with({{kVtpmAuth, "sesame"}})));
  const auto key = session.generate_ec(kP256);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(key.private_key, {{kVtpmAuth, "sesame"}}))
      << "the auth value of a wrapped key is not the user's to change";
}

TEST_F(TpmObjects, AFullTpmIsReportedAndLeavesNoPartialObject) {
  CK_RV rv = CKR_OK;
  CK_ULONG made = 0;
  for (; rv == CKR_OK && made < 200; ++made) {
    rv = session.try_create(kArea.with({{kVtpmNvIndex, kIndex + made}, {CKA_VALUE, Bytes(2048, 7)}}));
  }
  --made;
  EXPECT_RV(CKR_DEVICE_MEMORY, rv);
  EXPECT_EQ(session.find({{CKA_APPLICATION, "tpm-nv"}}).size(), made);
  EXPECT_EQ(session.get(session.find({{kVtpmNvIndex, kIndex}}).at(0), CKA_VALUE), Bytes(2048, 7));
}

}  // namespace
}  // namespace vtpm::conformance
