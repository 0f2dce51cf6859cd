// SPDX-License-Identifier: Apache-2.0
// The names of a store and what is current of each.
//
// Lookup is one hash. Nothing of the blobs is kept, only where they stand. An older version of a name is never served
// by itself: a name whose newest entry is damaged, refused or forged stays, in a state that makes reading it fail. Not
// thread-safe; the blobstore guards it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/format/name_hash.h"
#include "store/format/scan.h"
#include "store/log/entry_log.h"

namespace vtpm::store {

/// A name and the places of its newest entry in the file.
struct Record {
  LogEntry entry;            // the newest that is readable; length 0: none is
  uint64_t twin_offset = 0;  // the first copy, where a name is written twice (key slots)
  uint64_t twin_number = 0;
  uint32_t twin_length = 0;
  bool twin_corrected = false;
  bool deleted = false;
  NameStatus state = NameStatus::kCurrent;
  uint64_t change = 0;  // when this vault saw it

  RecordView view() const { return {entry, deleted, state}; }
};

/// A stretch of rot that may hide newer versions of anything.
struct Gap {
  uint64_t after = 0, before = 0, length = 0;
};

class Index {
 public:
  using Names = std::unordered_map<std::string, Record, NameHash, std::equal_to<>>;

  /// Entries and damage of a scan, in log order.
  void apply(std::vector<LogEntry> entries, const std::vector<Damage>& damage);
  void apply(const ScanResult& scan) { apply(scan.entries, scan.damage); }
  void apply(LogEntry entry);
  /// Allocates what `apply` of these entries needs: it does not throw then, unless it ignores one of them.
  void make_room_for(const std::vector<LogEntry>& entries);
  /// Takes the place of this one after a compaction: only what differs counts as a change; what is gone was deleted.
  void follow(Index fresh) { follow(std::move(fresh), false); }
  /// The same; `older`: what was read before and is not there was not deleted, but never was in that copy.
  void follow(Index fresh, bool older);
  /// The first name that tells that `fresh`, of a file with this `base`, is of an earlier time: a lower number than was
  /// read of the name here, another content under the same number, or no such name although it was read at a number
  /// above `base`. Numbers above `durable` were promised to nobody. Nothing: the file is what this one has become.
  std::optional<std::string> older_name(const Index& fresh, uint64_t base, uint64_t durable) const;

  /// Nothing for a name that never was; deleted ones are found as such.
  const Names::value_type* find(std::string_view name) const;
  const Names& names() const { return names_; }
  /// Rises with every change.
  uint64_t cursor() const { return cursor_; }
  /// The names that changed after `cursor`, oldest change first, deletions included. `whole`: deletions since then were
  /// forgotten, so these are all the names that there are, and whatever is not among them is gone.
  struct Changes {
    std::vector<const Names::value_type*> names;
    bool whole = false;
  };
  Changes changes(uint64_t cursor) const;
  /// Names that come and go must not make a process grow: of many deleted ones the newest are kept. `looked_at`: nobody
  /// will examine deletions up to this cursor again; later ones stay while their tombstone can be examined (it has a
  /// MAC, and is still in the file). Costs next to nothing most of the time. For the index of a store in use; whoever
  /// judges a file needs every deletion.
  void forget_deletions(uint64_t looked_at);
  /// Unless another entry than that of `number` is current by now.
  void mark_tampered(const std::string& name, uint64_t number);

  /// Whether rot may hide a newer version of a record that must not be rolled back
  /// (EntryFacts::must_not_roll_back). A key slot is only hidden by a stretch that could hold both its copies.
  bool may_be_outdated(const Record& record) const;
  const std::vector<Gap>& gaps() const { return gaps_; }
  /// Entries without a MAC that tried to replace bound ones, and were ignored.
  const std::vector<LogEntry>& ignored() const { return ignored_; }

 private:
  void apply(const Damage& damage);
  void add_gap(const Gap& gap);
  void touch(Names::value_type& record);
  std::pair<Names::iterator, bool> added(Names::node_type node);

  /// Half-empty: of a hundred thousand names each step along a chain is a miss of the cache.
  static Names sparse() {
    Names names;
    names.max_load_factor(0.5);
    return names;
  }

  struct Change {
    uint64_t number;
    const Names::value_type* record;
  };
  void rebuild_changes();
  uint32_t epoch() const;

  Names names_ = sparse();
  Names spare_;  // of names that are about to be added; empty between two appends
  std::vector<Gap> gaps_;
  std::vector<LogEntry> ignored_;
  std::vector<Change> changes_;  // ascending; those that a later change of the same name outdated are skipped
  uint64_t cursor_ = 0;
  uint64_t forgotten_ = 0;  // the cursor of the newest deletion that was forgotten
  size_t deletions_ = 0;    // since they were last looked through
};

}  // namespace vtpm::store
