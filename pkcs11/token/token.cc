// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/token.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <set>

#include "base/locks_after_fork.h"
#include "crypto/library/want_of_memory.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/builtin_objects.h"
#include "pkcs11/object/tpm_object.h"
#include "pkcs11/token/endorser.h"
#include "pkcs11/token/records.h"
#include "tpm/command/commands.h"
#include "tpm/use/identity.h"

namespace vtpm::pkcs11 {
namespace {

/// Without memory a record looks like one that was tampered with, and is not.
bool is_of_memory(const Error& error) { return error.code() == ErrorCode::kNoMemory || crypto::wanted_memory(); }

using store::Protection;
using store::Role;
using store::UnlockResult;

void check_pin_length(ByteView pin) {
  refuse_if(pin.size() < kPinLeast || pin.size() > kPinMost, CKR_PIN_LEN_RANGE, "a PIN has 4 to 255 octets");
}

Role role_of(Who who) { return who == Who::kSo ? Role::kSo : Role::kUser; }

bool is_spent(const store::Attempts& attempts) { return attempts.limit != 0 && attempts.failures >= attempts.limit; }

Attributes info_record(const Token::Identity& identity) {
  Attributes info;
  info.set(CKA_LABEL, as_bytes(identity.label));
  info.set(kFieldSerial, as_bytes(identity.serial));
  info.set_number(kFieldSlotNumber, identity.slot);
  return info;
}

/// 32 octets, blank-padded, and without the blanks.
std::string trimmed(std::string label) { return label.erase(label.find_last_not_of(' ') + 1); }

Attributes read_info(const store::Vault& vault) {
  const auto blob = vault.read(kTokenInfo);
  if (!blob) {
    throw Error(ErrorCode::kNotAStore, vault.path() + " is a store but not a token (it has no entry token/info)");
  }
  return decode_attributes<Bytes>(blob->data);
}

Token::Identity identity_of(const store::Vault& vault) {
  const Attributes info = read_info(vault);
  Token::Identity identity;
  identity.label = as_text(info.get(CKA_LABEL));
  identity.serial = as_text(info.get(kFieldSerial));
  identity.slot = info.number(kFieldSlotNumber).value_or(0);
  identity.created = vault.created();
  return identity;
}

bool is_shown_by_token(const store::Glance& entry) { return is_object_entry(entry.name) || entry.name == kTokenInfo; }

/// What is read at once reads otherwise after a login; what is sealed is not there before.
bool depends_on_login(const store::Glance& entry) {
  return is_object_entry(entry.name) && (entry.protection == Protection::kSealed || !entry.indexed);
}

}  // namespace

/// The TPM's view of the store.
class Token::State : public tpm::StateSource {
 public:
  explicit State(std::shared_ptr<store::Vault> vault) : vault_(std::move(vault)) {}

  uint64_t version() override {
    vault_->refresh();
    auto entry = vault_->find(kPermanentState);
    if (!entry) throw Error(ErrorCode::kCorrupt, "the store has no TPM state (entry tpm0/permall)");
    return version_of(entry->sequence);
  }
  tpm::StateSource::State load() override {
    const uint64_t rollbacks = vault_->rollbacks();
    auto blob = vault_->read(kPermanentState);
    if (!blob) throw Error(ErrorCode::kCorrupt, "the store has no TPM state (entry tpm0/permall)");
    return {version_of(blob->sequence, rollbacks), std::move(blob->data)};
  }
  /// Of the state with this number, as the store is now. Where an older copy of the store was put back, numbers repeat.
  uint64_t version_of(uint64_t number) const { return version_of(number, vault_->rollbacks()); }

