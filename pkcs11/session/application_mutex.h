// SPDX-License-Identifier: Apache-2.0
// The application's way to keep its threads apart (PKCS#11 3.2, 5.4, CK_C_INITIALIZE_ARGS): the four mutex functions
// that it gives when it cannot say that the operating system's locks will do.
//
// Then one mutex of its making is held during every call, so calls run one after the other, and the module's own locks
// are never waited for. With CKF_OS_LOCKING_OK the standard leaves the choice, and those locks are the better ones:
// calls in different sessions run at the same time.
//
// The functions may be C++ and throw. An exception is a failure of the function like a return value other than CKR_OK.
#pragma once

#include <memory>

#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

class ApplicationMutex {
 public:
  /// Nothing when the arguments do not ask for it. Throws Refusal: CKR_ARGUMENTS_BAD (some of the four functions),
  /// CKR_HOST_MEMORY, CKR_CANT_LOCK (CreateMutex has failed).
  static std::shared_ptr<ApplicationMutex> for_arguments(const CK_C_INITIALIZE_ARGS& arguments);
  ~ApplicationMutex();
  ApplicationMutex(const ApplicationMutex&) = delete;
  ApplicationMutex& operator=(const ApplicationMutex&) = delete;

  /// Throws Refusal CKR_GENERAL_ERROR when LockMutex fails.
  void lock();
  /// A failure goes into the log: the call has its answer already, and nothing could be done about the mutex.
  void unlock() noexcept;

 private:
  explicit ApplicationMutex(const CK_C_INITIALIZE_ARGS& functions);
  const CK_C_INITIALIZE_ARGS functions_;
  void* mutex_ = nullptr;
};

/// A call's turn: the mutex, where there is one, for as long as this lives and does not give it up.
class Turn {
 public:
  explicit Turn(std::shared_ptr<ApplicationMutex> mutex) : mutex_(std::move(mutex)) { take(); }
  ~Turn() { give_up(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Lets others have theirs; and takes the next one, which throws as `lock` does.
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
