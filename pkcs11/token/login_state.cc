// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/login_state.h"

#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {

void LoginState::enter(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  if (entry.who == Who::kSo) refuse_so_locked();
  who_ = entry.who;
  by_itself_ = entry.by_itself;
  pin_expired_ = entry.pin_expired;
  ++number_;
}

void LoginState::leave() noexcept {
  const std::lock_guard lock(mutex_);
  const bool was_in = who_.exchange(Who::kNobody) != Who::kNobody;
  if (was_in) ++number_;
  by_itself_ = false;
  pin_expired_ = false;
}

LoginState::Seat LoginState::admit(bool read_write) {
  if (read_write) return {};
  const std::lock_guard lock(mutex_);
  refuse_if(who_ == Who::kSo, CKR_SESSION_READ_WRITE_SO_EXISTS,
            "the SO is logged in: read-only sessions cannot be opened");
  ++read_only_;
  return Seat(this);
}

void LoginState::Seat::release() noexcept {
  if (LoginState* const state = std::exchange(state_, nullptr)) {
    const std::lock_guard lock(state->mutex_);
    --state->read_only_;
  }
}

void LoginState::refuse_so_beside_read_only() const {
  const std::lock_guard lock(mutex_);
  refuse_so_locked();
}

void LoginState::refuse_so_locked() const {
  refuse_if(read_only_ != 0, CKR_SESSION_READ_ONLY_EXISTS, "a read-only session is open: the SO cannot log in");
}

}  // namespace vtpm::pkcs11