 private:
  // (rollbacks, number) in one word: numbers are below 2^62, and the multiples of this factor lie far apart.
  static uint64_t version_of(uint64_t number, uint64_t rollbacks) {
    return std::max<uint64_t>(number + rollbacks * 0x9e3779b97f4a7c15, 1);
  }
  const std::shared_ptr<store::Vault> vault_;
};

// --- making and opening ---

void Token::initialise(const std::string& path, const Config& config, const Identity& identity, ByteView so_pin,
                       bool replace, ByteView predecessor) {
  if (!replace) check_pin_length(so_pin);  // of a token that there is, the PIN is the one that opened it
  store::CreateOptions options;
  options.kdf = config.kdf;
  options.replace = replace;
  options.created = identity.created;
  options.attempt_limits = {{Role::kUser, config.user_limit}, {Role::kSo, config.so_limit}};
  std::vector<Attributes> tpm_objects;
  const Endorser endorse(config);  // reads the authority's files before anything is made
  const auto furnish = [&](tpm::BootedTpm& commands) {
    if (predecessor.empty() || !tpm::renew_owner(commands)) endorse(commands);
    tpm_objects = public_tpm_objects(commands);
  };
  const SecretBytes state =
      predecessor.empty() ? tpm::Engine::manufacture(furnish) : tpm::Engine::visit(predecessor, furnish);
  store::Vault::create(path, options, {{Role::kSo, so_pin}}, [&](store::Transaction& transaction) {
    transaction.put(kTokenInfo, kTokenInfoType, Protection::kClear, encode_attributes(info_record(identity)));
    transaction.put(kPermanentState, kPermanentStateType, Protection::kSealed, state);
    for (const Attributes& object : tpm_objects) put_tpm_object(transaction, object);
  });
}

store::StoreName Token::name_of(const store::Vault& vault) {
  const Identity identity = identity_of(vault);
  return {identity.serial, trimmed(identity.label), identity.slot};
}

void Token::rename(store::Vault& vault, const std::string& label) {
  vault.change([&](store::Transaction& transaction) {
    Attributes info = read_info(vault);
    info.set(CKA_LABEL, as_bytes(label));
    transaction.put(kTokenInfo, kTokenInfoType, Protection::kClear, encode_attributes(info));
  });
}

std::shared_ptr<Token> Token::open(const std::string& path, const Config& config) {
  return open(store::Vault::open(path), config);
}

std::shared_ptr<Token> Token::open(std::shared_ptr<store::Vault> vault, const Config& config) {
  vault->expect_cost(config.kdf);
  vault->report_to([](const std::string& sentence) { log_line_or_syslog(LogLevel::kWarning, sentence); });
  std::shared_ptr<Token> token(new Token(std::move(vault), config));
  token->read_identity();
  token->publish_builtin_objects();
  for (const std::string& finding : token->vault_->findings())
    log_line(LogLevel::kWarning, token->path() + ": " + finding);
  return token;
}

Token::Token(std::shared_ptr<store::Vault> vault, const Config& config)
    : config_(config), vault_(std::move(vault)), state_(std::make_shared<State>(vault_)) {}

Token::~Token() = default;

void Token::read_identity() {
  identity_ = identity_of(*vault_);
  settings_ = settings_for(config_.tokens, identity_.label, identity_.serial);
}

Token::Identity Token::identity() const {
  std::lock_guard lock(identity_mutex_);
  return identity_;
}

// Only the label of a store ever changes. What the configuration says about the token stays as it was when the token
// was opened.
void Token::read_label_again() {
  try {
    std::string label = identity_of(*vault_).label;
    std::lock_guard lock(identity_mutex_);
    identity_.label = std::move(label);
  } catch (const Error& error) {
    if (is_of_memory(error)) throw;
    log_line(LogLevel::kWarning, path() + ": the label is shown as it was: " + error.sentence());
  }
}

void Token::publish_builtin_objects() {
  const Locked lock(*this);
  for (Attributes& shown : builtin_objects()) {
    auto object = std::make_shared<Object>();
    object->id = as_text(shown.get(CKA_UNIQUE_ID));
    object->bound = true;
    object->of_tpm = true;
    object->shown = std::move(shown);
    objects_.publish(std::move(object));
  }
}

bool Token::visible(const Object& object) const {
  if (object.is_private() && who_ != Who::kUser) return false;
  // Trust that anyone could have written is worse than none: on the token it is shown once its MAC was checked.
  return object.object_class() != CKO_TRUST || !object.is_token() || (object.bound && who_ != Who::kNobody);
}

bool Token::present() {
  try {
    refresh();
    return true;
  } catch (const Refusal&) {
    return false;
  } catch (const Error& error) {  // that the file can not be read now does not make it gone
    const bool is_there =
        error.code() == ErrorCode::kIo || error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kNotAStore;
    if (!is_there) throw;
    log_line(LogLevel::kError, error.sentence());
    return true;
  }
}

void Token::refresh() {
  look();
  const Locked lock(*this);
  refresh_locked();
}

void Token::refresh_login() {
  if (who_ == Who::kNobody || removed_) return;
  look();
  if (vault_->unlocked()) return;
  const Locked lock(*this);
  catch_up_locked();
}

void Token::refresh_locked() {
  // What the TPM says and what the records say belong together only when nothing was committed in between.
  constexpr int kTries = 8;
  for (int i = 0; i < kTries; ++i) {
    catch_up_locked();
    if (!engine_) return;
    const auto state = vault_->find(kPermanentState);
    if (!state || state_->version_of(state->sequence) == tpm_seen_) return;
    std::set<uint32_t> recorded;
    for (const auto& [handle, slot] : objects_.slots()) {
      const Object* object = slot.object.get();  // the records of NV areas are looked into at once
      if (object && !object->of_tpm && object->nv_index() != 0) recorded.insert(object->nv_index());
    }
    std::vector<Attributes> found;
    try {
      found = engine_->use_current([&](tpm::Commands& commands) { return private_tpm_objects(commands, recorded); });
    } catch (const Error& error) {
      if (is_of_memory(error)) throw;
      log_line(LogLevel::kWarning, path() + ": the TPM's own objects are not shown: " + error.sentence());
      return;
    }
    if (vault_->cursor() != cursor_ && i + 1 < kTries) continue;
    update_tpm_objects_locked(std::move(found));
    tpm_seen_ = state_->version_of(state->sequence);
    return;
  }
}

// Without the token's mutex: threads that sign look at the same time.
void Token::look() {
  refuse_if(removed_, CKR_DEVICE_REMOVED, "the store of this token was removed or initialised anew");
  try {
    vault_->refresh();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kReplaced) throw;
    removed_ = true;
    refuse(CKR_DEVICE_REMOVED, error.sentence());
  }
  tell_rollback();
}

