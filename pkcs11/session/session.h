// SPDX-License-Identifier: Apache-2.0
// A session: the rights that it gives, and the operations that run in it (PKCS#11 3.2, 5.6).
//
// A call locks the session's mutex and holds it until the call returns, so two threads on one session take turns, and
// sessions do not wait for each other. SessionTable owns the sessions; a call that runs shares the ownership. An error
// in a step of an operation ends the operation, as the standard wants.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "pkcs11/session/operations.h"
#include "pkcs11/token/token.h"

namespace vtpm::pkcs11 {

class Session {
 public:
  /// `writes`: CKF_RW_SESSION.
  Session(CK_SESSION_HANDLE number, std::shared_ptr<Token> of, CK_SLOT_ID in, bool writes);

  const CK_SESSION_HANDLE handle;
  const std::shared_ptr<Token> token;
  const CK_SLOT_ID slot;
  const bool read_write;
  LoginState::Seat seat;  // what keeps the SO out of a token with a read-only session

  std::mutex mutex;
  /// Whether the session is closed, or is being closed by a thread that waits for the call that runs here. A call that
  /// waits for a lock ends when this becomes true.
  bool closed() const { return closers != 0; }
  std::atomic<int> closers{0};
  Operations operations;  // `mutex` guards them

  /// CK_SESSION_INFO::state (5.6).
  CK_STATE state() const;
  /// Checks that the session may create, change or destroy such an object. Throws Refusal: CKR_SESSION_READ_ONLY,
  /// CKR_USER_NOT_LOGGED_IN, CKR_TOKEN_WRITE_PROTECTED.
  void require_write(bool token_object, bool private_object) const;
  /// Checks that the login on which the operation rests is still there, and that no context-specific login is still to
  /// come. Throws Refusal CKR_USER_NOT_LOGGED_IN.
  void require_login(const KeyUse& use) const;
};

}  // namespace vtpm::pkcs11
