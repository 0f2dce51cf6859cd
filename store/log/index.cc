// SPDX-License-Identifier: Apache-2.0
#include "store/log/index.h"

#include <algorithm>

namespace vtpm::store {
namespace {

bool same_transaction(const Sequence& a, const Sequence& b) { return a.first() == b.first() && a.count == b.count; }

// Whether all entries between these numbers belong to the transaction of `entry`. Each of them is of another name or a
// second copy, so nothing newer can be hidden there.
bool inside_transaction_of(const LogEntry& entry, uint64_t after, uint64_t before) {
  return after + 1 >= entry.sequence.first() && before <= entry.sequence.last() + 1;
}

}  // namespace

void Index::apply(std::vector<LogEntry> entries, const std::vector<Damage>& damage) {
  // A large scan would otherwise rehash again and again; a small one must not shrink the table's steps.
  if (entries.size() > names_.size()) {
    names_.reserve(names_.size() + entries.size());
    changes_.reserve(changes_.size() + entries.size());
  }
  auto bad = damage.begin();
  for (LogEntry& entry : entries) {
    for (; bad != damage.end() && bad->offset < entry.offset; ++bad) apply(*bad);
    apply(std::move(entry));
  }
  for (; bad != damage.end(); ++bad) apply(*bad);
}

void Index::apply(LogEntry entry) {
  if (entry.name.empty()) return;
  auto spare = spare_.extract(entry.name);
  auto [place, is_new] = spare ? added(std::move(spare)) : names_.try_emplace(entry.name);
  Record& record = place->second;
  bool live = !is_new && !record.deleted && record.entry.length != 0;
  bool entry_is_bound = entry.sealed || entry.has_mac || entry.type == type::kKeySlot;
  if (live && record.view().bound() && !entry_is_bound && !entry.refused) {
    ignored_.push_back(std::move(entry));
    return;
  }
  bool twin = live && same_transaction(record.entry.sequence, entry.sequence) && !entry.deleted;
  record.twin_offset = twin ? record.entry.offset : 0;
  record.twin_number = twin ? record.entry.sequence.number : 0;
  record.twin_length = twin ? record.entry.length : 0;
  record.twin_corrected = twin && record.entry.corrected;
  record.deleted = entry.deleted && !entry.refused;
  deletions_ += record.deleted;
  record.state = entry.refused ? NameStatus::kRefused : NameStatus::kCurrent;
  record.entry = std::move(entry);
  touch(*place);
}

std::pair<Index::Names::iterator, bool> Index::added(Names::node_type node) {
  const auto inserted = names_.insert(std::move(node));
  return {inserted.position, inserted.inserted};
}

void Index::make_room_for(const std::vector<LogEntry>& entries) {
  spare_.clear();
  for (const LogEntry& entry : entries) {
    if (!entry.name.empty() && !names_.contains(entry.name)) spare_.try_emplace(entry.name);
  }
  // In leaps: growing by what is needed would cost a copy of everything each time.
  const size_t names = names_.size() + spare_.size(), changes = changes_.size() + entries.size();
  if (static_cast<float>(names) > names_.max_load_factor() * static_cast<float>(names_.bucket_count())) {
    names_.reserve(2 * names);
  }
  if (changes > changes_.capacity()) changes_.reserve(2 * changes);
}

void Index::apply(const Damage& damage) {
  // A stretch that is longer than the entry whose name it shows may hide entries of other names too.
  if (damage.name.empty() || !damage.is_entry) add_gap({damage.after, damage.before, damage.length});
  if (damage.name.empty()) return;
  auto [place, is_new] = names_.try_emplace(damage.name);
  Record& record = place->second;
  if (!is_new && record.entry.length != 0 && inside_transaction_of(record.entry, damage.after, damage.before)) return;
  record.state = NameStatus::kDamaged;
  record.deleted = false;
  touch(*place);
}

// Every record that must not be rolled back is compared with every gap. If a file has more gaps than a disk could
// cause, the last ones are combined into one that may hide whatever any of them may hide.
void Index::add_gap(const Gap& gap) {
  constexpr size_t kMostGaps = 1024;
  if (gaps_.size() < kMostGaps) {
    gaps_.push_back(gap);
    return;
  }
  Gap& last = gaps_.back();
  last.after = std::min(last.after, gap.after);
  last.before = std::max(last.before, gap.before);
  last.length += gap.length;
}

void Index::touch(Names::value_type& record) {
  record.second.change = ++cursor_;
  changes_.push_back({cursor_, &record});
  if (changes_.size() > 2 * names_.size() + 64) rebuild_changes();
}

void Index::rebuild_changes() {
  changes_.clear();
  for (const auto& record : names_) changes_.push_back({record.second.change, &record});
  std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) { return a.number < b.number; });
}

// The highest of any key slot and any seal: a re-key raises it, and nothing lowers it.
uint32_t Index::epoch() const {
  uint32_t highest = 0;
  for (const auto& [name, record] : names_) {
    if (!record.deleted) highest = std::max(highest, record.entry.epoch);
  }
  return highest;
}

