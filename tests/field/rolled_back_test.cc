// SPDX-License-Identifier: Apache-2.0
// An older copy of a store replaces the store while processes work with it, by a rename or by `cp` onto it. A process
// that has read newer entries logs this, and increments no counter and writes no NV area until C_Finalize. Everything
// else works, and the process writes no entry that belongs to the replaced file.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include "store/care/repair.h"
#include "store/care/report.h"
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;

const Template kCounter = {{CKA_CLASS, CKO_HW_FEATURE}, {CKA_HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER}};
constexpr CK_ULONG kIndex = 0x01800001;
const Template kArea = {
    {CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {kVtpmNvIndex, kIndex}, {CKA_VALUE, "first."}};

Template data(const char* label) {
  return {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, label}, {CKA_VALUE, label}};
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const RegisterAct kWriteArea("write-area", [](const std::vector<std::string>& arguments) {
  Library library;
  Session session(slot_of("conformance"));
  session.login();
  MUST(session.try_set(session.find({{kVtpmNvIndex, kIndex}}).at(0), {{CKA_VALUE, arguments.at(0).c_str()}}));
});

enum class How { kRename, kCopyOnto };

class RolledBack : public testing::TestWithParam<How> {
 protected:
  struct Configured : Scratch {
    Configured() {
      std::ofstream(path() + "/vtpm-pkcs11.toml") << "store_dir = \"" << store() << "\"\nlog = \"" << path()
                                                  << "/log\"\n[kdf]\nmemory_kib = 8192\npasses = 1\n";
    }
  };

  RolledBack() {
    session.login();
    counter = session.create(kCounter);
    keys = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_TOKEN, true}, {CKA_EC_PARAMS, kP256}, {CKA_VERIFY, true}},
                            {{CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_SIGN, true}});
    for (const auto& entry : fs::directory_iterator(scratch.store()))
      if (entry.path().extension() == ".vtpm") path = entry.path();
  }

  CK_RV try_count(uint64_t* value = nullptr) {
    Bytes buffer(8);
    CK_ATTRIBUTE row = {CKA_VALUE, buffer.data(), buffer.size()};
    const CK_RV rv = p11->C_GetAttributeValue(session, counter, &row, 1);
    if (value) *value = 0;
    for (const uint8_t byte : buffer)
      if (value) *value = *value << 8 | byte;
    return rv;
  }
  uint64_t count() {
    uint64_t value = 0;
    MUST(try_count(&value));
    return value;
  }
  void keep_copy() { fs::copy_file(path, copy, fs::copy_options::overwrite_existing); }
  void put_back(const std::string& from) {
    if (GetParam() == How::kCopyOnto) {
      fs::copy_file(from, path, fs::copy_options::overwrite_existing);
      return;
    }
    fs::copy_file(from, path + ".new", fs::copy_options::overwrite_existing);
    fs::rename(path + ".new", path);
  }
  bool signs() {
    const Bytes digest(32, 7);
    return session.try_verify(CKM_ECDSA, keys.public_key, digest, session.sign(CKM_ECDSA, keys.private_key, digest)) ==
           CKR_OK;
  }
  size_t warnings() const {
    const std::string log = contents(scratch.path() + "/log");
    const std::regex warning("an older copy of the store was put in its place \\(its entry");
    return static_cast<size_t>(std::distance(std::sregex_iterator(log.begin(), log.end(), warning), {}));
  }

  Configured scratch;
  const std::string copy = scratch.path() + "/copy";
  Library library;
  CK_SLOT_ID slot = make_token();
  Session session{slot};
  CK_OBJECT_HANDLE counter = CK_INVALID_HANDLE;
  KeyPair keys;
  std::string path;
};

