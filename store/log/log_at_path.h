// SPDX-License-Identifier: Apache-2.0
// The functions that open and make the log at a path, of whatever kind it is. They are a unit of their own, so that a
// test build can link other definitions (tests/store/log/shared_log.h); the product makes a vault's log nowhere else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/log/entry_log.h"

namespace vtpm::store {

class FileSystem;  // store/file/file.h

struct LogOptions {
  bool read_only = false;
  /// Also opens a log whose end is missing or unclean, for reports and repair. It cannot be changed then.
  bool any_ending = false;
  FileSystem* file_system = nullptr;  // for the log of a file; null: that of the operating system
};

/// What a new store consists of.
struct NewLog {
  Uuid uuid{};
  Salt salt{};
  Cipher cipher = Cipher::kAes256Siv;
  uint64_t created = 0;      // seconds since 1970
  std::vector<Draft> first;  // the entries of its first transaction, behind the header
  bool replace = false;      // whether it replaces a store at the path, if there is one
  FileSystem* file_system = nullptr;
};

/// Whether anything exists at the path.
bool log_exists(const std::string& path, FileSystem* file_system = nullptr);
/// Opens the log at a path; read-only if it cannot be written. Throws kNotFound, kNotAStore, kCorrupt, kTooNew,
/// kUnsupported, kIo.
std::unique_ptr<EntryLog> open_log(const std::string& path, const LogOptions& options);
/// Makes a log that no other process sees before it is placed (EntryLog::place). If it is destroyed before, nothing is
/// left of it. Throws kExists if another process is making a log at the path, and with `replace` what opening the old
/// one throws.
std::unique_ptr<EntryLog> make_log(const std::string& path, NewLog fresh);

}  // namespace vtpm::store
