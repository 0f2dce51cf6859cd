// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/schema.h"

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/attribute_tables.h"
#include "pkcs11/object/object_class.h"
#include "pkcs11/object/secret_key.h"

namespace vtpm::pkcs11 {
namespace {

using D = Default;

void set_default(const Rule& rule, Who who, Attributes& object) {
  switch (rule.value) {
    case D::kNone:
      return;
    case D::kEmpty:
      return object.set(rule.type, {});
    case D::kFalse:
      return object.set_flag(rule.type, false);
    case D::kTrue:
      return object.set_flag(rule.type, true);
    case D::kZero:
      return object.set_number(rule.type, 0);
    case D::kPrivate:
      // The rule of CKA_TOKEN comes before that of CKA_PRIVATE (attribute_tables.cc checks it).
      return object.set_flag(rule.type, private_by_default(object.flag(CKA_TOKEN), who));
  }
}

/// "Trusted certificates cannot be modified" (PKCS#11 3.2, 4.6). Otherwise a user could change the name or serial
/// number of a certificate that the SO trusts.
bool vouched_for(const Attributes& object, Changing changing, const Template& changes) {
  if (!object_class_row(object).has(kFixedByTrust) || !object.flag(CKA_TRUSTED)) return false;
  return changing == Changing::kSet || changes.flag(CKA_TRUSTED, true);
}

/// CKR_ATTRIBUTE_TYPE_INVALID is for attributes that the standard does not define; an attribute of another class is
/// inconsistent (PKCS#11 3.2, 4.1.1).
[[noreturn]] void refuse_stranger(CK_ATTRIBUTE_TYPE type) {
  if (!is_attribute(type)) refuse(CKR_ATTRIBUTE_TYPE_INVALID, attribute_name(type) + " is not supported");
  refuse(CKR_TEMPLATE_INCONSISTENT, attribute_name(type) + " does not belong to an object of this class");
}

[[noreturn]] void refuse_change(const Rule& rule) {
  refuse(CKR_ATTRIBUTE_READ_ONLY, attribute_name(rule.type) + " of this object cannot be changed to this value");
}

/// Whether the object has this value. A missing CKA_ALLOWED_MECHANISMS reads as an empty list.
bool shows(const Attributes& shown, CK_ATTRIBUTE_TYPE type, ByteView value) {
  if (!shown.has(type)) return type == CKA_ALLOWED_MECHANISMS && value.empty();
  return same_value(type, shown.get(type), value);
}

/// Only the SO can set such an attribute to CK_TRUE; every user can set it to CK_FALSE.
void check_so_only(const Rule& rule, ByteView value, Who who) {
  if ((rule.marks & kSoOnly) && value[0] != CK_FALSE && who != Who::kSo) {
    refuse(CKR_ATTRIBUTE_READ_ONLY, attribute_name(rule.type) + " can be set to CK_TRUE by the SO only");
  }
}

}  // namespace

/// Every schema, made from the rows of attribute_tables.cc at the first use.
struct SchemaTable {
  std::vector<Schema> schemas;