uint64_t Token::state_version(uint64_t number) const { return state_->version_of(number); }

// Once for each.
void Token::tell_rollback() {
  const uint64_t seen = vault_->rollbacks();
  if (seen == rollbacks_told_ || rollbacks_told_.exchange(seen) == seen) return;
  log_line(LogLevel::kError, path() + ": an older copy of the store was put in its place (its entry " +
                                 vault_->rolled_back_name() +
                                 " is not the one that was read before): counters and NV areas are refused to this " +
                                 "process until it calls C_Finalize");
}

void Token::refuse_rolled_back() {
  tell_rollback();
  refuse_if(vault_->rollbacks() != 0, CKR_DEVICE_ERROR,
            "an older copy of the store was put in its place: counters and NV areas are not to be relied on");
}

// What this call has changed is on the disk: that somebody holds the store up now must not make it look like a failure.
void Token::look_after_change() {
  const WaitPolicy::Keep not_told_yet;
  try {
    look();
  } catch (const LockTimeout& timeout) {
    log_line(LogLevel::kWarning, timeout.sentence());
  }
}

void Token::refresh_after_change() {
  look_after_change();
  const Locked lock(*this);
  refresh_locked();
}

void Token::catch_up_locked() {
  if (who_ != Who::kNobody && !vault_->unlocked()) expel_locked();
  if (!unread_.empty()) read_again_locked();
  if (vault_->cursor() == cursor_) return;
  const uint64_t seen = vault_->cursor();
  store::Vault::Changes changes = vault_->changes(cursor_, is_shown_by_token);
  if (changes.whole) forget_others_locked(changes.entries);
  load_locked(std::move(changes.entries));
  cursor_ = seen;
}

void Token::load_locked(std::vector<store::EntryInfo> changes) {
  const auto is_shown = [&](const store::EntryInfo& entry) {
    return who_ == Who::kUser || entry.protection == Protection::kClear;
  };
  objects_.make_room(static_cast<size_t>(std::count_if(changes.begin(), changes.end(), is_shown)));
  for (store::EntryInfo& entry : changes) {
    if (entry.name == kTokenInfo) {
      read_label_again();
    } else if (entry.deleted) {
      forget_locked(entry.name);
    } else {
      load_locked(std::move(entry));
    }
  }
}

// The store was re-keyed by somebody else: what was opened here opens nothing any longer.
void Token::expel_locked() {
  log_line(LogLevel::kWarning, path() + ": the store was re-keyed, so its users here are logged out");
  ++login_number_;
  if (auto engine = leave_locked()) engine->forget();
}

