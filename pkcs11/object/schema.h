// SPDX-License-Identifier: Apache-2.0
// What each class of object may, must and must not say: the standard's attribute tables as rows, and the one validator
// that walks them for every way an object comes to be or changes.
//
// A rule's marks are the footnotes of PKCS#11 3.2, 4.2 ("Common footnotes for object attribute tables"); every row of
// the standard's tables is in tests/data/conformance/attributes.txt.
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
  kOptional = 1 << 10,     // absent unless given (no default)
  kDecided = 1 << 11,      // decided by the key: another value is CKR_ATTRIBUTE_VALUE_INVALID, now or later
  kErasable = 1 << 12,     // may be made empty, and nothing else
  kMayMake = 1 << 13,      // may be given to C_UnwrapKey and C_DeriveKey, as the key has it
};

/// kPrivate: true, but false for a session object that is made while nobody is logged in, because nobody could use it.
enum class Default { kNone, kEmpty, kFalse, kTrue, kZero, kPrivate };

struct Rule {
  CK_ATTRIBUTE_TYPE type;
  uint32_t marks;
  Default value;
};

/// The rules of one class (and key or certificate type).
class Schema {
 public:
  /// Throws Refusal: CKR_ATTRIBUTE_VALUE_INVALID for a class or type that this token does not store.
  static const Schema& of(CK_OBJECT_CLASS object_class, CK_ULONG type = 0);
  /// From CKA_CLASS and CKA_KEY_TYPE / CKA_CERTIFICATE_TYPE of a template for C_CreateObject; throws
  /// CKR_TEMPLATE_INCOMPLETE when one is missing.
  static const Schema& of(const Template& object);
  /// Of a stored object; nothing when this version does not know the class.
  static const Schema* find(const Attributes& object);

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

/// kMake: C_UnwrapKey and C_DeriveKey, where the token sets what it sets when it generates, and nothing of that kind is
/// missing.
enum class Making { kCreate, kGenerate, kMake };

struct Draft {
  Attributes shown;
  SecretAttributes secret;
  bool is_private() const { return shown.flag(CKA_PRIVATE); }
  bool is_token() const { return shown.flag(CKA_TOKEN); }
};

/// The default of CKA_PRIVATE for keys (Default::kPrivate) that `who` makes.
bool private_by_default(bool on_token, Who who);

/// A new object from a template: every rule checked, defaults filled in. `who` makes it (CKA_TRUSTED, CKA_PRIVATE). An
/// empty CKA_ALLOWED_MECHANISMS in the template is no list. Throws Refusal: CKR_ATTRIBUTE_TYPE_INVALID,
/// CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT.
Draft make_draft(const Schema& schema, Making making, const Template& object, Who who);

/// An object of the token's own making, with the defaults that it does not have yet.
Attributes with_defaults(const Schema& schema, Attributes object);

enum class Changing { kSet, kCopy };
/// Applies a template to an existing object's attributes. C_SetAttributeValue refuses an attribute that can never be
/// modified even where the template has its present value; C_CopyObject takes that. Of a trusted certificate nothing
/// changes (4.6), and a copy that does not give up the trust differs in how it is kept only. Throws Refusal:
/// CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
void apply_changes(const Schema& schema, Changing changing, const Template& changes, Who who, Draft& object);

/// Whether the values of kSecret rules may be shown: not sensitive and extractable, or not a key at all.
bool reveals_secrets(const Attributes& object);

}  // namespace vtpm::pkcs11
