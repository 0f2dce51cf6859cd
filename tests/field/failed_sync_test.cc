// SPDX-License-Identifier: Apache-2.0
// A disk that fails once, or for a while (a USB stick, a network disk, thin provisioning): fdatasync fails with EIO,
// and afterwards succeeds without having written the dropped data. This program exports fdatasync, and the module calls
// it.
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/conformance/harness/harness.h"

namespace {

int failures_left = 0;

bool fails() { return failures_left > 0 && failures_left-- > 0; }

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {
int fdatasync(int file) {
  static auto* const real = next<int(int)>("fdatasync");
  if (!fails()) return real(file);
  errno = EIO;
  return -1;
}
int fsync(int file) {
  static auto* const real = next<int(int)>("fsync");
  if (!fails()) return real(file);
  errno = EIO;
  return -1;
}
}
#pragma GCC visibility pop

namespace vtpm::conformance {
namespace {

constexpr int kForAWhile = 1 << 20;

class FailedSync : public WithUser {
 protected:
  FailedSync() {
    session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}},
                     {{CKA_TOKEN, true}, {CKA_LABEL, "signer"}});
    session.create({{CKA_CLASS, CKO_DATA},
                    {CKA_TOKEN, true},
                    {CKA_PRIVATE, true},
                    {kVtpmNvIndex, CK_ULONG{0x01800001}},
                    {CKA_VALUE, "in the TPM"}});
  }
  ~FailedSync() override { failures_left = 0; }
  static Template object(const char* label) {
    return {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, label}, {CKA_VALUE, "value"}};
  }
  void expect_reading() {
    const auto key = session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_LABEL, "signer"}}).at(0);
    EXPECT_FALSE(session.sign(CKM_ECDSA, key, Bytes(32)).empty());
    EXPECT_EQ(session.find({{CKA_LABEL, "acknowledged"}}).size(), 1u);
    EXPECT_EQ(session.text(session.find({{CKA_LABEL, "acknowledged"}}).at(0), CKA_VALUE), "value");
  }
  /// A compaction is not possible, because a directory has the name of its temporary file.
  void keep_from_compacting() {
    const std::filesystem::path store = std::filesystem::directory_iterator(scratch.store())->path();
    ASSERT_EQ(mkdir((scratch.store() + "/." + store.filename().string() + ".tmp").c_str(), 0700), 0);
  }
  CK_RV try_nv() {
    CK_ATTRIBUTE value = {CKA_VALUE, nullptr, 0};
    Bytes room(64);
    value.pValue = room.data();
    value.ulValueLen = room.size();
    return p11->C_GetAttributeValue(session, session.find({{kVtpmNvIndex, CK_ULONG{0x01800001}}}).at(0), &value, 1);
  }
};

// Every call once failed until some process wrote to the store.
TEST_F(FailedSync, FailsOneCallOnly) {
  for (const bool in_place : {false, true}) {
    if (in_place) keep_from_compacting();
    session.create(object(in_place ? "another" : "acknowledged"));
    failures_left = 1;
    EXPECT_RV(CKR_DEVICE_ERROR, session.try_create(object("not acknowledged")));
    ASSERT_EQ(failures_left, 0);
    expect_reading();
    EXPECT_RV(CKR_OK, try_nv());
    session.logout();
    EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
    expect_reading();
  }
}

// Reads succeed. A change fails, because it cannot be made durable.
TEST_F(FailedSync, RepeatedlyLetsReadsSucceedAndChangesFail) {
  session.create(object("acknowledged"));
  failures_left = kForAWhile;
  EXPECT_RV(CKR_DEVICE_ERROR, session.try_create(object("not acknowledged")));
  expect_reading();
  EXPECT_RV(CKR_DEVICE_ERROR, try_nv());
  EXPECT_RV(CKR_DEVICE_ERROR, session.try_create(object("nor this")));
  Session other(slot);
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, other.try_login(CKU_USER, kUserPin));
  session.logout();
  EXPECT_RV(CKR_DEVICE_ERROR, session.try_login(CKU_USER, kUserPin));
  failures_left = 0;
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kUserPin));
  expect_reading();
  EXPECT_RV(CKR_OK, try_nv());
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_EQ(later.find({{CKA_LABEL, "acknowledged"}}).size(), 1u);
}

}  // namespace
}  // namespace vtpm::conformance
