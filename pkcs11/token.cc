#include "pkcs11/token.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <set>

#include "crypto/random.h"
#include "pkcs11/key_factory.h"
#include "pkcs11/nv_object.h"
#include "pkcs11/refusal.h"
#include "pkcs11/tpm_object.h"
#include "tpm/commands.h"
#include "tpm/persistent_key.h"

namespace vtpm::pkcs11 {
namespace {

using store::Protection;
using store::Role;
using store::UnlockResult;

constexpr const char* kPermanentState = "tpm0/permall";
constexpr const char* kPermanentStateType = "tpm2-permall";
constexpr const char* kTokenInfo = "token/info";
constexpr const char* kTokenInfoType = "token";
constexpr const char* kObjectType = "p11-object";
// The largest permanent state of libtpms and our record of the object beside it.
constexpr size_t kStoringReserve = 192 * 1024;

constexpr std::string_view kObjectPrefix = "obj/";
// Clear records of the TPM's own public objects, named by their ids, which say everything about their contents.
constexpr std::string_view kTpmObjectPrefix = "tpm0/obj/";

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

/// The object's id, when the entry is an object's.
std::optional<std::string> id_of(std::string_view entry) {
  for (std::string_view prefix : {kObjectPrefix, kTpmObjectPrefix}) {
    if (starts_with(entry, prefix)) return std::string(entry.substr(prefix.size()));
  }
  return std::nullopt;
}

void put_tpm_object(store::Transaction& transaction, const Attributes& object) {
  transaction.put(std::string(kTpmObjectPrefix).append(as_text(object.get(CKA_UNIQUE_ID))), kObjectType,
                  Protection::kClear, encode_attributes(object));
}

// Handles are never used again in a process, so a stale one names nothing.
std::atomic<CK_OBJECT_HANDLE> next_handle{1};

std::string new_id() { return to_hex(crypto::random_bytes(16)); }

void require_pin_length(ByteView pin) {
  refuse_if(pin.size() < kPinLeast || pin.size() > kPinMost, CKR_PIN_LEN_RANGE, "a PIN has 4 to 255 octets");
}

Attributes info_record(const Token::Identity& identity) {
  Attributes info;
  info.set(CKA_LABEL, as_bytes(identity.label));
  info.set(kFieldSerial, as_bytes(identity.serial));
  info.set_number(kFieldSlotNumber, identity.slot);
  return info;
}

void put_object(store::Transaction& transaction, const std::string& id, const Attributes& shown,
                const SecretAttributes& secret) {
  const Protection protection = shown.flag(CKA_PRIVATE) ? Protection::kSealed : Protection::kClear;
  transaction.put(object_entry(id), kObjectType, protection, encode_attributes(shown));
  if (!secret.empty()) transaction.put(secret_entry(id), kObjectType, Protection::kSealed, encode_attributes(secret));
}

/// What only the token may see moves to the secret part: the value of a private data object.
void separate_secrets(Draft& draft) {
  if (draft.shown.number(CKA_CLASS) != CKO_DATA || !draft.is_private()) return;
  if (!draft.shown.has(CKA_VALUE)) return;
  draft.secret.set(CKA_VALUE, draft.shown.get(CKA_VALUE));
  draft.shown.erase(CKA_VALUE);
}

void check_auth_value(const Draft& draft, const Object& object) {
  refuse_if(draft.secret.has(CKA_VTPM_AUTH) && !object.nv_index() && !object.tpm_handle(), CKR_ATTRIBUTE_READ_ONLY,
            "only NV areas and persistent keys have an auth value of their own");
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
    return entry->sequence;
  }
  tpm::StateSource::State load() override {
    auto blob = vault_->read(kPermanentState);
    if (!blob) throw Error(ErrorCode::kCorrupt, "the store has no TPM state (entry tpm0/permall)");
    return {blob->sequence, std::move(blob->data)};
  }

