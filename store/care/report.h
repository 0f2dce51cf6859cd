// SPDX-License-Identifier: Apache-2.0
// What stands in a store file, entry by entry, for people and tools: nothing is changed, and no key is needed.
//
// `dump` shows the entries as they stand in the log; `check` adds a verdict on each. With an unlocked vault of the same
// file, `check` also verifies every seal and MAC. Both read the file directly, without its lock when that cannot be
// had.
#pragma once

#include <string>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

/// What is to be done about it. kRepairable: `repair` puts it in order and nothing that was promised is lost. kDamaged:
/// something is lost, forged, or cannot be used here.
enum class Condition { kClean, kRepairable, kDamaged };
std::string_view condition_name(Condition condition);  // "clean", "repairable", "damaged"

/// `check`'s word on an entry.
enum class Verdict {
  kSound,
  kTorn,              // a write that was never finished: it does not count
  kFlipped,           // rot of one bit, which is put right when it is read
  kRottenButSpare,    // rot, but a newer entry or another copy is intact
  kRotten,            // rot: what it held is lost
  kTampered,          // its checksum is right, its seal or MAC is wrong
  kWrongEpoch,        // sealed under another master key than the store's
  kUnknownAttribute,  // written by something newer: a mandatory attribute, or a cipher, that is not known here
  kUnbound,           // it has no MAC and may not replace an entry that has one
};
std::string_view verdict_name(Verdict verdict);  // "sound", "torn", "flipped", ...
Condition condition_of(Verdict verdict);

enum class EntryStatus {
  kCurrent,     // the newest of its name
  kSuperseded,  // a newer one, or a deletion, stands behind it
  kDeletion,
  kFree,      // no entry: space to be used
  kRefused,   // a mandatory attribute, or a cipher, that this build does not know
  kIgnored,   // without a MAC, it tried to replace an entry that has one
  kDamaged,   // rot
  kTorn,      // behind the end of the log: a write that was never finished
  kTampered,  // seal or MAC wrong (`check` with a key)
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
  uint64_t capacity = 0;    // the most that it may hold; 0: not registered
  uint64_t data_bytes = 0;  // what its data takes, seal and padding included
  bool sealed = false, has_mac = false;
  bool corrected = false;  // one flipped bit was put right in memory
  std::vector<AttributeReport> attributes;
  Verdict verdict = Verdict::kSound;
  std::string finding;  // what is wrong with it, a sentence; empty: nothing
};

struct StoreReport {
  std::string path;
  uint64_t file_bytes = 0, free_bytes = 0;
  std::string uuid;  // hex
  uint64_t format = 0, created = 0, base = 0, durable = 0, last = 0;
  bool intact_end = true;
  std::vector<EntryReport> entries;         // in file order
  std::vector<std::string> findings;        // of the store as a whole
  Condition condition = Condition::kClean;  // the worst of all
  /// Nothing is wrong: neither with the store nor with an entry.
  bool clean() const { return condition == Condition::kClean; }
};

/// Throws like Vault::open.
StoreReport dump(const std::string& path);
/// `vault`: unlocked, of the same store: seals, MACs and key slots are checked, too; null: without a key.
StoreReport check(const std::string& path, const Vault* vault = nullptr, const Progress& progress = nullptr,
                  FileSystem* file_system = nullptr);

}  // namespace vtpm::store
