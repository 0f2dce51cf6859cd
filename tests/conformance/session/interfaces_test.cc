// SPDX-License-Identifier: Apache-2.0
// The interfaces of PKCS#11 3.0 and 3.2 (3.2, 5.4), and the session functions that came with them (5.6).
#include <cstddef>
#include <cstring>
#include <map>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

CK_UTF8CHAR* utf8(const char* text) { return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text)); }
CK_VERSION version_of(const CK_INTERFACE& interface) {
  return *static_cast<const CK_VERSION*>(interface.pFunctionList);
}

CK_INTERFACE* get_interface(const char* name, CK_VERSION* version, CK_FLAGS flags) {
  CK_INTERFACE* found = nullptr;
  MUST(p11_3().C_GetInterface(utf8(name), version, &found, flags));
  return found;
}

/// The pointers of a list, in its order.
template <typename List>
std::vector<void*> pointers_of(const List& list) {
  std::vector<void*> pointers((sizeof list - offsetof(List, C_Initialize)) / sizeof(void*));
  memcpy(pointers.data(), &list.C_Initialize, pointers.size() * sizeof(void*));
  return pointers;
}

TEST(Interfaces, AreListedNewestFirstAndForkSafe) {
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11_3().C_GetInterfaceList(nullptr, &count));
  ASSERT_EQ(count, 3u);
  CK_INTERFACE list[4];
  count = 4;
  EXPECT_RV(CKR_OK, p11_3().C_GetInterfaceList(list, &count));
  ASSERT_EQ(count, 3u);
  const CK_VERSION expected[] = {{3, 2}, {3, 0}, {2, 40}};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_STREQ(reinterpret_cast<const char*>(list[i].pInterfaceName), "PKCS 11");
    EXPECT_EQ(version_of(list[i]).major, expected[i].major);
    EXPECT_EQ(version_of(list[i]).minor, expected[i].minor);
    EXPECT_EQ(list[i].flags, CKF_INTERFACE_FORK_SAFE);
  }
  EXPECT_EQ(list[2].pFunctionList, module_list()) << "2.40 is what C_GetFunctionList returns";
}

TEST(Interfaces, ListSaysHowLongItIs) {
  CK_INTERFACE list[3];
  memset(list, 0xAA, sizeof list);
  CK_ULONG count = 2;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11_3().C_GetInterfaceList(list, &count));
  EXPECT_EQ(count, 3u);
  EXPECT_RV(CKR_OK, p11_3().C_GetInterfaceList(list, &count));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_GetInterfaceList(list, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_GetInterfaceList(nullptr, nullptr));
}

TEST(Interfaces, AreFoundByNameVersionAndFlags) {
  CK_VERSION v32{3, 2}, v30{3, 0}, v240{2, 40};
  EXPECT_EQ(version_of(*get_interface(nullptr, nullptr, 0)).minor, 2) << "the default is the newest";
  EXPECT_EQ(version_of(*get_interface("PKCS 11", nullptr, CKF_INTERFACE_FORK_SAFE)).minor, 2);
  EXPECT_EQ(version_of(*get_interface("PKCS 11", &v32, 0)).minor, 2);
  EXPECT_EQ(version_of(*get_interface("PKCS 11", &v30, CKF_INTERFACE_FORK_SAFE)).minor, 0);
  EXPECT_EQ(get_interface(nullptr, &v240, 0)->pFunctionList, module_list());
}

TEST(Interfaces, ThatAreNotThereAreRefused) {
  CK_VERSION v31{3, 1}, v220{2, 20}, v40{4, 0};
  CK_INTERFACE* found = nullptr;
  for (CK_VERSION* version : {&v31, &v220, &v40})
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_GetInterface(nullptr, version, &found, 0));
  for (const char* name : {"", "PKCS 1", "PKCS 111", "pkcs 11", "Vendor NSS Module Interface"})
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_GetInterface(utf8(name), nullptr, &found, 0)) << name;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_GetInterface(nullptr, nullptr, &found, CKF_INTERFACE_FORK_SAFE | 2));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_GetInterface(nullptr, nullptr, nullptr, 0));
  EXPECT_EQ(found, nullptr);
}