 private:
  const std::shared_ptr<store::Vault> vault_;
};

// --- making and opening ---

void Token::initialise(const std::string& path, const Config& config, const Identity& identity, ByteView so_pin,
                       bool replace) {
  require_pin_length(so_pin);
  store::CreateOptions options;
  options.kdf = config.kdf;
  options.replace = replace;
  options.attempt_limits = {{Role::kUser, config.user_limit}, {Role::kSo, config.so_limit}};
  std::vector<Attributes> tpm_objects;
  const SecretBytes state =
      tpm::Engine::manufacture([&](tpm::Commands& commands) { tpm_objects = public_tpm_objects(commands); });
  store::Vault::create(path, options, {{Role::kSo, so_pin}}, [&](store::Transaction& transaction) {
    transaction.put(kTokenInfo, kTokenInfoType, Protection::kClear, encode_attributes(info_record(identity)));
    transaction.put(kPermanentState, kPermanentStateType, Protection::kSealed, state);
    for (const Attributes& object : tpm_objects) put_tpm_object(transaction, object);
  });
}

std::shared_ptr<Token> Token::open(const std::string& path, const Config& config) {
  std::unique_ptr<store::Vault> vault = store::Vault::open(path);
  if (vault->truncated()) {
    throw Error(ErrorCode::kCorrupt,
                path + " is truncated: its end is missing, and objects with it; nothing was changed");
  }
  std::shared_ptr<Token> token(new Token(std::move(vault), config));
  token->read_identity();
  for (const std::string& finding : token->vault_->findings()) log_line(LogLevel::kWarning, path + ": " + finding);
  return token;
}

Token::Token(std::unique_ptr<store::Vault> vault, const Config& config)
    : config_(config), vault_(std::move(vault)), state_(std::make_shared<State>(vault_)) {}

Token::~Token() = default;

void Token::read_identity() {
  auto blob = vault_->read(kTokenInfo);
  if (!blob) throw Error(ErrorCode::kNotAStore, path() + " is a store but not a token (it has no entry token/info)");
  Attributes info = decode_attributes<Bytes>(blob->data);
  identity_.label = as_text(info.get(CKA_LABEL));
  identity_.serial = as_text(info.get(kFieldSerial));
  identity_.slot = info.number(kFieldSlotNumber).value_or(0);
}

bool Token::present() {
  try {
    refresh();
    return true;
  } catch (const Refusal&) {
    return false;
  }
}

void Token::refresh() {
  std::lock_guard lock(mutex_);
  refresh_locked();
}

void Token::refresh_locked() {
  // What the TPM says and what the records say belong together only when nothing was committed in between.
  constexpr int kTries = 8;
  for (int i = 0; i < kTries; ++i) {
    catch_up_locked();
    if (!engine_) return;
    const auto state = vault_->find(kPermanentState);
    if (!state || state->sequence == tpm_seen_) return;
    std::set<uint32_t> recorded;
    for (const auto& [handle, object] : objects_) {
      if (!object->of_tpm && object->nv_index() != 0) recorded.insert(object->nv_index());
    }
    std::vector<Attributes> found;
    try {
      found = engine_->use_current([&](tpm::Commands& commands) { return private_tpm_objects(commands, recorded); });
    } catch (const Error& error) {
      log_line(LogLevel::kWarning, path() + ": the TPM's own objects are not shown: " + error.sentence());
      return;
    }
    if (vault_->cursor() != cursor_ && i + 1 < kTries) continue;
    update_tpm_objects_locked(std::move(found));
    tpm_seen_ = state->sequence;
    return;
  }
}

void Token::catch_up_locked() {
  refuse_if(removed_, CKR_DEVICE_REMOVED, "the store of this token was removed or initialised anew");
  try {
    vault_->refresh();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kReplaced) throw;
    removed_ = true;
    refuse(CKR_DEVICE_REMOVED, error.sentence());
  }
  if (vault_->cursor() == cursor_) return;
  const uint64_t seen = vault_->cursor();
  for (const store::EntryInfo& entry : vault_->changes(cursor_)) {
    if (!id_of(entry.name)) continue;
    if (entry.deleted) {
      forget_locked(entry.name);
    } else {
      load_locked(entry);
    }
  }
  cursor_ = seen;
}

void Token::update_tpm_objects_locked(std::vector<Attributes> found) {
  std::set<std::string> ids;
  for (Attributes& shown : found) {
    const std::string id(as_text(shown.get(CKA_UNIQUE_ID)));
    ids.insert(id);
    if (handles_.contains(id)) continue;  // known, or given a record of its own
    auto object = std::make_shared<Object>();
    object->id = id;
    object->bound = true;
    object->of_tpm = true;
    object->shown = std::move(shown);
    publish_locked(std::move(object));
  }
  for (auto at = objects_.begin(); at != objects_.end();) {
    const Object& object = *at->second;
    if (object.of_tpm && object.is_private() && !ids.contains(object.id)) {
      handles_.erase(object.id);
      at = objects_.erase(at);
    } else {
      ++at;
    }
  }
}

