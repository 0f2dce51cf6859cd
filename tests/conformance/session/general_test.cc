// SPDX-License-Identifier: Apache-2.0
// General-purpose functions (PKCS#11 3.2, 5.4) and the rules that hold for every function (5.1).
#include <dlfcn.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "tests/conformance/harness/every_function.h"
#include "tests/conformance/harness/harness.h"

/// What an application that is linked with another module, or with p11-kit, has: an exported function of the same name.
extern "C" __attribute__((visibility("default"))) CK_RV C_GetInfo(CK_INFO*) { return CKR_VENDOR_DEFINED; }

namespace vtpm::conformance {
namespace {

/// An initialized library is not wanted here: these tests do it themselves.
class General : public testing::Test {
 protected:
  ~General() override { p11->C_Finalize(nullptr); }
  Scratch scratch;
};

std::string_view field(const unsigned char* text, size_t size) { return {reinterpret_cast<const char*>(text), size}; }

TEST(FunctionList, IsOfVersion240AndHasNoHole) {
  EXPECT_EQ(p11->version.major, 2);
  EXPECT_EQ(p11->version.minor, 40);
  void* pointers[68];
  static_assert(sizeof(CK_FUNCTION_LIST) == offsetof(CK_FUNCTION_LIST, C_Initialize) + sizeof pointers);
  memcpy(pointers, &p11->C_Initialize, sizeof pointers);
  for (size_t i = 0; i < std::size(pointers); ++i) EXPECT_NE(pointers[i], nullptr) << "function " << i;
}

TEST(FunctionList, ComesBefoInitializationAndRefusesNull) {
  CK_FUNCTION_LIST* list = nullptr;
  EXPECT_RV(CKR_OK, p11->C_GetFunctionList(&list));
  EXPECT_EQ(list, module_list());
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetFunctionList(nullptr));
}

TEST(FunctionList, IsTheModulesOwn) {
  EXPECT_EQ(dlsym(RTLD_DEFAULT, "C_GetInfo"), reinterpret_cast<void*>(&::C_GetInfo)) << "the bait is not laid";
  EXPECT_NE(module_list()->C_GetInfo, &::C_GetInfo);
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr));
}

// --- C_Initialize ---

/// An application's mutexes, which count.
struct Mutexes {
  int made = 0, destroyed = 0, locked = 0, unlocked = 0;
  CK_RV create_answers = CKR_OK, lock_answers = CKR_OK;
};
Mutexes mutexes;

CK_RV create_mutex(void** mutex) {
  if (mutexes.create_answers != CKR_OK) return mutexes.create_answers;
  ++mutexes.made;
  *mutex = new int;
  return CKR_OK;
}
CK_RV destroy_mutex(void* mutex) {
  ++mutexes.destroyed;
  delete static_cast<int*>(mutex);
  return CKR_OK;
}
CK_RV lock_mutex(void*) {
  if (mutexes.lock_answers != CKR_OK) return mutexes.lock_answers;
  ++mutexes.locked;
  EXPECT_EQ(mutexes.locked, mutexes.unlocked + 1) << "a mutex was locked twice by one thread";
  return CKR_OK;
}
CK_RV unlock_mutex(void*) {
  ++mutexes.unlocked;
  return CKR_OK;
}

CK_C_INITIALIZE_ARGS callbacks(CK_FLAGS flags) {
  return {create_mutex, destroy_mutex, lock_mutex, unlock_mutex, flags, nullptr};
}

TEST_F(General, InitializeTakesNull) {
  EXPECT_RV(CKR_OK, p11->C_Initialize(nullptr));
  EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
}

TEST_F(General, InitializeTakesEveryFormOfLocking) {
  const CK_FLAGS os = CKF_OS_LOCKING_OK, no_threads = CKF_LIBRARY_CANT_CREATE_OS_THREADS;
  for (const CK_FLAGS flags : {CK_FLAGS{0}, os, no_threads, os | no_threads}) {
    SCOPED_TRACE(flags);
    CK_C_INITIALIZE_ARGS plain{};
    plain.flags = flags;
    EXPECT_RV(CKR_OK, p11->C_Initialize(&plain));
    EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
    CK_C_INITIALIZE_ARGS with_callbacks = callbacks(flags);
    EXPECT_RV(CKR_OK, p11->C_Initialize(&with_callbacks));
    EXPECT_EQ(slots().size(), 1u);  // and works
    EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
  }
}

