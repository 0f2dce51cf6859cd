// SPDX-License-Identifier: Apache-2.0
// Logging in to a token and out, and its PINs (PKCS#11 3.2, 5.5.10, 5.6.8 to 5.6.10).
//
// The vault checks a PIN and counts wrong ones; the login decides who is in (LoginState), opens the machine for the
// user and tells the catalogue what it may show.
//
// One word for one thing: `Who` names a user of PKCS#11 (CKU_USER, CKU_SO, or nobody). store::Role names what a key
// slot of the store is for; there are roles that PKCS#11 does not know (recovery phrases, key files), and no role is
// nobody. Only login.cc turns one into the other.
//
// Lock, outside of the catalogue's: one mutex, which login, logout and changes of PINs hold. For attempts of the
// security officer the turn comes first: nobody else waits for the officer's delay.
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
  /// Rises at every login and logout.
  uint64_t number() const { return parts_.state.number(); }
  /// Notices that a re-key by somebody else has logged everybody out. One comparison when nothing changed.
  void refresh() { parts_.catalogue.refresh_login(); }
  /// See LoginState: the SO and read-only sessions exclude each other.
  [[nodiscard]] LoginState::Seat admit(bool read_write) { return parts_.state.admit(read_write); }

  /// False: the user's PIN is empty, or the module fetches it and logs in by itself.
  bool required() const;
  /// Logs the user in where no login is required and nobody is logged in. A login that fails is told to the log, not
  /// tried again, and required from then on.
  void log_in_by_itself();
  /// All throw Refusal: CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_USER_PIN_NOT_INITIALIZED, CKR_USER_ALREADY_LOGGED_IN,
  /// CKR_USER_ANOTHER_ALREADY_LOGGED_IN, CKR_PIN_LEN_RANGE. The SO takes over from a user whom nobody logged in, and is
  /// refused beside a read-only session (CKR_SESSION_READ_ONLY_EXISTS): at once and without an attempt, and again when
  /// the PIN was right.
  void log_in(Who who, ByteView pin);
  void log_out();
  /// CKU_CONTEXT_SPECIFIC: the PIN of whoever is logged in. One that is locked by it logs out.
  void authenticate(ByteView pin);
  /// Seals states of operations that are in an application's hands; nothing unless somebody is logged in.
  std::optional<crypto::Siv> state_seal() const;

  // --- PINs ---

  bool user_pin_set() const;
  bool user_pin_to_be_changed() const;
  /// The user is logged in by a PIN that is to be changed first (PKCS#11 3.2, CKF_USER_PIN_TO_BE_CHANGED).
  bool pin_expired();
  store::Attempts attempts(Who who) const;
  /// Waits for the turn of an attempt with the SO's PIN, and out its delay; see Vault::take_turn. Taken before any lock
  /// of the caller's.
  [[nodiscard]] store::Vault::Turn take_turn(Who who);
  void check_so_pin(ByteView pin);  // C_InitToken
  /// The same, and the TPM's state for Token::initialize to keep its identity from.
  SecretBytes surrender(ByteView so_pin);
  void init_user_pin(ByteView pin);
  void change_pin(Who who, ByteView old_pin, ByteView new_pin);

  /// Child side of fork.
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
  std::atomic<bool> gave_up_{false};  // the login that nobody asked for has failed
};

}  // namespace vtpm::pkcs11
