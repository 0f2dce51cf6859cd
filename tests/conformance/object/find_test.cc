// SPDX-License-Identifier: Apache-2.0
// C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal (PKCS#11 3.2, 5.7).
#include <algorithm>
#include <set>
#include <string>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

using Find = WithUser;
using Handles = std::vector<CK_OBJECT_HANDLE>;

TEST_F(Find, MatchesEveryAttributeOfTheTemplate) {
  const auto one = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "one"}, {CKA_APPLICATION, "a"}});
  const auto two = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "two"}, {CKA_APPLICATION, "a"}});
  Handles both = session.find({{CKA_APPLICATION, "a"}});
  std::sort(both.begin(), both.end());
  EXPECT_EQ(both, (Handles{std::min(one, two), std::max(one, two)}));
  EXPECT_EQ(session.find({{CKA_APPLICATION, "a"}, {CKA_LABEL, "two"}}), Handles{two});
  EXPECT_EQ(session.find({{CKA_LABEL, "one"}, {CKA_CLASS, CKO_DATA}, {CKA_TOKEN, false}}), Handles{one});
  EXPECT_TRUE(session.find({{CKA_APPLICATION, "a"}, {CKA_LABEL, "three"}}).empty());
  EXPECT_TRUE(session.find({{CKA_LABEL, "on"}}).empty()) << "a prefix is no match";
  EXPECT_TRUE(session.find({{CKA_TOKEN, true}}).empty());
  EXPECT_TRUE(session.find({{CKA_CLASS, CKO_CERTIFICATE}}).empty());
}

TEST_F(Find, MatchesDefaultsAndEmptyValues) {
  const auto plain = session.create({{CKA_CLASS, CKO_DATA}});
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "labelled"}});
  EXPECT_EQ(session.find({{CKA_LABEL, Bytes{}}}), Handles{plain});
  EXPECT_EQ(session.find({{CKA_MODIFIABLE, true}}).size(), 2u);
}

// Applications that keep labels in C strings or in fixed fields send the final zero bytes too.
TEST_F(Find, LabelsMatchWithFinalNuls) {
  using namespace std::string_literals;
  const Bytes padded = bytes("label\0\0\0"s), inside = bytes("la\0bel"s);
  const auto object = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, padded}});
  EXPECT_EQ(session.text(object, CKA_LABEL), "label");
  const auto other = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, inside}});
  EXPECT_EQ(session.get(other, CKA_LABEL), inside) << "only what is behind a label is padding";
  EXPECT_EQ(session.find({{CKA_LABEL, padded}}), Handles{object});
  EXPECT_EQ(session.find({{CKA_LABEL, "label"}}), Handles{object});
  EXPECT_EQ(session.find({{CKA_LABEL, inside}}), Handles{other});
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  MUST(session.try_copy(object, {{CKA_LABEL, bytes("copy\0"s)}}, &copy));
  EXPECT_EQ(session.text(copy, CKA_LABEL), "copy");
  MUST(session.try_set(object, {{CKA_LABEL, Bytes(8)}}));
  EXPECT_EQ(session.get(object, CKA_LABEL), Bytes());
  EXPECT_EQ(session.get(session.create({{CKA_CLASS, CKO_DATA}, {CKA_VALUE, padded}}), CKA_VALUE), padded);
}

TEST_F(Find, UnknownAttributesMatchNothing) {
  session.create({{CKA_CLASS, CKO_DATA}});
  EXPECT_TRUE(session.find({{0x7F001234, "x"}}).empty());
  EXPECT_TRUE(session.find({{CKA_MODULUS, "x"}}).empty());
  Template malformed = {{CKA_CLASS, Bytes{0}}};
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_FindObjectsInit(session, malformed.data(), malformed.size()));
}

// 5.7 lists no CKR_TEMPLATE_INCONSISTENT for a search.
TEST_F(Find, TwoValuesForOneAttributeMatchNothing) {
  const auto one = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "one"}});
  EXPECT_EQ(session.find({{CKA_LABEL, "one"}, {CKA_LABEL, "one"}}), Handles{one});
  EXPECT_TRUE(session.find({{CKA_LABEL, "one"}, {CKA_LABEL, "two"}}).empty());
  EXPECT_TRUE(session.find({{CKA_LABEL, "two"}, {CKA_LABEL, "one"}}).empty());
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  const CK_ATTRIBUTE demands[] = {{CKA_SENSITIVE, &yes, 1}, {CKA_SENSITIVE, &no, 1}};
  const auto* raw = reinterpret_cast<const uint8_t*>(demands);
  EXPECT_TRUE(session.find({{CKA_WRAP_TEMPLATE, Bytes(raw, raw + sizeof demands)}}).empty());
}

TEST_F(Find, EmptyTemplateFindsAll) {
  std::set<CK_OBJECT_HANDLE> made;
  for (int i = 0; i < 25; ++i)
    made.insert(session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, i % 2 == 0}, {CKA_PRIVATE, i % 3 == 0}}));
  const Handles found = session.find({});
  EXPECT_EQ(std::set<CK_OBJECT_HANDLE>(found.begin(), found.end()), made);
  EXPECT_EQ(found.size(), made.size());
}

