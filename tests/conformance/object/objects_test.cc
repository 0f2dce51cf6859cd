// SPDX-License-Identifier: Apache-2.0
// Object management (PKCS#11 3.2, 4.1 to 4.5 and 5.7): creation, schema, attributes, copies, visibility.
#include <algorithm>
#include <set>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

using Objects = WithUser;

const Template kData = {{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "thing"}, {CKA_APPLICATION, "test"}, {CKA_VALUE, "value"}};

// --- creation ---

TEST_F(Objects, DataObjectKeepsWhatItWasGiven) {
  const auto object = session.create(kData.with({{CKA_OBJECT_ID, from_hex("06032a0304")}, {CKA_PRIVATE, true}}));
  EXPECT_NE(object, CK_INVALID_HANDLE);
  EXPECT_EQ(session.number(object, CKA_CLASS), CKO_DATA);
  EXPECT_EQ(session.text(object, CKA_LABEL), "thing");
  EXPECT_EQ(session.text(object, CKA_APPLICATION), "test");
  EXPECT_EQ(session.text(object, CKA_VALUE), "value");
  EXPECT_EQ(session.get(object, CKA_OBJECT_ID), from_hex("06032a0304"));
  EXPECT_TRUE(session.flag(object, CKA_PRIVATE));
}

TEST_F(Objects, DataObjectsHaveTheDefaultsOfTheStandard) {
  const auto object = session.create({{CKA_CLASS, CKO_DATA}});
  EXPECT_FALSE(session.flag(object, CKA_TOKEN));
  EXPECT_TRUE(session.flag(object, CKA_MODIFIABLE));
  EXPECT_TRUE(session.flag(object, CKA_COPYABLE));
  EXPECT_TRUE(session.flag(object, CKA_DESTROYABLE));
  for (const CK_ATTRIBUTE_TYPE type : {CKA_LABEL, CKA_APPLICATION, CKA_OBJECT_ID, CKA_VALUE})
    EXPECT_EQ(session.get(object, type), Bytes{});
}

TEST_F(Objects, ValuesOfManySizesAreKept) {
  for (const size_t size : {0, 1, 15, 16, 17, 255, 4096, 100000}) {
    SCOPED_TRACE(size);
    Bytes value(size);
    for (size_t i = 0; i < size; ++i) value[i] = static_cast<uint8_t>(i * 7 + i / 256);
    const auto object = session.create(kData.with({{CKA_VALUE, value}, {CKA_TOKEN, true}}));
    EXPECT_EQ(session.get(object, CKA_VALUE), value);
  }
}

