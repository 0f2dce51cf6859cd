// SPDX-License-Identifier: Apache-2.0
// How objects are added, changed and destroyed, and how a change of the TPM and of its record are committed together.
#include <algorithm>
#include <cstdio>
#include <set>

#include "crypto/library/random.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/nv_object.h"
#include "pkcs11/object/tpm_object.h"
#include "pkcs11/token/catalogue.h"
#include "pkcs11/token/tpm_contents.h"

namespace vtpm::pkcs11 {
namespace {

std::string new_id() { return to_hex(crypto::random_bytes(16)); }

/// Moves the value of a private object to the secret part, where the class has it there (kValueIsSealed).
void separate_secrets(Draft& draft) {
  if (!object_class_row(draft.shown).has(kValueIsSealed) || !draft.is_private()) return;
  if (!draft.shown.has(CKA_VALUE)) return;
  draft.secret.set(CKA_VALUE, draft.shown.get(CKA_VALUE));
  draft.shown.erase(CKA_VALUE);
}

/// Whether a template can change the secret part of the object: its value, or the auth value of its place in the TPM.
bool has_changeable_secrets(const Object& object) {
  const ObjectClass& row = object.class_row();
  return row.has(kValueIsSealed) || row.has(kMayBeInNv) || object.tpm_handle() != 0;
}

void check_auth_value(const Draft& draft, const Object& object) {
  refuse_if(draft.secret.has(CKA_VTPM_AUTH) && !object.nv_index() && !object.tpm_handle(), CKR_ATTRIBUTE_READ_ONLY,
            "only NV areas and persistent keys have an auth value of their own");
}

/// Assigns an NV index to a prepared draft, and returns the function that makes the area.
std::function<void(tpm::BootedTpm&)> give_index(Draft& draft, device::Change& change) {
  CK_ULONG index = *draft.shown.number(CKA_VTPM_NV_INDEX);
  if (index == kAnyNvIndex) index = change.look(free_nv_index);
  draft.shown.set_number(CKA_VTPM_NV_INDEX, index);
  if (draft.shown.get(CKA_LABEL).empty()) {
    char name[16];
    draft.shown.set(CKA_LABEL, ByteView(reinterpret_cast<const uint8_t*>(name),
                                        static_cast<size_t>(std::snprintf(name, sizeof name, "0x%08lx", index))));
  }
  if (draft.shown.get(CKA_OBJECT_ID).empty() && Schema::find(draft.shown)->rule(CKA_OBJECT_ID))
    draft.shown.set(CKA_OBJECT_ID, nv_object_id(static_cast<uint32_t>(index)));
  auto define = [wanted = std::make_shared<Draft>(draft)](tpm::BootedTpm& tpm) { create_nv_area(tpm, *wanted); };
  draft.secret.erase(CKA_VALUE);
  draft.shown.erase(CKA_VTPM_NV_ATTRIBUTES);  // the TPM holds them
  return define;
}

}  // namespace

std::vector<CK_OBJECT_HANDLE> Catalogue::add(std::vector<Draft> drafts, CK_SESSION_HANDLE owner) {
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
    parts_.machine.change([&](device::Change& change) {
      std::function<void(tpm::BootedTpm&)> define;
      for (size_t i = 0; i < drafts.size(); ++i) {
        if (!drafts[i].is_token()) continue;
        Draft draft = drafts[i];  // the function may run again
        if (in_nv[i]) {
          change.require_open();
          define = give_index(draft, change);
        }
        put_object(change.transaction(), ids[i], draft.shown, draft.secret);
      }
      if (define) run(change, define);
    });
  }
  stored ? parts_.watch.refresh_after_change() : parts_.watch.refresh();
  const Locked lock(*this);
  refresh_locked();
  std::vector<CK_OBJECT_HANDLE> made;
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (drafts[i].is_private() && who() != Who::kUser) {
      made.push_back(ObjectTable::void_handle());  // the user has logged out meanwhile, which hides the object
    } else if (!drafts[i].is_token()) {
      auto object = std::make_shared<Object>();
      object->id = ids[i];
      object->owner = owner;
      object->bound = who() == Who::kUser;
      object->shown = std::move(drafts[i].shown);
      object->secret = std::move(drafts[i].secret);
      made.push_back(objects_.publish(std::move(object)));
    } else {
      made.push_back(objects_.handle_of(ids[i]));
      if (made.back() != CK_INVALID_HANDLE || !parts_.vault.find(object_entry(ids[i])))
        continue;  // another process has destroyed it
      throw Error(ErrorCode::kIo, "the object was stored, but cannot be read back now");
    }
  }
  return made;
}

