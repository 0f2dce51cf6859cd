// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/session_table.h"

#include "base/locks_after_fork.h"
#include "base/waiting.h"
#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {

std::shared_ptr<Session> SessionTable::open(std::shared_ptr<Token> token, CK_SLOT_ID slot, bool read_write) {
  std::lock_guard lock(mutex_);
  refuse_if(sessions_.size() >= most_, CKR_SESSION_COUNT, "max_sessions sessions are open");
  LoginState::Seat seat = token->login().admit(read_write);
  auto session = std::make_shared<Session>(next_++, std::move(token), slot, read_write);
  session->seat = std::move(seat);
  sessions_.emplace(session->handle, session);
  return session;
}

std::shared_ptr<Session> SessionTable::get(CK_SESSION_HANDLE handle) const {
  std::lock_guard lock(mutex_);
  auto found = sessions_.find(handle);
  refuse_if(found == sessions_.end(), CKR_SESSION_HANDLE_INVALID, "the session does not exist");
  return found->second;
}

void SessionTable::close(CK_SESSION_HANDLE handle) { end(get(handle)); }

bool SessionTable::close_all(CK_SLOT_ID slot) {
  std::vector<std::shared_ptr<Session>> closing;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [handle, session] : sessions_) {
      if (session->slot == slot) closing.push_back(session);
    }
  }
  for (const auto& session : closing) {
    try {
      end(session);
    } catch (const Refusal& refusal) {
      if (refusal.rv() != CKR_SESSION_HANDLE_INVALID) throw;  // another thread has closed it meanwhile
    }
  }
  return !closing.empty();
}

void SessionTable::end(const std::shared_ptr<Session>& session) {
  ++session->closers;
  std::unique_lock<std::mutex> running;
  try {
    running = lock_within_limit(session->mutex, "the session");
  } catch (...) {
    --session->closers;
    throw;
  }
  {
    std::lock_guard lock(mutex_);
    refuse_if(sessions_.erase(session->handle) == 0, CKR_SESSION_HANDLE_INVALID, "the session does not exist");
    session->seat.release();
  }
  session->token->catalogue().drop_session_objects(session->handle);
  if (count(*session->token).all == 0) session->token->login().log_out();
}

void SessionTable::make_locks_anew() {
  make_anew(mutex_);
  for (const auto& [handle, session] : sessions_) {
    make_anew(session->mutex);
    session->closers = 0;  // the threads that were about to close it do not exist in this process
    session->token->make_locks_anew();
  }
}

SessionTable::Count SessionTable::count(const Token& token) const {
  std::lock_guard lock(mutex_);
  Count count;
  for (const auto& [handle, session] : sessions_) {
    if (session->token.get() != &token) continue;
    ++count.all;
    if (session->read_write) ++count.read_write;
  }
  return count;
}

std::vector<std::shared_ptr<Session>> SessionTable::of(const Token& token) const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Session>> found;
  for (const auto& [handle, session] : sessions_) {
    if (session->token.get() == &token) found.push_back(session);
  }
  return found;
}

}  // namespace vtpm::pkcs11