TEST_P(RolledBack, ACounterDoesNotCountBackwards) {
  session.create(kArea);
  const uint64_t then = count();
  keep_copy();
  for (uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(count(), then + i);
  put_back(copy);
  EXPECT_RV(CKR_DEVICE_ERROR, try_count());
  EXPECT_RV(CKR_DEVICE_ERROR, try_count());
  EXPECT_RV(CKR_DEVICE_ERROR, session.try_get(counter, kVtpmNvValue));
  const CK_OBJECT_HANDLE area = session.find({{kVtpmNvIndex, kIndex}}).at(0);
  EXPECT_RV(CKR_DEVICE_ERROR, session.try_set(area, {{CKA_VALUE, "other."}}));
  EXPECT_RV(CKR_DEVICE_ERROR, session.try_create(kArea.with({{kVtpmNvIndex, kIndex + 1}})));
  EXPECT_EQ(warnings(), 1u);
  // Other functions still work.
  EXPECT_TRUE(signs());
  EXPECT_EQ(session.text(area, CKA_VALUE), "first.");
  session.create(data("made after it"));
  EXPECT_EQ(session.find({{CKA_LABEL, "made after it"}}).size(), 1u);
  EXPECT_RV(CKR_DEVICE_ERROR, try_count()) << "it is not forgotten";
  EXPECT_EQ(warnings(), 1u);
  EXPECT_TRUE(store::check(path).clean());

  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  Bytes buffer(8);
  CK_ATTRIBUTE row = {CKA_VALUE, buffer.data(), buffer.size()};
  EXPECT_RV(CKR_OK, p11->C_GetAttributeValue(later, later.find(kCounter).at(0), &row, 1));
  EXPECT_EQ(buffer.back(), static_cast<uint8_t>(then + 1)) << "a new process cannot know";
  EXPECT_EQ(later.find({{CKA_LABEL, "made after it"}}).size(), 1u);
}

// An entry that was read and is missing shows the rollback too.
TEST_P(RolledBack, ACopyOfBeforeAnObjectWasMadeIsOlder) {
  count();
  keep_copy();
  session.create(data("made later"));
  put_back(copy);
  EXPECT_RV(CKR_DEVICE_ERROR, try_count());
  EXPECT_TRUE(session.find({{CKA_LABEL, "made later"}}).empty());
  EXPECT_EQ(warnings(), 1u);
}

TEST_P(RolledBack, ACopyOfBeforeAnObjectWasDestroyedIsOlder) {
  const CK_OBJECT_HANDLE object = session.create(data("destroyed"));
  count();
  keep_copy();
  MUST(p11->C_DestroyObject(session, object));
  put_back(copy);
  EXPECT_RV(CKR_DEVICE_ERROR, try_count());
  EXPECT_EQ(session.find({{CKA_LABEL, "destroyed"}}).size(), 1u);
}

// The sequence number of the TPM's state is reached again with a different state.
TEST_P(RolledBack, AnAreaThatAnotherProcessHasWrittenSinceIsReadAsItIs) {
  const CK_OBJECT_HANDLE area = session.create(kArea);
  keep_copy();
  MUST(session.try_set(area, {{CKA_VALUE, "second"}}));
  EXPECT_EQ(session.text(area, CKA_VALUE), "second");
  put_back(copy);
  EXPECT_RV(CKR_DEVICE_ERROR, try_count());
  const Ran stranger = run_act({"write-area", "third."});
  ASSERT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_EQ(session.text(session.find({{kVtpmNvIndex, kIndex}}).at(0), CKA_VALUE), "third.");
}

TEST_P(RolledBack, UsersStayLoggedInAndTheOldPinIsValidAgain) {
  const Bytes fresh = bytes("another-pin");
  keep_copy();
  MUST(p11->C_SetPIN(session, const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size(),
                     const_cast<CK_BYTE*>(fresh.data()), fresh.size()));
  put_back(copy);
  EXPECT_TRUE(signs());
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  EXPECT_RV(CKR_DEVICE_ERROR, try_count());
  session.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, fresh));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin)) << "docs/security.md";
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_TOKEN, true}}).size(), 1u);
}

// A compaction keeps the numbers of entries. Only the last number of the file may be smaller afterwards.
TEST_P(RolledBack, ACompactionIsNotARollback) {
  const uint64_t then = count();
  const CK_OBJECT_HANDLE object = session.create(data("destroyed"));
  MUST(p11->C_DestroyObject(session, object));
  store::compact(path);
  EXPECT_EQ(count(), then + 1);
  keep_copy();
  put_back(copy);
  EXPECT_EQ(count(), then + 2) << "a copy of what is there";
  store::compact(path);
  EXPECT_EQ(count(), then + 3);
  EXPECT_EQ(warnings(), 0u);
}

// The copy is unfinished.
TEST_P(RolledBack, HalfACopyIsRefusedAndStaysAsItIs) {
  const uint64_t then = count();
  keep_copy();
  const std::string half = scratch.path() + "/half";
  for (const size_t part : {size_t{12000}, size_t{9000}, size_t{3000}, size_t{1}}) {
    SCOPED_TRACE(part);
    std::ofstream(half, std::ios::binary) << contents(copy).substr(0, part);
    if (GetParam() == How::kRename && part < 2) continue;  // the file is not a store, so the token is gone
    put_back(half);
    EXPECT_RV(one_of(CKR_DEVICE_ERROR, CKR_TOKEN_NOT_RECOGNIZED), try_count());
    EXPECT_RV(one_of(CKR_DEVICE_ERROR, CKR_TOKEN_NOT_RECOGNIZED), session.try_create(data("into half a file")));
    EXPECT_EQ(contents(path).size(), part);
  }
  put_back(copy);
  EXPECT_EQ(count(), then + 1);
  EXPECT_TRUE(signs());
  EXPECT_TRUE(store::check(path).clean());
}

INSTANTIATE_TEST_SUITE_P(, RolledBack, testing::Values(How::kRename, How::kCopyOnto),
                         [](const auto& one) { return one.param == How::kRename ? "Renamed" : "CopiedOnto"; });

}  // namespace
}  // namespace vtpm::conformance