TEST(Interfaces, HaveNoHoleAndAgreeWithTheExportedSymbols) {
  CK_VERSION v30{3, 0};
  const auto& list_3_0 = *static_cast<CK_FUNCTION_LIST_3_0*>(get_interface(nullptr, &v30, 0)->pFunctionList);
  const std::vector<void*> in_2_40 = pointers_of(*module_list()), in_3_0 = pointers_of(list_3_0),
                           in_3_2 = pointers_of(module_list_3());
  // 2.40 has 68 functions, 3.0 92, 3.2 104.
  ASSERT_EQ(in_2_40.size(), 68u);
  ASSERT_EQ(in_3_0.size(), 92u);
  ASSERT_EQ(in_3_2.size(), 104u);
  const char* const names[] = {
#define NAME(name) #name,
      VTPM_FUNCTIONS_2_40(NAME) VTPM_FUNCTIONS_3_0(NAME) VTPM_FUNCTIONS_3_2(NAME)
#undef NAME
  };
  for (size_t i = 0; i < in_3_2.size(); ++i) {
    SCOPED_TRACE(names[i]);
    ASSERT_NE(in_3_2[i], nullptr);
    // C_GetInfo tells the list's version; C_GetAttributeValue shows points as it wants them (KeyTypes.PointsAre…).
    const bool differs_by_list = strcmp(names[i], "C_GetInfo") == 0 || strcmp(names[i], "C_GetAttributeValue") == 0;
    const bool is_of_older_lists = strcmp(names[i], "C_GetAttributeValue") == 0;
    if (i < in_2_40.size()) {
      EXPECT_EQ(in_2_40[i], module_symbol(names[i]));
    }
    if (i < in_3_0.size()) {
      EXPECT_EQ(in_3_0[i] == in_3_2[i], !differs_by_list);
    }
    if (is_of_older_lists) {
      EXPECT_EQ(in_3_0[i], module_symbol(names[i]));
    }
    EXPECT_EQ(in_3_2[i] == module_symbol(names[i]), !differs_by_list);
  }
}

TEST(Interfaces, ComeBefoInitialization) {
  CK_INTERFACE* found = nullptr;
  EXPECT_RV(CKR_OK, p11_3().C_GetInterface(nullptr, nullptr, &found, 0));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11_3().C_Finalize(nullptr));
}

// The order of the lists in the standard's header, which nothing in a build would notice.
TEST(Interfaces, HaveTheLayoutOfTheStandard) {
#define AT(list, name) ((offsetof(list, name) - offsetof(list, C_Initialize)) / sizeof(void*))
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_0, C_WaitForSlotEvent), 67u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_0, C_GetInterfaceList), 68u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_0, C_MessageEncryptInit), 72u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_0, C_MessageDecryptInit), 77u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_0, C_MessageSignInit), 82u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_0, C_MessageVerifyFinal), 91u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_2, C_EncapsulateKey), 92u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_2, C_GetSessionValidationFlags), 98u);
  EXPECT_EQ(AT(CK_FUNCTION_LIST_3_2, C_UnwrapKeyAuthenticated), 103u);
#undef AT
}

using InterfacesInUse = Fresh;

TEST_F(InterfacesInUse, TellTheirVersion) {
  CK_INFO info;
  MUST(p11_3().C_GetInfo(&info));
  EXPECT_EQ(info.cryptokiVersion.major, 3);
  EXPECT_EQ(info.cryptokiVersion.minor, 2);
  CK_VERSION v30{3, 0};
  MUST(static_cast<CK_FUNCTION_LIST_3_0*>(get_interface(nullptr, &v30, 0)->pFunctionList)->C_GetInfo(&info));
  EXPECT_EQ(info.cryptokiVersion.major, 3);
  EXPECT_EQ(info.cryptokiVersion.minor, 0);
}

// --- C_LoginUser ---

using LoginUser = WithToken;

CK_RV login_user(CK_SESSION_HANDLE session, CK_USER_TYPE user, Bytes pin, const char* name) {
  return p11_3().C_LoginUser(session, user, pin.data(), pin.size(), utf8(name), name ? strlen(name) : 0);
}

TEST_F(LoginUser, IsLoginWithoutAName) {
  Session session(slot);
  EXPECT_RV(CKR_PIN_INCORRECT, login_user(session, CKU_USER, bytes("wrong"), nullptr));
  EXPECT_RV(CKR_OK, login_user(session, CKU_USER, kUserPin, nullptr));
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, login_user(session, CKU_USER, kUserPin, ""));
  EXPECT_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, login_user(session, CKU_SO, kSoPin, nullptr));
  session.logout();
  EXPECT_RV(CKR_OK, login_user(session, CKU_SO, kSoPin, ""));
  EXPECT_EQ(session.state(), CKS_RW_SO_FUNCTIONS);
}

TEST_F(LoginUser, RefusesNamesWithoutTryingThePin) {
  Session session(slot);
  EXPECT_RV(CKR_ARGUMENTS_BAD, login_user(session, CKU_USER, bytes("wrong"), "alice"));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_LoginUser(session, CKU_USER, nullptr, 0, nullptr, 5));
  EXPECT_EQ(token_flags(slot) & CKF_USER_PIN_COUNT_LOW, 0u);
  EXPECT_RV(CKR_USER_TYPE_INVALID, login_user(session, 7, kUserPin, nullptr));
}

// --- ending operations ---

