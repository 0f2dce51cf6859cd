// SPDX-License-Identifier: Apache-2.0
// Private objects are found while their records are still sealed (docs/format.md, "Blind index"), with the
// same results as after decrypting them.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/conformance/harness/process.h"
#include "tests/conformance/harness/surgeon.h"

namespace vtpm::conformance {
namespace {

using Handles = std::vector<CK_OBJECT_HANDLE>;
constexpr int kKeys = 12;

Bytes id_of(int number) { return bytes("id " + std::to_string(number)); }

class BlindIndex : public WithUser {
 protected:
  BlindIndex() {
    // From now on the module logs which records it leaves out.
    std::ofstream(scratch.path() + "/vtpm-pkcs11.toml")
        << "store_dir = \"" << scratch.store() << "\"\nlog = \"" << log_file() << "\"\nlog_level = \"warning\"\n"
        << "[kdf]\nmemory_kib = 8192\npasses = 1\n";
    for (int i = 0; i < kKeys; ++i) {
      session.create({{CKA_CLASS, CKO_SECRET_KEY},
                      {CKA_KEY_TYPE, i % 2 == 0 ? CKK_AES : CKK_GENERIC_SECRET},
                      {CKA_TOKEN, true},
                      {CKA_PRIVATE, true},
                      {CKA_LABEL, bytes("key " + std::to_string(i))},
                      {CKA_ID, id_of(i)},
                      {CKA_EXTRACTABLE, true},
                      {CKA_SENSITIVE, false},
                      {CKA_VALUE, Bytes(16, static_cast<uint8_t>(i))}});
    }
  }
  /// Seals every entry again.
  void start_afresh() {
    session.close();
    library.restart();
    session.~Session();
    new (&session) Session(slot_of("conformance"));
    session.login();
  }
  std::string operate(const char* work) const { return conformance::operate(scratch, work); }
  std::string log_file() const { return scratch.path() + "/log"; }
  size_t left_out() const {
    const std::string log = text_of(log_file());
    size_t lines = 0;
    for (size_t at = log.find("was left out"); at != std::string::npos; at = log.find("was left out", at + 1)) ++lines;
    return lines;
  }
  int value_of(CK_OBJECT_HANDLE key) { return session.get(key, CKA_VALUE).at(0); }
};

TEST_F(BlindIndex, FindsWhatIsStillSealed) {
  for (int i = 0; i < kKeys; ++i) {
    start_afresh();
    const Handles by_id = session.find({{CKA_ID, id_of(i)}});
    ASSERT_EQ(by_id.size(), 1u);
    EXPECT_EQ(value_of(by_id[0]), i);
    const std::string label = "key " + std::to_string(kKeys - 1 - i);
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_LABEL, bytes(label)}}).size(), 1u);
    EXPECT_TRUE(session.find({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, bytes(label)}}).empty());
    EXPECT_TRUE(session.find({{CKA_ID, bytes("id")}}).empty());
    EXPECT_TRUE(session.find({{CKA_ID, bytes(label)}}).empty()) << "the value of another attribute";
  }
}

TEST_F(BlindIndex, FindsByClassTypeUniqueIdAndByWhatIsNotInIt) {
  const Bytes unique = session.get(session.find({{CKA_ID, id_of(3)}}).at(0), kUniqueId);
  const auto public_data = session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "key 3"}});
  start_afresh();
  ASSERT_EQ(session.find({{kUniqueId, unique}}).size(), 1u);
  EXPECT_EQ(session.get(session.find({{kUniqueId, unique}})[0], CKA_ID), id_of(3));
  start_afresh();
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}}).size(), size_t{kKeys / 2});
  start_afresh();
  EXPECT_EQ(session.find({{CKA_EXTRACTABLE, true}}).size(), size_t{kKeys});
  EXPECT_EQ(session.find({{CKA_LABEL, "key 3"}}).size(), 2u) << "sealed and clear ones alike";
  start_afresh();
  EXPECT_EQ(session.find({}).size(), size_t{kKeys} + 1);
  session.logout();
  EXPECT_TRUE(session.find({{CKA_ID, id_of(3)}}).empty());
  EXPECT_EQ(session.find({{CKA_LABEL, "key 3"}}).size(), 1u);
  EXPECT_NE(public_data, CK_INVALID_HANDLE);
}

