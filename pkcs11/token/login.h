// SPDX-License-Identifier: Apache-2.0
// Logging in to a token and out, and its PINs (PKCS#11 3.2, 5.5 and 5.6).
//
// The vault checks a PIN and counts wrong ones. Login keeps the login state (LoginState), opens the machine when the
// user logs in, and has the catalogue show the user's objects.
//
// `Who` names a user of PKCS#11: CKU_USER, CKU_SO, or nobody. store::Role names the purpose of a key slot of the store;
// it has roles that PKCS#11 does not know (recovery phrases, key files), and none for nobody. Only login.cc converts
// one into the other.
//
// Thread-safe. Login, logout and changes of PINs hold one mutex, which is taken before the catalogue's. An attempt with
// the SO's PIN takes its turn (Vault::take_turn) before that mutex, so that its delay does not hold up other calls.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/settings/config.h"
#include "base/waiting.h"
#include "crypto/symmetric/aead.h"
#include "pkcs11/object/who.h"
#include "pkcs11/token/catalogue.h"
#include "pkcs11/token/login_state.h"
#include "store/vault/vault.h"

namespace vtpm::pkcs11 {

constexpr size_t kPinLeast = 4, kPinMost = 255;

/// Throws Refusal CKR_PIN_LEN_RANGE.
void check_pin_length(ByteView pin);

class Login {
 public:
  /// What a login stands on; all of it outlives the login.
  struct Parts {
    store::Vault& vault;
    LoginState& state;
    device::Machine& machine;
    Catalogue& catalogue;
    const Config& config;
    const TokenSettings& settings;
  };
  explicit Login(const Parts& parts) : parts_(parts) {}

  // --- who is in ---

  Who who() const { return parts_.state.who(); }
  /// See LoginState::number.
  uint64_t number() const { return parts_.state.number(); }
  /// Logs the user out if another process has re-keyed the store. One comparison when nothing changed.
  void refresh() { parts_.catalogue.refresh_login(); }
  /// See LoginState: the SO and read-only sessions exclude each other.
  [[nodiscard]] LoginState::Seat admit(bool read_write) { return parts_.state.admit(read_write); }

  /// Whether the user must log in (CKF_LOGIN_REQUIRED). False if the user's PIN is empty, or if the module reads the
  /// PIN from the configured source and logs in by itself.
  bool required() const;
  /// Logs the user in if no login is required and nobody is logged in. If this login fails, the log says so; it is not
  /// tried again, because each attempt is counted, and a login is required from then on.
  void log_in_by_itself();
  /// C_Login. The SO may take over from a user who was logged in by log_in_by_itself. The SO is refused while a
  /// read-only session is open: before the PIN is tried, so that no attempt is counted, and again after the right PIN,
  /// because a session may have been opened meanwhile. A refused login leaves the login state as it was; after any
  /// other failure nobody is logged in. Throws Refusal: CKR_PIN_INCORRECT, CKR_PIN_LOCKED,
  /// CKR_USER_PIN_NOT_INITIALIZED, CKR_USER_ALREADY_LOGGED_IN, CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
  /// CKR_SESSION_READ_ONLY_EXISTS. Throws Error for faults of the store and the TPM.
  void log_in(Who who, ByteView pin);
  /// C_Logout: hides the user's objects, locks the vault, turns the TPM's instances off. Does nothing if nobody
  /// is logged in.
  void log_out();
  /// C_Login with CKU_CONTEXT_SPECIFIC: checks the PIN of the user who is logged in. An attempt that locks the PIN ends
  /// the login too. Throws Refusal: CKR_USER_NOT_LOGGED_IN, CKR_PIN_INCORRECT, CKR_PIN_LOCKED.
  void authenticate(ByteView pin);
  /// The cipher that seals saved states of operations (C_GetOperationState); nullopt if nobody is logged in.
  std::optional<crypto::Siv> state_seal() const;

  // --- PINs ---

  bool user_pin_set() const;
  bool user_pin_to_be_changed() const;
  /// Whether the user has logged in with a PIN that the SO has set and that is to be changed first
  /// (CKF_USER_PIN_TO_BE_CHANGED).
  bool pin_expired();
  store::Attempts attempts(Who who) const;
  /// Waits for the turn of an attempt with this PIN and for the delay in front of it (Vault::take_turn). The caller
  /// must hold no lock.
  [[nodiscard]] store::Vault::Turn take_turn(Who who);
  /// C_InitToken on a token that exists. Throws Refusal as log_in does.
  void check_so_pin(ByteView pin);
  /// The same, and returns the TPM's permanent state, from which Token::initialize keeps the TPM's identity.
  SecretBytes surrender(ByteView so_pin);
  /// C_InitPIN. Throws Refusal: CKR_USER_NOT_LOGGED_IN (the SO is not logged in), CKR_PIN_LEN_RANGE.
  void init_user_pin(ByteView pin);
  /// C_SetPIN. Throws Refusal: CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_PIN_LEN_RANGE, CKR_PIN_INVALID.
  void change_pin(Who who, ByteView old_pin, ByteView new_pin);

  /// In the child of a fork: makes the mutex again, which another thread may have held.
  void make_locks_anew();

 private:
  struct Lock {
    store::Vault::Turn turn;
    std::unique_lock<std::mutex> lock;
  };
  Lock lock(Who who = Who::kUser);
  void enter(Who who, ByteView pin, bool by_itself);
  void leave();
  void check_result(store::UnlockResult result, Who who) const;
  void check_length(Who who, ByteView pin) const;
  std::string path() const { return parts_.vault.path(); }

  const Parts parts_;
  std::mutex mutex_;
  std::atomic<bool> gave_up_{false};  // log_in_by_itself has failed
};

}  // namespace vtpm::pkcs11
