// SPDX-License-Identifier: Apache-2.0
// The makers of one room: what the room does for each family of mechanisms, as one array.
//
// A mechanism's row names its family. Each room above (operation/, keys/...) has one FamilyTable for each kind of thing
// that it makes, and looks at the family nowhere else. The compiler rejects a family that has two rows in a table, and
// a mechanism that advertises an operation for which its family has no maker:
//
//   constexpr FamilyTable<Maker> kMakers({{Family::kMac, {...}}, ...});
//   static_assert(kMakers.covers(CKF_SIGN, &Maker::sign) && kMakers.covers(CKF_VERIFY, &Maker::verify));
//
// A VariantTable is the same for the variants of one family.
#pragma once

#include <functional>

#include "pkcs11/mechanism/mechanism_table.h"

namespace vtpm::pkcs11 {

/// An array with a value for each enumerator that has a row. `Value` is a literal type, as a rule a function pointer or
/// a struct of function pointers and facts.
template <typename Key, size_t kKeys, typename Value>
class EnumTable {
 public:
  struct Row {
    Key key;
    Value value;
  };

  /// Tables are constants, so that what this throws is an error of the compiler.
  template <size_t N>
  constexpr explicit EnumTable(const Row (&rows)[N]) {
    for (const Row& row : rows) {
      if (has(row.key)) throw "two rows of the table have the same enumerator";
      values_[index(row.key)] = row.value;
      known_[index(row.key)] = true;
    }
  }

  constexpr bool has(Key key) const { return known_[index(key)]; }
  /// The value of an enumerator that has a row; a value-initialized one for any other.
  constexpr const Value& operator[](Key key) const { return values_[index(key)]; }

 private:
  static constexpr size_t index(Key key) { return static_cast<size_t>(key); }

  Value values_[kKeys] = {};
  bool known_[kKeys] = {};
};

template <typename Maker>
class FamilyTable : public EnumTable<Family, kFamilies, Maker> {
 public:
  using EnumTable<Family, kFamilies, Maker>::EnumTable;

  /// Whether the family of every mechanism that offers one of `uses` (CKF_ flags) has a row here with the maker that
  /// `part` selects: a member of `Maker`, or a function of a Maker whose result is true where there is one. `which`, a
  /// member or function of Mechanism, restricts the check to the mechanisms for which it is true.
  template <typename Part, typename Which>
  constexpr bool covers(CK_FLAGS uses, Part part, Which which) const {
    for (const Mechanism& row : kMechanisms) {
      if ((row.flags & uses) == 0 || !std::invoke(which, row)) continue;
      if (!this->has(row.family) || !static_cast<bool>(std::invoke(part, (*this)[row.family]))) return false;
    }
    return true;
  }
  template <typename Part>
  constexpr bool covers(CK_FLAGS uses, Part part) const {
    return covers(uses, part, [](const Mechanism&) { return true; });
  }
  /// The same for makers that are function pointers themselves.
  constexpr bool covers(CK_FLAGS uses) const {
    return covers(uses, [](const Maker& maker) { return maker != nullptr; });
  }
};

template <typename Fact>
class VariantTable : public EnumTable<Variant, kVariants, Fact> {
 public:
  using EnumTable<Variant, kVariants, Fact>::EnumTable;

  /// Whether the variant of every mechanism of the family has a row here.
  constexpr bool covers(Family family) const {
    for (const Mechanism& row : kMechanisms) {
      if (row.family == family && !this->has(row.variant)) return false;
    }
    return true;
  }
};

}  // namespace vtpm::pkcs11
