// SPDX-License-Identifier: Apache-2.0
// What a compaction copies, for whoever makes a log of entries that stand elsewhere.
#pragma once

#include <optional>

#include "base/progress.h"
#include "store/log/index.h"

namespace vtpm::store {

/// A file, its header, the entries in it that count, in the order of their numbers, and what is current of them.
struct Copying {
  const File& from;
  const StoreHeader& header;
  const ScanResult& scan;
  const Index& index;
};

/// Writes a store with what lives, byte for byte, into an empty file: headers, a lost copy of one included, get a new
/// `base`. The room for logins behind it is smaller where the file would exceed `most` bytes with all of it. Throws
/// kCorrupt when an entry changed meanwhile.
void write_compacted(const Copying& copying, File& to, const Progress& progress = nullptr,
                     std::optional<uint64_t> most = std::nullopt);

}  // namespace vtpm::store
