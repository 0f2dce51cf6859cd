// SPDX-License-Identifier: Apache-2.0
// Secret keys: their types, the values that a type accepts, and how keys are made. They are always software keys, whose
// value is in the secret part of the object.
#pragma once

#include <span>

#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/object/schema.h"

namespace vtpm::pkcs11 {

struct SecretKeyType {
  CK_KEY_TYPE type;
  size_t least, most, step;  // the lengths of a value, in bytes: least, least + step … most
  bool encrypts;             // the defaults of CKA_ENCRYPT and CKA_DECRYPT
  bool signs;                // the defaults of CKA_SIGN and CKA_VERIFY

  bool takes(size_t bytes) const { return bytes >= least && bytes <= most && (bytes - least) % step == 0; }
};
std::span<const SecretKeyType> secret_key_types();

/// C_CreateObject: checks the value and completes what the template implies. Throws Refusal:
/// CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
void import_secret_key(Draft& draft);
/// C_GenerateKey. Throws Refusal: the template's errors, CKR_ATTRIBUTE_VALUE_INVALID, and CKR_TEMPLATE_INCOMPLETE
/// without CKA_VALUE_LEN if keys of the type have more than one length.
Draft generate_secret_key(const Mechanism& mechanism, const Template& object, Who who);

/// The origin of a key's value, for CKA_LOCAL, CKA_KEY_GEN_MECHANISM, CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE.
struct Origin {
  bool local = false;                             // made by the token's own C_GenerateKey
  CK_ULONG mechanism = 0;                         // the mechanism that generated it, if local
  bool kept_secret = false, kept_inside = false;  // always sensitive, never extractable so far
};

/// A secret key whose bytes are still to be unwrapped or derived. Its template is checked first, so that an error of
/// the template reveals nothing about the bytes.
class SecretKeyPlan {
 public:
  /// `type_if_absent`: the key type if the template has none. Throws Refusal: the template's errors,
  /// CKR_TEMPLATE_INCONSISTENT for another class.
  SecretKeyPlan(const Template& object, Making making, Who who, CK_KEY_TYPE type_if_absent);

  /// The attributes that the template determines, without those that depend on the value.
  Attributes& shown() { return draft_.shown; }
  bool is_token() const { return draft_.is_token(); }
  bool is_private() const { return draft_.is_private(); }
  /// The length that the value must have, in bytes: CKA_VALUE_LEN, or the only length of the type; nothing if any is
  /// possible.
  std::optional<size_t> size() const;
  bool takes(size_t bytes) const { return type_->takes(bytes); }
  /// The length to derive, in bytes: that of the template, or `natural` if the type accepts it. Throws Refusal
  /// CKR_TEMPLATE_INCOMPLETE.
  size_t bytes_or(size_t natural) const;

  /// The key with this value. Throws Refusal CKR_ATTRIBUTE_VALUE_INVALID if the type does not accept it.
  Draft make(ByteView value, const Origin& origin) &&;

 private:
  Draft draft_;
  const SecretKeyType* type_;
};

}  // namespace vtpm::pkcs11