  SchemaTable() {
    for (const SchemaRow& row : schema_rows()) {
      if (row.type != kEverySecretKeyType) {
        schemas.push_back(Schema(row.object_class, row.type, row.parts()));
        continue;
      }
      // All secret keys have the same rules; their types differ in the values that they take.
      for (const SecretKeyType& key : secret_key_types()) {
        schemas.push_back(Schema(row.object_class, key.type, row.parts()));
      }
    }
  }
  static const Schema* find(CK_OBJECT_CLASS object_class, CK_ULONG type) {
    static const SchemaTable* table = new SchemaTable;  // never destroyed: the module runs nothing at exit
    for (const Schema& schema : table->schemas) {
      if (schema.class_ == object_class && schema.type_ == type) return &schema;
    }
    return nullptr;
  }
};

Schema::Schema(CK_OBJECT_CLASS object_class, CK_ULONG type, std::span<const std::span<const Rule>> parts)
    : class_(object_class), type_(type) {
  for (std::span<const Rule> part : parts) rules_.insert(rules_.end(), part.begin(), part.end());
}

const Rule* Schema::rule(CK_ATTRIBUTE_TYPE type) const {
  for (const Rule& rule : rules_) {
    if (rule.type == type) return &rule;
  }
  return nullptr;
}

const Schema& Schema::of(CK_OBJECT_CLASS object_class, CK_ULONG type) {
  const Schema* schema = SchemaTable::find(object_class, type);
  if (!schema) {
    refuse(CKR_ATTRIBUTE_VALUE_INVALID, "this token has no objects of class " + std::to_string(object_class) +
                                            (type ? " and type " + std::to_string(type) : ""));
  }
  return *schema;
}

const Schema& Schema::of(const Template& object) {
  auto object_class = object.number(CKA_CLASS);
  refuse_if(!object_class, CKR_TEMPLATE_INCOMPLETE, "CKA_CLASS is missing");
  const CK_ATTRIBUTE_TYPE kind = object_class_row(*object_class).kind_attribute;
  if (!kind) return of(*object_class);
  auto type = object.number(kind);
  if (!type) refuse(CKR_TEMPLATE_INCOMPLETE, attribute_name(kind) + " is missing");
  return of(*object_class, *type);
}

const Schema* Schema::find(const Attributes& object) {
  auto object_class = object.number(CKA_CLASS);
  if (!object_class) return nullptr;
  const CK_ATTRIBUTE_TYPE kind = object_class_row(*object_class).kind_attribute;
  return SchemaTable::find(*object_class, kind ? object.number(kind).value_or(CK_UNAVAILABLE_INFORMATION) : 0);
}

bool private_by_default(bool on_token, Who who) { return on_token || who != Who::kNobody; }

Draft make_draft(const Schema& schema, Making making, const Template& object, Who who) {
  const uint32_t need = making == Making::kCreate ? +kNeedCreate : making == Making::kGenerate ? +kNeedGenerate : 0u;
  const uint32_t must_not = making == Making::kCreate ? kNotCreate : kNotGenerate;
  Draft draft;
  for (const Template::Row& row : object) {
    const Rule* rule = schema.rule(row.type);
    if (!rule) refuse_stranger(row.type);
    if (rule->marks & must_not && !(making == Making::kMake && rule->marks & kMayMake)) {
      refuse(CKR_ATTRIBUTE_READ_ONLY, attribute_name(row.type) + " is set by the token, not by a template");
    }
    check_so_only(*rule, row.value, who);
    if (row.type == CKA_ALLOWED_MECHANISMS && row.value.empty()) continue;
    if (rule->marks & kSecret) {
      draft.secret.set(row.type, row.value);
    } else {
      draft.shown.set(row.type, row.value);
    }
  }
  for (const Rule& rule : schema) {
    if (draft.shown.has(rule.type) || draft.secret.has(rule.type)) continue;
    if (rule.marks & need) refuse(CKR_TEMPLATE_INCOMPLETE, attribute_name(rule.type) + " is missing");
    set_default(rule, who, draft.shown);
  }
  return draft;
}

Attributes with_defaults(const Schema& schema, Attributes object) {
  for (const Rule& rule : schema) {
    if (!object.has(rule.type)) set_default(rule, Who::kUser, object);
  }
  return object;
}

void apply_changes(const Schema& schema, Changing changing, const Template& changes, Who who, Draft& object) {
  const uint32_t allowed = changing == Changing::kSet ? kModify : kModify | kCopyChange;
  const bool vouched = vouched_for(object.shown, changing, changes);
  for (const Template::Row& row : changes) {
    const Rule* rule = schema.rule(row.type);
    if (!rule) refuse_stranger(row.type);
    const bool changeable = rule->marks & (allowed | kDecided | kErasable);
    const bool secret = rule->marks & kSecret || object.secret.has(row.type);
    // The present value is accepted in a copy, and where the attribute can be changed; but "any attempt" to set
    // CKA_UNIQUE_ID must fail (PKCS#11 3.2, 4.2).
    const bool says_what_is = !secret && row.type != CKA_UNIQUE_ID && shows(object.shown, row.type, row.value);
    if (says_what_is && (changeable || changing == Changing::kCopy)) continue;
    const bool wrong_way =
        (rule->marks & kOnlyUp && row.value[0] == CK_FALSE) || (rule->marks & kOnlyDown && row.value[0] != CK_FALSE);
    const bool erased = rule->marks & kErasable && row.value.empty();
    if (rule->marks & kDecided && !erased) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(row.type) + " is not of this key");
    }
    if ((!(rule->marks & allowed) && !erased) || wrong_way) refuse_change(*rule);
    if (vouched && !(rule->marks & kCopyChange)) refuse_change(*rule);
    check_so_only(*rule, row.value, who);
    if (secret) {
      object.secret.set(row.type, row.value);
    } else {
      object.shown.set(row.type, row.value);
    }
  }
}

bool reveals_secrets(const Attributes& object) {
  return !object.flag(CKA_SENSITIVE, false) && object.flag(CKA_EXTRACTABLE, true);
}

}  // namespace vtpm::pkcs11
