// SPDX-License-Identifier: Apache-2.0
// The objects of a token: what C functions read and change, and how a change of the TPM and its record become one.
#include <algorithm>
#include <cstdio>
#include <set>

#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/key_factory.h"
#include "pkcs11/object/nv_object.h"
#include "pkcs11/object/tpm_object.h"
#include "pkcs11/token/records.h"
#include "pkcs11/token/token.h"
#include "tpm/command/commands.h"
#include "tpm/engine/storage_root.h"
#include "tpm/use/persistent_key.h"

namespace vtpm::pkcs11 {
namespace {

using store::Protection;

// The largest permanent state of libtpms and our record of the object beside it.
constexpr size_t kStoringReserve = 192 * 1024;

std::string new_id() { return to_hex(crypto::random_bytes(16)); }

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

ObjectPtr Token::find_locked(CK_OBJECT_HANDLE handle) {
  ObjectTable::Slot* slot = objects_.find(handle);
  if (slot && !slot->object && (!slot->sealed || who_ == Who::kUser)) {
    read_locked(handle, *slot);
    slot = objects_.find(handle);
  }
  if (!slot || !slot->object || !visible(*slot->object)) return nullptr;
  const ObjectPtr object = slot->object;
  return object->object_class() != CKO_PROFILE || has_profile_locked(*object) ? object : nullptr;
}

ObjectPtr Token::object(CK_OBJECT_HANDLE handle) {
  look();
  const Locked lock(*this);
  refresh_locked();
  return find_locked(handle);
}

std::vector<ObjectPtr> Token::visible_locked(const std::vector<CK_OBJECT_HANDLE>& handles) {
  std::vector<ObjectPtr> found;
  found.reserve(handles.size());
  for (const CK_OBJECT_HANDLE handle : handles) {
    if (ObjectPtr object = find_if_it_can_be_read_locked(handle)) found.push_back(std::move(object));
  }
  return found;
}

// A sector that is gone for good must not cost whoever lists the public objects the others.
ObjectPtr Token::find_if_it_can_be_read_locked(CK_OBJECT_HANDLE handle) {
  try {
    return find_locked(handle);
  } catch (const Error& error) {
    const ObjectTable::Slot* slot = objects_.find(handle);
    if (error.code() != ErrorCode::kIo || !slot || slot->sealed) throw;
    log_line(LogLevel::kWarning, path() + ": an object was left out: " + error.sentence());
    return nullptr;
  }
}

std::vector<ObjectPtr> Token::objects() { return objects_for(Template(nullptr, 0)); }

std::vector<ObjectPtr> Token::objects_for(const Template& wanted) {
  look();
  const Locked lock(*this);
  refresh_locked();
  return visible_locked(
      objects_.candidates(wanted, [&](const store::Property& property) { return vault_->tag(property); }));
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
    commit(tpm, [&](store::Transaction& transaction) {
      std::function<void(tpm::BootedTpm&)> define;
      for (size_t i = 0; i < drafts.size(); ++i) {
        if (!drafts[i].is_token()) continue;
        Draft draft = drafts[i];
        if (in_nv[i]) {
          CK_ULONG index = *draft.shown.number(CKA_VTPM_NV_INDEX);
          refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
          if (index == kAnyNvIndex) index = tpm->use_current(free_nv_index);
          draft.shown.set_number(CKA_VTPM_NV_INDEX, index);
          if (draft.shown.get(CKA_LABEL).empty()) {
            char name[16];
            draft.shown.set(CKA_LABEL,
                            ByteView(reinterpret_cast<const uint8_t*>(name),
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
      return define;
    });
  }
  stored ? look_after_change() : look();
  const Locked lock(*this);
  refresh_locked();
  std::vector<CK_OBJECT_HANDLE> made;
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (drafts[i].is_private() && who_ != Who::kUser) {
      made.push_back(ObjectTable::void_handle());  // the user has logged out meanwhile, and the handle went with it
    } else if (!drafts[i].is_token()) {
      auto object = std::make_shared<Object>();
      object->id = ids[i];
      object->owner = owner;
      object->bound = who_ == Who::kUser;
      object->shown = std::move(drafts[i].shown);
      object->secret = std::move(drafts[i].secret);
      made.push_back(objects_.publish(std::move(object)));
    } else {
      made.push_back(objects_.handle_of(ids[i]));
      if (made.back() != CK_INVALID_HANDLE || !vault_->find(object_entry(ids[i]))) continue;  // destroyed by another
      throw Error(ErrorCode::kIo, "the object is stored, and can not be read back now");
    }
  }
  return made;
}

void Token::change(CK_OBJECT_HANDLE handle, const std::function<void(Draft&)>& change) {
  const ObjectPtr now = object(handle);
  refuse_if(!now, CKR_OBJECT_HANDLE_INVALID, "the object does not exist");
  if (now->is_token()) {
    change_stored(*now, change);
    refresh_after_change();
    return;
  }
  Draft draft{now->shown, now->secret};
  change(draft);
  separate_secrets(draft);
  check_auth_value(draft, *now);
  auto changed = std::make_shared<Object>(*now);
  changed->shown = std::move(draft.shown);
  changed->secret = std::move(draft.secret);
  const Locked lock(*this);
  objects_.publish(std::move(changed));
}

void Token::change_stored(const Object& object, const std::function<void(Draft&)>& change) {
  const std::shared_ptr<tpm::Engine> tpm = engine();
  commit(tpm, [&](store::Transaction& transaction) {
    // What the store says now, not what we saw before we had its lock. An object of the TPM gets a record by its
    // change.
    Draft draft{object.of_tpm ? object.shown : stored_attributes(object.id), {}};
    if (object.object_class() == CKO_DATA || object.tpm_handle()) draft.secret = secret_of(object);
    if (object.object_class() == CKO_HW_FEATURE) draft.secret = secret_of(object);
    change(draft);
    separate_secrets(draft);
    check_auth_value(draft, object);
    std::function<void(tpm::BootedTpm&)> write;
    if (object.nv_index() && draft.secret.has(CKA_VALUE)) {
      write = [value = std::make_shared<Draft>(draft), index = object.nv_index()](tpm::Commands& commands) {
        write_nv_value(commands, index, value->secret.get(CKA_VALUE), value->secret.get(CKA_VTPM_AUTH));
      };
      draft.secret.erase(CKA_VALUE);
    }
    put_object(transaction, object.id, draft.shown, draft.secret);
    return write;
  });
}

Attributes Token::stored_attributes(const std::string& id) {
  auto blob = vault_->read(object_entry(id));
  refuse_if(!blob, CKR_OBJECT_HANDLE_INVALID, "the object was destroyed by another process");
  return authentic_attributes(*blob);
}

void Token::destroy(CK_OBJECT_HANDLE handle) {
  const ObjectPtr now = object(handle);
  refuse_if(!now, CKR_OBJECT_HANDLE_INVALID, "the object does not exist");
  if (!now->is_token()) {
    const Locked lock(*this);
    objects_.erase(handle);
    return;
  }
  const std::shared_ptr<tpm::Engine> tpm = engine();
  commit(tpm, [&](store::Transaction& transaction) {
    if (!now->of_tpm) {
      refuse_if(!vault_->find(object_entry(now->id)), CKR_OBJECT_HANDLE_INVALID,
                "the object was destroyed by another process");
      transaction.erase(object_entry(now->id));
      if (vault_->find(secret_entry(now->id))) transaction.erase(secret_entry(now->id));
    }
    std::function<void(tpm::BootedTpm&)> remove;
    if (const uint32_t index = now->nv_index()) {
      remove = [index](tpm::Commands& commands) {
        if (tpm::nv_public(commands, index)) tpm::nv_undefine(commands, index);
      };
    } else if (const uint32_t key = now->tpm_handle()) {
      remove = [key](tpm::Commands& commands) { tpm::evict(commands, key); };
    }
    return remove;
  });
  refresh_after_change();
}

void Token::commit(const std::shared_ptr<tpm::Engine>& tpm, const CommandsOf& body) {
  bool changed = false;
  const auto run = [&](store::Transaction& transaction) {
    if (std::exchange(changed, false)) tpm->discard();  // of an earlier run
    const std::function<void(tpm::BootedTpm&)> commands = body(transaction);
    if (!commands) return;
    refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
    refuse_rolled_back();
    transaction.reserve(kStoringReserve);
    const SecretBytes state = tpm->change(commands);
    changed = true;
    transaction.put(kPermanentState, kPermanentStateType, Protection::kSealed, state);
    put_public_tpm_objects(transaction, tpm->use_current(public_tpm_objects));
    erase_suspended(transaction);
  };
  store::Committed committed;
  try {
    committed = vault_->change(run);
  } catch (...) {
    if (changed) tpm->discard();
    throw;
  }
  // Another process may have committed since the lock went: then the next reader loads its state.
  if (changed) tpm->committed(state_version(committed.sequence_of(kPermanentState)));
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
  const Locked lock(*this);
  objects_.erase_if([&](const ObjectTable::Slot& slot) { return slot.object && slot.object->owner == owner; });
}

SecretAttributes Token::secret_of(const Object& object) {
  if (!object.is_token()) return object.secret;
  auto blob = vault_->read(secret_entry(object.id));
  return blob ? decode_attributes<SecretAttributes::Row::second_type>(blob->data) : SecretAttributes();
}

std::shared_ptr<crypto::PrivateKey> Token::private_key(const Object& object) {
  return object.keys->private_key([&] { return open_private_key(object, secret_of(object), engine()); });
}

tpm::KeyBlob Token::key_blob(const Object& object) {
  if (!object.shown.flag(CKA_VTPM_RESIDENT) || object.tpm_handle() != 0)
    throw Error(ErrorCode::kUnsupported, "the key is not one that the token keeps in its TPM (CKA_VTPM_RESIDENT)");
  return blob_of(secret_of(object));
}

std::shared_ptr<const tpm::KeyEvidence> Token::evidence_of(const Object& object) {
  const std::shared_ptr<tpm::Engine> tpm = engine();
  refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
  return object.keys->evidence([&] { return tpm::attest_key(*tpm, key_blob(object), {}); });
}

SecretBytes Token::nv_value(const Object& object) {
  std::shared_ptr<tpm::Engine> tpm = engine();
  refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
  const SecretAttributes secret = secret_of(object);
  if (object.object_class() == CKO_HW_FEATURE) {
    refresh();
    refuse_rolled_back();
  }
  SecretBytes value = tpm->use_current(
      [&](tpm::Commands& commands) { return read_nv_value(commands, object.nv_index(), secret.get(CKA_VTPM_AUTH)); });
  vault_->make_durable();  // what a counter has shown is never shown again
  return value;
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
  SecretBytes value;
  commit(tpm, [&](store::Transaction&) {
    return [&](tpm::Commands& commands) { value = count_up(commands, object.nv_index(), secret.get(CKA_VTPM_AUTH)); };
  });
  return value;
}

namespace {

/// What names a TPM to the keys that it wrapped: the public area of its storage root key.
Bytes storage_root_of(ByteView state) {
  Bytes root;
  tpm::Engine::visit(state, [&](tpm::BootedTpm& commands) { root = tpm::storage_root_area(commands); });
  return root;
}

/// Whether the object is lost with the TPM. Certificates in NV and restricted keys are the TPM's own.
bool lives_in_the_tpm(const Object& object) {
  const CK_OBJECT_CLASS kind = object.object_class();
  if (kind == CKO_PRIVATE_KEY) return object.shown.flag(CKA_VTPM_RESIDENT) || object.tpm_handle() != 0;
  return object.nv_index() != 0 && (!object.of_tpm || kind != CKO_CERTIFICATE);
}

std::string described(const Object& object) {
  std::string name = '"' + std::string(as_text(object.shown.get(CKA_LABEL))) + '"';
  if (const uint32_t index = object.nv_index()) {
    char number[16];
    std::snprintf(number, sizeof number, " (0x%08x)", index);
    name += number;
  }
  return name;
}

/// Throws Refusal unless `state` is of the TPM that `objects` live in, or none lives there.
void refuse_another_tpm(ByteView state, ByteView present, const std::vector<ObjectPtr>& objects) {
  constexpr size_t kNamed = 3;
  std::string names;
  size_t count = 0;
  for (const ObjectPtr& object : objects) {
    if (!object->is_token() || !lives_in_the_tpm(*object)) continue;
    if (++count <= kNamed) names += (count > 1 ? ", " : "") + described(*object);
  }
  if (count == 0 || storage_root_of(state) == storage_root_of(present)) return;
  if (count > kNamed) names += " and " + std::to_string(count - kNamed) + " more";
  refuse(
      CKR_TEMPLATE_INCONSISTENT,
      "the state is of another TPM, or of one that was cleared, and would replace the one in which this token keeps " +
          names + ": delete these objects first, or import into a new token with --label");
}

}  // namespace

std::vector<std::string> Token::replace_tpm(ByteView state, const Suspended* suspended) {
  const std::vector<ObjectPtr> present = objects();
  refuse_another_tpm(state, tpm_state(), present);
  std::vector<ObjectPtr> areas;
  for (const ObjectPtr& object : present) {
    if (!object->of_tpm && object->is_token() && object->nv_index() != 0) areas.push_back(object);
  }
  std::vector<std::string> lost;
  std::vector<Attributes> shown;
  std::vector<uint32_t> indices;
  const SecretBytes started = tpm::Engine::visit(state, [&](tpm::Commands& commands) {
    shown = public_tpm_objects(commands);
    indices = tpm::nv_list(commands);
  });
  const std::shared_ptr<tpm::Engine> tpm = engine();
  refuse_if(!tpm, CKR_USER_NOT_LOGGED_IN, "the TPM is open after login only");
  vault_->change([&](store::Transaction& transaction) {
    lost.clear();
    transaction.put(kPermanentState, kPermanentStateType, Protection::kSealed, started);
    put_public_tpm_objects(transaction, shown);
    erase_suspended(transaction);
    if (suspended) {
      transaction.put(kSuspendedPermanent, kPermanentStateType, Protection::kSealed, suspended->permanent);
      if (const auto& blob = suspended->rest.volatile_state)
        transaction.put(kSuspendedVolatile, kVolatileStateType, Protection::kSealed, *blob);
      if (const auto& blob = suspended->rest.save_state)
        transaction.put(kSuspendedSave, kSaveStateType, Protection::kSealed, *blob);
    }
    for (const ObjectPtr& area : areas) {
      if (std::binary_search(indices.begin(), indices.end(), area->nv_index())) continue;
      lost.push_back(described(*area));
      if (vault_->find(object_entry(area->id))) transaction.erase(object_entry(area->id));
      if (vault_->find(secret_entry(area->id))) transaction.erase(secret_entry(area->id));
    }
  });
  tpm->forget();
  refresh();
  return lost;
}

std::optional<Token::Suspended> Token::suspended() {
  vault_->refresh();
  return read_suspended();
}

std::optional<Token::Suspended> Token::read_suspended() {
  const auto read = [&](const char* name) -> std::optional<SecretBytes> {
    auto blob = vault_->read(name);
    if (!blob) return std::nullopt;
    return std::move(blob->data);
  };
  auto permanent = read(kSuspendedPermanent);
  if (!permanent) return std::nullopt;
  return Suspended{std::move(*permanent), {read(kSuspendedVolatile), read(kSuspendedSave)}};
}

void Token::erase_suspended(store::Transaction& transaction) {
  for (const char* name : {kSuspendedPermanent, kSuspendedVolatile, kSuspendedSave}) {
    if (vault_->find(name)) transaction.erase(name);
  }
}

void Token::release_suspended(const Suspended& machine) {
  const auto is_same = [](const std::optional<SecretBytes>& one, const std::optional<SecretBytes>& other) {
    return one.has_value() == other.has_value() && (!one || equal(*one, *other));
  };
  vault_->change([&](store::Transaction& transaction) {
    const auto now = read_suspended();
    if (!now || !equal(now->permanent, machine.permanent) ||
        !is_same(now->rest.volatile_state, machine.rest.volatile_state) ||
        !is_same(now->rest.save_state, machine.rest.save_state)) {
      throw Error(ErrorCode::kNotFound, path() +
                                            ": the suspended machine has left the token meanwhile, or its TPM was "
                                            "changed: run the export again");
    }
    erase_suspended(transaction);
  });
}

void Token::forget_suspended() {
  if (!vault_->find(kSuspendedPermanent)) return;
  vault_->change([&](store::Transaction& transaction) {
    if (vault_->find(kSuspendedPermanent)) erase_suspended(transaction);
  });
}

void Token::change_tpm(const std::function<void(tpm::BootedTpm&)>& commands) {
  const std::shared_ptr<tpm::Engine> tpm = engine();
  commit(tpm, [&](store::Transaction&) { return commands; });
  refresh();
}

}  // namespace vtpm::pkcs11
