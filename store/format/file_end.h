// SPDX-License-Identifier: Apache-2.0
// The check of a store file's end, which everything that opens a store makes (docs/format.md, "What a crash may do",
// rules 8 and 9).
#pragma once

#include <optional>
#include <string>

#include "store/file/file.h"

namespace vtpm::store {

/// What a scan has found at the end of the log.
struct FileEnd {
  uint64_t offset = 0;   // where the free space begins
  bool intact = false;   // a free space begins there and reaches to the end-of-contents bytes
  bool cut_off = false;  // entries that had been durable are missing behind it
  uint64_t unread = 0;   // bytes behind the end of the store that the scan has not read
};

/// Returns the least number of bytes that the file has lost; 0 if none is missing.
uint64_t missing_bytes(const File& file, const FileEnd& end);

/// Returns a sentence, with the path and what to do, if the file must be repaired before it is used: because it is
/// truncated, or because more bytes stand behind its end than a crash leaves. Returns nothing if the file can be used.
std::optional<std::string> unfit(const std::string& path, const File& file, const FileEnd& end);

}  // namespace vtpm::store