void Token::update_tpm_objects_locked(std::vector<Attributes> found) {
  std::set<std::string> ids;
  for (Attributes& shown : found) {
    const std::string id(as_text(shown.get(CKA_UNIQUE_ID)));
    ids.insert(id);
    if (objects_.handle_of(id) != CK_INVALID_HANDLE) continue;  // known, or given a record of its own
    auto object = std::make_shared<Object>();
    object->id = id;
    object->bound = true;
    object->of_tpm = true;
    object->hidden = is_tpms_own(shown);
    object->born = ObjectTable::kWithoutEntry;
    object->shown = std::move(shown);
    objects_.publish(std::move(object));
  }
  objects_.erase_if([&](const ObjectTable::Slot& slot) {
    return slot.object && slot.object->of_tpm && slot.object->is_private() && !ids.contains(slot.object->id);
  });
}

// What the file would not give may be there the next time; a sector that is gone for good must not cost every call its
// time, nor the other objects anything.
void Token::read_again_locked() {
  constexpr unsigned kTries = 8;
  const std::map<std::string, unsigned> before = std::move(unread_);
  unread_.clear();
  for (const auto& [name, tries] : before) {
    auto entry = vault_->find(name);
    if (!entry || tries >= kTries) continue;
    load_locked(std::move(*entry));
    if (auto still = unread_.find(name); still != unread_.end()) still->second = tries + 1;
  }
}

void Token::load_locked(store::EntryInfo entry) {
  if (!entry.readable) {
    // An object that can not be read is not an object; `vtpm-token store check` tells more.
    log_line(LogLevel::kWarning, path() + ": entry " + entry.name + " is damaged and was left out");
    forget_locked(entry.name);
    return;
  }
  if (entry.protection == Protection::kSealed && who_ != Who::kUser) return;
  const bool is_record = entry.name.compare(0, kObjectPrefix.size(), kObjectPrefix) == 0;
  if (!entry.tags.empty() && is_record) {
    objects_.publish_unread(std::move(entry.name.erase(0, kObjectPrefix.size())), std::move(entry.tags),
                            entry.protection == Protection::kSealed, entry.born);
    return;
  }
  try {
    std::shared_ptr<Object> object = read_object(entry.name);
    if (!object) return;
    // The key of an object never changes, so what was loaded for it stays good, unless anybody may have written it, or
    // the record holds the auth value that goes with it (of a persistent key).
    const auto* known = objects_.find(objects_.handle_of(object->id));
    const bool stays_good = known && known->object && known->object->bound && object->tpm_handle() == 0;
    if (stays_good) object->keys = known->object->keys;
    objects_.publish(std::move(object));
  } catch (const Error& error) {
    if (is_of_memory(error)) throw;
    if (error.code() == ErrorCode::kIo) unread_.try_emplace(entry.name, 0);
    log_line(LogLevel::kWarning, path() + ": entry " + entry.name + " was left out: " + error.sentence());
  }
}

std::shared_ptr<Object> Token::read_object(const std::string& entry) {
  auto blob = vault_->read(entry);
  if (!blob) return nullptr;
  auto object = std::make_shared<Object>();
  object->id = *id_of(entry);
  object->of_tpm = entry.compare(0, kTpmObjectPrefix.size(), kTpmObjectPrefix) == 0;
  object->sequence = blob->sequence;
  object->born = blob->born;
  object->bound = blob->bound;
  object->shown = decode_attributes<Bytes>(blob->data);
  if (object->shown.flag(CKA_TRUSTED)) {
    object->shown.set_flag(CKA_TRUSTED, trust_.holds(entry, *blob));
  } else if (blob->bound) {
    trust_.forget(entry);
  }
  object->hidden = object->of_tpm && is_tpms_own(object->shown);
  return object;
}

// What can not be read is no object; what could not be read this time may be one the next.
void Token::read_locked(CK_OBJECT_HANDLE handle, ObjectTable::Slot& slot) {
  const std::string entry = object_entry(std::string(slot.id));
  try {
    if (auto object = read_object(entry)) return objects_.fill(handle, slot, std::move(object));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kIo || is_of_memory(error)) throw;
    log_line(LogLevel::kWarning, path() + ": entry " + entry + " was left out: " + error.sentence());
  }
  objects_.erase(handle);
}

// The list is of all objects of the store.
void Token::forget_others_locked(const std::vector<store::EntryInfo>& all) {
  std::set<std::string> ids;
  for (const store::EntryInfo& entry : all) {
    if (auto id = id_of(entry.name); id && !entry.deleted) ids.insert(std::move(*id));
  }
  objects_.erase_if([&](const ObjectTable::Slot& slot) {
    const bool is_stored = !slot.id.empty() && (!slot.object || slot.object->sequence != 0);
    return is_stored && !ids.contains(std::string(slot.id));
  });
}