TEST_F(Objects, SchemaRefusesWhatDoesNotBelong) {
  EXPECT_RV(one_of(CKR_TEMPLATE_INCOMPLETE, CKR_ARGUMENTS_BAD), session.try_create({}));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(kData.without(CKA_CLASS)));
  EXPECT_RV(one_of(CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT),
            session.try_create(kData.with({{CKA_CLASS, 0x1234}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kData.with({{CKA_CLASS, Bytes{0}}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kData.with({{CKA_TOKEN, Bytes{}}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kData.with({{CKA_TOKEN, Bytes{1, 0}}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kData.with({{CKA_PRIVATE, Bytes{2}}})));
  // 4.1.1: the valid attributes are those that "the Cryptoki specification" describes for any object, and those of the
  // token.
  constexpr CK_ATTRIBUTE_TYPE kPublicCrc64Value = 0x636;
  for (const CK_ATTRIBUTE_TYPE other : {CKA_MODULUS, CKA_OWNER, CKA_OTP_LENGTH, CKA_OTP_TIME, CKA_GOST28147_PARAMS,
                                        CKA_COLOR, CKA_ENCODING_METHODS, CKA_DEFAULT_CMS_ATTRIBUTES, kPublicCrc64Value})
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(kData.with({{other, "not of data"}}))) << other;
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(kData.with({{kVtpmResident, true}})));
  constexpr CK_ATTRIBUTE_TYPE kOfARecord =
      CKA_VENDOR_DEFINED | 0x56540202;  // docs/format.md: no attribute has this number
  for (const CK_ATTRIBUTE_TYPE none :
       {CK_ATTRIBUTE_TYPE{0x7F001234}, CKA_VENDOR_DEFINED | CK_ATTRIBUTE_TYPE{0x7777}, kOfARecord})
    EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_create(kData.with({{none, CK_ULONG{1}}}))) << none;
  EXPECT_TRUE(session.find({}).empty()) << "a refused template made an object";
}

TEST_F(Objects, AnAttributeThatOccursTwiceIsRejected) {
  Template both = {{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "one"}, {CKA_LABEL, "two"}};
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(both));
  Template same = {{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "one"}, {CKA_LABEL, "one"}};
  EXPECT_RV(one_of(CKR_OK, CKR_TEMPLATE_INCONSISTENT), session.try_create(same));
}

TEST_F(Objects, CreateRefusesBadPointersAndLengths) {
  CK_OBJECT_HANDLE object = 0;
  Template good = kData;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_CreateObject(session, nullptr, 3, &object));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_CreateObject(session, good.data(), good.size(), nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_CreateObject(session, good.data(), kAbsurd, &object));
  CK_OBJECT_CLASS data = CKO_DATA;
  for (const CK_ULONG length : {CK_ULONG{5}, kAbsurd}) {
    CK_ATTRIBUTE null_value[] = {{CKA_CLASS, &data, sizeof data}, {CKA_LABEL, nullptr, length}};
    EXPECT_RV(one_of(CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD),
              p11->C_CreateObject(session, null_value, 2, &object));
  }
  CK_ATTRIBUTE huge[] = {{CKA_CLASS, &data, sizeof data}, {CKA_VALUE, &data, kAbsurd}};
  EXPECT_RV(one_of(CKR_ATTRIBUTE_VALUE_INVALID, CKR_ARGUMENTS_BAD), p11->C_CreateObject(session, huge, 2, &object));
  EXPECT_TRUE(session.find({}).empty());
}

TEST_F(Objects, TemplatesNeedNotBeAligned) {
  // Attribute values come from anywhere in the application's memory.
  alignas(8) unsigned char buffer[1 + sizeof(CK_OBJECT_CLASS)];
  const CK_OBJECT_CLASS data = CKO_DATA;
  std::copy_n(reinterpret_cast<const unsigned char*>(&data), sizeof data, buffer + 1);
  CK_ATTRIBUTE attributes[] = {{CKA_CLASS, buffer + 1, sizeof data}};
  CK_OBJECT_HANDLE object = 0;
  EXPECT_RV(CKR_OK, p11->C_CreateObject(session, attributes, 1, &object));
  attributes[0].ulValueLen = sizeof data;
  EXPECT_RV(CKR_OK, p11->C_GetAttributeValue(session, object, attributes, 1));
  EXPECT_EQ(session.number(object, CKA_CLASS), CKO_DATA);
}

// --- CKA_UNIQUE_ID (3.0, 4.4.1) ---

TEST_F(Objects, UniqueIdIsGivenByTheTokenAndNeverChanges) {
  std::set<Bytes> seen;
  for (int i = 0; i < 5; ++i) {
    const auto object = session.create(kData.with({{CKA_TOKEN, i % 2 == 0}}));
    const Bytes id = session.get(object, kUniqueId);
    EXPECT_FALSE(id.empty());
    EXPECT_TRUE(seen.insert(id).second) << "given twice";
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{kUniqueId, "mine"}}));
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{kUniqueId, id}})) << "any attempt (4.2)";
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_copy(object, {{kUniqueId, id}}));
    CK_OBJECT_HANDLE copy = 0;
    MUST(session.try_copy(object, {}, &copy));
    EXPECT_TRUE(seen.insert(session.get(copy, kUniqueId)).second) << "the copy has the original's";
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_copy(object, {{kUniqueId, "mine"}}));
  }
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_create(kData.with({{kUniqueId, "mine"}})));
}

TEST_F(Objects, UniqueIdFindsItsObjectAlsoAfterFinalize) {
  const auto object = session.create(kData.with({{CKA_TOKEN, true}}));
  session.create(kData.with({{CKA_TOKEN, true}}));
  const Bytes id = session.get(object, kUniqueId);
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  EXPECT_EQ(later.find({{kUniqueId, id}}).size(), 1u);
}

// --- session objects and token objects, private and public ---

