// SPDX-License-Identifier: Apache-2.0
// The fixed-capacity layout: a store whose entries never move.
//
// Every name stands in it twice, in a first and a second half of the file that look alike; every entry keeps its length
// for ever, so a program that knows nothing of logs, or a machine's firmware, can change a blob by overwriting the
// older of its two entries in place. There is no rising order and no free space: what counts is, of each name, the
// entry with the higher number. This module makes such files and makes stores of them; it does not work in them.
// docs/format.md, "Fixed-capacity layout".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store/vault/vault.h"

namespace vtpm::store {

struct FixedExportOptions {
  /// Bytes of plain text to leave room for, by name, where a blob was not registered with a capacity. Else such a blob
  /// has the room that it needs now.
  std::vector<std::pair<std::string, uint64_t>> room;
  Progress progress;
  FileSystem* file_system = nullptr;
};

/// Writes what is current in the store of `vault` to a new file. The lengths of the entries change, so every sealed and
/// every bound one is made anew: that needs the key. Key slots are copied byte for byte: the same secrets open both.
/// Throws kExists, kLocked, kNotFound (a name of `room`), kInvalidArgument (room for less than there is), kCorrupt,
/// kTampered, kTooNew (something in the store cannot be carried over); no file is left then.
void export_fixed(const Vault& vault, const std::string& to, const FixedExportOptions& options = {});

struct FixedImportOptions {
  /// Lets the other entry of a name count where one is damaged: it may be the older.
  bool accept_older = false;
  Progress progress;
  FileSystem* file_system = nullptr;
};

/// Makes a store of such a file: the current entry of each name, byte for byte, so no key is needed. Returns what was
/// wrong and did not matter: sentences. Throws kNotFound, kNotAStore, kUnsupported (it is no such file), kExists,
/// kCorrupt (a name has one entry that is damaged, unless the other is accepted; or two).
std::vector<std::string> import_fixed(const std::string& from, const std::string& to,
                                      const FixedImportOptions& options = {});

}  // namespace vtpm::store
