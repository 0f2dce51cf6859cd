// SPDX-License-Identifier: Apache-2.0
// The objects whose keys and values are in the TPM, and what happens to them when another TPM replaces it.
#include <algorithm>
#include <cstdio>

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/nv_object.h"
#include "pkcs11/object/tpm_object.h"
#include "pkcs11/token/catalogue.h"
#include "pkcs11/token/tpm_contents.h"

namespace vtpm::pkcs11 {
namespace {

/// Whether the object is lost with the TPM. Certificates in NV and restricted keys belong to the TPM and not to the
/// user.
bool lives_in_the_tpm(const Object& object) {
  if (object.key_part() == KeyPart::kPrivate) {
    return object.shown.flag(CKA_VTPM_RESIDENT) || object.tpm_handle() != 0;
  }
  return object.nv_index() != 0 && (!object.of_tpm || object.class_row().has(kMayBeInNv));
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

/// Throws Refusal if objects live in the TPM and `state` is of another TPM.
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

std::shared_ptr<tpm::Engine> Catalogue::engine() const {
  std::shared_ptr<tpm::Engine> engine = parts_.machine.engine();
  refuse_if(!engine, CKR_USER_NOT_LOGGED_IN, "the TPM can be used after login only");
  return engine;
}

void Catalogue::run(device::Change& change, const std::function<void(tpm::BootedTpm&)>& commands) {
  change.require_open();
  parts_.watch.refuse_rolled_back();
  change.run(commands);
  put_public_tpm_objects(change.transaction(), change.look(public_tpm_objects));
}

std::shared_ptr<crypto::PrivateKey> Catalogue::private_key(const Object& object) {
  return object.keys->private_key([&] { return open_private_key(object, secret_of(object), parts_.machine.engine()); });
}

tpm::KeyBlob Catalogue::key_blob(const Object& object) {
  if (!object.shown.flag(CKA_VTPM_RESIDENT) || object.tpm_handle() != 0)
    throw Error(ErrorCode::kUnsupported, "the key is not one that the token keeps in its TPM (CKA_VTPM_RESIDENT)");
  return blob_of(secret_of(object));
}

std::shared_ptr<const tpm::KeyEvidence> Catalogue::evidence_of(const Object& object) {
  const std::shared_ptr<tpm::Engine> tpm = engine();
  return object.keys->evidence([&] { return tpm::attest_key(*tpm, key_blob(object), {}); });
}

SecretBytes Catalogue::nv_value(const Object& object) {
  const std::shared_ptr<tpm::Engine> tpm = engine();
  const SecretAttributes secret = secret_of(object);
  if (object.class_row().has(kCounts)) {
    refresh();
    parts_.watch.refuse_rolled_back();
  }
  SecretBytes value = tpm->use_current(
      [&](tpm::Commands& commands) { return read_nv_value(commands, object.nv_index(), secret.get(CKA_VTPM_AUTH)); });
  parts_.vault.make_durable();  // a value that a counter has shown must never be shown again
  return value;
}

uint32_t Catalogue::nv_attributes(const Object& object) {
  return engine()->use_current(
      [&](tpm::Commands& commands) { return pkcs11::nv_attributes(commands, object.nv_index()); });
}

SecretBytes Catalogue::read_counter(const Object& object) {
  if (object.of_tpm) return nv_value(object);
  const SecretAttributes secret = secret_of(object);
  SecretBytes value;
  parts_.machine.change([&](device::Change& change) {
    run(change, [&](tpm::BootedTpm& tpm) { value = count_up(tpm, object.nv_index(), secret.get(CKA_VTPM_AUTH)); });
  });
  return value;
}

void Catalogue::change_tpm(const std::function<void(tpm::BootedTpm&)>& commands) {
  parts_.machine.change([&](device::Change& change) { run(change, commands); });
  refresh();
}

std::vector<std::string> Catalogue::replace_tpm(ByteView state, const device::Suspended* suspended) {
  const std::vector<ObjectPtr> present = objects();
  refuse_another_tpm(state, parts_.machine.state(), present);
  std::vector<ObjectPtr> areas;
  for (const ObjectPtr& object : present) {
    if (!object->of_tpm && object->is_token() && object->nv_index() != 0) areas.push_back(object);
  }
  const TpmContents contents = look_into(state);
  (void)engine();
  std::vector<std::string> lost;
  parts_.machine.replace(contents.state, suspended, [&](store::Transaction& transaction) {
    put_public_tpm_objects(transaction, contents.shown);
    lost.clear();
    for (const ObjectPtr& area : areas) {
      if (std::binary_search(contents.nv_indices.begin(), contents.nv_indices.end(), area->nv_index())) continue;
      lost.push_back(described(*area));
      if (parts_.vault.find(object_entry(area->id))) transaction.erase(object_entry(area->id));
      if (parts_.vault.find(secret_entry(area->id))) transaction.erase(secret_entry(area->id));
    }
  });
  refresh();
  return lost;
}

}  // namespace vtpm::pkcs11
