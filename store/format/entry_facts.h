// SPDX-License-Identifier: Apache-2.0
// The facts of an entry that an index keeps in memory, for any kind of log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/format/entry.h"

namespace vtpm::store {

struct EntryFacts {
  uint32_t epoch = 0;     // of the master key that sealed it or, of a key slot, of the one in it
  uint32_t capacity = 0;  // 0: not registered
  uint64_t size = 0;      // realsize
  uint64_t born = 0;      // the number of the first version of its name; 0: the attribute is absent
  Sequence sequence;
  std::string type, name;
  std::vector<uint64_t> tags;  // of the blind index (store/format/blind_index.h)
  bool deleted = false;
  bool sealed = false;
  bool has_mac = false;
  bool no_rollback = false;  // it has `norollback`
  bool has_extras = false;   // optional attributes that this build does not know
  bool refused = false;      // it has a mandatory attribute, or a cipher, that this build does not know

  /// The number of the first version of its name if it is known, otherwise the entry's own number.
  uint64_t birth() const { return born != 0 ? born : sequence.number; }
  /// Whether damage behind the entry that may hide a newer version makes its name unreadable: it has `norollback`, or
  /// its type always counts as having it (docs/format.md, "Rollback").
  bool must_not_roll_back() const;
};

EntryFacts facts_of(const EntryView& view);

}  // namespace vtpm::store