TEST_F(BlindIndex, LooksOnlyIntoWhatIsTouched) {
  operate("break");
  start_afresh();
  EXPECT_EQ(session.find({{CKA_ID, id_of(0)}}).size(), 1u);
  EXPECT_EQ(left_out(), 0u) << "another record was unsealed than the one that was asked for";
  EXPECT_TRUE(session.find({{CKA_ID, id_of(kKeys - 1)}}).empty());
  EXPECT_EQ(left_out(), 1u);
  EXPECT_EQ(session.find({}).size(), size_t{kKeys} - 1);
}

TEST_F(BlindIndex, TamperedTagsMissAnObjectAndNeverFindAWrongOne) {
  operate("swap");
  start_afresh();
  EXPECT_TRUE(session.find({{CKA_ID, id_of(kKeys - 1)}}).empty());
  EXPECT_TRUE(session.find({{CKA_ID, id_of(kKeys - 2)}}).empty());
  EXPECT_EQ(left_out(), 2u);
  for (int i = 0; i < kKeys - 2; ++i) EXPECT_EQ(value_of(session.find({{CKA_ID, id_of(i)}}).at(0)), i);
}

TEST_F(BlindIndex, RecordsOfOlderVersionsAreFoundAndGetOneWhenTheyChange) {
  EXPECT_EQ(operate("count"), std::to_string(kKeys) + "\n");
  operate("strip");
  EXPECT_EQ(operate("count"), "0\n");
  // This process reads the records while they change; another process finds them changed.
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kKeys; ++i) EXPECT_EQ(value_of(session.find({{CKA_ID, id_of(i)}}).at(0)), i);
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_SECRET_KEY}}).size(), size_t{kKeys});
    start_afresh();
  }
  MUST(session.try_set(session.find({{CKA_ID, id_of(5)}}).at(0), {{CKA_LABEL, "renamed"}}));
  EXPECT_EQ(operate("count"), "1\n");
  EXPECT_EQ(session.find({{CKA_LABEL, "renamed"}}).size(), 1u);
  start_afresh();
  EXPECT_EQ(session.find({{CKA_LABEL, "renamed"}}).size(), 1u);
  EXPECT_TRUE(session.find({{CKA_LABEL, "key 5"}}).empty());
}

TEST_F(BlindIndex, WhatOtherProcessesChangeIsSeen) {
  start_afresh();
  ASSERT_EQ(run_act({"create", "theirs", "value"}).status, 0);
  ASSERT_EQ(run_act({"rename", "key 2", "key two"}).status, 0);
  const Handles renamed = session.find({{CKA_LABEL, "key two"}});
  ASSERT_EQ(renamed.size(), 1u);
  EXPECT_EQ(session.find({{CKA_LABEL, "theirs"}}).size(), 1u);
  EXPECT_TRUE(session.find({{CKA_LABEL, "key 2"}}).empty());
  ASSERT_EQ(run_act({"rename", "key two", "key 2"}).status, 0);
  EXPECT_EQ(session.find({{CKA_ID, id_of(2)}}), renamed) << "its handle stays";
  EXPECT_EQ(session.text(renamed[0], CKA_LABEL), "key 2");
  EXPECT_TRUE(session.find({{CKA_LABEL, "key two"}}).empty());
  ASSERT_EQ(run_act({"destroy", "key 2"}).status, 0);
  EXPECT_TRUE(session.find({{CKA_ID, id_of(2)}}).empty());
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(renamed[0], CKA_LABEL));
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_SECRET_KEY}}).size(), size_t{kKeys} - 1);
}

}  // namespace
}  // namespace vtpm::conformance
