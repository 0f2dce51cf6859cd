// SPDX-License-Identifier: Apache-2.0
// Reports on a store file, entry by entry, for users and tools. A report changes nothing and needs no key.
//
// `dump` lists the entries in the order of the log; `check` adds a verdict on each. With an unlocked vault on the same
// file, `check` also verifies every seal and MAC. Both read the file directly, under its shared lock if it can be
// locked.
#pragma once

#include <string>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

/// The condition of a store. kRepairable: `repair` restores it, and nothing that was durable is lost. kDamaged:
/// something is lost or forged, or this build cannot use it.
enum class Condition { kClean, kRepairable, kDamaged };
std::string_view condition_name(Condition condition);  // "clean", "repairable", "damaged"

/// The verdict of `check` on an entry (docs/format.md, "What went wrong?").
enum class Verdict {
  kSound,
  kTorn,              // a write that was never finished: the entry does not count
  kFlipped,           // rot of one bit, which is corrected on reading
  kRottenButSpare,    // rot, but a newer entry or another copy is intact
  kRotten,            // rot: the contents are lost
  kTampered,          // the checksum is right, the seal or MAC is wrong
  kWrongEpoch,        // sealed under another master key than that of the store
  kUnknownAttribute,  // written by a newer version: this build does not know a mandatory attribute, or the cipher
  kUnbound,           // it has no MAC and must not replace an entry that has one
};
std::string_view verdict_name(Verdict verdict);  // "sound", "torn", "flipped", ...
Condition condition_of(Verdict verdict);

enum class EntryStatus {
  kCurrent,     // the newest of its name
  kSuperseded,  // a newer entry of its name, or a tombstone, follows
  kDeletion,    // a tombstone
  kFree,        // free space
  kRefused,     // this build does not know a mandatory attribute, or the cipher
  kIgnored,     // it has no MAC, and would have replaced an entry that has one
  kDamaged,     // rot
  kTorn,        // behind the end of the log: a write that was never finished
  kTampered,    // the seal or MAC is wrong (`check` with a key)
};
std::string_view state_name(EntryStatus state);  // "current", "superseded", ...

struct AttributeReport {
  std::string name;
  std::string value;  // text, decimal number or hex; several values are separated by a space
  bool mandatory = false;
};

struct EntryReport {
  uint64_t offset = 0, length = 0;
  EntryStatus state = EntryStatus::kCurrent;
  std::string type, name;
  uint64_t sequence = 0;
  unsigned index = 0, count = 0;  // in its transaction
  uint64_t durable = 0;
  uint64_t size = 0;        // realsize
  uint64_t capacity = 0;    // in bytes; 0: not registered
  uint64_t data_bytes = 0;  // size of its data, seal and padding included
  bool sealed = false, has_mac = false;
  bool corrected = false;  // one flipped bit was corrected in memory
  std::vector<AttributeReport> attributes;
  Verdict verdict = Verdict::kSound;
  std::string finding;  // a sentence that says what is wrong with it; empty if nothing is
};

struct StoreReport {
  std::string path;
  uint64_t file_bytes = 0, free_bytes = 0;
  std::string uuid;  // hex
  uint64_t format = 0, created = 0, base = 0, durable = 0, last = 0;
  bool intact_end = true;
  std::vector<EntryReport> entries;         // in file order
  std::vector<std::string> findings;        // sentences about the store as a whole
  Condition condition = Condition::kClean;  // the worst of the store and of all entries
  /// True if nothing is wrong with the store or with an entry.
  bool clean() const { return condition == Condition::kClean; }
};

/// Lists the entries of the file at `path`. Throws as Vault::open.
StoreReport dump(const std::string& path);
/// The same with a verdict on each entry. `vault`: null, or an unlocked vault on the same store, with whose key seals,
/// MACs and key slots are checked too.
StoreReport check(const std::string& path, const Vault* vault = nullptr, const Progress& progress = nullptr,
                  FileSystem* file_system = nullptr);

}  // namespace vtpm::store
