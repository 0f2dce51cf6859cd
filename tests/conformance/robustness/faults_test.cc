// SPDX-License-Identifier: Apache-2.0
// What every function returns when the host fails (PKCS#11 3.2, 5.1.1: CKR_HOST_MEMORY,
// CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_GENERAL_ERROR): memory, the file, the disk's room, the application's mutex.
// After each fault the module continues, and an object exists completely or not at all. This is a separate program,
// since it exports the allocators and system calls that the module then uses.
#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>

#include "tests/conformance/harness/every_function.h"
#include "tests/conformance/harness/fault_injection.h"
#include "tests/conformance/harness/process.h"
#include "tests/conformance/harness/workshop.h"

namespace vtpm::conformance {
namespace {

/// Calls with wrong arguments, or with as few arguments as possible.
template <typename F>
void for_each_function(F&& check) {
  for (const Function& function : every_function()) {
    if (function.name == std::string("C_CloseSession") || function.name == std::string("C_CloseAllSessions")) continue;
    SCOPED_TRACE(function.name);
    check(function);
  }
}

ReturnValues with(ReturnValues values, std::initializer_list<CK_RV> more) {
  values.insert(values.end(), more.begin(), more.end());
  return values;
}

// --- calls without preparation ---

using FaultsOfFunctions = WithToken;

TEST_F(FaultsOfFunctions, MemoryIsExhausted) {
  Session session(slot);
  for_each_function([&](const Function& function) {
    for (size_t number = 1;; ++number) {
      const Failing failing(Fault::kMemory, number);
      CK_RV rv = CKR_OK;
      try {
        rv = function.call(session);
      } catch (const std::runtime_error&) {  // the preparation of the call failed
        continue;
      }
      p11_3().C_SessionCancel(session, CKF_FIND_OBJECTS);
      if (!failing.met()) break;
      EXPECT_RV(with(function.with_nothing, {CKR_HOST_MEMORY}), rv);
    }
    EXPECT_RV(function.with_nothing, function.call(session)) << "and goes on";
    p11_3().C_SessionCancel(session, CKF_FIND_OBJECTS);
  });
}

// Calls that need memory only for the sentence of their error.
TEST_F(FaultsOfFunctions, MemoryIsExhaustedInARefusal) {
  constexpr CK_SESSION_HANDLE kNoSession = 0x7FFF1234;
  constexpr CK_SLOT_ID kNoSlot = 0x7FFF1234;
  CK_BYTE byte = 0;
  CK_INTERFACE* found = nullptr;
  CK_UTF8CHAR name[] = "no such interface";
  const std::function<CK_RV()> calls[] = {
      [&] { return p11->C_Finalize(&byte); },
      [&] { return p11->C_GetFunctionList(nullptr); },
      [&] { return p11_3().C_GetInterfaceList(nullptr, nullptr); },
      [&] { return p11_3().C_GetInterface(name, nullptr, &found, 0); },
      [&] { return p11->C_CloseSession(kNoSession); },
      [&] { return p11->C_CloseAllSessions(kNoSlot); },
      [&] { return p11_3().C_SessionCancel(kNoSession, 0); },
      [&] { return p11->C_SeedRandom(kNoSession, &byte, 1); },
  };
  for (size_t i = 0; i < std::size(calls); ++i) {
    SCOPED_TRACE(i);
    const CK_RV refusal = calls[i]();
    EXPECT_NE(refusal, CKR_OK);
    {
      const Failing failing(Fault::kMemory, 1, /*for_good=*/true);
      EXPECT_RV(CKR_HOST_MEMORY, calls[i]());
    }
    EXPECT_RV(refusal, calls[i]()) << "and goes on";
  }
}

// While a PIN must be changed, every call in a session reads from the store whether that still holds.
TEST_F(FaultsOfFunctions, TheFileCannotBeRead) {
  std::ofstream(scratch.path() + "/vtpm-pkcs11.toml", std::ios::app) << "[pin]\nchange_initial = true\n";
  library.restart();
  Session session(slot_of("conformance"));
  session.login(CKU_SO);
  MUST(p11->C_InitPIN(session, const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size()));
  session.logout();
  session.login();
  for_each_function([&](const Function& function) {
    if (!function.uses_session) return;
    {
      const Failing failing(Fault::kIo, 1);
      EXPECT_RV(CKR_DEVICE_ERROR, function.call(session));
    }
    if (function.name == std::string("C_Logout")) return;
    EXPECT_NE(function.call(session), CKR_DEVICE_ERROR) << "and goes on";
  });
}

// The system call before the one that reads the record checks whether anything was appended.
constexpr size_t kReadingTheRecord = 2;

TEST_F(FaultsOfFunctions, APublicRecordCannotBeRead) {
  {
    Session session(slot);
    for (const char* label : {"a", "b"}) session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, label}});
  }
  library.restart();
  Session session(slot_of("conformance"));
  const auto found = [&](const char* label) { return session.find({{CKA_LABEL, label}}); };
  {
    const Failing failing(Fault::kIo, kReadingTheRecord);
    EXPECT_TRUE(found("a").empty()) << "the other objects are found";
    EXPECT_TRUE(failing.met());
  }
  ASSERT_EQ(found("a").size(), 1u) << "and is there again";
  const CK_OBJECT_HANDLE object = found("a")[0];
  session.login();
  {
    const Failing failing(Fault::kIo, kReadingTheRecord);
    EXPECT_RV(CKR_DEVICE_ERROR, session.try_get(object, CKA_LABEL));
  }
  EXPECT_EQ(session.text(object, CKA_LABEL), "a");
  EXPECT_EQ(found("b").size(), 1u);
}