void Token::forget_locked(const std::string& entry) { objects_.forget(*id_of(entry)); }

// What a login makes readable, or authentic. Clear records that are read when they are touched are not touched by it.
void Token::reload_locked() {
  tpm_seen_ = 0;
  const std::vector<ObjectPtr> before = objects_.without_tags();
  load_locked(vault_->changes(0, depends_on_login).entries);
  catch_up_locked();
  for (const ObjectPtr& object : before) {  // what is not given any longer must not stay as it was
    const ObjectTable::Slot* slot = objects_.find(object->handle);
    if (slot && slot->object == object) objects_.erase(object->handle);
  }
  refresh_locked();
}

void Token::drop_private_locked() {
  objects_.erase_if(
      [](const ObjectTable::Slot& slot) { return slot.sealed || (slot.object && slot.object->is_private()); });
}

// --- login ---

void Token::check_result(UnlockResult result, Role role) const {
  switch (result) {
    case UnlockResult::kUnlocked:
      return;
    case UnlockResult::kWrongSecret:
      refuse(CKR_PIN_INCORRECT, "wrong PIN");
    case UnlockResult::kLockedOut:
      refuse(CKR_PIN_LOCKED,
             "too many wrong PINs: the SO can set a new user PIN, or a recovery phrase (vtpm-token pin unblock)");
    case UnlockResult::kNoSlot:
      if (role == Role::kUser) refuse(CKR_USER_PIN_NOT_INITIALIZED, "the SO has not set a user PIN yet");
      throw Error(ErrorCode::kCorrupt, "the store has no readable key slot for the SO");
  }
}

void Token::login(Who who, ByteView pin, const std::function<void()>& admitted) {
  const auto refuse_second = [&] {
    refuse_if(who_ == who, CKR_USER_ALREADY_LOGGED_IN, "already logged in");
    refuse_if(who_ != Who::kNobody && !by_itself_, CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "another user is logged in");
  };
  if (who == Who::kSo) refuse_second();  // before the delay
  const auto login = lock_login(role_of(who));
  refresh();
  refuse_second();
  enter(who, pin, admitted);
  by_itself_ = false;
}

void Token::enter(Who who, ByteView pin, const std::function<void()>& admitted) {
  const Role role = role_of(who);
  store::SecretNotes notes;
  check_result(vault_->unlock(role, pin, &notes), role);
  const WaitPolicy::Keep half_done;  // the store is open, and nobody is logged in
  std::shared_ptr<tpm::Engine> before;
  try {
    const Locked lock(*this);
    before = leave_locked();
    who_ = who;
    if (admitted) admitted();
    pin_expired_ = notes.to_be_changed;
    ++login_number_;
    if (who == Who::kUser) engine_ = std::make_shared<tpm::Engine>(state_, config_.tpm_instances);
    reload_locked();
  } catch (...) {  // nobody is half logged in
    vault_->lock();
    const Locked lock(*this);
    leave_locked();
    throw;
  }
  if (before) before->forget();
}

bool Token::login_required() const {
  if (gave_up_) return true;
  return !vault_->notes(Role::kUser).empty && !(settings_.automatic_login && settings_.user_pin.present());
}

void Token::login_by_itself() {
  if (who_ != Who::kNobody || login_required()) return;
  const auto login = lock_login();
  if (who_ != Who::kNobody) return;
  try {
    refresh();
    enter(Who::kUser, vault_->notes(Role::kUser).empty ? SecretBytes() : settings_.user_pin.read(config_.empty_pin));
    by_itself_ = true;
    return;
  } catch (const Refusal& refusal) {
    log_line(LogLevel::kError, path() + ": the login that needs no PIN has failed: " + refusal.what());
  } catch (const Error& error) {
    log_line(LogLevel::kError, path() + ": the login that needs no PIN has failed: " + error.sentence());
  }
  gave_up_ = true;  // each try is counted, and many would lock the PIN
}

bool Token::pin_expired() {
  if (!pin_expired_ || who_ != Who::kUser) return false;
  // Another process may have changed it.
  refresh();
  if (!user_pin_to_be_changed()) pin_expired_ = false;
  return pin_expired_;
}