TEST_F(Objects, SessionObjectsAreSharedByTheProcessAndGoWithTheirSession) {
  Session other(slot);
  CK_OBJECT_HANDLE object = other.create(kData);
  EXPECT_EQ(session.find({{CKA_LABEL, "thing"}}), std::vector<CK_OBJECT_HANDLE>{object});
  EXPECT_EQ(session.text(object, CKA_VALUE), "value");
  other.close();
  EXPECT_TRUE(session.find({{CKA_LABEL, "thing"}}).empty());
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(object, CKA_VALUE));
}

TEST_F(Objects, TokenObjectsSurviveFinalizeAsTheyWere) {
  const Template whole = {{CKA_CLASS, CKO_DATA},          {CKA_TOKEN, true},       {CKA_PRIVATE, true},
                          {CKA_LABEL, "Übung"},           {CKA_APPLICATION, "a"},  {CKA_OBJECT_ID, from_hex("06012a")},
                          {CKA_VALUE, Bytes(3000, 0xA5)}, {CKA_MODIFIABLE, false}, {CKA_DESTROYABLE, false},
                          {CKA_COPYABLE, false}};
  session.create(whole);
  session.create(kData);
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  const auto found = later.find({});
  ASSERT_EQ(found.size(), 1u) << "the session object is gone, the token object is there";
  for (const Attribute& attribute : whole.attributes())
    EXPECT_EQ(later.get(found[0], attribute.type), attribute.value) << "attribute " << attribute.type;
}

TEST_F(Objects, PrivateObjectsAreInvisibleBeforeLogin) {
  session.create(kData.with({{CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "private"}}));
  session.create(kData.with({{CKA_TOKEN, true}, {CKA_PRIVATE, false}, {CKA_LABEL, "public"}}));
  session.logout();
  const auto visible = session.find({});
  ASSERT_EQ(visible.size(), 1u);
  EXPECT_EQ(session.text(visible[0], CKA_LABEL), "public");
  EXPECT_EQ(session.text(visible[0], CKA_VALUE), "value");
  EXPECT_TRUE(session.find({{CKA_LABEL, "private"}}).empty());
  session.login(CKU_SO);
  EXPECT_TRUE(session.find({{CKA_LABEL, "private"}}).empty()) << "the SO sees public objects only";
}

TEST_F(Objects, WithoutLoginNothingPrivateIsMade) {
  session.logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(kData.with({{CKA_PRIVATE, true}})));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(kData.with({{CKA_PRIVATE, true}, {CKA_TOKEN, true}})));
  EXPECT_RV(CKR_OK, session.try_create(kData.with({{CKA_PRIVATE, false}})));
  session.login(CKU_SO);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(kData.with({{CKA_PRIVATE, true}, {CKA_TOKEN, true}})));
}

TEST_F(Objects, DataIsPublicBeforeLoginUnlessAsked) {
  session.logout();
  const auto object = session.create(kData);
  EXPECT_FALSE(session.flag(object, CKA_PRIVATE));
}

TEST_F(Objects, ReadOnlySessionsChangeNoTokenObject) {
  const auto on_token = session.create(kData.with({{CKA_TOKEN, true}}));
  Session reader(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_READ_ONLY, reader.try_create(kData.with({{CKA_TOKEN, true}})));
  EXPECT_RV(CKR_SESSION_READ_ONLY, reader.try_set(on_token, {{CKA_LABEL, "new"}}));
  EXPECT_RV(CKR_SESSION_READ_ONLY, p11->C_DestroyObject(reader, on_token));
  EXPECT_RV(CKR_SESSION_READ_ONLY, reader.try_copy(on_token, {}));
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            reader.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {}));
  EXPECT_EQ(session.text(on_token, CKA_LABEL), "thing");

  CK_OBJECT_HANDLE mine = 0;
  EXPECT_RV(CKR_OK, reader.try_create(kData, &mine));
  EXPECT_RV(CKR_OK, reader.try_set(mine, {{CKA_LABEL, "new"}}));
  EXPECT_RV(CKR_OK, reader.try_copy(on_token, {{CKA_TOKEN, false}}));
  EXPECT_RV(CKR_OK, p11->C_DestroyObject(reader, mine));
}

// --- C_GetAttributeValue ---