TEST_F(Find, GivesNoMoreThanAskedAndNothingTwice) {
  for (int i = 0; i < 10; ++i) session.create({{CKA_CLASS, CKO_DATA}});
  Template data = {{CKA_CLASS, CKO_DATA}};
  MUST(p11->C_FindObjectsInit(session, data.data(), data.size()));
  std::set<CK_OBJECT_HANDLE> seen;
  for (const CK_ULONG ask : {1, 4, 3, 5}) {
    Handles some(ask + 1, kAbsurd);
    CK_ULONG count = 99;
    EXPECT_RV(CKR_OK, p11->C_FindObjects(session, some.data(), ask, &count));
    EXPECT_EQ(count, std::min<CK_ULONG>(ask, 10 - seen.size()));
    EXPECT_EQ(some[ask], kAbsurd) << "written past the buffer";
    for (CK_ULONG i = 0; i < count; ++i) EXPECT_TRUE(seen.insert(some[i]).second);
  }
  CK_OBJECT_HANDLE one = 0;
  CK_ULONG count = 99;
  EXPECT_RV(CKR_OK, p11->C_FindObjects(session, &one, 1, &count));
  EXPECT_EQ(count, 0u);
  EXPECT_RV(CKR_OK, p11->C_FindObjectsFinal(session));
}

TEST_F(Find, ASecondSearchInASessionIsRejected) {
  MUST(p11->C_FindObjectsInit(session, nullptr, 0));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_FindObjectsInit(session, nullptr, 0));
  Session other(slot);
  EXPECT_RV(CKR_OK, p11->C_FindObjectsInit(other, nullptr, 0));
  EXPECT_RV(CKR_OK, p11->C_FindObjectsFinal(session));
  EXPECT_RV(CKR_OK, p11->C_FindObjectsInit(session, nullptr, 0));
  EXPECT_RV(CKR_OK, p11->C_FindObjectsFinal(session));
}

TEST_F(Find, FindObjectsWithoutASearchIsRejected) {
  CK_OBJECT_HANDLE one = 0;
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjects(session, &one, 1, &count));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjectsFinal(session));
}

TEST_F(Find, RefusesBadPointers) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_FindObjectsInit(session, nullptr, 1));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_FindObjectsInit(session, nullptr, kAbsurd));
  CK_ATTRIBUTE null_value{CKA_LABEL, nullptr, 3};
  EXPECT_RV(one_of(CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_VALUE_INVALID), p11->C_FindObjectsInit(session, &null_value, 1));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjectsFinal(session));
  CK_OBJECT_HANDLE one = 0;
  CK_ULONG count = 0;
  MUST(p11->C_FindObjectsInit(session, nullptr, 0));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_FindObjects(session, &one, 1, nullptr));
  p11->C_FindObjectsFinal(session);
  MUST(p11->C_FindObjectsInit(session, nullptr, 0));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_FindObjects(session, nullptr, 1, &count));
}

TEST_F(Find, AnObjectDestroyedMeanwhileDoesNoHarm) {
  for (int i = 0; i < 6; ++i) session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}});
  Template data = {{CKA_CLASS, CKO_DATA}};
  const Handles all = session.find(data);
  MUST(p11->C_FindObjectsInit(session, data.data(), data.size()));
  for (const CK_OBJECT_HANDLE object : all) MUST(p11->C_DestroyObject(session, object));
  Handles some(10);
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11->C_FindObjects(session, some.data(), some.size(), &count));
  EXPECT_LE(count, 6u);
  for (CK_ULONG i = 0; i < count; ++i) EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(some[i], CKA_LABEL));
  EXPECT_RV(CKR_OK, p11->C_FindObjectsFinal(session));
}

TEST_F(Find, NeverRevealsSecretsByMatching) {
  // A search that matched sensitive attributes would let anyone test guesses of a key.
  const KeyPair pair = session.generate_ec(kP256);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_VALUE, CKA_PRIVATE_EXPONENT, CKA_PRIME_1})
    EXPECT_TRUE(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {type, Bytes{}}}).empty());
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}}), Handles{pair.private_key});
}

TEST_F(Find, KeysAndTheirCertificatesMeetById) {
  const Bytes id = from_hex("0badcafe");
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_ID, id}}, {{CKA_ID, id}});
  EXPECT_EQ(session.find({{CKA_ID, id}}).size(), 2u);
  EXPECT_EQ(session.find({{CKA_ID, id}, {CKA_CLASS, CKO_PUBLIC_KEY}}), Handles{pair.public_key});
  EXPECT_EQ(session.find({{CKA_ID, id}, {CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_EC}, {CKA_SIGN, true}}),
            Handles{pair.private_key});
  EXPECT_EQ(session.find({{CKA_EC_PARAMS, kP256}, {CKA_CLASS, CKO_PUBLIC_KEY}}), Handles{pair.public_key});
}

}  // namespace
}  // namespace vtpm::conformance