void Catalogue::change(CK_OBJECT_HANDLE handle, const std::function<void(Draft&)>& change) {
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

void Catalogue::change_stored(const Object& object, const std::function<void(Draft&)>& change) {
  parts_.machine.change([&](device::Change& committed) {
    // The change applies to what the store has now, not to what this process saw before. A changed object of the TPM
    // gets a record.
    Draft draft{object.of_tpm ? object.shown : stored_attributes(object.id), {}};
    if (has_changeable_secrets(object)) draft.secret = secret_of(object);
    change(draft);
    separate_secrets(draft);
    check_auth_value(draft, object);
    std::function<void(tpm::BootedTpm&)> write;
    if (object.nv_index() && draft.secret.has(CKA_VALUE)) {
      write = [value = std::make_shared<Draft>(draft), index = object.nv_index()](tpm::BootedTpm& tpm) {
        write_nv_value(tpm, index, value->secret.get(CKA_VALUE), value->secret.get(CKA_VTPM_AUTH));
      };
      draft.secret.erase(CKA_VALUE);
    }
    put_object(committed.transaction(), object.id, draft.shown, draft.secret);
    if (write) run(committed, write);
  });
}

Attributes Catalogue::stored_attributes(const std::string& id) {
  auto blob = parts_.vault.read(object_entry(id));
  refuse_if(!blob, CKR_OBJECT_HANDLE_INVALID, "the object was destroyed by another process");
  return authentic_attributes(*blob);
}

void Catalogue::destroy(CK_OBJECT_HANDLE handle) {
  const ObjectPtr now = object(handle);
  refuse_if(!now, CKR_OBJECT_HANDLE_INVALID, "the object does not exist");
  if (!now->is_token()) {
    const Locked lock(*this);
    objects_.erase(handle);
    return;
  }
  parts_.machine.change([&](device::Change& change) {
    if (!now->of_tpm) {
      refuse_if(!parts_.vault.find(object_entry(now->id)), CKR_OBJECT_HANDLE_INVALID,
                "the object was destroyed by another process");
      change.transaction().erase(object_entry(now->id));
      if (parts_.vault.find(secret_entry(now->id))) change.transaction().erase(secret_entry(now->id));
    }
    if (has_place_in_tpm(*now)) run(change, [&](tpm::BootedTpm& tpm) { remove_from_tpm(tpm, *now); });
  });
  refresh_after_change();
}

void Catalogue::drop_session_objects(CK_SESSION_HANDLE owner) {
  const Locked lock(*this);
  objects_.erase_if([&](const ObjectTable::Slot& slot) { return slot.object && slot.object->owner == owner; });
}

SecretAttributes Catalogue::secret_of(const Object& object) {
  if (!object.is_token()) return object.secret;
  auto blob = parts_.vault.read(secret_entry(object.id));
  return blob ? decode_attributes<SecretAttributes::Row::second_type>(blob->data) : SecretAttributes();
}

// Updates the clear records of the TPM's public objects to what the TPM holds now, including the change of this thread.
void Catalogue::put_public_tpm_objects(store::Transaction& transaction, const std::vector<Attributes>& objects) {
  std::set<std::string> kept;
  for (const Attributes& object : objects) {
    const std::string name = std::string(kTpmObjectPrefix).append(as_text(object.get(CKA_UNIQUE_ID)));
    kept.insert(name);
    const auto known = parts_.vault.find(name);
    if (!known || !known->readable) put_tpm_object(transaction, object);
  }
  for (const store::EntryInfo& entry : parts_.vault.list(kTpmObjectPrefix)) {
    if (!kept.contains(entry.name)) transaction.erase(entry.name);
  }
}

}  // namespace vtpm::pkcs11