TEST_F(Objects, GetFillsAllItCan) {
  const auto object = session.create(kData);
  unsigned char label[64], value[64], small[2];
  CK_ATTRIBUTE attributes[] = {{CKA_LABEL, label, sizeof label},
                               {CKA_MODULUS, value, sizeof value},      // a data object has no such attribute
                               {CKA_APPLICATION, small, sizeof small},  // too small
                               {CKA_OBJECT_ID, nullptr, 77},            // a size query
                               {CKA_VALUE, value, sizeof value}};
  EXPECT_RV(one_of(CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL),
            p11->C_GetAttributeValue(session, object, attributes, std::size(attributes)));
  EXPECT_EQ(attributes[0].ulValueLen, 5u);
  EXPECT_EQ(Bytes(label, label + 5), bytes("thing"));
  EXPECT_EQ(attributes[1].ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(attributes[2].ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(attributes[3].ulValueLen, 0u);
  EXPECT_EQ(attributes[4].ulValueLen, 5u);
  EXPECT_EQ(Bytes(value, value + 5), bytes("value"));
}

TEST_F(Objects, GetNamesEachErrorOnItsOwn) {
  const auto object = session.create(kData);
  unsigned char small[2] = {0xEE, 0xEE};
  CK_ATTRIBUTE too_small{CKA_LABEL, small, sizeof small};
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetAttributeValue(session, object, &too_small, 1));
  EXPECT_EQ(too_small.ulValueLen, CK_UNAVAILABLE_INFORMATION);
  EXPECT_EQ(small[1], 0xEE) << "wrote into a buffer that is too small";
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_get(object, CKA_MODULUS));
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_get(object, 0x7F001234));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetAttributeValue(session, object, nullptr, 1));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetAttributeValue(session, object, &too_small, kAbsurd));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(0, CKA_LABEL));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(kAbsurd, CKA_LABEL));
}

TEST_F(Objects, GetFillsABufferOfTheExactSize) {
  const auto object = session.create(kData);
  unsigned char label[6] = {};
  CK_ATTRIBUTE exact{CKA_LABEL, label, 5};
  EXPECT_RV(CKR_OK, p11->C_GetAttributeValue(session, object, &exact, 1));
  EXPECT_EQ(Bytes(label, label + 6), bytes("thing") + Bytes{0});
}

// --- C_SetAttributeValue ---

TEST_F(Objects, SetChangesWhatMayChange) {
  for (const bool on_token : {false, true}) {
    const auto object = session.create(kData.with({{CKA_TOKEN, on_token}}));
    EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_LABEL, "new label"}, {CKA_VALUE, "new value"}}));
    EXPECT_EQ(session.text(object, CKA_LABEL), "new label");
    EXPECT_EQ(session.text(object, CKA_VALUE), "new value");
    EXPECT_EQ(session.text(object, CKA_APPLICATION), "test");
    EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_LABEL, Bytes{}}}));
    EXPECT_EQ(session.text(object, CKA_LABEL), "");
  }
}

TEST_F(Objects, SetRejectsWhatMayNotChange) {
  const auto object = session.create(kData);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{CKA_CLASS, CKO_CERTIFICATE}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{CKA_TOKEN, true}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{CKA_PRIVATE, true}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_set(object, {{CKA_MODULUS, "n"}})) << "4.1.1 holds here too";
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_set(object, {{0x7F001234, "x"}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_set(object, {{CKA_LABEL, "x"}, {CKA_LABEL, "y"}}));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_set(kAbsurd, {{CKA_LABEL, "x"}}));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetAttributeValue(session, object, nullptr, 1));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetAttributeValue(session, object, nullptr, kAbsurd));
}

TEST_F(Objects, SetIsAllOrNothing) {
  const auto object = session.create(kData.with({{CKA_TOKEN, true}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{CKA_LABEL, "half"}, {CKA_CLASS, CKO_CERTIFICATE}}));
  EXPECT_EQ(session.text(object, CKA_LABEL), "thing");
}

TEST_F(Objects, AnObjectThatIsNotModifiableStaysUnchanged) {
  const auto object = session.create(kData.with({{CKA_MODIFIABLE, false}}));
  EXPECT_RV(CKR_ACTION_PROHIBITED, session.try_set(object, {{CKA_LABEL, "new"}}));
  EXPECT_EQ(session.text(object, CKA_LABEL), "thing");
}

// --- C_DestroyObject ---

TEST_F(Objects, ADestroyedOneHasNoValidHandle) {
  for (const bool on_token : {false, true}) {
    const auto object = session.create(kData.with({{CKA_TOKEN, on_token}}));
    EXPECT_RV(CKR_OK, p11->C_DestroyObject(session, object));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(session, object));
    EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(object, CKA_LABEL));
    EXPECT_TRUE(session.find({}).empty());
  }
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  EXPECT_TRUE(later.find({}).empty());
}