CK_RV lock_answers = CKR_OK;
CK_C_INITIALIZE_ARGS with_mutexes() {
  return {[](void** mutex) -> CK_RV { return *mutex = &lock_answers, CKR_OK; },
          [](void*) -> CK_RV { return CKR_OK; },
          [](void*) -> CK_RV { return lock_answers; },
          [](void*) -> CK_RV { return CKR_OK; },
          0,
          nullptr};
}

TEST_F(FaultsOfFunctions, TheApplicationsMutexFails) {
  MUST(p11->C_Finalize(nullptr));
  CK_C_INITIALIZE_ARGS arguments = with_mutexes();
  MUST(p11->C_Initialize(&arguments));
  {
    Session session(slot);
    const CK_SLOT_ID known = slots().at(0);
    const auto expect_failure = [&](const char* name, auto&& call) {
      lock_answers = CKR_GENERAL_ERROR;
      EXPECT_RV(CKR_GENERAL_ERROR, call()) << name;
      lock_answers = CKR_OK;
    };
    for (const Function& function : every_function()) {
      expect_failure(function.name, [&] {
        // The calls of the table list the slots, which fails in the same way.
        try {
          return function.call(session);
        } catch (const std::runtime_error&) {
          return CK_RV{CKR_GENERAL_ERROR};
        }
      });
    }
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token;
    CK_MECHANISM_INFO mechanism;
    CK_SESSION_HANDLE opened = 0;
    CK_ULONG count = 0;
    CK_BYTE label[32] = {};
    expect_failure("C_GetSlotInfo", [&] { return p11->C_GetSlotInfo(known, &slot_info); });
    expect_failure("C_GetTokenInfo", [&] { return p11->C_GetTokenInfo(known, &token); });
    expect_failure("C_GetMechanismList", [&] { return p11->C_GetMechanismList(known, nullptr, &count); });
    expect_failure("C_GetMechanismInfo", [&] { return p11->C_GetMechanismInfo(known, CKM_SHA256, &mechanism); });
    expect_failure("C_InitToken", [&] { return p11->C_InitToken(known, label, 4, label); });
    expect_failure("C_CloseAllSessions", [&] { return p11->C_CloseAllSessions(known); });
    expect_failure("C_OpenSession",
                   [&] { return p11->C_OpenSession(known, CKF_SERIAL_SESSION, nullptr, nullptr, &opened); });
  }
  EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
}

// --- at the start ---

