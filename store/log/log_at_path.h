// SPDX-License-Identifier: Apache-2.0
// Which kind of log stands at a path. A unit of its own, so that a test build can link another definition of it
// (tests/store/log/shared_log.h): nothing else in the product makes a log that a vault works on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/log/entry_log.h"

namespace vtpm::store {

class FileSystem;  // store/file/file.h

struct LogOptions {
  bool read_only = false;
  /// Opens also a log whose end is not as it must be, for whoever says what is wrong with it. It takes no change.
  bool any_ending = false;
  FileSystem* file_system = nullptr;  // of a file's log; null: the real one
};

/// What a store begins with.
struct NewLog {
  Uuid uuid{};
  Salt salt{};
  Cipher cipher = Cipher::kAes256Siv;
  uint64_t created = 0;      // seconds since 1970
  std::vector<Draft> first;  // its first transaction, behind the header
  bool replace = false;      // take the place of the store that is there, if one is
  FileSystem* file_system = nullptr;
};

/// Whether anything stands at the path.
bool log_exists(const std::string& path, FileSystem* file_system = nullptr);
/// Throws kNotFound, kNotAStore, kCorrupt, kTooNew, kUnsupported, kIo. What cannot be written opens read-only.
std::unique_ptr<EntryLog> open_log(const std::string& path, const LogOptions& options);
/// A log that nobody else sees before it is placed (EntryLog::place), and that is gone when it is destroyed before
/// that. Throws kExists while somebody else makes one at the path; with `replace` what opening the old one throws.
std::unique_ptr<EntryLog> make_log(const std::string& path, NewLog fresh);

}  // namespace vtpm::store