class Cancelling : public WithUser {
 protected:
  CK_OBJECT_HANDLE aes = secret_key(session, CKK_AES, Bytes(16, 1));
  CK_OBJECT_HANDLE hmac = secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 2));
  Mechanism ecb = CKM_AES_ECB, sha = CKM_SHA256, code = CKM_SHA256_HMAC;

  void start_everything() {
    MUST(p11->C_EncryptInit(session, ecb.get(), aes));
    MUST(p11->C_DecryptInit(session, ecb.get(), aes));
    MUST(p11->C_DigestInit(session, sha.get()));
    MUST(p11->C_SignInit(session, code.get(), hmac));
    MUST(p11->C_VerifyInit(session, code.get(), hmac));
    MUST(p11->C_FindObjectsInit(session, nullptr, 0));
  }
  /// CKF_ flags of the operations that are active; asking ends them.
  CK_FLAGS active() {
    const std::pair<CK_FLAGS, CK_RV> starts[] = {
        {CKF_ENCRYPT, p11->C_EncryptInit(session, ecb.get(), aes)},
        {CKF_DECRYPT, p11->C_DecryptInit(session, ecb.get(), aes)},
        {CKF_DIGEST, p11->C_DigestInit(session, sha.get())},
        {CKF_SIGN, p11->C_SignInit(session, code.get(), hmac)},
        {CKF_VERIFY, p11->C_VerifyInit(session, code.get(), hmac)},
        {CKF_FIND_OBJECTS, p11->C_FindObjectsInit(session, nullptr, 0)},
    };
    CK_FLAGS flags = 0;
    for (const auto& [flag, rv] : starts) flags |= rv == CKR_OPERATION_ACTIVE ? flag : 0;
    MUST(p11_3().C_SessionCancel(session, kAll));
    return flags;
  }
  static constexpr CK_FLAGS kAll = CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN | CKF_VERIFY | CKF_FIND_OBJECTS;
};

TEST_F(Cancelling, SessionCancelEndsWhatItsFlagsName) {
  for (const CK_FLAGS flag : {CKF_ENCRYPT, CKF_DECRYPT, CKF_DIGEST, CKF_SIGN, CKF_VERIFY, CKF_FIND_OBJECTS}) {
    SCOPED_TRACE(flag);
    start_everything();
    EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, flag));
    EXPECT_EQ(active(), kAll & ~flag);
  }
  start_everything();
  EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, 0));
  EXPECT_EQ(active(), kAll) << "no flag changes nothing";
  start_everything();
  EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, kAll));
  EXPECT_EQ(active(), 0u);
}

TEST_F(Cancelling, SessionCancelIgnoresWhatIsNotActive) {
  EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, ~CK_FLAGS{0}));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, ~CKF_DIGEST));
  EXPECT_EQ(active(), CKF_DIGEST);
}

TEST_F(Cancelling, ANullMechanismEndsTheOperation) {
  const std::map<CK_FLAGS, std::function<CK_RV()>> ends = {
      {CKF_ENCRYPT, [&] { return p11->C_EncryptInit(session, nullptr, 0); }},
      {CKF_DECRYPT, [&] { return p11->C_DecryptInit(session, nullptr, aes); }},
      {CKF_DIGEST, [&] { return p11->C_DigestInit(session, nullptr); }},
      {CKF_SIGN, [&] { return p11->C_SignInit(session, nullptr, 0); }},
      {CKF_VERIFY, [&] { return p11->C_VerifyInit(session, nullptr, hmac); }},
  };
  for (const auto& [flag, end] : ends) {
    SCOPED_TRACE(flag);
    start_everything();
    EXPECT_RV(CKR_OK, end());
    EXPECT_RV(CKR_ARGUMENTS_BAD, end()) << "nothing is active any more";
    EXPECT_EQ(active(), kAll & ~flag);
  }
}

// --- what this token does not have ---

using NotOffered = WithToken;

TEST_F(NotOffered, ThereAreNoValidationFlags) {
  Session session(slot);
  CK_FLAGS flags = ~CK_FLAGS{0};
  EXPECT_RV(CKR_OK, p11_3().C_GetSessionValidationFlags(session, CKS_LAST_VALIDATION_OK, &flags));
  EXPECT_EQ(flags, 0u);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_GetSessionValidationFlags(session, 2, &flags));
}

TEST_F(NotOffered, AsynchronousSessionsAreNotSupported) {
  CK_SESSION_HANDLE opened = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_SESSION_ASYNC_NOT_SUPPORTED,
            p11_3().C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_ASYNC_SESSION, nullptr, nullptr, &opened));
  EXPECT_EQ(opened, CK_INVALID_HANDLE);
  Session session(slot);
  CK_ASYNC_DATA data{};
  CK_ULONG id = 0;
  Bytes room(32);
  EXPECT_RV(CKR_SESSION_ASYNC_NOT_SUPPORTED, p11_3().C_AsyncComplete(session, utf8("C_Sign"), &data));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_3().C_AsyncGetID(session, utf8("C_Sign"), &id));
  EXPECT_RV(CKR_SESSION_ASYNC_NOT_SUPPORTED, p11_3().C_AsyncJoin(session, utf8("C_Sign"), 1, room.data(), room.size()));
}

}  // namespace
}  // namespace vtpm::conformance
