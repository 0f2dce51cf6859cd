// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/application_mutex.h"

#include "base/settings/log.h"
#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {
namespace {

template <typename Function, typename Argument>
CK_RV answer(Function* function, Argument argument) noexcept {
  try {
    return function(argument);
  } catch (...) {
    return CKR_GENERAL_ERROR;
  }
}

}  // namespace

std::shared_ptr<ApplicationMutex> ApplicationMutex::for_arguments(const CK_C_INITIALIZE_ARGS& arguments) {
  const int given =
      !!arguments.CreateMutex + !!arguments.DestroyMutex + !!arguments.LockMutex + !!arguments.UnlockMutex;
  refuse_if(given != 0 && given != 4, CKR_ARGUMENTS_BAD, "either all four mutex functions or none must be given");
  if (given == 0 || (arguments.flags & CKF_OS_LOCKING_OK)) return nullptr;
  return std::shared_ptr<ApplicationMutex>(new ApplicationMutex(arguments));
}

ApplicationMutex::ApplicationMutex(const CK_C_INITIALIZE_ARGS& functions) : functions_(functions) {
  const CK_RV rv = answer(functions_.CreateMutex, &mutex_);
  refuse_if(rv == CKR_HOST_MEMORY, CKR_HOST_MEMORY, "the application's CreateMutex has no memory");
  refuse_if(rv != CKR_OK, CKR_CANT_LOCK, "the application's CreateMutex has failed");
}

ApplicationMutex::~ApplicationMutex() {
  if (answer(functions_.DestroyMutex, mutex_) != CKR_OK)
    log_line(LogLevel::kError, "the application's DestroyMutex has failed");
}

void ApplicationMutex::lock() {
  refuse_if(answer(functions_.LockMutex, mutex_) != CKR_OK, CKR_GENERAL_ERROR,
            "the application's LockMutex has failed");
}

void ApplicationMutex::unlock() noexcept {
  if (answer(functions_.UnlockMutex, mutex_) != CKR_OK)
    log_line(LogLevel::kError, "the application's UnlockMutex has failed");
}

}  // namespace vtpm::pkcs11
