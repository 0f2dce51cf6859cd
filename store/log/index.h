// SPDX-License-Identifier: Apache-2.0
// The index of a store: its names and, of each, the newest entry.
//
// A lookup is one hash. The index keeps where the entries stand, not their data. A name whose newest entry is damaged,
// rejected or forged stays in the index with that status, and reading it fails; an older version is never served in its
// place. Not thread-safe: FileLog guards it.
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
  LogEntry entry;            // the newest readable one; length 0: there is none
  uint64_t twin_offset = 0;  // of the first copy, if the entry was written twice (key slots)
  uint64_t twin_number = 0;
  uint32_t twin_length = 0;
  bool twin_corrected = false;
  bool deleted = false;
  NameStatus state = NameStatus::kCurrent;
  uint64_t change = 0;  // the cursor of its last change

  RecordView view() const { return {entry, deleted, state}; }
};

/// Damage that may hide newer versions of any name: the numbers of the entries around it, and its length.
struct Gap {
  uint64_t after = 0, before = 0, length = 0;
};

class Index {
 public:
  using Names = std::unordered_map<std::string, Record, NameHash, std::equal_to<>>;

  /// Adds the entries and the damage of a scan, both in log order.
  void apply(std::vector<LogEntry> entries, const std::vector<Damage>& damage);
  void apply(const ScanResult& scan) { apply(scan.entries, scan.damage); }
  void apply(LogEntry entry);
  /// Allocates the memory that `apply` of these entries needs, so that it does not throw (unless it ignores one of
  /// them).
  void make_room_for(const std::vector<LogEntry>& entries);
  /// Replaces this index by that of a compacted file. Only differences count as changes; a name that is missing was
  /// deleted.
  void follow(Index fresh) { follow(std::move(fresh), false); }
  /// The same. `older`: the file is an older copy, so a name that is missing in it was not deleted, but not yet
  /// written.
  void follow(Index fresh, bool older);
  /// Returns a name that shows that `fresh`, the index of a file with this `base`, is an older copy: the name has a
  /// lower number there than here, other contents under the same number, or is missing although its number here is
  /// above `base`. Numbers above `durable` do not count, since they were not confirmed. Returns nothing if there is no
  /// such name.
  std::optional<std::string> older_name(const Index& fresh, uint64_t base, uint64_t durable) const;

  /// Returns null for a name that never existed. Deleted names are found, with `deleted` set.
  const Names::value_type* find(std::string_view name) const;
  const Names& names() const { return names_; }
  /// See EntryLog::cursor.
  uint64_t cursor() const { return cursor_; }
  /// The names that changed after `cursor`, in the order of the changes, deletions included. `whole`: deletions since
  /// then have been forgotten, so these are all the names that exist, and every other name is deleted.
  struct Changes {
    std::vector<const Names::value_type*> names;
    bool whole = false;
  };
  Changes changes(uint64_t cursor) const;
  /// Forgets all but the newest deleted names, so that names that come and go do not make the process grow. Deletions
  /// after the cursor `looked_at` stay as long as their tombstones may have to be authenticated (they have a MAC and
  /// are still in the file). Costs next to nothing most of the time. Only for the index of a store in use; a report on
  /// a file needs every deletion.
  void forget_deletions(uint64_t looked_at);
  /// See EntryLog::mark_tampered.
  void mark_tampered(const std::string& name, uint64_t number);

  /// Whether damage may hide a newer version of a record that must not be rolled back (EntryFacts::must_not_roll_back).
  /// A key slot can be hidden only by damage that is large enough for both of its copies.
  bool may_be_outdated(const Record& record) const;
  const std::vector<Gap>& gaps() const { return gaps_; }
  /// Entries without a MAC that were ignored because they would have replaced bound ones.
  const std::vector<LogEntry>& ignored() const { return ignored_; }

 private:
  void apply(const Damage& damage);
  void add_gap(const Gap& gap);
  void touch(Names::value_type& record);
  std::pair<Names::iterator, bool> added(Names::node_type node);

  /// At most half full: with a hundred thousand names each step along a chain is a cache miss.
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
  std::vector<Change> changes_;  // ascending; a change is skipped if the same name has a later one
  uint64_t cursor_ = 0;
  uint64_t forgotten_ = 0;  // the cursor of the newest deletion that was forgotten
  size_t deletions_ = 0;    // since they were last looked through
};

}  // namespace vtpm::store