// Parts that are initialized at their first use must not stay broken after a fault. Each fault has a process of its
// own, in which the first call of every kind fails.
void start_with_fault(size_t number) {
  const auto work = [] {
    Library library;
    Session session(slot_of("conformance"));
    MUST(session.try_login(CKU_USER, kUserPin));
    const Template kept = {{CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "begun"}};
    KeyPair pair;
    MUST(session.try_generate(CKM_EC_KEY_PAIR_GEN, kept.with({{CKA_EC_PARAMS, kP256}}), kept, &pair));
    const Bytes data(32, 1);
    MUST(session.try_verify(CKM_ECDSA_SHA256, pair.public_key, data,
                            session.sign(CKM_ECDSA_SHA256, pair.private_key, data)));
    MUST(session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}}, {{kVtpmResident, false}}, &pair));
    MUST(session.try_sign(CKM_SHA256_RSA_PKCS, pair.private_key, data));
    for (const CK_OBJECT_HANDLE object : session.find({{CKA_LABEL, "begun"}})) {
      MUST(p11->C_DestroyObject(session, object));
    }
  };
  getpwuid(geteuid());  // glibc does not recover from a fault at its own first use
  bool met = false;
  {
    const Failing failing(Fault::kMemory, number);
    try {
      work();
    } catch (const std::runtime_error&) {  // a call that met the fault has failed, as it should
    }
    met = failing.met();
  }
  work();
  std::printf(met ? "met\n" : "not met\n");
}

const RegisterAct start("start-with-fault",
                        [](const std::vector<std::string>& words) { start_with_fault(std::stoul(words.at(0))); });

TEST_F(FaultsOfFunctions, MemoryIsExhaustedAtTheStart) {
  MUST(p11->C_Finalize(nullptr));
  const bool thorough = getenv("VTPM_TEST_LONG") != nullptr;
  for (size_t number = 1;; number += thorough ? 1 : 1 + number / 3) {
    const Ran ran = run_act({"start-with-fault", std::to_string(number)});
    EXPECT_EQ(ran.status, 0) << number << ": " << ran.output;
    if (ran.output.find("not met") != std::string::npos || HasFailure()) break;
  }
}

// --- in the middle of the work ---

// The module's index of objects must not stay wrong after it ran out of memory while an object was added. With few
// objects, a single wrong count would hide all of them.
class FaultsAmongObjects : public WithUser {};

TEST_F(FaultsAmongObjects, ObjectsAreFoundAfterMemoryWasExhausted) {
  const auto data = [](const char* label, bool token, bool is_private) {
    return Template{
        {CKA_CLASS, CKO_DATA}, {CKA_TOKEN, token}, {CKA_PRIVATE, is_private}, {CKA_LABEL, label}, {CKA_VALUE, "value"}};
  };
  constexpr struct { bool token, is_private; } kKinds[] = {{true, true}, {true, false}, {false, true}};
  for (const auto& kind : kKinds) {
    const bool token = kind.token, is_private = kind.is_private;
    SCOPED_TRACE(testing::Message() << token << is_private);
    session.create(data("kept", token, is_private));
    const CK_OBJECT_HANDLE changed = session.create(data("old", token, is_private));
    const auto found = [&](const char* label) {
      return session.find({{CKA_LABEL, label}, {CKA_TOKEN, token}, {CKA_PRIVATE, is_private}}).size();
    };
    bool met = true;
    // Every number is tried for sealed records, which have an index of their own. A sample is enough for the others,
    // and where a run takes long.
#ifdef VTPM_SANITIZED
    const bool thorough = getenv("VTPM_TEST_LONG") != nullptr;
#else
    const bool thorough = (token && is_private) || getenv("VTPM_TEST_LONG") != nullptr;
#endif
    for (size_t number = 1; met; number += thorough ? 1 : 1 + number / 16) {
      SCOPED_TRACE(number);
      CK_RV rv = CKR_OK;
      {
        const Failing failing(Fault::kMemory, number);
        rv = session.try_set(changed, {{CKA_LABEL, number % 2 == 0 ? "old" : "new"}});
        if (rv == CKR_OK) rv = session.try_create(data("made", token, is_private));
        met = failing.met();
      }
      EXPECT_RV((ReturnValues{CKR_OK, CKR_HOST_MEMORY}), rv);
      EXPECT_EQ(found("kept"), 1u);
      EXPECT_EQ(found("old") + found("new"), 1u);
      EXPECT_EQ(session.find({{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, is_private}, {CKA_TOKEN, token}}).size(),
                2 + found("made"));
      for (const CK_OBJECT_HANDLE object : session.find({{CKA_LABEL, "made"}})) {
        MUST(p11->C_DestroyObject(session, object));
      }
      EXPECT_EQ(found("made"), 0u);
      if (HasFailure()) return;
    }
  }
}