TEST_F(Objects, AnObjectThatIsNotDestroyableStays) {
  const auto object = session.create(kData.with({{CKA_TOKEN, true}, {CKA_DESTROYABLE, false}}));
  EXPECT_RV(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(session, object));
  EXPECT_EQ(session.text(object, CKA_LABEL), "thing");
}

// --- C_CopyObject ---

TEST_F(Objects, CopyTakesAnEmptyTemplate) {
  const auto object = session.create(kData);
  CK_OBJECT_HANDLE copy = 0;
  EXPECT_RV(CKR_OK, session.try_copy(object, {}, &copy));
  EXPECT_NE(copy, object);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_APPLICATION, CKA_VALUE})
    EXPECT_EQ(session.get(copy, type), session.get(object, type)) << "attribute " << type;
  EXPECT_RV(CKR_OK, p11->C_DestroyObject(session, copy));
  EXPECT_EQ(session.text(object, CKA_LABEL), "thing") << "the copy was not a copy";
}

TEST_F(Objects, CopyTakesAttributesThatMayBeOverridden) {
  const auto object = session.create(kData);
  CK_OBJECT_HANDLE copy = 0;
  EXPECT_RV(CKR_OK, session.try_copy(object,
                                     {{CKA_TOKEN, true},
                                      {CKA_PRIVATE, true},
                                      {CKA_LABEL, "copy"},
                                      {CKA_MODIFIABLE, false},
                                      {CKA_DESTROYABLE, false}},
                                     &copy));
  EXPECT_TRUE(session.flag(copy, CKA_TOKEN));
  EXPECT_TRUE(session.flag(copy, CKA_PRIVATE));
  EXPECT_FALSE(session.flag(copy, CKA_MODIFIABLE));
  EXPECT_FALSE(session.flag(copy, CKA_DESTROYABLE));
  EXPECT_EQ(session.text(copy, CKA_LABEL), "copy");
  EXPECT_EQ(session.text(copy, CKA_VALUE), "value");
  CK_OBJECT_HANDLE back = 0;
  EXPECT_RV(CKR_OK, session.try_copy(copy, {{CKA_TOKEN, false}}, &back));
  EXPECT_FALSE(session.flag(back, CKA_TOKEN));
}

TEST_F(Objects, CopyRejectsWhatCannotBeOverridden) {
  const auto object = session.create(kData);
  EXPECT_RV(one_of(CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT),
            session.try_copy(object, {{CKA_CLASS, CKO_CERTIFICATE}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_copy(object, {{CKA_MODULUS, "n"}})) << "4.1.1 holds here too";
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_copy(object, {{0x7F001234, "x"}}));
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_copy(kAbsurd, {}));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_CopyObject(session, object, nullptr, 0, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_CopyObject(session, object, nullptr, kAbsurd, nullptr));
  const auto fixed = session.create(kData.with({{CKA_COPYABLE, false}}));
  EXPECT_RV(CKR_ACTION_PROHIBITED, session.try_copy(fixed, {}));
  EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_COPYABLE, false}}));
  EXPECT_RV(one_of(CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_VALUE_INVALID),
            session.try_set(fixed, {{CKA_COPYABLE, true}}))
      << "4.4: can't be set to TRUE once it is set to FALSE";
}

// --- C_GetObjectSize ---

TEST_F(Objects, SizeGrowsWithTheObject) {
  const auto small = session.create(kData), large = session.create(kData.with({{CKA_VALUE, Bytes(5000, 1)}}));
  CK_ULONG small_size = 0, large_size = 0;
  EXPECT_RV(CKR_OK, p11->C_GetObjectSize(session, small, &small_size));
  EXPECT_RV(CKR_OK, p11->C_GetObjectSize(session, large, &large_size));
  if (small_size == CK_UNAVAILABLE_INFORMATION) {
    EXPECT_EQ(large_size, CK_UNAVAILABLE_INFORMATION);
  } else {
    EXPECT_GE(large_size, small_size + 4995);
  }
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, p11->C_GetObjectSize(session, kAbsurd, &small_size));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetObjectSize(session, small, nullptr));
}

}  // namespace
}  // namespace vtpm::conformance
