// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/login.h"

#include "base/locks_after_fork.h"
#include "base/settings/log.h"
#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {
namespace {

using store::Role;
using store::UnlockResult;

Role role_of(Who who) { return who == Who::kSo ? Role::kSo : Role::kUser; }

bool is_spent(const store::Attempts& attempts) { return attempts.limit != 0 && attempts.failures >= attempts.limit; }

}  // namespace

void check_pin_length(ByteView pin) {
  refuse_if(pin.size() < kPinLeast || pin.size() > kPinMost, CKR_PIN_LEN_RANGE, "a PIN has 4 to 255 bytes");
}

Login::Lock Login::lock(Who who) {
  store::Vault::Turn turn = take_turn(who);
  return {std::move(turn), lock_within_limit(mutex_, path())};
}

void Login::check_result(UnlockResult result, Who who) const {
  switch (result) {
    case UnlockResult::kUnlocked:
      return;
    case UnlockResult::kWrongSecret:
      refuse(CKR_PIN_INCORRECT, "wrong PIN");
    case UnlockResult::kLockedOut:
      refuse(CKR_PIN_LOCKED,
             "too many wrong PINs: the SO can set a new user PIN, or a recovery phrase (vtpm-token pin unblock)");
    case UnlockResult::kNoSlot:
      if (who != Who::kSo) refuse(CKR_USER_PIN_NOT_INITIALIZED, "the SO has not set a user PIN yet");
      throw Error(ErrorCode::kCorrupt, "the store has no readable key slot for the SO");
  }
}

void Login::check_length(Who who, ByteView pin) const {
  if (!pin.empty() || who == Who::kSo || !parts_.config.empty_pin) check_pin_length(pin);
}

// --- who is in ---

void Login::log_in(Who who, ByteView pin) {
  const auto refuse_second = [&] {
    const Who now = this->who();
    refuse_if(now == who, CKR_USER_ALREADY_LOGGED_IN, "already logged in");
    refuse_if(now != Who::kNobody && !parts_.state.by_itself(), CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
              "another user is logged in");
  };
  if (who == Who::kSo) {  // before the delay
    parts_.state.refuse_so_beside_read_only();
    refuse_second();
  }
  const Lock held = lock(who);
  parts_.catalogue.refresh();
  refuse_second();
  enter(who, pin, /*by_itself=*/false);
}

namespace {

/// The engine of a login that has ended. It forgets the TPM when the scope ends, whatever ends it.
struct Ended {
  std::shared_ptr<tpm::Engine> engine;
  ~Ended() {
    if (engine) engine->forget();
  }
};

}  // namespace

void Login::enter(Who who, ByteView pin, bool by_itself) {
  const Who was = this->who();
  store::SecretNotes notes;
  check_result(parts_.vault.unlock(role_of(who), pin, &notes), who);
  const WaitPolicy::Keep half_done;  // the store is open, and nobody is logged in
  Ended before;
  try {
    parts_.catalogue.log_in([&] {
      // The SO's entry can be refused; a user who is in by himself then stays in, so nothing else comes before it.
      if (who == Who::kSo) parts_.state.enter({who, by_itself, notes.to_be_changed});
      before.engine = parts_.machine.close();
      if (who == Who::kSo) return;
      // The machine first: a call that sees the user logged in finds the TPM, and does not make its key in software.
      parts_.machine.open(parts_.config.tpm_instances);
      parts_.state.enter({who, by_itself, notes.to_be_changed});
    });
  } catch (...) {
    const bool nothing_has_changed = was != Who::kNobody && this->who() == was;
    if (!nothing_has_changed) {  // nobody is half logged in
      parts_.vault.lock();
      parts_.catalogue.give_up([&] {
        parts_.state.leave();
        (void)parts_.machine.close();
      });
    }
    throw;
  }
}

bool Login::required() const {
  if (gave_up_) return true;
  return !parts_.vault.notes(Role::kUser).empty &&
         !(parts_.settings.automatic_login && parts_.settings.user_pin.present());
}

