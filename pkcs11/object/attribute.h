// SPDX-License-Identifier: Apache-2.0
// Attributes: the one table of their forms, and the maps that hold their values.
//
// In memory a value has PKCS#11's C form (CK_ULONG in native order, CK_BBOOL one byte); on disk the form of
// docs/format.md. Values that anyone may see live in `Attributes`, values that only the token may see (private numbers,
// private data, wrapped TPM keys) in `SecretAttributes`, whose bytes are in the locked arena.
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

/// kTemplate: an array of CK_ATTRIBUTE, which points into its owner's memory. Wherever we keep one it has the form of
/// the disk (encode_attributes), sorted by type, so that equal templates are equal bytes.
enum class Form { kBytes, kBool, kUlong, kDate, kUlongArray, kTemplate };

struct AttributeRow {
  CK_ATTRIBUTE_TYPE type;
  std::string_view name;
  Form form;
};
/// Nothing for types that this module does not know.
const AttributeRow* attribute_row(CK_ATTRIBUTE_TYPE type);
/// Whether PKCS#11 3.2 describes such an attribute, or this token does: of any object, also of those that are not here.
bool is_attribute(CK_ATTRIBUTE_TYPE type);
/// "CKA_LABEL", or the number in hexadecimal.
std::string attribute_name(CK_ATTRIBUTE_TYPE type);
/// The value has the length and the range of its form: CK_BBOOL 0 or 1, CK_ULONG 8 bytes, CK_DATE empty or a date.
bool well_formed(const AttributeRow& row, ByteView value);

/// Whether two values of an attribute say the same: equal bytes, or two encodings of one CKA_EC_POINT, of which one is
/// the DER OCTET STRING of the other.
bool same_value(CK_ATTRIBUTE_TYPE type, ByteView one, ByteView other);

template <typename T>
ByteView value_view(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

/// A small map, sorted by type.
template <typename Buffer>
class AttributeMap {
 public:
  using Row = std::pair<CK_ATTRIBUTE_TYPE, Buffer>;

  const Buffer* find(CK_ATTRIBUTE_TYPE type) const {
    auto at = position(type);
    return at != rows_.end() && at->first == type ? &at->second : nullptr;
  }
  bool has(CK_ATTRIBUTE_TYPE type) const { return find(type) != nullptr; }
  /// The value; an empty view when absent.
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
  /// Bytes of all values.
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

/// A caller's template, checked once at the door: no null pointer with a length, every known attribute well formed, no
/// attribute twice with different values. Values stay where the caller has them; those of templates in the template are
/// ours. A CKA_LABEL that is padded with NULs is taken without them, except for a search.
class Template {
 public:
  /// Throws Refusal: CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT.
  Template(const CK_ATTRIBUTE* rows, CK_ULONG count) : Template(rows, count, Twice::kRefused, 0) {}
  /// For a search, where two values for one attribute are no error (5.7): nothing has both.
  static Template for_search(const CK_ATTRIBUTE* rows, CK_ULONG count) { return {rows, count, Twice::kNoted, 0}; }
  bool contradicts_itself() const { return contradicts_itself_; }
  Template(Template&&) noexcept = default;
  Template& operator=(Template&&) noexcept = default;
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;

  /// Adds what another key demands of this object (CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE …). Throws
  /// CKR_TEMPLATE_INCONSISTENT where the caller says otherwise.
  void impose(const Attributes& demands);
  void drop(CK_ATTRIBUTE_TYPE type);
  /// Takes the NULs from the end of CKA_LABEL. False when there are none.
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
  std::list<Bytes> kept_;  // moves without memory, unlike a deque
};

/// The template in a value of Form::kTemplate; empty for an empty value.
Attributes decode_template(ByteView value);

}  // namespace vtpm::pkcs11
