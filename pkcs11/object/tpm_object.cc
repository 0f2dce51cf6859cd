// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/tpm_object.h"

#include "crypto/certificate/certificate.h"
#include "crypto/hash/digest.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/certificate_object.h"
#include "pkcs11/object/key_factory.h"
#include "pkcs11/object/nv_object.h"
#include "pkcs11/object/schema.h"
#include "tpm/command/commands.h"
#include "tpm/engine/storage_root.h"
#include "tpm/use/nv.h"
#include "tpm/use/persistent_key.h"

namespace vtpm::pkcs11 {
namespace {

// TCG registry of reserved handles: 0x01C0xxxx holds the certificates, templates and nonces of endorsement keys and the
// platform's certificates; 0x01800000 to 0x01BFFFFF is the owner's, for data.
constexpr uint32_t kTcgFirst = 0x01C00000, kTcgLast = 0x01C0FFFF;
constexpr uint32_t kOwnerFirst = 0x01800000, kOwnerLast = 0x01BFFFFF;

// Certificates of identity and attestation keys.
constexpr uint32_t kIdentityFirst = 0x01C90000, kIdentityLast = 0x01C9FFFF;

bool between(uint32_t value, uint32_t first, uint32_t last) { return value >= first && value <= last; }

/// Whether certificates at this index are those of the TPM's own keys.
bool is_of_identity(uint32_t index) {
  return between(index, kTcgFirst, kTcgLast) || between(index, kIdentityFirst, kIdentityLast);
}

/// Sets CKA_UNIQUE_ID. An object has the same id in every process; another object at the same place has another id.
void set_identity(Attributes& object, CK_OBJECT_CLASS object_class, uint32_t place, ByteView essence) {
  crypto::Digest digest(crypto::Hash::kSha256);
  digest.update(as_bytes("tpm-object")).update(value_view(object_class)).update(value_view(place)).update(essence);
  const Bytes hash = digest.finish();
  object.set(CKA_UNIQUE_ID, as_bytes(to_hex(ByteView(hash).first(16))));
}

Attributes storage_object(CK_OBJECT_CLASS object_class, bool is_private, const std::string& label) {
  Attributes object;
  object.set_number(CKA_CLASS, object_class);
  object.set_flag(CKA_TOKEN, true);
  object.set_flag(CKA_PRIVATE, is_private);
  object.set_flag(CKA_MODIFIABLE, false);
  object.set_flag(CKA_COPYABLE, false);
  object.set_flag(CKA_DESTROYABLE, false);
  object.set(CKA_LABEL, as_bytes(label));
  return object;
}

// --- NV ---

bool may_be_certificate(const tpm::NvPublic& area) {
  // If the area has dictionary-attack protection, trying the empty auth value could count as a failure.
  const bool harmless = area.owner_readable() || !area.auth_readable() || (area.attributes & tpm::nv::kNoDa) != 0;
  return harmless && area.written() && area.is_ordinary() && !between(area.index, kOwnerFirst, kOwnerLast);
}

/// The certificate in an area, without its padding; nothing if there is none.
std::optional<Bytes> certificate_in(tpm::Commands& tpm, const tpm::NvPublic& area) {
  if (!may_be_certificate(area)) return std::nullopt;
  try {
    const SecretBytes contents = tpm::nv_read(tpm, area);
    const auto fields = crypto::parse_certificate(contents);
    if (!fields) return std::nullopt;
    return to_bytes(contents.view().first(fields->bytes));
  } catch (const Error& error) {
    // The area is read-locked, or needs an auth value that the module does not have.
    if (error.code() == ErrorCode::kAuthFailed || error.code() == ErrorCode::kNotFound) return std::nullopt;
    throw;
  }
}

/// Whether the owner can delete the area (or, for an area of the platform, the platform, which the module controls).
bool destroyable(const tpm::NvPublic& area) { return (area.attributes & tpm::nv::kPolicyDelete) == 0; }

bool writable(const tpm::NvPublic& area) {
  return area.changeable() && (area.owner_writable() || area.auth_writable());
}

Attributes certificate_object(const tpm::NvPublic& area, const Bytes& certificate) {
  const bool identity = is_of_identity(area.index);
  Draft draft;
  draft.shown = storage_object(CKO_CERTIFICATE, false, "TPM certificate " + nv_name(area.index));
  draft.shown.set_number(CKA_CERTIFICATE_TYPE, CKC_X_509);
  draft.shown.set(CKA_VALUE, certificate);
  draft.shown = with_defaults(Schema::of(CKO_CERTIFICATE, CKC_X_509), std::move(draft.shown));
  complete_certificate(draft);
  draft.shown.set_flag(CKA_DESTROYABLE, !identity && destroyable(area));
  // No application can use the keys of these certificates. Applications that look for a user's keys ignore certificates
  // without an id or (OpenSSH, which would offer each of them to a server) without a subject.
  if (identity) {
    draft.shown.set(CKA_ID, {});
    draft.shown.set(CKA_SUBJECT, {});
  }
  draft.shown.set_number(CKA_VTPM_NV_INDEX, area.index);
  set_identity(draft.shown, CKO_CERTIFICATE, area.index, certificate);
  return std::move(draft.shown);
}

Attributes area_object(const tpm::NvPublic& area) {
  const bool counter = area.is_counter();
  const CK_OBJECT_CLASS object_class = counter ? CKO_HW_FEATURE : CKO_DATA;
  Attributes object = storage_object(object_class, true, nv_name(area.index));
  object.set_number(CKA_VTPM_NV_INDEX, area.index);
  object.set_number(CKA_VTPM_NV_TYPE, static_cast<CK_ULONG>(area.type()));
  object.set_flag(CKA_DESTROYABLE, destroyable(area));
  if (counter) {
    object.set_number(CKA_HW_FEATURE_TYPE, CKH_MONOTONIC_COUNTER);
  } else {
    object.set_flag(CKA_MODIFIABLE, writable(area));
    object.set(CKA_APPLICATION, as_bytes(kNvApplication));
    object.set(CKA_OBJECT_ID, nv_object_id(area.index));
  }
  object = with_defaults(Schema::of(object_class, counter ? CKH_MONOTONIC_COUNTER : 0), std::move(object));
  object.erase(CKA_VALUE);  // the TPM holds the value
  set_identity(object, object_class, area.index, value_view(area.size));
  return object;
}

template <typename F>
void for_each_area(tpm::Commands& tpm, F&& action) {
  for (const uint32_t index : tpm::nv_list(tpm)) {
    if (auto area = tpm::nv_public(tpm, index)) action(*area);
  }
}

// --- persistent keys ---

std::string key_label(uint32_t handle) {
  const char* kind = "TPM key ";
  if (handle == tpm::kStorageRoot) kind = "TPM storage root key ";
  if (between(handle, tpm::kEndorsementFirst, tpm::kEndorsementLast)) kind = "TPM endorsement key ";
  return kind + nv_name(handle);
}

/// Whether the owner may evict the key: the token and its identity do not depend on it.
bool evictable(const tpm::PersistentObject& key) {
  return key.handle < tpm::kPersistentPlatform && !key.restricted &&
         !between(key.handle, tpm::kEndorsementFirst, tpm::kEndorsementLast);
}

Attributes key_object(const tpm::PersistentObject& key, CK_OBJECT_CLASS object_class, bool is_private) {
  Attributes object = storage_object(object_class, is_private, key_label(key.handle));
  object.set_number(CKA_KEY_TYPE, key.public_key->type() == crypto::KeyType::kRsa ? CKK_RSA : CKK_EC);
  object.set_number(CKA_VTPM_HANDLE, key.handle);
  object.set_flag(CKA_DESTROYABLE, evictable(key));
  if (key.restricted) object.set(CKA_ID, {});
  object.set_flag(CKA_LOCAL, key.generated);
  object.set_number(CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
  return object;
}

/// The public halves of restricted keys are shown after login only: no application can use them, and several (OpenSSH)
/// offer every public key that they see.
Attributes public_key_object(const tpm::PersistentObject& key) {
  Attributes object = key_object(key, CKO_PUBLIC_KEY, key.restricted);
  const bool rsa = key.public_key->type() == crypto::KeyType::kRsa;
  object.set_flag(CKA_ENCRYPT, rsa && key.decrypts);
  object.set_flag(CKA_VERIFY, key.signs);
  object.set_flag(CKA_DERIVE, false);
  describe_public_key(*key.public_key, object);
  if (key.restricted) object.set(CKA_ID, {});  // it is not a user's key: applications ignore keys without an id
  object = with_defaults(*Schema::find(object), object);
  set_identity(object, CKO_PUBLIC_KEY, key.handle, key.public_area);
  return object;
}

Attributes private_key_object(const tpm::PersistentObject& key) {
  Attributes object = key_object(key, CKO_PRIVATE_KEY, true);
  const bool rsa = key.public_key->type() == crypto::KeyType::kRsa;
  object.set_flag(CKA_SIGN, key.signs);
  object.set_flag(CKA_DECRYPT, rsa && key.decrypts);
  object.set_flag(CKA_DERIVE, !rsa && key.decrypts);
  describe_private_key(*key.public_key, object);
  object.set_flag(CKA_SENSITIVE, true);
  object.set_flag(CKA_EXTRACTABLE, false);
  object.set_flag(CKA_ALWAYS_SENSITIVE, key.generated);
  object.set_flag(CKA_NEVER_EXTRACTABLE, key.generated && key.fixed_tpm);
  object.set_flag(CKA_VTPM_RESIDENT, true);
  object.set_flag(CKA_MODIFIABLE, true);  // its label and its auth value
  object = with_defaults(*Schema::find(object), object);
  set_identity(object, CKO_PRIVATE_KEY, key.handle, key.public_area);
  return object;
}

}  // namespace

std::vector<Attributes> public_tpm_objects(tpm::Commands& tpm) {
  std::vector<Attributes> found;
  for_each_area(tpm, [&](const tpm::NvPublic& area) {
    if (auto certificate = certificate_in(tpm, area)) found.push_back(certificate_object(area, *certificate));
  });
  for (const tpm::PersistentObject& key : tpm::persistent_objects(tpm)) {
    if (key.public_key && !key.restricted) found.push_back(public_key_object(key));
  }
  return found;
}

std::vector<Attributes> private_tpm_objects(tpm::Commands& tpm, const std::set<uint32_t>& recorded) {
  std::vector<Attributes> found;
  for_each_area(tpm, [&](const tpm::NvPublic& area) {
    if (!recorded.contains(area.index) && !certificate_in(tpm, area)) found.push_back(area_object(area));
  });
  for (const tpm::PersistentObject& key : tpm::persistent_objects(tpm)) {
    if (key.public_key && key.restricted) found.push_back(public_key_object(key));
    if (key.signs || key.decrypts) found.push_back(private_key_object(key));
  }
  return found;
}

// The public half of a persistent key is private exactly when the key is restricted (public_key_object).
bool is_tpms_own(const Attributes& object) {
  if (object_class_row(object).key == KeyPart::kPublic) {
    return object.has(CKA_VTPM_HANDLE) && object.flag(CKA_PRIVATE);
  }
  const CK_ULONG index = object.number(CKA_VTPM_NV_INDEX).value_or(0);
  return object.number(CKA_CLASS) == CKO_CERTIFICATE && is_of_identity(static_cast<uint32_t>(index));
}

KeyPairDraft adopt_key(const tpm::KeyBlob& key, const std::string& label, ByteView id) {
  const tpm::PersistentObject about = tpm::describe_key(0, key.public_area);
  const bool rsa = about.public_key->type() == crypto::KeyType::kRsa;
  KeyPairDraft pair;
  for (Attributes* object : {&pair.public_key.shown, &pair.private_key.shown}) {
    object->set_flag(CKA_TOKEN, true);
    object->set_number(CKA_KEY_TYPE, rsa ? CKK_RSA : CKK_EC);
    object->set(CKA_LABEL, as_bytes(label));
    if (!id.empty()) object->set(CKA_ID, id);
    object->set_flag(CKA_LOCAL, about.generated);
    object->set_number(CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
    object->set_flag(CKA_DERIVE, !rsa && about.decrypts);
  }
  Attributes& public_key = pair.public_key.shown;
  public_key.set_number(CKA_CLASS, CKO_PUBLIC_KEY);
  public_key.set_flag(CKA_VERIFY, about.signs);
  public_key.set_flag(CKA_ENCRYPT, rsa && about.decrypts);
  describe_public_key(*about.public_key, public_key);
  public_key = with_defaults(*Schema::find(public_key), public_key);
  Attributes& private_key = pair.private_key.shown;
  private_key.set_number(CKA_CLASS, CKO_PRIVATE_KEY);
  private_key.set_flag(CKA_SIGN, about.signs);
  private_key.set_flag(CKA_DECRYPT, rsa && about.decrypts);
  private_key.set_flag(CKA_ALWAYS_SENSITIVE, about.generated);
  private_key.set_flag(CKA_NEVER_EXTRACTABLE, about.generated && about.fixed_tpm);
  private_key.set_flag(CKA_VTPM_RESIDENT, true);
  describe_private_key(*about.public_key, private_key);
  private_key = with_defaults(*Schema::find(private_key), private_key);
  keep_blob(key, pair.private_key.secret);
  return pair;
}

std::shared_ptr<crypto::PrivateKey> open_persistent_key(const Attributes& object, ByteView auth,
                                                        const std::shared_ptr<tpm::Engine>& engine) {
  refuse_if(!engine, CKR_USER_NOT_LOGGED_IN, "keys in the TPM can be used after login only");
  for (tpm::PersistentObject& key : engine->use_current(tpm::persistent_objects)) {
    if (key.handle != object.number(CKA_VTPM_HANDLE) || !key.public_key) continue;
    if (!equal(key.public_key->spki(), object.get(CKA_PUBLIC_KEY_INFO))) continue;
    return std::make_shared<tpm::PersistentKey>(engine, std::move(key), SecretBytes(auth));
  }
  refuse(CKR_DEVICE_ERROR, "the TPM no longer has the key of this object");
}

}  // namespace vtpm::pkcs11
