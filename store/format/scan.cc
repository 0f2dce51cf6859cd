// SPDX-License-Identifier: Apache-2.0
#include "store/format/scan.h"

#include <algorithm>

#include "store/format/free_space.h"
#include "store/format/walk.h"

namespace vtpm::store {
namespace {

// The second pass: which items count.
class Judgement {
 public:
  Judgement(Walk& walk, const StoreHeader& header, const ScanProgress& from)
      : items_(walk.items), base_(header.base), stopped_at_(walk.stopped_at()) {
    result.end = from;
    result.entries.reserve(items_.size());
    result.file_size = walk.reader().size();
    result.work = walk.work();
    result.unread = walk.unread();
    result.end.durable = std::max(from.durable, base_);
    for (const Item& item : items_) {
      if (item.kind != Item::Kind::kEntry) continue;
      result.end.durable = std::max(result.end.durable, item.entry.sequence.durable);
    }
    size_t end = judge();
    // A number that is out of the log's reach was never given to anything; what jumped over it would be out of reach
    // too.
    const uint64_t reach = std::max(result.end.last, base_) + kMaxSequenceStep - 2 * kSequenceJump;
    for (const Item& item : items_) {
      const uint64_t number = item.entry.sequence.number;
      if (item.kind == Item::Kind::kEntry && number <= reach)
        result.end.highest_seen = std::max(result.end.highest_seen, number);
    }
    for (size_t i = end; i < items_.size(); ++i) set_aside(items_[i]);
    find_end(walk, end);
    result.end.highest_seen = std::max({result.end.highest_seen, result.end.last, base_});
    result.end.last = std::max(result.end.last, result.end.durable);
    result.plain = is_plain_ && result.intact_end && result.damage.empty() && result.set_aside.empty() &&
                   result.end.highest_seen == result.end.last && result.end.last < kMaxSequence;
  }

  ScanResult result;

 private:
  // Returns the first item that is behind the log's end.
  size_t judge() {
    for (size_t i = 0; i < items_.size();) {
      Item& item = items_[i];
      if (item.kind == Item::Kind::kFree) {
        ++i;
      } else if (item.kind == Item::Kind::kBad || !rises(item.entry)) {
        if (previous() >= result.end.durable) return i;
        rot(item, i);
        ++i;
      } else {
        size_t run = run_from(i);
        bool whole = item.entry.sequence.number <= base_ ||
                     (item.entry.sequence.index == 0 && members_ == item.entry.sequence.count);
        if (!whole && item.entry.sequence.first() > result.end.durable) return i;
        for (; i < run; ++i) {
          if (items_[i].kind == Item::Kind::kEntry) count(std::move(items_[i].entry), whole);
        }
      }
    }
    return items_.size();
  }

  uint64_t previous() const { return result.end.last; }

  bool rises(const LogEntry& entry) const {
    uint64_t number = entry.sequence.number;
    if (number <= previous()) return false;
    return number <= base_ || number - std::max(previous(), base_) <= kMaxSequenceStep;
  }

  // The items that belong to the transaction of item `i` without a break: one past the last. Sets `members_`.
  size_t run_from(size_t i) {
    const Sequence& head = items_[i].entry.sequence;
    members_ = 1;
    size_t end = i + 1;
    if (head.number <= base_) return end;
    for (size_t k = i + 1; k < items_.size(); ++k) {
      if (items_[k].kind == Item::Kind::kFree) continue;
      if (items_[k].kind == Item::Kind::kBad) break;
      const Sequence& next = items_[k].entry.sequence;
      if (next.first() != head.first() || next.count != head.count || next.number != head.number + members_) break;
      ++members_;
      end = k + 1;
    }
    return end;
  }