void Token::load_locked(const store::EntryInfo& entry) {
  if (!entry.readable) {
    // An object that can not be read is not an object; `vtpm-token store check` tells more.
    log_line(LogLevel::kWarning, path() + ": entry " + entry.name + " is damaged and was left out");
    forget_locked(entry.name);
    return;
  }
  if (entry.protection == Protection::kSealed && who_ != Who::kUser) return;
  try {
    auto blob = vault_->read(entry.name);
    if (!blob) return;
    auto object = std::make_shared<Object>();
    object->id = *id_of(entry.name);
    object->of_tpm = starts_with(entry.name, kTpmObjectPrefix);
    object->sequence = blob->sequence;
    object->bound = blob->bound;
    object->shown = decode_attributes<Bytes>(blob->data);
    if (auto known = handles_.find(object->id); known != handles_.end()) {
      object->handle = known->second;
      // The key of an object never changes, so what was loaded for it stays good.
      if (auto before = objects_.find(known->second); before != objects_.end()) object->keys = before->second->keys;
    }
    publish_locked(std::move(object));
  } catch (const Error& error) {
    log_line(LogLevel::kWarning, path() + ": entry " + entry.name + " was left out: " + error.sentence());
  }
}

void Token::publish_locked(std::shared_ptr<Object> object) {
  if (object->handle == 0) object->handle = next_handle++;
  if (object->is_token()) handles_[object->id] = object->handle;
  const CK_OBJECT_HANDLE handle = object->handle;
  objects_[handle] = std::move(object);
}

void Token::forget_locked(const std::string& entry) {
  auto known = handles_.find(*id_of(entry));
  if (known == handles_.end()) return;
  objects_.erase(known->second);
  handles_.erase(known);
}

void Token::reload_everything_locked() {
  cursor_ = 0;
  tpm_seen_ = 0;
  refresh_locked();
}

void Token::drop_private_locked() {
  for (auto at = objects_.begin(); at != objects_.end();) {
    if (at->second->is_private()) {
      handles_.erase(at->second->id);
      at = objects_.erase(at);
    } else {
      ++at;
    }
  }
}

// --- login ---

void Token::check_result(UnlockResult result, Role role) const {
  switch (result) {
    case UnlockResult::kUnlocked:
      return;
    case UnlockResult::kWrongSecret:
      refuse(CKR_PIN_INCORRECT, "wrong PIN");
    case UnlockResult::kLockedOut:
      refuse(CKR_PIN_LOCKED, "too many wrong PINs: the SO can set a new user PIN");
    case UnlockResult::kNoSlot:
      if (role == Role::kUser) refuse(CKR_USER_PIN_NOT_INITIALIZED, "the SO has not set a user PIN yet");
      throw Error(ErrorCode::kCorrupt, "the store has no readable key slot for the SO");
  }
}

void Token::login(Who who, ByteView pin) {
  std::lock_guard login(login_mutex_);
  refresh();
  refuse_if(who_ == who, CKR_USER_ALREADY_LOGGED_IN, "already logged in");
  refuse_if(who_ != Who::kNobody, CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "another user is logged in");
  const Role role = who == Who::kUser ? Role::kUser : Role::kSo;
  check_result(vault_->unlock(role, pin), role);
  std::lock_guard lock(mutex_);
  who_ = who;
  ++login_number_;
  if (who == Who::kUser) engine_ = std::make_shared<tpm::Engine>(state_, config_.tpm_instances);
  reload_everything_locked();
}

void Token::authenticate(ByteView pin) {
  std::lock_guard login(login_mutex_);
  refuse_if(who_ == Who::kNobody, CKR_USER_NOT_LOGGED_IN, "nobody is logged in");
  const Role role = who_ == Who::kUser ? Role::kUser : Role::kSo;
  check_result(vault_->verify(role, pin), role);
}

void Token::check_so_pin(ByteView pin) {
  std::lock_guard login(login_mutex_);
  check_result(vault_->verify(Role::kSo, pin), Role::kSo);
}

void Token::logout() {
  std::lock_guard login(login_mutex_);
  std::shared_ptr<tpm::Engine> engine;
  {
    std::lock_guard lock(mutex_);
    if (who_ == Who::kNobody) return;
    who_ = Who::kNobody;
    ++login_number_;
    drop_private_locked();
    engine = std::move(engine_);
  }
  if (engine) engine->forget();
  vault_->lock();
}

