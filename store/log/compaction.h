// SPDX-License-Identifier: Apache-2.0
// What a compaction copies, for the room `care`, which makes logs of entries that stand elsewhere.
#pragma once

#include <optional>

#include "base/progress.h"
#include "store/log/index.h"

namespace vtpm::store {

/// A source: a file, its header, the entries in it that count, in the order of their numbers, and their index.
struct Copying {
  const File& from;
  const StoreHeader& header;
  const ScanResult& scan;
  const Index& index;
};

/// Writes the live entries, byte for byte, into the empty file `to`. Both copies of the header get a new `base`; a lost
/// copy is made again from the other. If the file would exceed `most` bytes, less space is reserved behind the log.
/// Throws kCorrupt if an entry has changed since the scan.
void write_compacted(const Copying& copying, File& to, const Progress& progress = nullptr,
                     std::optional<uint64_t> most = std::nullopt);

}  // namespace vtpm::store
