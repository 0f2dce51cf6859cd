// SPDX-License-Identifier: Apache-2.0
// Putting a damaged store in order.
//
// The file is rewritten as compaction does it: what is intact is copied byte for byte, what has one flipped bit is
// put right (found by its CRC; with an unlocked vault confirmed by its seal or MAC), everything else (damage, torn
// writes, what the key shows to be forged) is set aside in the quarantine file, never thrown away. A name whose newest
// entry is damaged goes with all its versions, and where damage may hide a newer version of a key slot, a retry counter
// or a TPM state, nothing is changed: serving older ones could revive an old PIN or turn a counter back. Nor is
// anything changed in a file whose end is missing. `accept_older` allows all of that.
#pragma once

#include <string>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

struct RepairOptions {
  bool accept_older = false;
  const Vault* vault = nullptr;  // unlocked, of the same store: corrections are confirmed by seal or MAC
  FileSystem* file_system = nullptr;
  Progress progress;  // of the rewriting
};

/// One thing that was wrong, and what became of it: a sentence.
struct RepairedEntry {
  uint64_t offset = 0, length = 0;
  std::string name;
  std::string what;
};

struct RepairReport {
  bool changed = false;
  std::vector<RepairedEntry> entries;  // in file order
};

/// Throws like Vault::open; kReadOnly; kCorrupt when older versions would have to be accepted (the file is as it was).
RepairReport repair(const std::string& path, const RepairOptions& options = {});

/// Rewrites a store without what is dead, as it does by itself from time to time. Returns the bytes before and after.
/// Throws kCorrupt when the store must be repaired first.
std::pair<uint64_t, uint64_t> compact(const std::string& path, const Progress& progress = nullptr);

}  // namespace vtpm::store