class FaultsAtWork : public Workshop {
 protected:
  /// Runs every work with its `number`-th call failing, for growing numbers until the work makes fewer calls. The short
  /// form of the test takes each of the first numbers, and later ones at growing distances, which are larger if a
  /// sanitizer makes the runs slow.
  void disturb(Fault fault, const ReturnValues& expected) {
    const bool thorough = getenv("VTPM_TEST_LONG") != nullptr;
#ifdef VTPM_SANITIZED
    constexpr size_t kAll = 6, kAllOfDear = 2;
#else
    constexpr size_t kAll = 16, kAllOfDear = 3;
#endif
    for (const Work& work : all()) {
      SCOPED_TRACE(work.function);
      size_t runs = 0;
      for (size_t number = 1;; number += thorough ? 1 : 1 + number / (work.dear ? kAllOfDear : kAll)) {
        SCOPED_TRACE(number);
        work.prepare();
        if (!once(work, fault, number, expected)) break;
        ++runs;
        if (HasFatalFailure()) return;
      }
      std::printf("%-28s %zu faults\n", work.function.c_str(), runs);
      work.prepare();
      EXPECT_RV(CKR_OK, work.call()) << "and goes on";
      p11_3().C_SessionCancel(session, CKF_FIND_OBJECTS);
      if (work.makes > 0) {
        EXPECT_EQ(made().size(), work.makes);
      }
      tidy();
      expect_intact();
    }
  }

 private:
  /// Returns false if the work makes fewer calls.
  bool once(const Work& work, Fault fault, size_t number, const ReturnValues& expected) {
    CK_RV rv = CKR_OK;
    bool met = false;
    {
      // In half of the runs there is no memory any more, and a full disk stays full: handling the fault must need
      // neither.
      const Failing failing(fault, number, /*for_good=*/fault != Fault::kIo && number % 2 == 0);
      try {
        rv = work.call();
      } catch (const std::runtime_error&) {  // an earlier one of several calls
        rv = expected.back();
      }
      met = failing.met();
    }
    EXPECT_RV(expected, rv);
    if (rv != CKR_OK && fault != Fault::kMemory) heal();
    p11_3().C_SessionCancel(session, CKF_FIND_OBJECTS);
    if (work.makes > 0 && session.state() == CKS_RW_USER_FUNCTIONS) {
      const size_t count = made().size();
      EXPECT_TRUE(count == work.makes || (count == 0 && rv != CKR_OK)) << count << " of " << work.makes;
      for (const CK_OBJECT_HANDLE object : made()) {
        CK_ULONG size = 0;
        EXPECT_RV(CKR_OK, p11->C_GetObjectSize(session, object, &size));
      }
    }
    tidy();
    return met;
  }
};

TEST_F(FaultsAtWork, EveryFunctionSurvivesExhaustedMemory) { disturb(Fault::kMemory, {CKR_OK, CKR_HOST_MEMORY}); }
TEST_F(FaultsAtWork, EveryFunctionSurvivesAFailingFile) { disturb(Fault::kIo, {CKR_OK, CKR_DEVICE_ERROR}); }
TEST_F(FaultsAtWork, EveryFunctionSurvivesAFullDisk) { disturb(Fault::kNoSpace, {CKR_OK, CKR_DEVICE_MEMORY}); }

}  // namespace
}  // namespace vtpm::conformance
