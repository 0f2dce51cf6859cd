// SPDX-License-Identifier: Apache-2.0
// A server that ends its worker threads by pthread_cancel. A call must neither be interrupted nor end the process.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/conformance/harness/every_function.h"

namespace vtpm::conformance {
namespace {

/// Every call is logged, so that even the smallest calls have cancellation points: opening, writing and closing the
/// log.
class CancelledThreads : public testing::Test {
 protected:
  CancelledThreads() {
    const std::string file = scratch.path() + "/vtpm-pkcs11.toml";
    std::ifstream old(file);
    const std::string rest{std::istreambuf_iterator<char>(old), {}};
    std::ofstream(file) << "log = \"" << scratch.path() << "/log\"\nlog_level = \"debug\"\n" << rest;
    library.initialize();
    slot = make_token();
  }
  struct LibraryToo {
    ~LibraryToo() { p11->C_Finalize(nullptr); }
    void initialize() { MUST(p11->C_Initialize(nullptr)); }
  };
  Scratch scratch;
  LibraryToo library;
  CK_SLOT_ID slot = 0;
};

struct Errand {
  std::function<void()> work;
  bool came_back = false;
  bool cancelled = false;
};

void* run_cancelled(void* argument) {
  auto* errand = static_cast<Errand*>(argument);
  pthread_cancel(pthread_self());  // the cancellation is deferred: it takes effect at the next cancellation point
  errand->work();
  errand->came_back = true;
  pthread_testcancel();
  return nullptr;
}

/// Runs `work` in a thread with a pending cancellation, which must still be pending when it returns.
void in_cancelled_thread(const char* name, std::function<void()> work) {
  Errand errand{std::move(work)};
  pthread_t thread;
  void* result = nullptr;
  ASSERT_EQ(pthread_create(&thread, nullptr, run_cancelled, &errand), 0);
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_TRUE(errand.came_back) << name << " was left half-way";
  EXPECT_EQ(result, PTHREAD_CANCELED) << name << " took the request away";
}

TEST_F(CancelledThreads, EveryCallIsCompleted) {
  for (const Function& function : every_function()) {
    Session session(slot);
    const CK_SESSION_HANDLE handle = session;
    CK_RV rv = CKR_GENERAL_ERROR;
    in_cancelled_thread(function.name, [&] { rv = function.call(handle); });
    EXPECT_RV(function.with_nothing, rv) << function.name;
  }
}

TEST_F(CancelledThreads, AChangeOfTheStoreIsCompleted) {
  in_cancelled_thread("a session's life", [&] {
    Session session(slot);
    session.login();
    session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}}, {{CKA_TOKEN, true}});
    session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_LABEL, "kept"}});
    MUST(p11->C_SetPIN(session, const_cast<CK_BYTE*>(kUserPin.data()), kUserPin.size(),
                       const_cast<CK_BYTE*>(kSoPin.data()), kSoPin.size()));
  });
  in_cancelled_thread("C_Finalize and C_Initialize", [] {
    MUST(p11->C_Finalize(nullptr));
    MUST(p11->C_Initialize(nullptr));
  });
  Session session(slot);
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kSoPin));
  EXPECT_EQ(session.find({{CKA_LABEL, "kept"}}).size(), 1U);
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_EC}, {CKA_LABEL, ""}}).size(), 1U);
}

TEST_F(CancelledThreads, AChildOfAForkContinues) {
  pid_t child = -1;
  in_cancelled_thread("fork", [&] {
    child = fork();
    if (child != 0) return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    _exit(p11->C_Initialize(nullptr) == CKR_OK ? 7 : 1);
  });
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << "status " << status;
}

CK_FUNCTION_LIST* list;

// The frame has no destructors, like C code: a thread with asynchronous cancellation must have no others.
void* call_for_ever(void* argument) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
  CK_SESSION_INFO info;
  for (;;) list->C_GetSessionInfo(*static_cast<CK_SESSION_HANDLE*>(argument), &info);
}

TEST_F(CancelledThreads, AsynchronousCancellationTakesEffectBetweenCalls) {
  list = module_list();
  Session session(slot);
  CK_SESSION_HANDLE handle = session;
  for (useconds_t round = 0; round < 300; ++round) {
    pthread_t thread;
    void* result = nullptr;
    ASSERT_EQ(pthread_create(&thread, nullptr, call_for_ever, &handle), 0);
    usleep(round);
    pthread_cancel(thread);
    ASSERT_EQ(pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
    EXPECT_EQ(session.state(), static_cast<CK_STATE>(CKS_RW_PUBLIC_SESSION));  // the session's locks are free
  }
}

}  // namespace
}  // namespace vtpm::conformance
