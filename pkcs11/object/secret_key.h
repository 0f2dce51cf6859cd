// SPDX-License-Identifier: Apache-2.0
// Secret keys: which types there are, what values they take, and how they come to be. They are always software keys,
// whose value is in the sealed part of the object.
#pragma once

#include <span>

#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/object/schema.h"

namespace vtpm::pkcs11 {

struct SecretKeyType {
  CK_KEY_TYPE type;
  size_t least, most, step;  // bytes of the value: least, least + step … most
  bool encrypts;             // the defaults of CKA_ENCRYPT and CKA_DECRYPT
  bool signs;                // … and of CKA_SIGN and CKA_VERIFY

  bool takes(size_t bytes) const { return bytes >= least && bytes <= most && (bytes - least) % step == 0; }
};
std::span<const SecretKeyType> secret_key_types();

/// C_CreateObject: checks the value and completes what the template implies. Throws Refusal:
/// CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
void import_secret_key(Draft& draft);
/// C_GenerateKey. Throws Refusal: the template's errors, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCOMPLETE without
/// CKA_VALUE_LEN where the type has more than one length.
Draft generate_secret_key(const Mechanism& mechanism, const Template& object, Who who);

/// Where a key's value came from, as far as its attributes tell.
struct Origin {
  bool local = false;                             // made by the token's own C_GenerateKey
  CK_ULONG mechanism = 0;                         // that made it, when local
  bool kept_secret = false, kept_inside = false;  // so far: always sensitive, never extractable
};

/// A secret key to be, whose bytes are still to be unwrapped or derived: its template, checked before there are any,
/// so that no error of the template says anything about them.
class SecretKeyPlan {
 public:
  /// CKA_KEY_TYPE is `type_if_absent` unless the template has one. Throws Refusal with the template's error;
  /// CKR_TEMPLATE_INCONSISTENT for another class.
  SecretKeyPlan(const Template& object, Making making, Who who, CK_KEY_TYPE type_if_absent);

  /// What the template decides, before the value adds to it.
  Attributes& shown() { return draft_.shown; }
  bool is_token() const { return draft_.is_token(); }
  bool is_private() const { return draft_.is_private(); }
  /// How long the value must be: CKA_VALUE_LEN, or the one length of the type.
  std::optional<size_t> size() const;
  bool takes(size_t bytes) const { return type_->takes(bytes); }
  /// The length to derive: what the template says, else `natural` where the type takes it. Throws
  /// CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT.
  size_t bytes_or(size_t natural) const;

  /// The key. Throws CKR_ATTRIBUTE_VALUE_INVALID for a value that the type does not take.
  Draft make(ByteView value, const Origin& origin) &&;

 private:
  Draft draft_;
  const SecretKeyType* type_;
};

}  // namespace vtpm::pkcs11
