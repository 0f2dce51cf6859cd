// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/catalogue.h"

#include <algorithm>
#include <set>

#include "base/locks_after_fork.h"
#include "base/settings/log.h"
#include "crypto/library/want_of_memory.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/builtin_objects.h"
#include "pkcs11/object/tpm_object.h"

namespace vtpm::pkcs11 {
namespace {

using store::Protection;

/// Without memory an intact record would look like one that was tampered with.
bool is_of_memory(const Error& error) { return error.code() == ErrorCode::kNoMemory || crypto::wanted_memory(); }

bool is_shown_by_token(const store::EntryGlance& entry) {
  return is_object_entry(entry.name) || entry.name == kTokenInfo;
}

/// Records that are read at once change their meaning at a login; sealed ones cannot be read before.
bool depends_on_login(const store::EntryGlance& entry) {
  return is_object_entry(entry.name) && (entry.protection == Protection::kSealed || !entry.indexed);
}

}  // namespace

Catalogue::Catalogue(Parts parts) : parts_(std::move(parts)) { publish_builtin_objects(); }

std::string Catalogue::path() const { return parts_.vault.path(); }

void Catalogue::publish_builtin_objects() {
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

bool Catalogue::visible(const Object& object) const {
  if (object.is_private() && who() != Who::kUser) return false;
  if (!object.class_row().has(kOnlyAuthentic) || !object.is_token()) return true;
  return object.bound && who() != Who::kNobody;
}

// --- catching up ---

void Catalogue::refresh() {
  parts_.watch.refresh();
  const Locked lock(*this);
  refresh_locked();
}

void Catalogue::refresh_after_change() {
  parts_.watch.refresh_after_change();
  const Locked lock(*this);
  refresh_locked();
}

void Catalogue::refresh_login() {
  if (who() == Who::kNobody || parts_.watch.removed()) return;
  parts_.watch.refresh();
  if (parts_.vault.unlocked()) return;
  const Locked lock(*this);
  catch_up_locked();
}

void Catalogue::log_in(const std::function<void()>& change) {
  const Locked lock(*this);
  change();
  drop_private_locked();
  objects_.forget_clear();
  reload_locked();
}

void Catalogue::log_out(const std::function<void()>& change) {
  const Locked lock(*this);
  remember_trust_locked();
  change();
  drop_private_locked();
  objects_.forget_clear();
}

void Catalogue::give_up(const std::function<void()>& change) {
  const Locked lock(*this);
  change();
  drop_private_locked();
  objects_.forget_clear();
}

void Catalogue::refresh_locked() {
  // The TPM's contents and the records belong together only if nothing was committed in between.
  constexpr int kTries = 8;
  for (int i = 0; i < kTries; ++i) {
    catch_up_locked();
    const std::shared_ptr<tpm::Engine> engine = parts_.machine.engine();
    if (!engine) return;
    const auto state = parts_.machine.version();
    if (!state || state == tpm_seen_) return;
    std::set<uint32_t> recorded;
    for (const auto& [handle, slot] : objects_.slots()) {
      const Object* object = slot.object.get();  // the records of NV areas are read at once
      if (object && !object->of_tpm && object->nv_index() != 0) recorded.insert(object->nv_index());
    }
    std::vector<Attributes> found;
    try {
      found = engine->use_current([&](tpm::Commands& commands) { return private_tpm_objects(commands, recorded); });
    } catch (const Error& error) {
      if (is_of_memory(error)) throw;
      log_line(LogLevel::kWarning, path() + ": the TPM's own objects are not shown: " + error.sentence());
      return;
    }
    if (parts_.vault.cursor() != cursor_ && i + 1 < kTries) continue;
    update_tpm_objects_locked(std::move(found));
    tpm_seen_ = state;
    return;
  }
}

void Catalogue::catch_up_locked() {
  if (who() != Who::kNobody && !parts_.vault.unlocked()) expel_locked();
  if (!unread_.empty()) read_again_locked();
  if (parts_.vault.cursor() == cursor_) return;
  const uint64_t seen = parts_.vault.cursor();
  store::Vault::Changes changes = parts_.vault.changes(cursor_, is_shown_by_token);
  if (changes.whole) forget_others_locked(changes.entries);
  load_locked(std::move(changes.entries));
  cursor_ = seen;
}

void Catalogue::load_locked(std::vector<store::EntryInfo> changes) {
  const auto is_shown = [&](const store::EntryInfo& entry) {
    return who() == Who::kUser || entry.protection == Protection::kClear;
  };
  objects_.make_room(static_cast<size_t>(std::count_if(changes.begin(), changes.end(), is_shown)));
  for (store::EntryInfo& entry : changes) {
    if (entry.name == kTokenInfo) {
      parts_.info_changed();
    } else if (entry.deleted) {
      forget_locked(entry.name);
    } else {
      load_locked(std::move(entry));
    }
  }
}

// Another process has re-keyed the store: the keys of this process no longer open it.
void Catalogue::expel_locked() {
  log_line(LogLevel::kWarning, path() + ": the store was re-keyed, so its users here are logged out");
  parts_.login.leave();
  drop_private_locked();
  objects_.forget_clear();
  if (auto engine = parts_.machine.close()) engine->forget();
}

void Catalogue::update_tpm_objects_locked(std::vector<Attributes> found) {
  std::set<std::string> ids;
  for (Attributes& shown : found) {
    const std::string id(as_text(shown.get(CKA_UNIQUE_ID)));
    ids.insert(id);
    if (objects_.handle_of(id) != CK_INVALID_HANDLE) continue;  // known already, or it has a record of its own
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

// An entry that could not be read may be readable later. The number of attempts is limited, so that a damaged sector
// does not slow down every call, and other objects are not affected.
void Catalogue::read_again_locked() {
  constexpr unsigned kTries = 8;
  const std::map<std::string, unsigned> before = std::move(unread_);
  unread_.clear();
  for (const auto& [name, tries] : before) {
    auto entry = parts_.vault.find(name);
    if (!entry || tries >= kTries) continue;
    load_locked(std::move(*entry));
    if (auto still = unread_.find(name); still != unread_.end()) still->second = tries + 1;
  }
}

void Catalogue::load_locked(store::EntryInfo entry) {
  if (!entry.readable) {
    // A damaged record is not an object; `vtpm-token store check` reports it.
    log_line(LogLevel::kWarning, path() + ": entry " + entry.name + " is damaged and was left out");
    forget_locked(entry.name);
    return;
  }
  if (entry.protection == Protection::kSealed && who() != Who::kUser) return;
  const bool is_record = entry.name.compare(0, kObjectPrefix.size(), kObjectPrefix) == 0;
  if (!entry.tags.empty() && is_record) {
    objects_.publish_unread(std::move(entry.name.erase(0, kObjectPrefix.size())), std::move(entry.tags),
                            entry.protection == Protection::kSealed, entry.born);
    return;
  }
  try {
    std::shared_ptr<Object> object = read_object(entry.name);
    if (!object) return;
    // The key of an object never changes, so that a loaded key stays valid, except if an attacker may have written the
    // record, or if the record holds the key's auth value (of a persistent key).
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

std::shared_ptr<Object> Catalogue::read_object(const std::string& entry) {
  auto blob = parts_.vault.read(entry);
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

// A record that cannot be decoded is not an object; after an input error the next attempt may succeed.
void Catalogue::read_locked(CK_OBJECT_HANDLE handle, ObjectTable::Slot& slot) {
  const std::string entry = object_entry(std::string(slot.id));
  try {
    if (auto object = read_object(entry)) return objects_.fill(handle, slot, std::move(object));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kIo || is_of_memory(error)) throw;
    log_line(LogLevel::kWarning, path() + ": entry " + entry + " was left out: " + error.sentence());
  }
  objects_.erase(handle);
}

// `all`: every object of the store.
void Catalogue::forget_others_locked(const std::vector<store::EntryInfo>& all) {
  std::set<std::string> ids;
  for (const store::EntryInfo& entry : all) {
    if (auto id = id_of(entry.name); id && !entry.deleted) ids.insert(std::move(*id));
  }
  objects_.erase_if([&](const ObjectTable::Slot& slot) {
    const bool is_stored = !slot.id.empty() && (!slot.object || slot.object->sequence != 0);
    return is_stored && !ids.contains(std::string(slot.id));
  });
}

void Catalogue::forget_locked(const std::string& entry) { objects_.forget(*id_of(entry)); }

// Reads the records that a login makes readable or authentic. Clear records that are read at their first use are not
// read here.
void Catalogue::reload_locked() {
  tpm_seen_.reset();
  const std::vector<ObjectPtr> before = objects_.without_tags();
  load_locked(parts_.vault.changes(0, depends_on_login).entries);
  catch_up_locked();
  for (const ObjectPtr& object : before) {  // an object that is no longer read must not stay as it was
    const ObjectTable::Slot* slot = objects_.find(object->handle);
    if (slot && slot->object == object) objects_.erase(object->handle);
  }
  refresh_locked();
}

void Catalogue::drop_private_locked() {
  objects_.erase_if(
      [](const ObjectTable::Slot& slot) { return slot.sealed || (slot.object && slot.object->is_private()); });
}

// GnuTLS logs in for a search, logs out, and then looks for the issuers that the token trusts. A clear record is
// authenticated when it is read; therefore all certificates are read before the key is dropped.
void Catalogue::remember_trust_locked() {
  if (!parts_.vault.unlocked() || trust_seen_ == cursor_) return;
  try {
    of_class_locked(CKO_CERTIFICATE);
    trust_seen_ = cursor_;
  } catch (const std::exception& error) {  // a logout does not fail; then they are not trusted
    log_line(LogLevel::kWarning,
             path() + ": the certificates could not be authenticated before the logout: " + error.what());
  }
}

// --- finding ---

ObjectPtr Catalogue::find_locked(CK_OBJECT_HANDLE handle) {
  ObjectTable::Slot* slot = objects_.find(handle);
  if (slot && !slot->object && (!slot->sealed || who() == Who::kUser)) {
    read_locked(handle, *slot);
    slot = objects_.find(handle);
  }
  if (!slot || !slot->object || !visible(*slot->object)) return nullptr;
  const ObjectPtr object = slot->object;
  return !object->class_row().has(kComesAndGoes) || has_profile_locked(*object) ? object : nullptr;
}

ObjectPtr Catalogue::object(CK_OBJECT_HANDLE handle) {
  parts_.watch.refresh();
  const Locked lock(*this);
  refresh_locked();
  return find_locked(handle);
}

std::vector<ObjectPtr> Catalogue::visible_locked(const std::vector<CK_OBJECT_HANDLE>& handles) {
  std::vector<ObjectPtr> found;
  found.reserve(handles.size());
  for (const CK_OBJECT_HANDLE handle : handles) {
    if (ObjectPtr object = find_if_it_can_be_read_locked(handle)) found.push_back(std::move(object));
  }
  return found;
}

// A damaged sector must not hide the other public objects from a listing.
ObjectPtr Catalogue::find_if_it_can_be_read_locked(CK_OBJECT_HANDLE handle) {
  try {
    return find_locked(handle);
  } catch (const Error& error) {
    const ObjectTable::Slot* slot = objects_.find(handle);
    if (error.code() != ErrorCode::kIo || !slot || slot->sealed) throw;
    log_line(LogLevel::kWarning, path() + ": an object was left out: " + error.sentence());
    return nullptr;
  }
}

std::vector<ObjectPtr> Catalogue::objects() { return objects_for(Template(nullptr, 0)); }

std::vector<ObjectPtr> Catalogue::objects_for(const Template& wanted) {
  parts_.watch.refresh();
  const Locked lock(*this);
  refresh_locked();
  return visible_locked(
      objects_.candidates(wanted, [&](const store::Property& property) { return parts_.vault.tag(property); }));
}

// --- fork ---

void Catalogue::make_locks_anew() { make_anew(mutex_); }

}  // namespace vtpm::pkcs11
