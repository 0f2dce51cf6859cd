// SPDX-License-Identifier: Apache-2.0
// Which attributes an object of each class may have, must have and must not have: the standard's attribute tables as
// rows, and the validator that walks them whenever an object is created or changed.
//
// The marks of a rule are the footnotes of PKCS#11 3.2, 4.2 ("Common footnotes for object attribute tables");
// tests/data/conformance/attributes.txt has every row of the standard's tables.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pkcs11/object/attribute.h"
#include "pkcs11/object/who.h"

namespace vtpm::pkcs11 {

enum Mark : uint32_t {
  kNeedCreate = 1 << 0,    // 1: must be given to C_CreateObject
  kNotCreate = 1 << 1,     // 2: must not be given to C_CreateObject
  kNeedGenerate = 1 << 2,  // 3: must be given when the object is generated
  kNotGenerate = 1 << 3,   // 4: must not be given when the object is generated
  kSecret = 1 << 4,        // 7: not revealed while SENSITIVE or not EXTRACTABLE; kept in the sealed part
  kModify = 1 << 5,        // 8: may be changed by C_SetAttributeValue and C_CopyObject
  kCopyChange = 1 << 6,    // may be changed by C_CopyObject only
  kSoOnly = 1 << 7,        // 10: may be set to CK_TRUE by the SO only
  kOnlyUp = 1 << 8,        // 11: may be changed from CK_FALSE to CK_TRUE only
  kOnlyDown = 1 << 9,      // 12: may be changed from CK_TRUE to CK_FALSE only
  kOptional = 1 << 10,     // absent unless a template has it (no default)
  kDecided = 1 << 11,      // the key decides: another value returns CKR_ATTRIBUTE_VALUE_INVALID
  kErasable = 1 << 12,     // may be made empty, but not changed otherwise
  kMayMake = 1 << 13,      // may be given to C_UnwrapKey and C_DeriveKey if it is that of the key
};

/// kPrivate: CK_TRUE; but CK_FALSE for a session object that is made while no user is logged in, because otherwise no
/// session could use it.
enum class Default { kNone, kEmpty, kFalse, kTrue, kZero, kPrivate };

struct Rule {
  CK_ATTRIBUTE_TYPE type;
  uint32_t marks;
  Default value;
};

/// The rules of one class and key, certificate or hardware feature type. Static and immutable.
class Schema {
 public:
  /// The rules of a class and type. Throws Refusal CKR_ATTRIBUTE_VALUE_INVALID if this token does not store such
  /// objects.
  static const Schema& of(CK_OBJECT_CLASS object_class, CK_ULONG type = 0);
  /// The rules for a template of C_CreateObject, by its CKA_CLASS and CKA_KEY_TYPE, CKA_CERTIFICATE_TYPE or
  /// CKA_HW_FEATURE_TYPE. Throws Refusal: CKR_TEMPLATE_INCOMPLETE if one is missing, CKR_ATTRIBUTE_VALUE_INVALID.
  static const Schema& of(const Template& object);
  /// The rules for a stored object; null if this version does not know its class or type.
  static const Schema* find(const Attributes& object);

  /// The rule for an attribute; null if objects of the class do not have it.
  const Rule* rule(CK_ATTRIBUTE_TYPE type) const;
  auto begin() const { return rules_.begin(); }
  auto end() const { return rules_.end(); }

 private:
  friend struct SchemaTable;
  Schema(CK_OBJECT_CLASS object_class, CK_ULONG type, std::span<const std::span<const Rule>> parts);
  CK_OBJECT_CLASS class_;
  CK_ULONG type_;
  std::vector<Rule> rules_;
};

/// kMake: C_UnwrapKey and C_DeriveKey, where the token sets the attributes that it sets when it generates a key, and
/// where a template may leave those out.
enum class Making { kCreate, kGenerate, kMake };

/// A new or changed object that is not committed yet.
struct Draft {
  Attributes shown;
  SecretAttributes secret;
  bool is_private() const { return shown.flag(CKA_PRIVATE); }
  bool is_token() const { return shown.flag(CKA_TOKEN); }
};

/// The default of CKA_PRIVATE for keys (Default::kPrivate) that a user makes.
bool private_by_default(bool on_token, Who who);

/// A new object from a template, with every rule checked and the defaults filled in. `who`: the user that makes it
/// (CKA_TRUSTED, CKA_PRIVATE). An empty CKA_ALLOWED_MECHANISMS in the template counts as no list. Throws Refusal:
/// CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT.
Draft make_draft(const Schema& schema, Making making, const Template& object, Who who);

/// Adds the defaults of missing attributes to an object that the module itself makes.
Attributes with_defaults(const Schema& schema, Attributes object);

enum class Changing { kSet, kCopy };
/// Applies a template to an existing object. C_SetAttributeValue rejects an attribute that can never be modified even
/// if the template has its present value; C_CopyObject accepts that. A trusted certificate cannot be changed (4.6), and
/// a copy that keeps the trust may differ only in attributes that say how it is stored. After a throw the draft may be
/// half-changed. Throws Refusal: CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID,
/// CKR_TEMPLATE_INCONSISTENT.
void apply_changes(const Schema& schema, Changing changing, const Template& changes, Who who, Draft& object);

/// Whether the attributes with kSecret may be shown: the object is extractable and not sensitive, or it is not a key.
bool reveals_secrets(const Attributes& object);

}  // namespace vtpm::pkcs11
