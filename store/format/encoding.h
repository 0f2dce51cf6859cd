// SPDX-License-Identifier: Apache-2.0
// Encodes drafts of entries as a transaction, and a new store as the bytes of a file.
#pragma once

#include <functional>
#include <vector>

#include "store/format/entry.h"
#include "store/format/scan.h"

namespace vtpm::store {

/// An entry to be written. The log adds `seq` and `crc32c`.
struct Draft {
  Entry entry;
  bool twice = false;  // to be written as two copies, kCopyDistance apart (key slots)
  /// Fills in what depends on the encoded bytes (seal, MAC, commitment). It runs before the CRC is computed, and once
  /// for each time that the entry is encoded. May be null.
  std::function<void(MutableByteView bytes, const EntryView& layout)> finish;
};

struct Encoded {
  Bytes bytes;
  std::vector<LogEntry> entries;  // offsets are relative to `bytes`
};

/// Throws kNoSpace with a sentence that says that one transaction cannot have so many entries.
[[noreturn]] void refuse_count(size_t entries);

/// Encodes one transaction: the entries of the drafts, numbered from `first` in their order, then the second copies.
/// `durable`: the highest number that is known to be synced. Throws kNoSpace if there are more than 65535 entries,
/// second copies included, and kInvalidArgument if there are none; and what `encode` throws.
Encoded encode_transaction(const Salt& salt, const std::vector<Draft>& drafts, uint64_t first, uint64_t durable);

/// Returns the bytes of a new store: the header and the entries of its first transaction, then at least `free_bytes` of
/// free space. `created`: seconds since 1970.
Bytes make_store_image(const Uuid& uuid, const Salt& salt, std::vector<Draft> first, uint64_t created,
                       uint64_t free_bytes, Cipher cipher = Cipher::kAes256Siv);

constexpr uint64_t kGrowthUnit = 4096;  // the size of a file is a multiple of this, unless the disk is full
/// The most bytes by which a file grows before the header of its free space is written again: a crash leaves no more
/// zeros than this and one unit behind the end of a store.
constexpr uint64_t kMaxGrowth = 4 << 20;
uint64_t round_up(uint64_t value, uint64_t unit);

}  // namespace vtpm::store
