// SPDX-License-Identifier: Apache-2.0
#include "store/format/entry_facts.h"

#include <algorithm>

#include "store/format/blind_index.h"

namespace vtpm::store {
namespace {

bool is_refused(const EntryView& entry) {
  return !entry.unknown.empty() || (entry.sealed && entry.cipher != kCipherSiv && entry.cipher != kCipherCbc);
}

}  // namespace

bool EntryFacts::must_not_roll_back() const {
  const auto& legacy = kLegacyTypesWithoutRollback;
  return no_rollback || type == type::kKeySlot || type == type::kAttempt ||
         std::find(legacy.begin(), legacy.end(), type) != legacy.end();
}

EntryFacts facts_of(const EntryView& view) {
  EntryFacts facts;
  facts.epoch = epoch_of(view);
  facts.capacity = static_cast<uint32_t>(view.capacity);
  facts.size = view.size;
  facts.born = view.born;
  facts.sequence = view.sequence;
  facts.type = view.type;
  facts.name = view.name;
  facts.tags = read_tags(view.tags);
  facts.deleted = view.deleted;
  facts.sealed = view.sealed;
  facts.has_mac = view.mac_at != 0;
  facts.no_rollback = view.no_rollback;
  facts.has_extras = view.has_extras;
  facts.refused = is_refused(view);
  return facts;
}

}  // namespace vtpm::store