  void count(LogEntry entry, bool transaction_is_whole) {
    result.end.last = entry.sequence.number;
    is_plain_ &= transaction_is_whole && !entry.corrected && entry.sequence.durable < entry.sequence.first();
    // Half a transaction may delete what its other half was to replace.
    if (entry.deleted && !transaction_is_whole) return;
    result.entries.push_back(std::move(entry));
  }

  void rot(const Item& item, size_t i) {
    Damage damage = as_damage(item);
    damage.after = previous();
    // The place only moves on: damage by the thousand must not each look for the same next entry.
    next_entry_ = std::max(next_entry_, i + 1);
    while (next_entry_ < items_.size() && items_[next_entry_].kind != Item::Kind::kEntry) ++next_entry_;
    if (next_entry_ < items_.size()) damage.before = items_[next_entry_].entry.sequence.number;
    if (damage.before == damage.after + 1) return;  // no number is missing: only padding was hit
    result.damage.push_back(std::move(damage));
  }

  void set_aside(const Item& item) {
    if (item.kind == Item::Kind::kFree) return;
    Damage damage = as_damage(item);
    damage.after = previous();
    result.set_aside.push_back(std::move(damage));
  }

  static Damage as_damage(const Item& item) {
    if (item.kind == Item::Kind::kBad) return *item.damage;
    return {
        item.offset, item.length, item.entry.name, true, 0, kNothingFollows, "its sequence number has no place here"};
  }

  void find_end(Walk& walk, size_t end) {
    bool is_all = end == items_.size();
    result.end.offset = is_all ? stopped_at_ : items_[end].offset;
    while (is_all && end > 0 && items_[end - 1].kind == Item::Kind::kFree) result.end.offset = items_[--end].offset;
    ByteView probe = walk.reader().peek(result.end.offset);
    probe = probe.first(std::min(probe.size(), kProbeBytes));
    result.probe = to_bytes(probe);
    result.intact_end = is_all && ends_in(probe, bytes_behind(result.end.offset, result.file_size));
    if (is_all && previous() < result.end.durable) missing_tail();
  }

  // Whether `probe` begins a free space that reaches to the end-of-contents bytes, `behind` bytes to the end of file.
  static bool ends_in(ByteView probe, uint64_t behind) {
    if (behind == kEndBytes) return true;
    if (behind < kMinFreeBytes + kEndBytes) return false;
    Bytes expected = free_header(behind - kEndBytes);
    return probe.size() >= expected.size() && equal(probe.first(expected.size()), expected);
  }

  // Entries that were durable are missing, and nothing behind them shows where they were.
  void missing_tail() {
    result.cut_off = !result.intact_end;
    if (!result.damage.empty() && result.damage.back().before == kNothingFollows) return;
    result.damage.push_back(Damage{result.end.offset,
                                   0,
                                   {},
                                   false,
                                   previous(),
                                   kNothingFollows,
                                   "the log ends before what is known to have been written"});
  }

  std::vector<Item>& items_;
  uint64_t base_;
  uint64_t stopped_at_;
  unsigned members_ = 0;
  size_t next_entry_ = 0;
  bool is_plain_ = true;
};

}  // namespace

ScanResult scan_log(const File& file, const StoreHeader& header, const ScanProgress& from, Look look) {
  Walk walk(file, header, from.offset, look);
  return std::move(Judgement(walk, header, from).result);
}

std::optional<Bytes> read_entry(const File& file, const StoreHeader& header, const LogEntry& entry) {
  Bytes bytes(entry.length);
  if (file.read_at(entry.offset, bytes) != bytes.size()) return std::nullopt;
  if (entry.corrected) {
    auto fixed = correct_entry(header.salt, bytes);
    if (!fixed) return std::nullopt;
    bytes = std::move(*fixed);
  }
  auto view = parse_entry(bytes);
  if (!view || !crc_matches(header.salt, *view)) return std::nullopt;
  if (view->sequence.number != entry.sequence.number || view->name != entry.name) return std::nullopt;
  return bytes;
}

}  // namespace vtpm::store