TEST_F(General, InitializeRefusesSomeCallbacksWithoutTheOthers) {
  CK_C_INITIALIZE_ARGS missing[4] = {callbacks(0), callbacks(0), callbacks(0), callbacks(0)};
  missing[0].CreateMutex = nullptr;
  missing[1].DestroyMutex = nullptr;
  missing[2].LockMutex = nullptr;
  missing[3].UnlockMutex = nullptr;
  for (CK_C_INITIALIZE_ARGS& arguments : missing) EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Initialize(&arguments));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr));
}

TEST_F(General, TheApplicationsMutexIsUsedWhereOnlyThatIsOffered) {
  for (const bool os_locking : {false, true}) {
    SCOPED_TRACE(os_locking);
    mutexes = {};
    CK_C_INITIALIZE_ARGS arguments = callbacks(os_locking ? CKF_OS_LOCKING_OK : 0);
    EXPECT_RV(CKR_OK, p11->C_Initialize(&arguments));
    const CK_SLOT_ID slot = os_locking ? slot_of("conformance") : make_token();
    Session session(slot);
    session.login();
    for (const Function& function : every_function())
      if (function.name != std::string("C_InitToken")) function.call(session);
    CK_INFO info;
    const int before = mutexes.locked;
    EXPECT_RV(CKR_OK, p11->C_GetInfo(&info));
    EXPECT_EQ(mutexes.locked, before + (os_locking ? 0 : 1)) << "once for each call";
    EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
    EXPECT_EQ(mutexes.made, os_locking ? 0 : 1);
    EXPECT_EQ(mutexes.destroyed, mutexes.made);
    EXPECT_EQ(mutexes.unlocked, mutexes.locked);
    EXPECT_EQ(mutexes.locked > 0, !os_locking);
  }
}

TEST_F(General, AnApplicationsMutexThatFails) {
  mutexes = {};
  CK_C_INITIALIZE_ARGS arguments = callbacks(0);
  mutexes.create_answers = CKR_HOST_MEMORY;
  EXPECT_RV(CKR_HOST_MEMORY, p11->C_Initialize(&arguments));
  mutexes.create_answers = CKR_GENERAL_ERROR;
  EXPECT_RV(CKR_CANT_LOCK, p11->C_Initialize(&arguments));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr));
  mutexes = {};
  EXPECT_RV(CKR_OK, p11->C_Initialize(&arguments));
  mutexes.lock_answers = CKR_MUTEX_BAD;
  CK_INFO info;
  EXPECT_RV(CKR_GENERAL_ERROR, p11->C_GetInfo(&info));
  EXPECT_RV(CKR_GENERAL_ERROR, p11->C_Finalize(nullptr));
  mutexes.lock_answers = CKR_OK;
  EXPECT_RV(CKR_OK, p11->C_GetInfo(&info));
  EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
}

TEST_F(General, InitializeRefusesReserved) {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.pReserved = &arguments;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Initialize(&arguments));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr));
}

TEST_F(General, InitializeTwiceSaysSoAndChangesNothing) {
  EXPECT_RV(CKR_OK, p11->C_Initialize(nullptr));
  EXPECT_RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, p11->C_Initialize(nullptr));
  CK_INFO info;
  EXPECT_RV(CKR_OK, p11->C_GetInfo(&info));
}

// --- C_Finalize ---

TEST_F(General, FinalizeRefusesReservedAndStaysInitialized) {
  MUST(p11->C_Initialize(nullptr));
  int reserved = 0;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Finalize(&reserved));
  EXPECT_EQ(slots().size(), 1u);
}

TEST_F(General, FinalizeNeedsInitialize) {
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr));
  MUST(p11->C_Initialize(nullptr));
  EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr));
}

TEST_F(General, FinalizeClosesSessionsAndEndsTheLogin) {
  Library library;
  const CK_SLOT_ID slot = make_token();
  Session before(slot);
  before.login();
  const CK_SESSION_HANDLE old = before;
  library.restart();
  CK_SESSION_INFO info;
  EXPECT_RV(CKR_SESSION_HANDLE_INVALID, p11->C_GetSessionInfo(old, &info));
  Session after(slot_of("conformance"));
  EXPECT_EQ(after.state(), CKS_RW_PUBLIC_SESSION);
}

TEST_F(General, ManyRoundsOfInitializeAndFinalizeLeakNoDescriptor) {
  const auto lowest_free_descriptor = [] {
    const int fd = dup(0);
    close(fd);
    return fd;
  };
  {
    Library library;
    make_token();
  }
  const int before = lowest_free_descriptor();
  for (int i = 0; i < 20; ++i) {
    Library library;
    Session session(slot_of("conformance"));
  }
  EXPECT_EQ(lowest_free_descriptor(), before);
}

