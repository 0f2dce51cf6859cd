// SPDX-License-Identifier: Apache-2.0
// Who is logged in to a token in this process, and the rule that the SO and read-only sessions exclude each other
// (PKCS#11 3.2, 5.6, C_OpenSession and C_Login).
//
// Both sides of the rule take one mutex, so that a read-only session is opened before the SO is logged in, or not at
// all. No other lock is taken while it is held. Readers take no lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

#include "pkcs11/object/who.h"

namespace vtpm::pkcs11 {

class LoginState {
 public:
  Who who() const { return who_; }
  /// Rises at every login and logout, and at a logout after who() has become kNobody. So a caller that reads the number
  /// first and then finds the user logged in can tell later from the number whether this login is still the same.
  uint64_t number() const { return number_; }
  /// Whether the module has logged the user in without a call of C_Login.
  bool by_itself() const { return by_itself_; }
  /// Whether the PIN with which the user has logged in is to be changed first.
  bool pin_expired() const { return pin_expired_; }
  void pin_was_changed() { pin_expired_ = false; }

  struct Entry {
    Who who = Who::kNobody;
    bool by_itself = false;
    bool pin_expired = false;
  };
  /// Throws Refusal CKR_SESSION_READ_ONLY_EXISTS for the SO beside a read-only session; then nothing has changed.
  void enter(const Entry& entry);
  /// Nobody is logged in from now on.
  void leave() noexcept;

  /// An open session. It is counted until it is released or destroyed, and must not outlive the state.
  class Seat {
   public:
    Seat() = default;
    Seat(Seat&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Seat& operator=(Seat&& other) noexcept {
      release();
      state_ = std::exchange(other.state_, nullptr);
      return *this;
    }
    ~Seat() { release(); }
    void release() noexcept;

   private:
    friend class LoginState;
    explicit Seat(LoginState* state) : state_(state) {}
    LoginState* state_ = nullptr;  // of a read-only session
  };
  /// Counts a session that is being opened. Throws Refusal CKR_SESSION_READ_WRITE_SO_EXISTS for a read-only one while
  /// the SO is logged in.
  [[nodiscard]] Seat admit(bool read_write);
  /// Throws Refusal CKR_SESSION_READ_ONLY_EXISTS while a read-only session is open.
  void refuse_so_beside_read_only() const;

 private:
  void refuse_so_locked() const;

  mutable std::mutex mutex_;  // of changes of who_, and of read_only_
  std::atomic<Who> who_{Who::kNobody};
  std::atomic<uint64_t> number_{0};
  std::atomic<bool> by_itself_{false};
  std::atomic<bool> pin_expired_{false};
  unsigned read_only_ = 0;  // sessions
};

}  // namespace vtpm::pkcs11
