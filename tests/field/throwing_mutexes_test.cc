// SPDX-License-Identifier: Apache-2.0
// A C++ application whose mutex functions (CK_C_INITIALIZE_ARGS) throw or return an error.
#include <stdexcept>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

/// Which of the functions fail, and how.
struct Failing {
  bool create = false, destroy = false, lock = false, unlock = false;
  bool throws = false;
};
Failing failing;

CK_RV answer(bool fails) {
  if (fails && failing.throws) throw std::runtime_error("of the application");
  return fails ? CKR_MUTEX_BAD : CKR_OK;
}

CK_C_INITIALIZE_ARGS arguments() {
  CK_C_INITIALIZE_ARGS given{};
  given.CreateMutex = [](void** mutex) {
    *mutex = nullptr;
    return answer(failing.create);
  };
  given.DestroyMutex = [](void*) { return answer(failing.destroy); };
  given.LockMutex = [](void*) { return answer(failing.lock); };
  given.UnlockMutex = [](void*) { return answer(failing.unlock); };
  return given;
}

/// `true` makes the functions throw.
class ThrowingMutexes : public testing::TestWithParam<bool> {
 protected:
  ThrowingMutexes() { failing = {.throws = GetParam()}; }
  ~ThrowingMutexes() override {
    failing = {};
    p11->C_Finalize(nullptr);
  }
  CK_RV initialize() {
    CK_C_INITIALIZE_ARGS given = arguments();
    return p11->C_Initialize(&given);
  }
  Scratch scratch;
  CK_INFO info{};
};

TEST_P(ThrowingMutexes, AnUnlockThatFailsLeavesTheCallItsAnswer) {
  MUST(initialize());
  failing.unlock = true;
  EXPECT_RV(CKR_OK, p11->C_GetInfo(&info));
  EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
}

TEST_P(ThrowingMutexes, ALockThatFailsIsTheCallsFailure) {
  MUST(initialize());
  failing.lock = true;
  EXPECT_RV(CKR_GENERAL_ERROR, p11->C_GetInfo(&info));
  EXPECT_RV(CKR_GENERAL_ERROR, p11->C_Finalize(nullptr));
  failing.lock = false;
  EXPECT_RV(CKR_OK, p11->C_GetInfo(&info));
}

TEST_P(ThrowingMutexes, ADestructionThatFailsStillFinalizes) {
  MUST(initialize());
  failing.destroy = true;
  EXPECT_RV(CKR_OK, p11->C_Finalize(nullptr));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetInfo(&info));
}

TEST_P(ThrowingMutexes, ACreationThatFailsInitializesNothing) {
  failing.create = true;
  EXPECT_RV(CKR_CANT_LOCK, initialize());
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetInfo(&info));
}

INSTANTIATE_TEST_SUITE_P(Ways, ThrowingMutexes, testing::Bool(),
                         [](const auto& way) { return way.param ? "Throw" : "Answer"; });

}  // namespace
}  // namespace vtpm::conformance
