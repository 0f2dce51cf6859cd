// SPDX-License-Identifier: Apache-2.0
// Data objects that live in NV areas of the TPM: requested by CKA_VTPM_NV_INDEX, or by CKA_APPLICATION "tpm-nv" with
// the index as the label. To an application they are data objects like others.
#include <set>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

using NvArea = WithUser;

constexpr CK_ULONG kIndex = 0x01800001;
const Template kByAttribute = {
    {CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {kVtpmNvIndex, kIndex}, {CKA_VALUE, "in the TPM"}};
const Template kByName = {{CKA_CLASS, CKO_DATA},       {CKA_TOKEN, true},         {CKA_PRIVATE, true},
                          {CKA_APPLICATION, "tpm-nv"}, {CKA_LABEL, "0x01800001"}, {CKA_VALUE, "in the TPM"}};

TEST_F(NvArea, IsADataObject) {
  for (const Template& how : {kByAttribute, kByName}) {
    const auto object = session.create(how);
    EXPECT_EQ(session.number(object, CKA_CLASS), CKO_DATA);
    EXPECT_EQ(session.number(object, kVtpmNvIndex), kIndex);
    EXPECT_EQ(session.text(object, CKA_APPLICATION), "tpm-nv");
    EXPECT_EQ(session.text(object, CKA_LABEL), "0x01800001");
    EXPECT_EQ(session.text(object, CKA_VALUE), "in the TPM");
    EXPECT_TRUE(session.flag(object, CKA_TOKEN));
    EXPECT_TRUE(session.flag(object, CKA_PRIVATE)) << "nothing of the TPM is readable before login";
    EXPECT_FALSE(session.get(object, kUniqueId).empty());
    EXPECT_RV(CKR_OK, p11->C_DestroyObject(session, object));
  }
}

TEST_F(NvArea, IsFoundAndReadAfterFinalizeAndByOthers) {
  session.create(kByName);
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_TRUE(later.find({{CKA_APPLICATION, "tpm-nv"}}).empty()) << "before login";
  later.login();
  for (const Template& by :
       {Template{{CKA_APPLICATION, "tpm-nv"}}, Template{{CKA_LABEL, "0x01800001"}}, Template{{kVtpmNvIndex, kIndex}}}) {
    const auto found = later.find(by);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(later.text(found[0], CKA_VALUE), "in the TPM");
  }
}

const RegisterAct kWriteNv("write-nv", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  session.create(kByName.with({{CKA_LABEL, arguments.at(0).c_str()}, {CKA_VALUE, arguments.at(1).c_str()}}));
});

TEST_F(NvArea, OfAnotherProcessIsSeenAtOnce) {
  session.create(kByName);
  const Ran stranger = run_act({"write-nv", "0x01800002", "theirs"});
  ASSERT_EQ(stranger.status, 0) << stranger.output;
  const auto theirs = session.find({{CKA_LABEL, "0x01800002"}});
  ASSERT_EQ(theirs.size(), 1u);
  EXPECT_EQ(session.text(theirs[0], CKA_VALUE), "theirs");
  EXPECT_EQ(session.text(session.find({{CKA_LABEL, "0x01800001"}}).at(0), CKA_VALUE), "in the TPM")
      << "their TPM state swallowed ours";
}

TEST_F(NvArea, IsWrittenAgainByC_SetAttributeValue) {
  const auto object = session.create(kByAttribute);
  EXPECT_RV(CKR_OK, session.try_set(object, {{CKA_VALUE, "other octs"}}));
  EXPECT_EQ(session.text(object, CKA_VALUE), "other octs");
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  EXPECT_EQ(later.text(later.find({{kVtpmNvIndex, kIndex}}).at(0), CKA_VALUE), "other octs");
}

