// SPDX-License-Identifier: Apache-2.0
// The tables of attributes (attribute_tables.cc), for the two files that walk them: attribute.cc and schema.cc. Other
// files use attribute.h and schema.h. Everything here is static.
#pragma once

#include <initializer_list>
#include <span>

#include "pkcs11/object/attribute.h"
#include "pkcs11/object/schema.h"

namespace vtpm::pkcs11 {

/// Every attribute that an object of this token can have, and the fields of records.
std::span<const AttributeRow> attribute_rows();

struct AttributeRange {
  CK_ATTRIBUTE_TYPE first, last;
};
/// Attributes that PKCS#11 3.2 defines and that no object of this token has.
std::span<const AttributeRange> attributes_of_no_object();

/// The type of a schema row that stands for every type of secret keys (secret_key_types).
constexpr CK_ULONG kEverySecretKeyType = CK_UNAVAILABLE_INFORMATION;

/// The rules of one class and type: the concatenation of its parts.
struct SchemaRow {
  CK_OBJECT_CLASS object_class;
  CK_ULONG type;  // of key, certificate or hardware feature; 0 for classes of one type

  /// `parts`: at most five arrays of rules, which outlive the row.
  constexpr SchemaRow(CK_OBJECT_CLASS class_of_row, CK_ULONG type_of_row,
                      std::initializer_list<std::span<const Rule>> parts)
      : object_class(class_of_row), type(type_of_row) {
    for (const std::span<const Rule> part : parts) parts_[count_++] = part;
  }
  constexpr std::span<const std::span<const Rule>> parts() const { return {parts_, count_}; }

 private:
  std::span<const Rule> parts_[5] = {};
  size_t count_ = 0;
};
/// One row for each class and type.
std::span<const SchemaRow> schema_rows();

}  // namespace vtpm::pkcs11