void Token::init_user_pin(ByteView pin) {
  std::lock_guard login(login_mutex_);
  refuse_if(who_ != Who::kSo, CKR_USER_NOT_LOGGED_IN, "only the SO sets the user's PIN");
  require_pin_length(pin);
  vault_->set_secret(Role::kUser, pin);
}

void Token::change_pin(Role role, ByteView old_pin, ByteView new_pin) {
  std::lock_guard login(login_mutex_);
  require_pin_length(new_pin);
  check_result(vault_->change_secret(role, old_pin, new_pin), role);
}

// --- objects ---

ObjectPtr Token::find_locked(CK_OBJECT_HANDLE handle) const {
  auto found = objects_.find(handle);
  return found != objects_.end() && visible(*found->second) ? found->second : nullptr;
}

ObjectPtr Token::object(CK_OBJECT_HANDLE handle) {
  std::lock_guard lock(mutex_);
  refresh_locked();
  return find_locked(handle);
}

std::vector<ObjectPtr> Token::objects() {
  std::lock_guard lock(mutex_);
  refresh_locked();
  std::vector<ObjectPtr> visible_now;
  visible_now.reserve(objects_.size());
  for (const auto& [handle, object] : objects_) {
    if (visible(*object)) visible_now.push_back(object);
  }
  return visible_now;
}

std::vector<CK_OBJECT_HANDLE> Token::add(std::vector<Draft> drafts, CK_SESSION_HANDLE owner) {
  std::vector<std::string> ids;
  std::vector<bool> in_nv;
  bool stored = false;
  for (Draft& draft : drafts) {
    separate_secrets(draft);
    in_nv.push_back(prepare_nv_object(draft));
    ids.push_back(new_id());
    draft.shown.set(CKA_UNIQUE_ID, as_bytes(ids.back()));
    stored = stored || draft.is_token();
  }
  if (stored) {
    const std::shared_ptr<tpm::Engine> tpm = engine();
    store::Transaction transaction = vault_->begin();
    std::function<void(tpm::Commands&)> define;
    for (size_t i = 0; i < drafts.size(); ++i) {
      Draft& draft = drafts[i];
      if (!draft.is_token()) continue;
      if (in_nv[i]) {
        CK_ULONG index = *draft.shown.number(CKA_VTPM_NV_INDEX);
        refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
        if (index == kAnyNvIndex) index = tpm->use_current(free_nv_index);
        draft.shown.set_number(CKA_VTPM_NV_INDEX, index);
        if (draft.shown.get(CKA_LABEL).empty()) {
          char name[16];
          draft.shown.set(CKA_LABEL, ByteView(reinterpret_cast<const uint8_t*>(name),
                                              static_cast<size_t>(std::snprintf(name, sizeof name, "0x%08lx", index))));
        }
        if (draft.shown.get(CKA_OBJECT_ID).empty() && draft.shown.number(CKA_CLASS) == CKO_DATA) {
          draft.shown.set(CKA_OBJECT_ID, nv_object_id(static_cast<uint32_t>(index)));
        }
        define = [wanted = std::make_shared<Draft>(draft)](tpm::Commands& commands) {
          create_nv_area(commands, *wanted);
        };
        draft.secret.erase(CKA_VALUE);
        draft.shown.erase(CKA_VTPM_NV_ATTRIBUTES);  // the TPM says what they are
      }
      put_object(transaction, ids[i], draft.shown, draft.secret);
    }
    commit(transaction, tpm, define);
  }
  std::lock_guard lock(mutex_);
  refresh_locked();
  std::vector<CK_OBJECT_HANDLE> made;
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (!drafts[i].is_token()) {
      auto object = std::make_shared<Object>();
      object->id = ids[i];
      object->owner = owner;
      object->bound = who_ == Who::kUser;
      object->shown = std::move(drafts[i].shown);
      object->secret = std::move(drafts[i].secret);
      object->handle = next_handle++;
      made.push_back(object->handle);
      publish_locked(std::move(object));
    } else if (auto known = handles_.find(ids[i]); known != handles_.end()) {
      made.push_back(known->second);
    } else {
      made.push_back(CK_INVALID_HANDLE);  // another process has destroyed it already
    }
  }
  return made;
}

void Token::change(CK_OBJECT_HANDLE handle, const std::function<void(Draft&)>& change) {
  const ObjectPtr now = object(handle);
  refuse_if(!now, CKR_OBJECT_HANDLE_INVALID, "the object does not exist");
  if (now->is_token()) {
    change_stored(*now, change);
    refresh();
    return;
  }
  Draft draft{now->shown, now->secret};
  change(draft);
  separate_secrets(draft);
  check_auth_value(draft, *now);
  auto changed = std::make_shared<Object>(*now);
  changed->shown = std::move(draft.shown);
  changed->secret = std::move(draft.secret);
  std::lock_guard lock(mutex_);
  publish_locked(std::move(changed));
}