void Token::authenticate(ByteView pin) {
  const Role role = role_of(who_);
  const auto login = lock_login(role);
  refuse_if(who_ == Who::kNobody || role_of(who_) != role, CKR_USER_NOT_LOGGED_IN, "nobody is logged in");
  UnlockResult result = vault_->verify(role, pin);
  // The attempt that locks the PIN says so: the login that it was to confirm ends with it (3.2, 4.10).
  if (result == UnlockResult::kWrongSecret && is_spent(vault_->attempts(role))) result = UnlockResult::kLockedOut;
  if (result == UnlockResult::kLockedOut) log_out();
  check_result(result, role);
}

void Token::check_so_pin(ByteView pin) {
  const auto login = lock_login(Role::kSo);
  check_result(vault_->verify(Role::kSo, pin), Role::kSo);
}

SecretBytes Token::surrender(ByteView so_pin) {
  const auto login = lock_login(Role::kSo);
  check_result(vault_->unlock(Role::kSo, so_pin), Role::kSo);
  struct Shut {
    store::Vault& vault;
    ~Shut() { vault.lock(); }
  } shut{*vault_};
  return state_->load().permanent;
}

void Token::logout() {
  const auto login = lock_login();
  log_out();
}

// GnuTLS logs in for what it was asked for, logs out, and then looks for the issuers whom the token trusts. A clear
// record is authenticated when it is touched, so the other certificates are touched before the key goes.
void Token::remember_trust_locked() {
  if (!vault_->unlocked() || trust_seen_ == cursor_) return;
  try {
    of_class_locked(CKO_CERTIFICATE);
    trust_seen_ = cursor_;
  } catch (const std::exception& error) {  // a logout does not fail: they are not trusted then
    log_line(LogLevel::kWarning, path() + ": the certificates were not looked at before the logout: " + error.what());
  }
}

void Token::log_out() {
  std::shared_ptr<tpm::Engine> engine;
  {
    const Locked lock(*this);
    if (who_ == Who::kNobody) return;
    remember_trust_locked();
    engine = leave_locked();
    ++login_number_;
  }
  if (engine) engine->forget();
  vault_->lock();
}

std::shared_ptr<tpm::Engine> Token::leave_locked() {
  who_ = Who::kNobody;
  by_itself_ = false;
  pin_expired_ = false;
  drop_private_locked();
  objects_.forget_clear();
  return std::move(engine_);
}

void Token::require_pin_length(Role role, ByteView pin) const {
  if (!pin.empty() || role != Role::kUser || !config_.empty_pin) check_pin_length(pin);
}

void Token::init_user_pin(ByteView pin) {
  const auto login = lock_login();
  refuse_if(who_ != Who::kSo, CKR_USER_NOT_LOGGED_IN, "only the SO sets the user's PIN");
  require_pin_length(Role::kUser, pin);
  vault_->set_secret(Role::kUser, pin, config_.change_initial_pin && !pin.empty());
  gave_up_ = false;
}

void Token::change_pin(Role role, ByteView old_pin, ByteView new_pin) {
  const auto login = lock_login(role);
  require_pin_length(role, new_pin);
  refuse_if(role == Role::kUser && user_pin_to_be_changed() && equal(old_pin, new_pin), CKR_PIN_INVALID,
            "the PIN that the SO has set is to be changed: the new one is the same");
  const UnlockResult result = vault_->change_secret(role, old_pin, new_pin);
  // CKR_USER_PIN_NOT_INITIALIZED "can only be returned by C_Login" (5.1.6): no old PIN is the right one.
  refuse_if(result == UnlockResult::kNoSlot && role == Role::kUser, CKR_PIN_INCORRECT,
            "the SO has set no user PIN yet");
  check_result(result, role);
  if (role != Role::kUser) return;
  pin_expired_ = false;
  gave_up_ = false;
}

std::optional<crypto::Siv> Token::state_seal() const {
  if (who_ == Who::kNobody || !vault_->unlocked()) return std::nullopt;
  return crypto::Siv(vault_->derive_key("state", crypto::Siv::kKeyOctets));
}

std::shared_ptr<tpm::Engine> Token::engine() const {
  const Locked lock(*this);
  return engine_;
}

SecretBytes Token::tpm_state() { return state_->load().permanent; }

void Token::make_locks_anew() { make_anew(login_mutex_, mutex_); }

void Token::after_fork_reopen() {
  make_locks_anew();
  vault_->after_fork_reopen();
  if (engine_) engine_->after_fork();
}

}  // namespace vtpm::pkcs11
