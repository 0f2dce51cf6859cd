// SPDX-License-Identifier: Apache-2.0
// Reading the log: what stands in the file, and what of it counts.
//
// A scan walks the file once, entry by entry, and then judges (docs/format.md, "What a crash may do"):
//   - an entry counts when it is well-formed, its CRC is right and its sequence number rises;
//   - D is the highest number that any of them says was synced. Something bad at a number up to D is rot: it is set
//     aside, the entries behind it count. Above D it is a write that a crash tore: the log ends there, because what
//     follows was never promised to anyone;
//   - a transaction above the last compaction counts only when it is whole.
// Nothing is ever written here. Work is bounded: CRCs of at most eight times the file are computed.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "store/file/file.h"
#include "store/format/entry_facts.h"
#include "store/format/store_cipher.h"

namespace vtpm::store {

/// An entry, and where it stands in the file.
struct LogEntry : EntryFacts {
  uint64_t offset = 0;
  uint32_t length = 0;
  uint32_t data_at = 0;    // where the contents of its data begin, from its own beginning
  uint32_t crc = 0;        // its checksum: tells other contents under the same number
  bool corrected = false;  // a flipped bit was put right in memory: read it through `correct_entry`
};

/// How many of an entry's first bytes tell it from every other: its number and checksum are among them. The data are
/// not: where they alone have changed the entry is damaged, and an older version must not be served in its place.
inline uint64_t first_bytes_of(const LogEntry& entry) { return std::min<uint64_t>(entry.data_at, 256); }

constexpr uint64_t kNothingFollows = ~uint64_t{0};

/// A stretch of the file that should hold an entry and does not.
struct Damage {
  uint64_t offset = 0, length = 0;
  std::string name;                // when the damaged entry still shows one
  bool is_entry = false;           // it still has the shape of one DER element
  uint64_t after = 0, before = 0;  // the sequence numbers around it; `before` may be kNothingFollows
  std::string reason;
};

/// What is set for the life of a file.
struct StoreHeader {
  Uuid uuid{};
  Salt salt{};
  uint64_t created = 0;  // seconds since 1970, as whoever made the store says; 0: it does not say
  uint64_t base = 0;     // the highest number when the file was last compacted: all up to it is durable
  Cipher cipher = Cipher::kAes256Siv;
  bool fixed = false;  // not a log: the fixed-capacity layout (store/care/fixed_layout.h)
};

struct ScanProgress {
  uint64_t offset = kLogStart;  // where the log ends, and the free space begins
  uint64_t last = 0;            // the highest number that counts
  uint64_t durable = 0;         // D
  uint64_t highest_seen = 0;    // `last`, or more in what did not count
};

/// How far a scan looks behind the end of the store. kBounded: a growth that a crash interrupted is known by the number
/// of its zeros, and more is not read (`ScanResult::unread`). kWhole: all is read, however long it takes.
enum class Look { kBounded, kWhole };

struct ScanResult {
  std::vector<LogEntry> entries;  // those that count, in log order
  std::vector<Damage> damage;     // rot
  std::vector<Damage> set_aside;  // behind the end of the log: reported, never applied
  ScanProgress end;
  uint64_t file_size = 0;
  bool plain = false;       // whole transactions of rising numbers that claim nothing, and an intact end: nothing else
  bool intact_end = false;  // the log ends at a free space that reaches to the end-of-contents bytes
  bool cut_off = false;     // the end is missing, and where to go on cannot be told: nothing may be appended
  uint64_t unread = 0;      // more bytes behind the end than a crash leaves, zeros at first; not looked at
  uint64_t work = 0;        // bytes that CRCs were computed of, and what looking through damage cost beside that
  Bytes probe;              // the first bytes behind the log: while they stay, nothing was appended
};

/// How many bytes behind the log's end are compared to find that nothing was appended.
constexpr size_t kProbeBytes = 40;

/// Finds the store's header. Throws kNotAStore, kCorrupt (both copies are damaged), kTooNew, kUnsupported (its
/// encryption, or it is of the fixed-capacity layout).
StoreHeader read_header(const File& file, const std::string& path);
/// The same for a file of the fixed-capacity layout. Throws kUnsupported for a log.
StoreHeader read_fixed_header(const File& file, const std::string& path);

/// Scans from `from` to the end of the file.
ScanResult scan_log(const File& file, const StoreHeader& header, const ScanProgress& from = {},
                    Look look = Look::kBounded);

/// The bytes of an entry, a flipped bit put right. Nothing when they are not (or no longer) that entry.
std::optional<Bytes> read_entry(const File& file, const StoreHeader& header, const LogEntry& entry);

/// The entry that `bytes` was before one bit flipped, or nothing. `bytes` may be longer than the entry.
std::optional<Bytes> correct_entry(const Salt& salt, ByteView bytes);

}  // namespace vtpm::store
