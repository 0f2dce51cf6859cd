// SPDX-License-Identifier: Apache-2.0
// Attributes (PKCS#11 3.2, chapter 4): the table of their forms, and the maps that hold their values.
//
// In memory a value has PKCS#11's C form (CK_ULONG in native byte order, CK_BBOOL as one byte); on disk it has the form
// of docs/format.md. `Attributes` holds values that everyone may see. `SecretAttributes` holds values that only the
// token may see (private numbers, private data, wrapped TPM keys); their bytes are in the locked arena.
#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "pkcs11/cryptoki/cryptoki.h"
#include "pkcs11/cryptoki/limits.h"

namespace vtpm::pkcs11 {

/// kTemplate: an array of CK_ATTRIBUTE, which points into its owner's memory. The module keeps such a value in the form
/// of the disk (encode_attributes), sorted by type, so that equal templates are equal bytes.
enum class Form { kBytes, kBool, kUlong, kDate, kUlongArray, kTemplate };

struct AttributeRow {
  CK_ATTRIBUTE_TYPE type;
  std::string_view name;
  Form form;
};
/// The row of an attribute; null for a type that this module does not know.
const AttributeRow* attribute_row(CK_ATTRIBUTE_TYPE type);
/// Whether PKCS#11 3.2 or this module defines the attribute, for any class of objects, including classes that the token
/// does not have.
bool is_attribute(CK_ATTRIBUTE_TYPE type);
/// "CKA_LABEL", or the number in hexadecimal.
std::string attribute_name(CK_ATTRIBUTE_TYPE type);
/// Whether the value has the length and the range of its form: a CK_BBOOL is 0 or 1, a CK_ULONG has 8 bytes, a CK_DATE
/// is empty or a date.
bool well_formed(const AttributeRow& row, ByteView value);

/// Whether two values of an attribute mean the same: they are equal bytes, or two encodings of one CKA_EC_POINT, of
/// which one is the DER OCTET STRING of the other.
bool same_value(CK_ATTRIBUTE_TYPE type, ByteView one, ByteView other);

template <typename T>
ByteView value_view(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

/// A small map from attribute types to values, sorted by type. Not thread-safe.
template <typename Buffer>
class AttributeMap {
 public:
  using Row = std::pair<CK_ATTRIBUTE_TYPE, Buffer>;

  const Buffer* find(CK_ATTRIBUTE_TYPE type) const {
    auto at = position(type);
    return at != rows_.end() && at->first == type ? &at->second : nullptr;
  }
  bool has(CK_ATTRIBUTE_TYPE type) const { return find(type) != nullptr; }
  /// The value; an empty view if the attribute is absent. The view is valid until the map changes.
  ByteView get(CK_ATTRIBUTE_TYPE type) const {
    const Buffer* value = find(type);
    return value ? ByteView(*value) : ByteView();
  }
  bool flag(CK_ATTRIBUTE_TYPE type, bool absent = false) const {
    ByteView value = get(type);
    return value.size() == 1 ? value[0] != CK_FALSE : absent;
  }
  std::optional<CK_ULONG> number(CK_ATTRIBUTE_TYPE type) const {
    ByteView value = get(type);
    if (value.size() != sizeof(CK_ULONG)) return std::nullopt;
    CK_ULONG result;
    std::memcpy(&result, value.data(), sizeof result);
    return result;
  }

  void set(CK_ATTRIBUTE_TYPE type, ByteView value) {
    auto at = rows_.begin() + (position(type) - rows_.cbegin());
    if (at == rows_.end() || at->first != type) at = rows_.emplace(at, type, Buffer());
    at->second = Buffer(value.begin(), value.end());
  }
  void set_flag(CK_ATTRIBUTE_TYPE type, bool value) {
    CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;
    set(type, value_view(byte));
  }
  void set_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) { set(type, value_view(value)); }
  void erase(CK_ATTRIBUTE_TYPE type) {
    auto at = rows_.begin() + (position(type) - rows_.cbegin());
    if (at != rows_.end() && at->first == type) rows_.erase(at);
  }

  void reserve(size_t attributes) { rows_.reserve(attributes); }
  bool empty() const { return rows_.empty(); }
  size_t size() const { return rows_.size(); }
  auto begin() const { return rows_.begin(); }
  auto end() const { return rows_.end(); }
  /// The length of all values, in bytes.
  size_t total() const {
    size_t sum = 0;
    for (const Row& row : rows_) sum += row.second.size();
    return sum;
  }

 private:
  auto position(CK_ATTRIBUTE_TYPE type) const {
    return std::lower_bound(rows_.begin(), rows_.end(), type,
                            [](const Row& row, CK_ATTRIBUTE_TYPE wanted) { return row.first < wanted; });
  }
  std::vector<Row> rows_;
};

using Attributes = AttributeMap<Bytes>;
using SecretAttributes = AttributeMap<std::vector<uint8_t, ArenaAllocator<uint8_t>>>;

/// A caller's template, checked once: it has no null pointer with a length, every known attribute is well formed, and
/// no attribute is given twice with different values. Values stay in the caller's memory, except those of templates in
/// the template, which are copied. A CKA_LABEL that is padded with NULs is taken without them, except for a search.
class Template {
 public:
  /// Reads `count` attributes. Throws Refusal: CKR_ARGUMENTS_BAD for a null pointer or more than kMostTemplateRows
  /// attributes, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
  Template(const CK_ATTRIBUTE* rows, CK_ULONG count) : Template(rows, count, Twice::kRefused, 0) {}
  /// For a search, where two values for one attribute are not an error (PKCS#11 3.2, 5.7): no object has both, and
  /// contradicts_itself() returns true.
  static Template for_search(const CK_ATTRIBUTE* rows, CK_ULONG count) { return {rows, count, Twice::kNoted, 0}; }
  bool contradicts_itself() const { return contradicts_itself_; }
  Template(Template&&) noexcept = default;
  Template& operator=(Template&&) noexcept = default;
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  /// Adds the attributes that another key requires of this object (CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE …). Throws
  /// Refusal CKR_TEMPLATE_INCONSISTENT if the caller gave another value for one of them.
  void impose(const Attributes& demands);
  void drop(CK_ATTRIBUTE_TYPE type);
  /// Removes the NULs at the end of CKA_LABEL. Returns false if there are none.
  bool trim_label();

  struct Row {
    CK_ATTRIBUTE_TYPE type;
    ByteView value;
  };
  const Row* find(CK_ATTRIBUTE_TYPE type) const;
  bool has(CK_ATTRIBUTE_TYPE type) const { return find(type) != nullptr; }
  ByteView get(CK_ATTRIBUTE_TYPE type) const;
  bool flag(CK_ATTRIBUTE_TYPE type, bool absent) const;
  std::optional<CK_ULONG> number(CK_ATTRIBUTE_TYPE type) const;
  auto begin() const { return rows_.begin(); }
  auto end() const { return rows_.end(); }

 private:
  enum class Twice { kRefused, kNoted };
  Template(const CK_ATTRIBUTE* rows, CK_ULONG count, Twice twice, unsigned depth);

  std::vector<Row> rows_;
  bool contradicts_itself_ = false;
  std::list<Bytes> kept_;  // a move allocates no memory, unlike that of a deque
};

/// The template in a value of Form::kTemplate; empty for an empty value. Throws Error kCorrupt.
Attributes decode_template(ByteView value);

}  // namespace vtpm::pkcs11
