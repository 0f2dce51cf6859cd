// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/attribute.h"

#include <cstdio>

#include "base/der.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/attribute_tables.h"
#include "pkcs11/object/object.h"

namespace vtpm::pkcs11 {
namespace {

/// Applications that keep labels in fixed fields or C strings also pass the NULs at the end.
ByteView without_trailing_nuls(ByteView label) {
  while (!label.empty() && label.back() == 0) label = label.first(label.size() - 1);
  return label;
}

bool is_octet_string_of(ByteView der, ByteView contents) {
  DerReader reader(der);
  const auto string = reader.next(DerTag::kOctetString);
  return string && reader.empty() && equal(string->contents, contents);
}

bool digits(ByteView text) {
  return std::all_of(text.begin(), text.end(), [](uint8_t c) { return c >= '0' && c <= '9'; });
}

/// A date as "20240229": a year from 1900, a month of 1 to 12, and a day of 1 to 31. Whether the month has that day is
/// not checked.
bool is_date(ByteView text) {
  if (!digits(text) || as_text(text.first(2)) < "19") return false;
  const int month = 10 * (text[4] - '0') + text[5] - '0', day = 10 * (text[6] - '0') + text[7] - '0';
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

}  // namespace

const AttributeRow* attribute_row(CK_ATTRIBUTE_TYPE type) {
  for (const AttributeRow& row : attribute_rows()) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

bool is_attribute(CK_ATTRIBUTE_TYPE type) {
  if (const AttributeRow* row = attribute_row(type))
    return row->name.substr(0, 4) == "CKA_";  // fields of records have other names
  const auto elsewhere = attributes_of_no_object();
  return std::any_of(elsewhere.begin(), elsewhere.end(),
                     [&](const AttributeRange& range) { return range.first <= type && type <= range.last; });
}

std::string attribute_name(CK_ATTRIBUTE_TYPE type) {
  if (const AttributeRow* row = attribute_row(type)) return std::string(row->name);
  char text[32];
  std::snprintf(text, sizeof text, "attribute 0x%lx", type);
  return text;
}

bool well_formed(const AttributeRow& row, ByteView value) {
  switch (row.form) {
    case Form::kBytes:
      return true;
    case Form::kBool:
      return value.size() == 1 && value[0] <= 1;
    case Form::kUlong:
      return value.size() == sizeof(CK_ULONG);
    case Form::kDate:
      return value.empty() || (value.size() == sizeof(CK_DATE) && is_date(value));
    case Form::kUlongArray:
      return value.size() % sizeof(CK_ULONG) == 0;
    case Form::kTemplate:
      return value.size() % sizeof(CK_ATTRIBUTE) == 0;
  }
  return false;
}

bool same_value(CK_ATTRIBUTE_TYPE type, ByteView one, ByteView other) {
  if (equal(one, other)) return true;
  return type == CKA_EC_POINT && (is_octet_string_of(one, other) || is_octet_string_of(other, one));
}

Template::Template(const CK_ATTRIBUTE* rows, CK_ULONG count, Twice twice, unsigned depth) {
  constexpr unsigned kDeepest = 3;  // CKA_UNWRAP_TEMPLATE in CKA_UNWRAP_TEMPLATE in CKA_UNWRAP_TEMPLATE
  refuse_if(depth > kDeepest, CKR_ATTRIBUTE_VALUE_INVALID, "templates are nested too deep (at most 3 levels)");
  refuse_if(count > 0 && rows == nullptr, CKR_ARGUMENTS_BAD, "the template is a null pointer");
  refuse_if(count > kMostTemplateRows, CKR_ARGUMENTS_BAD, "the template has too many attributes (at most 1024)");
  rows_.reserve(count);
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_ATTRIBUTE row;
    std::memcpy(&row, reinterpret_cast<const char*>(rows) + i * sizeof row, sizeof row);  // may be unaligned
    if (row.ulValueLen > kMostAttributeValue) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID,
             attribute_name(row.type) + ": length out of range (at most " + std::to_string(kMostAttributeValue) + ")");
    }
    if (row.pValue == nullptr && row.ulValueLen > 0) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(row.type) + " has a length but a null pointer");
    }
    ByteView value(static_cast<const uint8_t*>(row.pValue), row.pValue ? row.ulValueLen : 0);
    if (row.type == CKA_LABEL && twice == Twice::kRefused) value = without_trailing_nuls(value);
    const AttributeRow* known = attribute_row(row.type);
    if (known && !well_formed(*known, value)) {
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, attribute_name(row.type) + " has a wrong length or value");
    }
    if (known && known->form == Form::kTemplate) {
      const Template inner(static_cast<const CK_ATTRIBUTE*>(row.pValue), value.size() / sizeof(CK_ATTRIBUTE), twice,
                           depth + 1);
      contradicts_itself_ |= inner.contradicts_itself();
      Attributes attributes;
      for (const Row& one : inner) attributes.set(one.type, one.value);
      value = kept_.emplace_back(to_bytes(encode_attributes(attributes)));
    }
    if (const Row* before = find(row.type)) {
      if (same_value(row.type, before->value, value)) continue;
      if (twice == Twice::kRefused) {
        refuse(CKR_TEMPLATE_INCONSISTENT, attribute_name(row.type) + " is given twice with different values");
      }
      contradicts_itself_ = true;
      continue;
    }
    rows_.push_back({row.type, value});
  }
}

void Template::impose(const Attributes& demands) {
  for (const auto& [type, value] : demands) {
    if (const Row* row = find(type)) {
      if (!same_value(type, row->value, value)) {
        refuse(CKR_TEMPLATE_INCONSISTENT,
               attribute_name(type) + " is not what the template attribute of the key requires");
      }
      continue;
    }
    rows_.push_back({type, kept_.emplace_back(value)});
  }
}

void Template::drop(CK_ATTRIBUTE_TYPE type) {
  std::erase_if(rows_, [&](const Row& row) { return row.type == type; });
}

bool Template::trim_label() {
  bool trimmed = false;
  for (Row& row : rows_) {
    if (row.type != CKA_LABEL) continue;
    const ByteView label = without_trailing_nuls(row.value);
    trimmed = label.size() != row.value.size();
    row.value = label;
  }
  return trimmed;
}

const Template::Row* Template::find(CK_ATTRIBUTE_TYPE type) const {
  for (const Row& row : rows_) {
    if (row.type == type) return &row;
  }
  return nullptr;
}

ByteView Template::get(CK_ATTRIBUTE_TYPE type) const {
  const Row* row = find(type);
  return row ? row->value : ByteView();
}

bool Template::flag(CK_ATTRIBUTE_TYPE type, bool absent) const {
  const Row* row = find(type);
  return row ? row->value[0] != CK_FALSE : absent;
}

std::optional<CK_ULONG> Template::number(CK_ATTRIBUTE_TYPE type) const {
  const Row* row = find(type);
  if (!row) return std::nullopt;
  CK_ULONG result;
  std::memcpy(&result, row->value.data(), sizeof result);
  return result;
}

Attributes decode_template(ByteView value) {
  if (value.empty()) return {};
  return decode_attributes<Bytes>(value);
}

}  // namespace vtpm::pkcs11