void Token::change_stored(const Object& object, const std::function<void(Draft&)>& change) {
  const std::shared_ptr<tpm::Engine> tpm = engine();
  store::Transaction transaction = vault_->begin();
  // What the store says now, not what we saw before we had its lock. An object of the TPM gets a record by its change.
  Draft draft{object.of_tpm ? object.shown : stored_attributes(object.id), {}};
  if (object.object_class() == CKO_DATA || object.tpm_handle()) draft.secret = secret_of(object);
  if (object.object_class() == CKO_HW_FEATURE) draft.secret = secret_of(object);
  change(draft);
  separate_secrets(draft);
  check_auth_value(draft, object);
  std::function<void(tpm::Commands&)> write;
  if (object.nv_index() && draft.secret.has(CKA_VALUE)) {
    write = [value = std::make_shared<Draft>(draft), index = object.nv_index()](tpm::Commands& commands) {
      write_nv_value(commands, index, value->secret.get(CKA_VALUE), value->secret.get(CKA_VTPM_AUTH));
    };
    draft.secret.erase(CKA_VALUE);
  }
  put_object(transaction, object.id, draft.shown, draft.secret);
  commit(transaction, tpm, write);
}

Attributes Token::stored_attributes(const std::string& id) {
  auto blob = vault_->read(object_entry(id));
  refuse_if(!blob, CKR_OBJECT_HANDLE_INVALID, "the object was destroyed by another process");
  return decode_attributes<Bytes>(blob->data);
}

void Token::destroy(CK_OBJECT_HANDLE handle) {
  const ObjectPtr now = object(handle);
  refuse_if(!now, CKR_OBJECT_HANDLE_INVALID, "the object does not exist");
  if (!now->is_token()) {
    std::lock_guard lock(mutex_);
    objects_.erase(handle);
    return;
  }
  const std::shared_ptr<tpm::Engine> tpm = engine();
  {
    store::Transaction transaction = vault_->begin();
    if (!now->of_tpm) {
      refuse_if(!vault_->find(object_entry(now->id)), CKR_OBJECT_HANDLE_INVALID,
                "the object was destroyed by another process");
      transaction.erase(object_entry(now->id));
      if (vault_->find(secret_entry(now->id))) transaction.erase(secret_entry(now->id));
    }
    std::function<void(tpm::Commands&)> remove;
    if (const uint32_t index = now->nv_index()) {
      remove = [index](tpm::Commands& commands) {
        if (tpm::nv_public(commands, index)) tpm::nv_undefine(commands, index);
      };
    } else if (const uint32_t key = now->tpm_handle()) {
      remove = [key](tpm::Commands& commands) { tpm::evict(commands, key); };
    }
    commit(transaction, tpm, remove);
  }
  refresh();
}

void Token::commit(store::Transaction& transaction, const std::shared_ptr<tpm::Engine>& tpm,
                   const std::function<void(tpm::Commands&)>& commands) {
  if (!commands) {
    transaction.commit();
    return;
  }
  refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
  transaction.reserve(kStoringReserve);
  const SecretBytes state = tpm->change(commands);
  try {
    transaction.put(kPermanentState, kPermanentStateType, Protection::kSealed, state);
    put_public_tpm_objects(transaction, tpm->use_current(public_tpm_objects));
    transaction.commit();
  } catch (...) {
    tpm->discard();
    throw;
  }
  // Another process may have committed since the lock went: then the next reader loads its state.
  tpm->committed(transaction.sequence_of(kPermanentState));
}

/// Brings the clear records of the TPM's public objects to what the TPM holds now (the change of this thread included).
void Token::put_public_tpm_objects(store::Transaction& transaction, const std::vector<Attributes>& objects) {
  std::set<std::string> kept;
  for (const Attributes& object : objects) {
    const std::string name = std::string(kTpmObjectPrefix).append(as_text(object.get(CKA_UNIQUE_ID)));
    kept.insert(name);
    const auto known = vault_->find(name);
    if (!known || !known->readable) put_tpm_object(transaction, object);
  }
  for (const store::EntryInfo& entry : vault_->list(kTpmObjectPrefix)) {
    if (!kept.contains(entry.name)) transaction.erase(entry.name);
  }
}

