// SPDX-License-Identifier: Apache-2.0
// The makers of one room: what the room does for each family of mechanisms, as one array.
//
// A mechanism's row names its family. A room above (operation/, keys/…) has one FamilyTable for each kind of thing that
// it makes, and asks for the family nowhere else. The compiler checks that no mechanism is offered without a maker:
//
//   constexpr FamilyTable<Maker> kMakers({{Family::kMac, {…}}, …});
//   static_assert(kMakers.covers(CKF_SIGN | CKF_VERIFY));
#pragma once

#include "pkcs11/mechanism/mechanism_table.h"

namespace vtpm::pkcs11 {

/// `Maker` is a literal type, as a rule a struct of function pointers and of facts.
template <typename Maker>
class FamilyTable {
 public:
  struct Row {
    Family family;
    Maker maker;
  };

  template <size_t N>
  constexpr explicit FamilyTable(const Row (&rows)[N]) {
    for (const Row& row : rows) {
      makers_[index(row.family)] = row.maker;
      known_[index(row.family)] = true;
    }
  }

  /// The maker of a family that the table covers.
  constexpr const Maker& operator[](Family family) const { return makers_[index(family)]; }

  /// Whether every mechanism that offers one of the uses (CKF_ flags) has a maker here.
  constexpr bool covers(CK_FLAGS uses) const {
    for (const Mechanism& row : kMechanisms) {
      if ((row.flags & uses) != 0 && !known_[index(row.family)]) return false;
    }
    return true;
  }

 private:
  static constexpr size_t index(Family family) { return static_cast<size_t>(family); }

  Maker makers_[kFamilies] = {};
  bool known_[kFamilies] = {};
};

}  // namespace vtpm::pkcs11
