// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/lookup.h"

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/key_evidence.h"

namespace vtpm::pkcs11 {
namespace {

bool allows(const Object& key, CK_MECHANISM_TYPE type) {
  if (!key.shown.has(CKA_ALLOWED_MECHANISMS)) return true;
  const ByteView list = key.shown.get(CKA_ALLOWED_MECHANISMS);
  for (size_t at = 0; at + sizeof type <= list.size(); at += sizeof type) {
    if (equal(list.subspan(at, sizeof type), value_view(type))) return true;
  }
  return false;
}

Reading keep(SecretBytes value) {
  Reading reading;
  reading.kept = std::move(value);
  reading.value = reading.kept;
  return reading;
}

Reading fail(CK_RV rv) {
  Reading reading;
  reading.rv = rv;
  return reading;
}

/// What the TPM does not authorize (a read lock, an auth value that was not given) is a value that is not shown.
Reading read_nv(Session& session, const Object& object) {
  try {
    return keep(session.token->catalogue().nv_value(object));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kAuthFailed) throw;
    return fail(CKR_ATTRIBUTE_SENSITIVE);
  }
}

/// Of a key that lives in the TPM; after login, because the TPM speaks then only.
Reading read_evidence(Session& session, const Object& object, CK_ATTRIBUTE_TYPE type) {
  if (!object.shown.flag(CKA_VTPM_RESIDENT) || object.tpm_handle() != 0) return fail(CKR_ATTRIBUTE_TYPE_INVALID);
  if (!session.token->machine().engine()) return fail(CKR_ATTRIBUTE_SENSITIVE);
  const Bytes part = evidence_part(*session.token->catalogue().evidence_of(object), type);
  return part.empty() ? fail(CKR_ATTRIBUTE_TYPE_INVALID) : keep(SecretBytes(part));
}

/// A key without a list reads as an empty one: applications (pkcs11-provider) take an attribute that is not there for a
/// token that knows none. An empty list, which templates made before an empty one was none, allows nothing.
Reading read_allowed_mechanisms(const Object& object) {
  if (allows_nothing(object)) return fail(CKR_ATTRIBUTE_TYPE_INVALID);
  Reading reading;
  reading.value = object.shown.get(CKA_ALLOWED_MECHANISMS);
  return reading;
}

}  // namespace

ObjectPtr require_object(Session& session, CK_OBJECT_HANDLE handle) {
  ObjectPtr object = session.token->catalogue().object(handle);
  refuse_if(!object, CKR_OBJECT_HANDLE_INVALID, "there is no such object, or it is private and nobody is logged in");
  return object;
}

ObjectPtr require_key(Session& session, CK_OBJECT_HANDLE handle) {
  ObjectPtr object = session.token->catalogue().object(handle);
  refuse_if(!object || !object->is_key(), CKR_KEY_HANDLE_INVALID,
            "there is no such key, or it is private and nobody is logged in");
  return object;
}

void require_fit(const Object& key, CK_OBJECT_CLASS object_class, const Mechanism& mechanism, CK_RV refusal) {
  if (mechanism.works_with_secret_keys()) object_class = CKO_SECRET_KEY;
  refuse_if(key.object_class() != object_class || !mechanism.takes_key_type(*key.shown.number(CKA_KEY_TYPE)), refusal,
            "the key is of another class or type than the mechanism works with");
}

void require_allowed(const Object& key, const Mechanism& mechanism, CK_RV refusal) {
  refuse_if(!allows(key, mechanism.type), refusal, "CKA_ALLOWED_MECHANISMS of the key leaves the mechanism out");
}

void require_use(const Object& key, CK_ATTRIBUTE_TYPE use, const Mechanism& mechanism) {
  if (!key.shown.flag(use)) {
    refuse(CKR_KEY_FUNCTION_NOT_PERMITTED, attribute_name(use) + " of the key is CK_FALSE");
  }
  require_allowed(key, mechanism);
}

ObjectPtr require_key_for(Session& session, CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS object_class,
                          CK_ATTRIBUTE_TYPE use, const Mechanism& mechanism) {
  ObjectPtr key = require_key(session, handle);
  require_fit(*key, object_class, mechanism, CKR_KEY_TYPE_INCONSISTENT);
  require_use(*key, use, mechanism);
  return key;
}

bool allows_nothing(const Object& key) {
  const Bytes* list = key.shown.find(CKA_ALLOWED_MECHANISMS);
  return list && list->empty();
}

KeyUse use_key(Session& session, const Object& object) {
  const Login& login = session.token->login();
  KeyUse use;
  use.login = login.number();  // before who is in is asked: see LoginState::number
  use.needs_login = object.is_private();
  refuse_if(use.needs_login && login.who() != Who::kUser, CKR_USER_NOT_LOGGED_IN,
            "the user has logged out since the key was found");
  use.needs_authentication = object.shown.flag(CKA_ALWAYS_AUTHENTICATE);
  return use;
}

Reading read_attribute(Session& session, const Object& object, CK_ATTRIBUTE_TYPE type) {
  if (type == CKA_ALLOWED_MECHANISMS && object.is_key()) return read_allowed_mechanisms(object);
  if (const Bytes* value = object.shown.find(type)) {
    Reading reading;
    reading.value = *value;
    return reading;
  }
  if (type == CKA_VTPM_BOUND) return keep(SecretBytes(value_view<CK_BBOOL>(object.bound ? CK_TRUE : CK_FALSE)));
  const Schema* schema = Schema::find(object.shown);
  const Rule* rule = schema ? schema->rule(type) : nullptr;
  if (!rule) return fail(CKR_ATTRIBUTE_TYPE_INVALID);
  if (type == CKA_OBJECT_VALIDATION_FLAGS) return keep(SecretBytes(value_view<CK_ULONG>(0)));
  if (is_evidence(type)) return read_evidence(session, object, type);
  if (rule->marks & kSecret && !reveals_secrets(object.shown)) return fail(CKR_ATTRIBUTE_SENSITIVE);
  if (object.nv_index()) {
    if (type == CKA_VALUE || type == CKA_VTPM_NV_VALUE) return read_nv(session, object);
    if (type == CKA_VTPM_NV_ATTRIBUTES) {
      return keep(SecretBytes(value_view<CK_ULONG>(session.token->catalogue().nv_attributes(object))));
    }
  }
  if (rule->marks & kSecret || type == CKA_VALUE) {
    const SecretAttributes secret = session.token->catalogue().secret_of(object);
    if (secret.has(type)) return keep(SecretBytes(secret.get(type)));
  }
  return fail(CKR_ATTRIBUTE_TYPE_INVALID);
}

bool has_value(Session& session, const Object& object, CK_ATTRIBUTE_TYPE type, ByteView value) {
  const Reading reading = read_attribute(session, object, type);
  return reading.rv == CKR_OK && same_value(type, reading.value, value);
}

Reading fetch_attribute(Session& session, const Object& object, CK_ATTRIBUTE_TYPE type, size_t room) {
  constexpr size_t kCounterBytes = 8;
  const bool counts = type == CKA_VALUE && object_class_row(object.shown).has(kCounts) && room >= kCounterBytes;
  return counts ? keep(session.token->catalogue().read_counter(object)) : read_attribute(session, object, type);
}

}  // namespace vtpm::pkcs11
