// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/keys/derive/derive.h"

#include <algorithm>

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/object/key_factory.h"

namespace vtpm::pkcs11 {
namespace {

/// What C_DeriveKey does for a family: `derivable` derives the bytes of one secret key, or `keys` makes all objects.
struct Deriver {
  Derivable (*derivable)(const DeriveCall&) = nullptr;
  Inheritance inheritance = Inheritance::kFree;
  DerivedKeys (*keys)(const DeriveCall&, Template, CK_OBJECT_HANDLE*) = nullptr;
  bool takes_data = false;       // it accepts a data object as the base key
  bool tells_no_secret = false;  // its result is public: it works without CKA_DERIVE
};
constexpr FamilyTable<Deriver> kDerivers({
    {Family::kEcdh, {derive_agreement, Inheritance::kShared}},
    {Family::kDh, {derive_agreement, Inheritance::kShared}},
    {Family::kHkdf, {.derivable = derive_hkdf, .takes_data = true}},
    {Family::kHkdfData, {.keys = derive_hkdf_data, .takes_data = true}},
    {Family::kKbkdf, {.keys = derive_kbkdf}},
    {Family::kConcatenateKey, {derive_concatenation, Inheritance::kAtLeast}},
    {Family::kConcatenateData, {append_data, Inheritance::kAtLeast}},
    {Family::kPrependData, {prepend_data, Inheritance::kAtLeast}},
    {Family::kXorData, {xor_data, Inheritance::kAtLeast}},
    {Family::kExtractBits, {derive_extract, Inheritance::kAtLeast}},
    {Family::kEncryptData, {derive_encryption}},
    {Family::kDigestKey, {derive_digest}},
    {Family::kShakeKey, {derive_shake}},
    {Family::kTlsMaster, {derive_tls_master}},
    {Family::kTlsExtendedMaster, {derive_tls_extended_master}},
    {Family::kTlsKeyMaterial, {.keys = derive_tls_keys}},
    {Family::kTlsKdf, {derive_tls_kdf, Inheritance::kNoLess}},
    {Family::kPublicFromPrivate, {.keys = derive_public_key, .tells_no_secret = true}},
});
static_assert(kDerivers.covers(CKF_DERIVE, [](const Deriver& by) { return by.derivable || by.keys; }));

/// The defaults of the template are the values of the base key.
void inherit_defaults(const Template& wanted, Attributes& shown, const Object& base) {
  for (const CK_ATTRIBUTE_TYPE type : {CKA_SENSITIVE, CKA_EXTRACTABLE}) {
    if (!wanted.has(type)) shown.set_flag(type, base.shown.flag(type));
  }
}

/// The mechanism sets CKA_ALLOWED_MECHANISMS. The template may have a part of that list.
void allow_only(std::span<const CK_MECHANISM_TYPE> list, Attributes& shown) {
  if (!shown.has(CKA_ALLOWED_MECHANISMS)) {
    return shown.set(CKA_ALLOWED_MECHANISMS, {reinterpret_cast<const uint8_t*>(list.data()), list.size_bytes()});
  }
  const ByteView wanted = shown.get(CKA_ALLOWED_MECHANISMS);
  for (size_t at = 0; at < wanted.size(); at += sizeof(CK_MECHANISM_TYPE)) {
    const ByteView one = wanted.subspan(at, sizeof(CK_MECHANISM_TYPE));
    refuse_if(std::none_of(list.begin(), list.end(), [&](const auto& type) { return equal(one, value_view(type)); }),
              CKR_TEMPLATE_INCONSISTENT,
              "CKA_ALLOWED_MECHANISMS has a mechanism that such a key must not be used with");
  }
}

Derivable fixed(SecretBytes value, bool from_the_end, CK_RV refusal = CKR_TEMPLATE_INCONSISTENT) {
  const size_t size = value.size();
  auto held = std::make_shared<SecretBytes>(std::move(value));
  Derivable result;
  result.natural = size;
  result.bytes = [held, from_the_end, refusal](size_t bytes) {
    refuse_if(bytes > held->size(), refusal, "key length out of range: the mechanism derives fewer bytes");
    return SecretBytes(from_the_end ? held->view().last(bytes) : held->view().first(bytes));
  };
  return result;
}

}  // namespace

SecretBytes DeriveCall::base_value() const {
  const SecretAttributes secret = session.token->catalogue().secret_of(base);
  const ByteView value = secret.get(CKA_VALUE);
  refuse_if(value.size() < row.min_size || value.size() > row.max_size, CKR_KEY_SIZE_RANGE,
            "the key's size is outside the mechanism's range");
  return SecretBytes(value);
}

Derivable beginning_of(SecretBytes value, CK_RV refusal) { return fixed(std::move(value), false, refusal); }
Derivable end_of(SecretBytes value) { return fixed(std::move(value), true); }

void inherit(const Template& wanted, Attributes& shown, const Object& base, Inheritance inheritance) {
  struct {
    CK_ATTRIBUTE_TYPE type;
    bool strict;
  } constexpr kSecrecy[] = {{CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}};
  for (const auto& [type, strict] : kSecrecy) {
    const bool of_base = base.shown.flag(type);
    if (inheritance != Inheritance::kTheSame && of_base != strict) continue;
    if (wanted.has(type) && wanted.flag(type, false) != of_base) {
      refuse(CKR_TEMPLATE_INCONSISTENT, attribute_name(type) + " must have the value that it has in the base key");
    }
    shown.set_flag(type, of_base);
  }
}

SecretKeyPlan plan_derived(const DeriveCall& call, Template& wanted, Inheritance inheritance, const Object* second_base,
                           CK_KEY_TYPE type_if_absent) {
  wanted.impose(decode_template(call.base.shown.get(CKA_DERIVE_TEMPLATE)));
  SecretKeyPlan plan(wanted, Making::kMake, call.session.token->login().who(), type_if_absent);
  const bool defaults = inheritance == Inheritance::kDefault || inheritance == Inheritance::kNoLess;
  if (defaults) inherit_defaults(wanted, plan.shown(), call.base);
  const bool binding = inheritance == Inheritance::kAtLeast || inheritance == Inheritance::kNoLess ||
                       inheritance == Inheritance::kTheSame;
  if (binding) {
    inherit(wanted, plan.shown(), call.base, inheritance);
    if (second_base) inherit(wanted, plan.shown(), *second_base, inheritance);
  }
  if (inheritance == Inheritance::kShared && !wanted.has(CKA_EXTRACTABLE)) plan.shown().set_flag(CKA_EXTRACTABLE, true);
  call.session.require_write(plan.is_token(), plan.is_private());
  return plan;
}

Origin origin_of_derived(const Object& base, const Object* second_base) {
  const auto all = [&](CK_ATTRIBUTE_TYPE type) {
    return base.shown.flag(type) && (!second_base || second_base->shown.flag(type));
  };
  Origin origin;
  origin.kept_secret = all(CKA_ALWAYS_SENSITIVE);
  origin.kept_inside = all(CKA_NEVER_EXTRACTABLE);
  return origin;
}

ObjectPtr require_input_key(const DeriveCall& call, CK_OBJECT_HANDLE handle) {
  ObjectPtr key = require_key(call.session, handle);
  refuse_if(key->key_part() != KeyPart::kSecret, CKR_KEY_TYPE_INCONSISTENT, "the other key is not a secret key");
  require_use(*key, CKA_DERIVE, call.row);
  return key;
}

DerivedKeys one_key(Draft draft, CK_OBJECT_HANDLE* key) {
  refuse_if(!key, CKR_ARGUMENTS_BAD, "the pointer to the key's handle is null");
  DerivedKeys keys;
  keys.drafts.push_back(std::move(draft));
  keys.publish = [key](std::span<const CK_OBJECT_HANDLE> handles) { *key = handles.front(); };
  return keys;
}

ObjectPtr require_base_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism) {
  const Deriver& by = kDerivers[mechanism.family];
  if (by.takes_data) {
    ObjectPtr data = session.token->catalogue().object(handle);
    if (data && data->object_class() == CKO_DATA) return data;
  }
  ObjectPtr key = require_key(session, handle);
  require_fit(*key, CKO_PRIVATE_KEY, mechanism, CKR_KEY_TYPE_INCONSISTENT);
  if (by.tells_no_secret) {
    require_allowed(*key, mechanism);
  } else {
    require_use(*key, CKA_DERIVE, mechanism);
  }
  return key;
}

DerivedKeys derive(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key) {
  const Deriver& by = kDerivers[call.row.family];
  if (by.keys) return by.keys(call, std::move(wanted), key);
  refuse_if(!key, CKR_ARGUMENTS_BAD, "the pointer to the key's handle is null");
  const Derivable derivable = by.derivable(call);
  SecretKeyPlan plan = plan_derived(call, wanted, by.inheritance, derivable.second_base);
  if (!derivable.only_for.empty()) allow_only(derivable.only_for, plan.shown());
  const SecretBytes value = derivable.bytes(plan.bytes_or(derivable.natural));
  return one_key(std::move(plan).make(value, origin_of_derived(call.base, derivable.second_base)), key);
}

DerivedKeys derive_public_key(const DeriveCall& call, Template wanted, CK_OBJECT_HANDLE* key) {
  wanted.impose(decode_template(call.base.shown.get(CKA_DERIVE_TEMPLATE)));
  Draft draft = public_half_of(call.base, wanted, call.session.token->login().who());
  call.session.require_write(draft.is_token(), draft.is_private());
  return one_key(std::move(draft), key);
}

}  // namespace vtpm::pkcs11