void Token::drop_session_objects(CK_SESSION_HANDLE owner) {
  std::lock_guard lock(mutex_);
  for (auto at = objects_.begin(); at != objects_.end();) {
    at = at->second->owner == owner ? objects_.erase(at) : std::next(at);
  }
}

SecretAttributes Token::secret_of(const Object& object) {
  if (!object.is_token()) return object.secret;
  auto blob = vault_->read(secret_entry(object.id));
  return blob ? decode_attributes<SecretAttributes::Row::second_type>(blob->data) : SecretAttributes();
}

std::shared_ptr<crypto::PrivateKey> Token::private_key(const Object& object) {
  return object.keys->private_key([&] { return open_private_key(object, secret_of(object), engine()); });
}

SecretBytes Token::nv_value(const Object& object) {
  std::shared_ptr<tpm::Engine> tpm = engine();
  refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
  const SecretAttributes secret = secret_of(object);
  return tpm->use_current(
      [&](tpm::Commands& commands) { return read_nv_value(commands, object.nv_index(), secret.get(CKA_VTPM_AUTH)); });
}

uint32_t Token::nv_attributes(const Object& object) {
  std::shared_ptr<tpm::Engine> tpm = engine();
  refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
  return tpm->use_current([&](tpm::Commands& commands) { return pkcs11::nv_attributes(commands, object.nv_index()); });
}

SecretBytes Token::read_counter(const Object& object) {
  if (object.of_tpm) return nv_value(object);
  const SecretAttributes secret = secret_of(object);
  const std::shared_ptr<tpm::Engine> tpm = engine();
  store::Transaction transaction = vault_->begin();
  SecretBytes value;
  commit(transaction, tpm,
         [&](tpm::Commands& commands) { value = count_up(commands, object.nv_index(), secret.get(CKA_VTPM_AUTH)); });
  return value;
}

std::shared_ptr<tpm::Engine> Token::engine() const {
  std::lock_guard lock(mutex_);
  return engine_;
}

namespace {

/// What names a TPM to the keys that it wrapped: the public area of its storage root key.
Bytes storage_root_of(ByteView state) {
  Bytes root;
  tpm::Engine::visit(state, [&](tpm::Commands& commands) {
    const uint32_t handle = commands.storage_root();
    for (const tpm::PersistentObject& key : tpm::persistent_objects(commands)) {
      if (key.handle == handle) root = key.public_area;
    }
  });
  return root;
}

}  // namespace

SecretBytes Token::tpm_state() { return state_->load().permanent; }

void Token::replace_tpm(ByteView state) {
  bool has_keys = false;
  std::vector<ObjectPtr> areas;
  for (const ObjectPtr& object : objects()) {
    if (object->of_tpm || !object->is_token()) continue;
    has_keys = has_keys || object->shown.flag(CKA_VTPM_RESIDENT);
    if (object->nv_index() != 0) areas.push_back(object);
  }
  refuse_if(has_keys && storage_root_of(state) != storage_root_of(tpm_state()), CKR_TEMPLATE_INCONSISTENT,
            "the state is of another TPM: this token's keys would be lost");
  std::vector<Attributes> shown;
  std::vector<uint32_t> indices;
  const SecretBytes started = tpm::Engine::visit(state, [&](tpm::Commands& commands) {
    shown = public_tpm_objects(commands);
    indices = tpm::nv_list(commands);
  });
  const std::shared_ptr<tpm::Engine> tpm = engine();
  refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
  {
    store::Transaction transaction = vault_->begin();
    transaction.put(kPermanentState, kPermanentStateType, Protection::kSealed, started);
    put_public_tpm_objects(transaction, shown);
    for (const ObjectPtr& area : areas) {
      if (std::binary_search(indices.begin(), indices.end(), area->nv_index())) continue;
      if (vault_->find(object_entry(area->id))) transaction.erase(object_entry(area->id));
      if (vault_->find(secret_entry(area->id))) transaction.erase(secret_entry(area->id));
    }
    transaction.commit();
  }
  tpm->forget();
  refresh();
}

void Token::change_tpm(const std::function<void(tpm::Commands&)>& commands) {
  const std::shared_ptr<tpm::Engine> tpm = engine();
  {
    store::Transaction transaction = vault_->begin();
    commit(transaction, tpm, commands);
  }
  refresh();
}

void Token::after_fork_reopen() {
  vault_->after_fork_reopen();
  if (engine_) engine_->after_fork();
}

}  // namespace vtpm::pkcs11
