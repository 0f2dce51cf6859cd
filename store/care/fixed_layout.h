// SPDX-License-Identifier: Apache-2.0
// The fixed-capacity layout: a file whose entries never move (docs/format.md, "Fixed-capacity layout").
//
// Every name stands in it twice, in two halves of the file with the same structure, and no entry ever changes its
// length. A program that does not implement logs, or a machine's firmware, can therefore change a blob by overwriting
// the older of its two entries in place. Numbers do not rise along the file, and there is no free space: of the two
// entries of a name the one with the higher number is current. This module writes and reads such files and does not
// work on them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

struct FixedExportOptions {
  /// Names of blobs without a capacity, each with the bytes of plain text that it is to hold. Without this, such a blob
  /// has only the space that it needs now.
  std::vector<std::pair<std::string, uint64_t>> room;
  Progress progress;
  FileSystem* file_system = nullptr;
};

/// Writes the current entries of the store of `vault` to a new file at `to`. The lengths of entries change, so sealed
/// and bound ones are sealed and bound again, which needs the key. Key slots are copied byte for byte, so the same
/// secrets open both. Throws kExists, kLocked, kNotFound (a name in `room`), kInvalidArgument (`room` for less than
/// there is, or for a blob with a capacity), kCorrupt, kTampered, kTooNew (an entry of a newer version); no file is
/// left then.
void export_fixed(const Vault& vault, const std::string& to, const FixedExportOptions& options = {});

struct FixedImportOptions {
  /// If one of the two entries of a name is damaged, the other counts, although it may be the older one.
  bool accept_older = false;
  Progress progress;
  FileSystem* file_system = nullptr;
};

/// Makes a store at `to` of the current entries of the file `from`, byte for byte, which needs no key. Returns
/// sentences about damage that did not matter. Throws kNotFound, kNotAStore, kUnsupported (the file has another
/// layout), kExists, and kCorrupt (an entry of a name is damaged and the other is not accepted, or both are).
std::vector<std::string> import_fixed(const std::string& from, const std::string& to,
                                      const FixedImportOptions& options = {});

}  // namespace vtpm::store