void Login::log_in_by_itself() {
  if (who() != Who::kNobody || required()) return;
  const Lock held = lock();
  if (who() != Who::kNobody) return;
  try {
    parts_.catalogue.refresh();
    enter(
        Who::kUser,
        parts_.vault.notes(Role::kUser).empty ? SecretBytes() : parts_.settings.user_pin.read(parts_.config.empty_pin),
        /*by_itself=*/true);
    return;
  } catch (const Refusal& refusal) {
    log_line(LogLevel::kError, path() + ": the login that needs no PIN has failed: " + refusal.what());
  } catch (const Error& error) {
    log_line(LogLevel::kError, path() + ": the login that needs no PIN has failed: " + error.sentence());
  }
  gave_up_ = true;  // each try is counted, and many would lock the PIN
}

void Login::log_out() {
  const Lock held = lock();
  leave();
}

void Login::leave() {
  if (who() == Who::kNobody) return;
  Ended engine;
  parts_.catalogue.log_out([&] {
    parts_.state.leave();
    engine.engine = parts_.machine.close();
  });
  parts_.vault.lock();
}

void Login::authenticate(ByteView pin) {
  const Who who = this->who();
  const Lock held = lock(who);
  refuse_if(this->who() == Who::kNobody || role_of(this->who()) != role_of(who), CKR_USER_NOT_LOGGED_IN,
            "nobody is logged in");
  UnlockResult result = parts_.vault.verify(role_of(who), pin);
  // The attempt that locks the PIN says so: the login that it was to confirm ends with it (3.2, 4.10).
  if (result == UnlockResult::kWrongSecret && is_spent(attempts(who))) result = UnlockResult::kLockedOut;
  if (result == UnlockResult::kLockedOut) leave();
  check_result(result, who);
}

std::optional<crypto::Siv> Login::state_seal() const {
  if (who() == Who::kNobody || !parts_.vault.unlocked()) return std::nullopt;
  return crypto::Siv(parts_.vault.derive_key("state", crypto::Siv::kKeyBytes));
}

// --- PINs ---

bool Login::user_pin_set() const { return parts_.vault.has_slot(Role::kUser); }

bool Login::user_pin_to_be_changed() const { return parts_.vault.notes(Role::kUser).to_be_changed; }

bool Login::pin_expired() {
  if (!parts_.state.pin_expired() || who() != Who::kUser) return false;
  // Another process may have changed it.
  parts_.catalogue.refresh();
  if (!user_pin_to_be_changed()) parts_.state.pin_was_changed();
  return parts_.state.pin_expired();
}

store::Attempts Login::attempts(Who who) const { return parts_.vault.attempts(role_of(who)); }

store::Vault::Turn Login::take_turn(Who who) { return parts_.vault.take_turn(role_of(who)); }

void Login::check_so_pin(ByteView pin) {
  const Lock held = lock(Who::kSo);
  check_result(parts_.vault.verify(Role::kSo, pin), Who::kSo);
}

SecretBytes Login::surrender(ByteView so_pin) {
  const Lock held = lock(Who::kSo);
  check_result(parts_.vault.unlock(Role::kSo, so_pin), Who::kSo);
  struct Shut {
    store::Vault& vault;
    ~Shut() { vault.lock(); }
  } shut{parts_.vault};
  return parts_.machine.state();
}

void Login::init_user_pin(ByteView pin) {
  const Lock held = lock();
  refuse_if(who() != Who::kSo, CKR_USER_NOT_LOGGED_IN, "only the SO sets the user's PIN");
  check_length(Who::kUser, pin);
  parts_.vault.set_secret(Role::kUser, pin, parts_.config.change_initial_pin && !pin.empty());
  gave_up_ = false;
}

void Login::change_pin(Who who, ByteView old_pin, ByteView new_pin) {
  const Lock held = lock(who);
  check_length(who, new_pin);
  refuse_if(who == Who::kUser && user_pin_to_be_changed() && equal(old_pin, new_pin), CKR_PIN_INVALID,
            "the PIN that the SO has set is to be changed: the new one is the same");
  const UnlockResult result = parts_.vault.change_secret(role_of(who), old_pin, new_pin);
  // CKR_USER_PIN_NOT_INITIALIZED "can only be returned by C_Login" (5.1.6): no old PIN is the right one.
  refuse_if(result == UnlockResult::kNoSlot && who == Who::kUser, CKR_PIN_INCORRECT, "the SO has set no user PIN yet");
  check_result(result, who);
  if (who != Who::kUser) return;
  parts_.state.pin_was_changed();
  gave_up_ = false;
}

void Login::make_locks_anew() { make_anew(mutex_); }

}  // namespace vtpm::pkcs11