TEST_F(NvArea, ADestroyedOneFreesItsIndex) {
  const auto object = session.create(kByAttribute);
  EXPECT_RV(CKR_OK, p11->C_DestroyObject(session, object));
  EXPECT_TRUE(session.find({{CKA_APPLICATION, "tpm-nv"}}).empty());
  const auto again = session.create(kByAttribute.with({{CKA_VALUE, "second"}}));
  EXPECT_EQ(session.text(again, CKA_VALUE), "second");
}

TEST_F(NvArea, AnIndexThatIsDefinedIsRejected) {
  session.create(kByAttribute);
  const ReturnValues in_use = {CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT};
  EXPECT_RV(in_use, session.try_create(kByAttribute));
  EXPECT_RV(in_use, session.try_create(kByName));
  EXPECT_EQ(session.find({{CKA_APPLICATION, "tpm-nv"}}).size(), 1u);
  EXPECT_EQ(session.text(session.find({{kVtpmNvIndex, kIndex}}).at(0), CKA_VALUE), "in the TPM");
}

TEST_F(NvArea, HoldsUpToTheTpmsLimit) {
  CK_ULONG index = kIndex;
  for (const size_t size : {1, 1023, 1024, 1025, 2048}) {
    SCOPED_TRACE(size);
    const Bytes value(size, 0x5A);
    const auto object = session.create(kByAttribute.with({{kVtpmNvIndex, index++}, {CKA_VALUE, value}}));
    EXPECT_EQ(session.get(object, CKA_VALUE), value);
  }
  EXPECT_RV(one_of(CKR_ATTRIBUTE_VALUE_INVALID, CKR_DEVICE_MEMORY),
            session.try_create(kByAttribute.with({{kVtpmNvIndex, index}, {CKA_VALUE, Bytes(2049, 0x5A)}})));
  EXPECT_TRUE(session.find({{kVtpmNvIndex, index}}).empty()) << "half-made";
}

TEST_F(NvArea, HandlesThatAreNotNvIndicesAreRejected) {
  for (const CK_ULONG index : {CK_ULONG{1}, CK_ULONG{0x00FFFFFF}, CK_ULONG{0x02000000}, CK_ULONG{0x81000001},
                               CK_ULONG{1} << 32 | kIndex, kAbsurd})
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kByAttribute.with({{kVtpmNvIndex, index}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kByName.with({{CKA_LABEL, "0x81000001"}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kByAttribute.with({{kVtpmNvIndex, Bytes(4, 1)}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kByAttribute.with({{CKA_VALUE, Bytes{}}})));
  EXPECT_TRUE(session.find({}).empty());
}

TEST_F(NvArea, WithoutAnIndexTakesTheNextFreeOne) {
  session.create(kByAttribute);
  std::set<CK_ULONG> indices = {kIndex};
  for (const char* label : {"", "my settings", "my settings"}) {
    const auto object = session.create(kByName.with({{CKA_LABEL, label}}));
    const CK_ULONG index = session.number(object, kVtpmNvIndex);
    EXPECT_GE(index, 0x01800000u);  // the owner's range (TCG registry of reserved handles)
    EXPECT_LE(index, 0x01BFFFFFu);
    EXPECT_TRUE(indices.insert(index).second) << "an index twice";
    EXPECT_EQ(session.text(object, CKA_VALUE), "in the TPM");
    if (*label) {
      EXPECT_EQ(session.text(object, CKA_LABEL), label);
    }
  }
}

TEST_F(NvArea, IsAPrivateTokenObject) {
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(kByAttribute.with({{CKA_TOKEN, false}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(kByAttribute.with({{CKA_PRIVATE, false}})));
  Session reader(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_READ_ONLY, reader.try_create(kByAttribute));
  session.logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(kByAttribute));
}

TEST_F(NvArea, OrdinaryDataIsNotInTheTpm) {
  const auto object = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_VALUE, Bytes(5000, 1)}});
  EXPECT_EQ(session.get(object, CKA_VALUE).size(), 5000u);
  EXPECT_TRUE(session.find({{CKA_APPLICATION, "tpm-nv"}}).empty());
}

}  // namespace
}  // namespace vtpm::conformance
