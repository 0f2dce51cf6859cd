// SPDX-License-Identifier: Apache-2.0
// Repair of a damaged store.
//
// The file is rewritten as a compaction does it. Intact entries are copied byte for byte. An entry with one flipped bit
// is corrected; the CRC finds the bit and, with an unlocked vault, the seal or MAC confirms it. Everything else
// (damage, torn writes, entries that the key shows to be forged) is moved to the quarantine file.
//
// A name whose newest entry is damaged is removed with all its versions. Nothing is changed if damage may hide a newer
// version of a key slot, a retry counter or another entry that must not be rolled back, since the older versions could
// revive an old PIN or turn a counter back, or if the end of the file is missing. `accept_older` allows both, and lets
// an older version of a damaged name count again.
#pragma once

#include <string>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

struct RepairOptions {
  bool accept_older = false;
  const Vault* vault = nullptr;       // null, or an unlocked vault on the same store
  FileSystem* file_system = nullptr;  // null: that of the operating system
  Progress progress;                  // of the rewriting
};

/// One thing that was wrong. `what` is a sentence that says so, and what was done about it.
struct RepairedEntry {
  uint64_t offset = 0, length = 0;
  std::string name;
  std::string what;
};

struct RepairReport {
  bool changed = false;
  std::vector<RepairedEntry> entries;  // in file order
};

/// Repairs the store at `path`. Throws as Vault::open; kReadOnly if the file cannot be written; kCorrupt if older
/// versions would have to be accepted. The file is as it was then.
RepairReport repair(const std::string& path, const RepairOptions& options = {});

/// Compacts the store at `path` (Vault::compact). Returns its size in bytes before and after. Throws kCorrupt if the
/// store must be repaired first.
std::pair<uint64_t, uint64_t> compact(const std::string& path, const Progress& progress = nullptr);

}  // namespace vtpm::store
