// SPDX-License-Identifier: Apache-2.0
// The application's mutex (CK_C_INITIALIZE_ARGS; PKCS#11 3.2, 5.4): an application that does not allow the operating
// system's locks passes four mutex functions.
//
// In this case the module creates one mutex with these functions and holds it during every call, so that calls run one
// after the other and never wait for the module's own locks. With CKF_OS_LOCKING_OK the standard leaves the choice to
// the module, which uses its own locks, because they let calls in different sessions run at the same time.
//
// The functions may be C++ and throw. An exception counts as a return value other than CKR_OK.
#pragma once

#include <memory>

#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

class ApplicationMutex {
 public:
  /// Creates the mutex; null if the arguments do not require one. Throws Refusal: CKR_ARGUMENTS_BAD (some of the four
  /// functions are missing), CKR_HOST_MEMORY, CKR_CANT_LOCK (CreateMutex has failed).
  static std::shared_ptr<ApplicationMutex> for_arguments(const CK_C_INITIALIZE_ARGS& arguments);
  ~ApplicationMutex();
  ApplicationMutex(const ApplicationMutex&) = delete;
  ApplicationMutex& operator=(const ApplicationMutex&) = delete;

  /// Throws Refusal CKR_GENERAL_ERROR if LockMutex fails; then the mutex is not held.
  void lock();
  /// A failure is only logged, because the call has its result already.
  void unlock() noexcept;

 private:
  explicit ApplicationMutex(const CK_C_INITIALIZE_ARGS& functions);
  const CK_C_INITIALIZE_ARGS functions_;
  void* mutex_ = nullptr;
};

/// Holds the mutex, if there is one, from its construction to its destruction or to give_up.
class Turn {
 public:
  explicit Turn(std::shared_ptr<ApplicationMutex> mutex) : mutex_(std::move(mutex)) { take(); }
  ~Turn() { give_up(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Releases the mutex, and locks it again. `take` throws as ApplicationMutex::lock.
  void give_up() noexcept {
    if (taken_) mutex_->unlock();
    taken_ = false;
  }
  void take() {
    if (mutex_) mutex_->lock();
    taken_ = mutex_ != nullptr;
  }

 private:
  const std::shared_ptr<ApplicationMutex> mutex_;
  bool taken_ = false;
};

}  // namespace vtpm::pkcs11
