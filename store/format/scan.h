// SPDX-License-Identifier: Apache-2.0
// Reading the log: which entries stand in a file, and which of them count.
//
// A scan reads the file once, entry by entry, and then judges (docs/format.md, "What a crash may do"):
//   - An entry counts if it is well-formed, its CRC is right and its number is higher than the one before.
//   - D is the highest number that any intact entry shows to be synced. Damage at a number up to D is rot: it is set
//     aside, and the entries behind it count. Above D it is a torn write: the log ends there, because nothing behind it
//     was ever confirmed.
//   - A transaction above the last compaction counts only if it is complete.
// A scan writes nothing. Its work is bounded: it computes CRCs over at most eight times the file's size.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "store/file/file.h"
#include "store/format/entry_facts.h"
#include "store/format/store_cipher.h"

namespace vtpm::store {

/// An entry with its place in the file.
struct LogEntry : EntryFacts {
  uint64_t offset = 0;
  uint32_t length = 0;
  uint32_t data_at = 0;    // offset of the contents of its data, from the start of the entry
  uint32_t crc = 0;        // its checksum, which distinguishes other contents under the same number
  bool corrected = false;  // a flipped bit was corrected in memory: read the entry with `read_entry`
};

/// Returns how many of an entry's first bytes identify it: they include its number and checksum. They do not include
/// the data: if only these have changed, the entry is damaged, and the file is still the same.
inline uint64_t first_bytes_of(const LogEntry& entry) { return std::min<uint64_t>(entry.data_at, 256); }

constexpr uint64_t kNothingFollows = ~uint64_t{0};

/// A part of the file that should hold an entry and does not.
struct Damage {
  uint64_t offset = 0, length = 0;
  std::string name;                // that of its first entry, if it still shows one
  bool is_entry = false;           // it has the shape of exactly one DER element
  uint64_t after = 0, before = 0;  // the numbers of the entries around it; `before` may be kNothingFollows
  std::string reason;
};

/// What the header of a file says.
struct StoreHeader {
  Uuid uuid{};
  Salt salt{};
  uint64_t created = 0;  // when the store was made, in seconds since 1970; 0: the attribute is absent
  uint64_t base = 0;     // the highest number when the file was created or last compacted: all up to it is durable
  Cipher cipher = Cipher::kAes256Siv;
  bool fixed = false;  // the file is not a log, but has the fixed-capacity layout (store/care/fixed_layout.h)
};

/// Where a scan has ended, and a later one may continue.
struct ScanProgress {
  uint64_t offset = kLogStart;  // where the log ends, and the free space begins
  uint64_t last = 0;            // the highest number that counts
  uint64_t durable = 0;         // D
  uint64_t highest_seen = 0;    // the highest number of any entry, also of those that do not count
};

/// How far a scan reads behind the end of the store. kBounded: as far as the zeros of a growth that a crash interrupted
/// can reach; further bytes are only counted (`ScanResult::unread`). kWhole: to the end of the file.
enum class Look { kBounded, kWhole };

struct ScanResult {
  std::vector<LogEntry> entries;  // those that count, in log order
  std::vector<Damage> damage;     // rot
  std::vector<Damage> set_aside;  // behind the end of the log; it is reported and not applied
  ScanProgress end;
  uint64_t file_size = 0;
  bool plain = false;       // only complete transactions with rising numbers and plausible durable marks, intact end
  bool intact_end = false;  // the log ends at a free space that reaches to the end-of-contents bytes
  bool cut_off = false;     // the end is missing: nothing may be appended
  uint64_t unread = 0;      // bytes behind the end that were not read, because a crash does not leave that many
  uint64_t work = 0;        // bytes of which CRCs were computed, plus the cost of searching damage
  Bytes probe;              // the first bytes behind the log; as long as they are the same, nothing was appended
};

/// How many bytes behind the log are compared to find out that nothing was appended.
constexpr size_t kProbeBytes = 40;

/// Reads the header of a store file. `path` is for messages. Throws kNotAStore, kCorrupt (both copies are damaged),
/// kTooNew (an unknown mandatory attribute), and kUnsupported (an unknown cipher, or the fixed-capacity layout).
StoreHeader read_header(const File& file, const std::string& path);
/// The same for a file of the fixed-capacity layout. Throws kUnsupported if the file is a log.
StoreHeader read_fixed_header(const File& file, const std::string& path);

/// Scans from `from` to the end of the file. Throws as File does, and nothing for damage.
ScanResult scan_log(const File& file, const StoreHeader& header, const ScanProgress& from = {},
                    Look look = Look::kBounded);

/// Returns the bytes of an entry, with a flipped bit corrected, or nothing if another entry or damage stands there now.
std::optional<Bytes> read_entry(const File& file, const StoreHeader& header, const LogEntry& entry);

/// Returns the entry that stood at the beginning of `bytes` before one bit flipped, or nothing if no single bit
/// explains it. `bytes` may be longer than the entry.
std::optional<Bytes> correct_entry(const Salt& salt, ByteView bytes);

}  // namespace vtpm::store
