// SPDX-License-Identifier: Apache-2.0
// The sessions of an application (PKCS#11 3.2, 5.6), by their handles.
//
// The table owns the sessions; a call that runs in one shares the ownership, so that a session outlives its removal
// from the table until that call returns. A handle is never used for a second session.
//
// Every function may be called by several threads at the same time. The table's mutex is held for short and never while
// a function waits for a session.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "pkcs11/session/session.h"

namespace vtpm::pkcs11 {

class SessionTable {
 public:
  /// `most`: how many sessions may be open at the same time (`max_sessions`).
  explicit SessionTable(uint32_t most) : most_(most) {}

  /// Opens a session with the token in `slot` (C_OpenSession). Throws Refusal: CKR_SESSION_COUNT,
  /// CKR_SESSION_READ_WRITE_SO_EXISTS; then there is no new session.
  std::shared_ptr<Session> open(std::shared_ptr<Token> token, CK_SLOT_ID slot, bool read_write);
  /// Throws Refusal CKR_SESSION_HANDLE_INVALID.
  std::shared_ptr<Session> get(CK_SESSION_HANDLE handle) const;
  /// Closes a session and destroys its session objects; closing the last session of a token logs its user out
  /// (PKCS#11 3.2, 5.6). The function waits for a call that runs in the session, which ends at once if it waits for a
  /// lock itself. Throws Refusal CKR_SESSION_HANDLE_INVALID, LockTimeout; then the session is still open.
  void close(CK_SESSION_HANDLE handle);
  /// Closes every session of a slot (C_CloseAllSessions). Returns whether there were any. Throws LockTimeout; then some
  /// may be closed.
  bool close_all(CK_SLOT_ID slot);

  struct Count {
    CK_ULONG all = 0, read_write = 0;
  };
  /// The number of open sessions with a token.
  Count count(const Token& token) const;
  /// Every open session with a token.
  std::vector<std::shared_ptr<Session>> of(const Token& token) const;
  /// In the child of a fork, before any other function: replaces the locks, because the threads that held them or
  /// waited for them do not exist there.
  void make_locks_anew();

 private:
  void end(const std::shared_ptr<Session>& session);

  const uint32_t most_;
  mutable std::mutex mutex_;
  CK_SESSION_HANDLE next_ = 1;
  std::unordered_map<CK_SESSION_HANDLE, std::shared_ptr<Session>> sessions_;
};

}  // namespace vtpm::pkcs11
