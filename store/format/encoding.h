// SPDX-License-Identifier: Apache-2.0
// From drafts to the bytes of a transaction.
#pragma once

#include <functional>
#include <vector>

#include "store/format/entry.h"
#include "store/format/scan.h"

namespace vtpm::store {

/// An entry to be written. `seq` and `crc32c` are added when it is.
struct Draft {
  Entry entry;
  bool twice = false;  // a second copy, at a distance (key slots)
  /// Fills in what depends on the bytes (seal, MAC, commitment), before the CRC is made.
  std::function<void(MutableByteView bytes, const EntryView& layout)> finish;
};

struct Encoded {
  Bytes bytes;
  std::vector<LogEntry> entries;  // offsets are relative to `bytes`
};

/// Throws kNoSpace, with a sentence that says that so many entries exceed what one transaction may have.
[[noreturn]] void refuse_count(size_t entries);

/// One transaction, numbered from `first`. Throws kNoSpace when it has more than 65535 entries, second copies
/// included, kInvalidArgument when it has none.
Encoded encode_transaction(const Salt& salt, const std::vector<Draft>& drafts, uint64_t first, uint64_t durable);

/// The bytes of a new store: header, the entries of its first transaction, free space. `created`: seconds since 1970.
Bytes make_store_image(const Uuid& uuid, const Salt& salt, std::vector<Draft> first, uint64_t created,
                       uint64_t free_bytes, Cipher cipher = Cipher::kAes256Siv);

constexpr uint64_t kGrowthUnit = 4096;  // files are made and extended in steps of this
/// The most that a file grows by before the header of its free space says so: a crash leaves no more than this and one
/// unit of zeros behind the end of a store.
constexpr uint64_t kMaxGrowth = 4 << 20;
uint64_t round_up(uint64_t value, uint64_t unit);

}  // namespace vtpm::store