std::optional<std::string> Index::older_name(const Index& fresh, uint64_t base, uint64_t durable) const {
  // A re-key writes everything anew under its old number.
  const bool is_rekeyed = fresh.epoch() > epoch();
  for (const auto& [name, record] : names_) {
    const Sequence& read = record.entry.sequence;
    if (record.state != NameStatus::kCurrent || read.number == 0 || read.number > durable) continue;
    const auto* there = fresh.find(name);
    if (!there) {
      if (read.number > base) return name;
      continue;
    }
    // A damaged name is not served, so it cannot be served in an older version.
    const LogEntry& now = there->second.entry;
    if (there->second.state == NameStatus::kDamaged) continue;
    if (same_transaction(read, now.sequence)) {
      if (read.number == now.sequence.number && record.entry.crc != now.crc && !is_rekeyed) return name;
    } else if (now.sequence.number < read.number) {
      return name;
    }
  }
  return std::nullopt;
}

void Index::follow(Index fresh, bool older) {
  fresh.cursor_ = cursor_;
  fresh.forgotten_ = forgotten_;
  fresh.deletions_ += deletions_;
  const bool is_rekeyed = fresh.epoch() > epoch();
  std::vector<std::pair<uint64_t, Names::value_type*>> changed;  // by place in the log
  for (auto& item : fresh.names_) {
    auto known = names_.find(item.first);
    bool same = known != names_.end() && known->second.entry.sequence.number == item.second.entry.sequence.number &&
                known->second.deleted == item.second.deleted && known->second.entry.length != 0 &&
                (is_rekeyed || known->second.entry.crc == item.second.entry.crc);
    if (same && item.second.state == NameStatus::kCurrent) item.second.state = known->second.state;
    if (same && item.second.state == known->second.state) {
      item.second.change = known->second.change;
    } else {
      changed.emplace_back(item.second.entry.sequence.number, &item);
    }
  }
  for (auto& [name, record] : names_) {
    if (fresh.names_.count(name)) continue;
    auto& gone = *fresh.names_.emplace(name, record).first;
    gone.second.entry.length = 0;
    if (older) gone.second.entry.sequence = {};
    gone.second.twin_length = 0;
    if (gone.second.deleted) continue;
    // Its tombstone had a higher number, which is not known.
    if (!older) gone.second.entry.sequence = {gone.second.entry.sequence.number + 1, 0, 1, 0};
    gone.second.deleted = true;
    ++fresh.deletions_;
    gone.second.state = NameStatus::kCurrent;
    changed.emplace_back(0, &gone);
  }
  std::sort(changed.begin(), changed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [number, item] : changed) item->second.change = ++fresh.cursor_;
  fresh.rebuild_changes();
  *this = std::move(fresh);
}

const Index::Names::value_type* Index::find(std::string_view name) const {
  auto place = names_.find(name);
  return place == names_.end() ? nullptr : &*place;
}

Index::Changes Index::changes(uint64_t cursor) const {
  Changes out;
  out.whole = cursor < forgotten_;
  auto begin = std::upper_bound(changes_.begin(), changes_.end(), out.whole ? 0 : cursor,
                                [](uint64_t number, const Change& change) { return number < change.number; });
  for (; begin != changes_.end(); ++begin) {
    if (begin->record->second.change == begin->number) out.names.push_back(begin->record);
  }
  return out;
}

void Index::forget_deletions(uint64_t looked_at) {
  constexpr size_t kKept = 256, kMost = 1024;
  if (deletions_ <= kMost + names_.size() / 2) return;
  deletions_ = 0;
  std::vector<uint64_t> deleted;
  for (const auto& [name, record] : names_) {
    if (record.deleted) deleted.push_back(record.change);
  }
  if (deleted.size() <= kKept) return;
  const auto oldest_kept = deleted.end() - static_cast<ptrdiff_t>(kKept);
  std::nth_element(deleted.begin(), oldest_kept, deleted.end());
  const size_t before = names_.size();
  for (auto at = names_.begin(); at != names_.end();) {
    const Record& record = at->second;
    const bool is_examined = record.change <= looked_at || record.entry.length == 0 || !record.entry.has_mac;
    if (!record.deleted || record.change >= *oldest_kept || !is_examined) {
      ++at;
      continue;
    }
    forgotten_ = std::max(forgotten_, record.change);
    at = names_.erase(at);
  }
  ignored_.clear();
  if (names_.size() != before) rebuild_changes();
}

void Index::mark_tampered(const std::string& name, uint64_t number) {
  auto place = names_.find(name);
  if (place == names_.end() || place->second.state != NameStatus::kCurrent) return;
  if (place->second.entry.sequence.number != number) return;
  place->second.state = NameStatus::kTampered;
  place->second.deleted = false;
  touch(*place);
}

bool Index::may_be_outdated(const Record& record) const {
  if (!record.entry.must_not_roll_back()) return false;
  uint64_t hidden = 0;
  for (const Gap& gap : gaps_) {
    bool newer = gap.before > record.entry.sequence.number;
    if (newer && !inside_transaction_of(record.entry, gap.after, gap.before)) hidden += gap.length;
  }
  return record.entry.type == type::kKeySlot ? hidden >= kCopyDistance : hidden > 0;
}

}  // namespace vtpm::store