// --- C_GetInfo ---

TEST_F(General, InfoNamesTheLibrary) {
  Library library;
  CK_INFO info;
  memset(&info, 0xAA, sizeof info);
  EXPECT_RV(CKR_OK, p11->C_GetInfo(&info));
  EXPECT_EQ(info.cryptokiVersion.major, 2);
  EXPECT_EQ(info.cryptokiVersion.minor, 40);
  EXPECT_EQ(info.flags, 0u);
  const std::string_view manufacturer = field(info.manufacturerID, sizeof info.manufacturerID);
  const std::string_view description = field(info.libraryDescription, sizeof info.libraryDescription);
  EXPECT_EQ(manufacturer, "vtpm-pkcs11                     ");
  EXPECT_EQ(description.find('\0'), std::string_view::npos) << "blank-padded, never NUL-padded";
  EXPECT_NE(description.find_first_not_of(' '), std::string_view::npos);
}

// --- every function ---

TEST_F(General, EveryFunctionNeedsInitialize) {
  for (const Function& function : every_function()) {
    if (!function.uses_session) continue;
    SCOPED_TRACE(function.name);
    EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, function.call(1));
  }
  CK_SLOT_ID slot = 0;
  CK_ULONG count = 0;
  CK_INFO info;
  CK_SLOT_INFO slot_info;
  CK_TOKEN_INFO token;
  CK_MECHANISM_INFO mechanism;
  CK_SESSION_HANDLE session;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetInfo(&info));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetSlotList(CK_FALSE, nullptr, &count));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetSlotInfo(0, &slot_info));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetTokenInfo(0, &token));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, nullptr));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetMechanismList(0, nullptr, &count));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetMechanismInfo(0, CKM_SHA256, &mechanism));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, try_init_token(0, kSoPin, "early"));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_OpenSession(0, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_CloseAllSessions(0));
}

TEST_F(General, EveryFunctionSaysSoAfterFinalize) {
  CK_SESSION_HANDLE old;
  {
    Library library;
    Session session(make_token());
    old = session;
    library.restart();
  }
  for (const Function& function : every_function()) {
    if (!function.uses_session) continue;
    SCOPED_TRACE(function.name);
    EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, function.call(old));
  }
  CK_ULONG count = 0;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetSlotList(CK_FALSE, nullptr, &count));
}

using EveryFunction = WithToken;

// Section 5.1.7: the errors of a session handle come before those of the other arguments.
TEST_F(EveryFunction, RefusesABadSessionHandleFirst) {
  for (const Function& function : every_function()) {
    if (!function.uses_session) continue;
    SCOPED_TRACE(function.name);
    for (const CK_SESSION_HANDLE bad : {CK_SESSION_HANDLE{0}, CK_SESSION_HANDLE{0xDEAD}, kAbsurd})
      EXPECT_RV(CKR_SESSION_HANDLE_INVALID, function.call(bad));
  }
}

TEST_F(EveryFunction, RefusesAClosedSession) {
  Session session(slot);
  const CK_SESSION_HANDLE closed = session;
  EXPECT_RV(CKR_OK, p11->C_CloseSession(closed));
  for (const Function& function : every_function()) {
    if (!function.uses_session) continue;
    SCOPED_TRACE(function.name);
    EXPECT_RV(CKR_SESSION_HANDLE_INVALID, function.call(closed));
  }
}

// 3.2, 5.20: they "simply return the value CKR_FUNCTION_NOT_PARALLEL".
TEST_F(EveryFunction, LegacyOnesLookAtNothing) {
  Session session(slot);
  for (const CK_SESSION_HANDLE any : {CK_SESSION_HANDLE{session}, CK_SESSION_HANDLE{0}, kAbsurd}) {
    EXPECT_RV(CKR_FUNCTION_NOT_PARALLEL, p11->C_GetFunctionStatus(any));
    EXPECT_RV(CKR_FUNCTION_NOT_PARALLEL, p11->C_CancelFunction(any));
  }
  MUST(p11->C_Finalize(nullptr));
  EXPECT_RV(CKR_FUNCTION_NOT_PARALLEL, p11->C_GetFunctionStatus(1));
  EXPECT_RV(CKR_FUNCTION_NOT_PARALLEL, p11->C_CancelFunction(1));
  library.initialize();
}

TEST_F(EveryFunction, SurvivesNullPointers) {
  for (const Function& function : every_function()) {
    SCOPED_TRACE(function.name);
    Session session(slot);
    EXPECT_RV(function.with_nothing, function.call(session));
  }
}

}  // namespace
}  // namespace vtpm::conformance
