// SPDX-License-Identifier: Apache-2.0
// The first pass of a scan: it reads the file element by element and does not judge which entries count (scan.h does).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "store/file/log_reader.h"
#include "store/format/scan.h"

namespace vtpm::store {

/// An element of the file, as the walk has found it.
struct Item {
  enum class Kind { kEntry, kBad, kFree } kind = Kind::kFree;
  uint64_t offset = 0, length = 0;
  LogEntry entry;                  // kEntry
  std::unique_ptr<Damage> damage;  // kBad
};

/// Walks a file from an offset to its end, in the constructor. It corrects flipped bits in memory. Behind a damaged
/// element it first tries the element's own length and then searches byte by byte. Its work (`work`) is at most eight
/// times the file's size, plus the length of the longest entry.
class Walk {
 public:
  Walk(const File& file, const StoreHeader& header, uint64_t from, Look look = Look::kWhole);

  std::vector<Item> items;
  LogReader& reader() { return reader_; }
  /// The offset at which the walk stopped: at the end-of-contents bytes, at a free space that reaches beyond the file,
  /// or at the end of the file.
  uint64_t stopped_at() const { return at_; }
  /// Bytes of which CRCs were computed, plus the cost of searching damage.
  uint64_t work() const { return spent_; }
  /// Bytes behind the end of the store that were not read, because there are too many of them (Look::kBounded).
  uint64_t unread() const { return unread_; }

 private:
  bool step();
  void make_room();
  bool take(LogEntry entry);
  bool take_free(uint64_t length);
  std::optional<uint64_t> free_with_a_flip();
  std::optional<LogEntry> entry_at(uint64_t offset);
  bool take_bad();
  void take_damage(Damage damage);
  bool take_bad_rest(const char* reason);
  bool goes_on(uint64_t offset);
  bool ends_or_goes_on(uint64_t offset);
  std::optional<uint64_t> search(uint64_t from);
  static bool looks_like_entry(ByteView head);
  bool only_zeros(uint64_t offset, uint64_t end);
  bool is_too_much();
  bool is_free_space(uint64_t offset);
  bool spend(uint64_t bytes);

  LogReader reader_;
  const StoreHeader& header_;
  const Look look_;
  uint64_t at_, from_, unread_ = 0;
  uint64_t budget_ = 0, spent_ = 0;
  unsigned corrections_ = 0;
};

}  // namespace vtpm::store
