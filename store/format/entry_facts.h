// SPDX-License-Identifier: Apache-2.0
// What an index keeps of an entry, wherever the entry stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/format/entry.h"

namespace vtpm::store {

struct EntryFacts {
  uint32_t epoch = 0;     // of the master key that sealed it; of a key slot, of the one in it
  uint32_t capacity = 0;  // 0: not registered
  uint64_t size = 0;      // realsize
  uint64_t born = 0;      // the number of the first version of its name; 0: it does not say
  Sequence sequence;
  std::string type, name;
  std::vector<uint64_t> tags;  // of the blind index (store/format/blind_index.h)
  bool deleted = false;
  bool sealed = false;
  bool has_mac = false;
  bool no_rollback = false;  // it says that it must not be rolled back (`norollback`)
  bool has_extras = false;   // optional attributes that this build does not know
  bool refused = false;      // it has a mandatory attribute, or a cipher, that this build does not know

  /// The number of the first version of its name, as far as that was kept.
  uint64_t birth() const { return born != 0 ? born : sequence.number; }
  /// Damage behind it that may hide a newer version makes it unreadable: it says so itself, or is of a type that does.
  bool must_not_roll_back() const;
};

EntryFacts facts_of(const EntryView& view);

}  // namespace vtpm::store
