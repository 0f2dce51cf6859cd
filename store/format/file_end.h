// SPDX-License-Identifier: Apache-2.0
// Whether a file ends as a store must: the question that everybody asks who opens one.
#pragma once

#include <optional>
#include <string>

#include "store/file/file.h"

namespace vtpm::store {

/// What a scan has found where the log ends.
struct FileEnd {
  uint64_t offset = 0;   // of the free space
  bool intact = false;   // a free space stands there that reaches to the end-of-contents bytes
  bool cut_off = false;  // something that was promised is missing, and nothing tells where it was
  uint64_t unread = 0;   // bytes behind the end that were not looked at
};

/// The least number of bytes that the file has lost; 0: none.
uint64_t missing_bytes(const File& file, const FileEnd& end);

/// Why nobody may work with the file before it is repaired: it is truncated, or more stands behind its end than a crash
/// leaves. A sentence with the path and what to do; nothing: it is fit.
std::optional<std::string> unfit(const std::string& path, const File& file, const FileEnd& end);

}  // namespace vtpm::store
