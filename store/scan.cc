#include "store/scan.h"

#include <algorithm>
#include <cstring>

#include "crypto/error.h"
#include "store/der.h"
#include "store/free_space.h"
#include "store/log_reader.h"

namespace vtpm::store {
namespace {

constexpr uint64_t kNothingFollows = ~uint64_t{0};
constexpr size_t kHeadOctets = 64;                 // enough to recognise what begins at an offset
constexpr uint64_t kHeaderSearchOctets = 1 << 16;  // the second header copy stands well before
constexpr unsigned kMaxCorrections = 256;          // of one scan; each may cost a millisecond

// What the walk meets, in file order.
struct Item {
  enum class Kind { kEntry, kBad, kFree } kind = Kind::kFree;
  uint64_t offset = 0, length = 0;
  LogEntry entry;                  // kEntry
  std::unique_ptr<Damage> damage;  // kBad
};

bool is_refused(const EntryView& entry) {
  return !entry.unknown.empty() || (entry.sealed && entry.cipher != kCipherSiv);
}

LogEntry to_log_entry(const EntryView& view, uint64_t offset, bool corrected) {
  LogEntry entry;
  entry.offset = offset;
  entry.length = static_cast<uint32_t>(view.octets.size());
  entry.epoch = static_cast<uint32_t>(view.epoch);
  entry.size = view.size;
  entry.sequence = view.sequence;
  entry.type = view.type;
  entry.name = view.name;
  entry.deleted = view.deleted;
  entry.sealed = view.sealed;
  entry.has_mac = view.mac_at != 0;
  entry.refused = is_refused(view);
  entry.corrected = corrected;
  return entry;
}

bool all_zero(ByteView octets) {
  // Comparing the octets with themselves shifted by one lets memcmp do the work.
  return octets.empty() || (octets[0] == 0 && std::memcmp(octets.data(), octets.data() + 1, octets.size() - 1) == 0);
}

// The name that a damaged entry still shows, although its attributes may be unreadable.
std::string name_of_damaged(ByteView octets) {
  auto outer = DerReader(octets).next(Tag::kSequence);
  if (!outer) return {};
  DerReader parts(outer->contents);
  if (!parts.next(Tag::kSequence)) return {};
  auto name = parts.next(Tag::kUtf8String);
  if (!name || !parts.empty() || !valid_name(as_text(name->contents))) return {};
  return std::string(as_text(name->contents));
}

class Walk {
 public:
  Walk(const File& file, const Salt& salt, uint64_t from) : reader_(file), salt_(salt), at_(from) {
    budget_ = 8 * reader_.size() + kMaxEntryOctets;
    while (step()) {
    }
  }

  std::vector<Item> items;
  LogReader& reader() { return reader_; }
  /// Where the walk stopped: at the end-of-contents octets, at a free space that does not fit, or at the end of the
  /// file.
  uint64_t stopped_at() const { return at_; }

 private:
  bool step() {
    ByteView head = reader_.view(at_, kHeadOctets);
    if (head.size() < kEndOctets) return head.empty() ? false : take_bad_rest("the file ends inside an entry");
    if (head[0] == 0 && head[1] == 0) {
      if (only_zeros_from(at_)) return false;
      return take_bad();
    }
    if (auto total = read_free(head)) {
      if (at_ + *total + kEndOctets > reader_.size()) return false;  // cut off inside the free space
      return take_free(*total);
    }
    if (auto entry = entry_at(at_)) return take(std::move(*entry));
    return take_bad();
  }

  bool take(LogEntry entry) {
    uint64_t length = entry.length;
    items.push_back({Item::Kind::kEntry, at_, length, std::move(entry), nullptr});
    at_ += length;
    return true;
  }

  bool take_free(uint64_t length) {
    items.push_back({Item::Kind::kFree, at_, length, {}, nullptr});
    at_ += length;
    return true;
  }

  // A free entry with one flipped bit, found by trial: its octets follow from its size, and something must follow it.
  std::optional<uint64_t> free_with_a_flip() {
    Bytes head = to_bytes(reader_.view(at_, kMaxFreeHeaderOctets));
    for (size_t bit = 0; bit < head.size() * 8; ++bit) {
      auto mask = static_cast<uint8_t>(1u << bit % 8);
      head[bit / 8] ^= mask;
      auto total = read_free(head);
      if (total && at_ + *total + kEndOctets <= reader_.size() && ends_or_goes_on(at_ + *total)) return total;
      head[bit / 8] ^= mask;
    }
    return std::nullopt;
  }

  // An intact entry, or nothing.
  std::optional<LogEntry> entry_at(uint64_t offset) {
    auto header = read_der_header(reader_.view(offset, kHeadOctets));
    if (!header || header->tag != static_cast<uint8_t>(Tag::kSequence)) return std::nullopt;
    if (header->total() > kMaxEntryOctets || offset + header->total() > reader_.size()) return std::nullopt;
    if (!spend(header->total())) return std::nullopt;
    auto entry = parse_entry(reader_.view(offset, header->total()));
    if (!entry || !crc_matches(salt_, *entry)) return std::nullopt;
    return to_log_entry(*entry, offset, false);
  }

  bool take_bad() {
    if (auto total = free_with_a_flip()) return take_free(*total);
    ByteView rest = reader_.view(at_, 1 << 16);
    auto header = read_der_header(rest);
    bool fits = header && header->tag == static_cast<uint8_t>(Tag::kSequence) && header->total() <= kMaxEntryOctets &&
                at_ + header->total() <= reader_.size();
    if (fits) rest = reader_.view(at_, std::max<uint64_t>(header->total(), 1 << 16));
    if (corrections_ < kMaxCorrections && spend(rest.size())) {
      ++corrections_;
      if (auto fixed = correct_entry(salt_, rest)) return take(to_log_entry(parse_entry(*fixed).value(), at_, true));
    }
    Damage damage{at_, 0, {}, false, 0, kNothingFollows, "its octets are damaged"};
    if (fits) damage.name = name_of_damaged(reader_.view(at_, header->total()));
    if (fits && goes_on(at_ + header->total())) {
      damage.length = header->total();
      damage.is_entry = true;
    } else if (auto next = search(at_ + 1)) {
      damage.length = *next - at_;
    } else {
      damage.length = reader_.size() - at_;
    }
    take_damage(std::move(damage));
    return at_ < reader_.size();
  }

  void take_damage(Damage damage) {
    uint64_t length = damage.length;
    items.push_back({Item::Kind::kBad, at_, length, {}, std::make_unique<Damage>(std::move(damage))});
    at_ += length;
  }

  bool take_bad_rest(const char* reason) {
    take_damage(Damage{at_, reader_.size() - at_, {}, false, 0, kNothingFollows, reason});
    return false;
  }

  bool goes_on(uint64_t offset) { return read_free(reader_.view(offset, kHeadOctets)) || entry_at(offset); }
  bool ends_or_goes_on(uint64_t offset) { return offset + kEndOctets == reader_.size() || goes_on(offset); }

  std::optional<uint64_t> search(uint64_t from) {
    while (from < reader_.size() && budget_ > 0) {
      ByteView window = reader_.view(from, 1 << 16);
      if (window.empty()) break;
      const void* found = std::memchr(window.data(), static_cast<int>(Tag::kSequence), window.size());
      if (!found) {
        from += window.size();
        continue;
      }
      from += static_cast<uint64_t>(static_cast<const uint8_t*>(found) - window.data());
      ByteView head = reader_.view(from, kHeadOctets);
      auto total = read_free(head);
      if ((total && from + *total + kEndOctets <= reader_.size()) || (looks_like_entry(head) && entry_at(from)))
        return from;
      ++from;
    }
    return std::nullopt;
  }

  static bool looks_like_entry(ByteView head) {
    auto outer = read_der_header(head);
    if (!outer) return false;
    auto nvram = read_der_header(head.subspan(outer->octets));
    if (!nvram || nvram->tag != static_cast<uint8_t>(Tag::kSequence) || nvram->total() > outer->contents) return false;
    size_t at = outer->octets + nvram->octets;
    return at < head.size() && head[at] == static_cast<uint8_t>(Tag::kIa5String);
  }

  bool only_zeros_from(uint64_t offset) {
    while (offset < reader_.size()) {
      ByteView window = reader_.view(offset, 1 << 16);
      if (window.empty()) return true;
      if (!all_zero(window)) return false;
      offset += window.size();
    }
    return true;
  }

  bool spend(uint64_t octets) {
    if (budget_ < octets) {
      budget_ = 0;
      return false;
    }
    budget_ -= octets;
    return true;
  }

  LogReader reader_;
  const Salt& salt_;
  uint64_t at_;
  uint64_t budget_ = 0;
  unsigned corrections_ = 0;
};

// The second pass: which items count.
class Judgement {
 public:
  Judgement(Walk& walk, const StoreHeader& header, const ScanState& from)
      : items_(walk.items), base_(header.base), stopped_at_(walk.stopped_at()) {
    result.end = from;
    result.file_size = walk.reader().size();
    result.end.durable = std::max(from.durable, base_);
    for (const Item& item : items_) {
      if (item.kind != Item::Kind::kEntry) continue;
      result.end.durable = std::max(result.end.durable, item.entry.sequence.durable);
      result.end.highest_seen = std::max(result.end.highest_seen, item.entry.sequence.number);
    }
    size_t end = judge();
    for (size_t i = end; i < items_.size(); ++i) set_aside(items_[i]);
    find_end(walk, end);
    result.end.highest_seen = std::max({result.end.highest_seen, result.end.last, base_});
    result.end.last = std::max(result.end.last, result.end.durable);
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
    // Half a transaction may delete what its other half was to replace.
    if (entry.deleted && !transaction_is_whole) return;
    result.entries.push_back(std::move(entry));
  }

  void rot(const Item& item, size_t i) {
    Damage damage = as_damage(item);
    damage.after = previous();
    for (size_t k = i + 1; k < items_.size() && damage.before == kNothingFollows; ++k) {
      if (items_[k].kind == Item::Kind::kEntry) damage.before = items_[k].entry.sequence.number;
    }
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
    ByteView probe = walk.reader().view(result.end.offset, kProbeOctets);
    result.probe = to_bytes(probe);
    result.intact_end = is_all && ends_in(probe, result.file_size - result.end.offset);
    if (is_all && previous() < result.end.durable) missing_tail();
  }

  // Whether `probe` begins a free space that reaches to the end-of-contents octets, `behind` octets to the end of file.
  static bool ends_in(ByteView probe, uint64_t behind) {
    if (behind == kEndOctets) return true;
    if (behind < kMinFreeOctets + kEndOctets) return false;
    Bytes expected = free_header(behind - kEndOctets);
    return probe.size() >= expected.size() && equal(probe.first(expected.size()), expected);
  }

  // Something that was promised is missing, and nothing behind it tells where it was.
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
};

// Copies its salt out of itself: the CRC then tells whether it is one.
std::optional<StoreHeader> as_header(ByteView octets, bool& too_new) {
  auto entry = parse_entry(octets);
  if (!entry || entry->type != type::kHeader || entry->data_octets < kUuidOctets) return std::nullopt;
  auto salt = entry->find_octets(entry->mandatory, attribute::kSalt, kSaltOctets);
  if (!salt) return std::nullopt;
  StoreHeader header;
  std::copy(salt->begin(), salt->end(), header.salt.begin());
  if (!crc_matches(header.salt, *entry)) return std::nullopt;
  std::copy_n(entry->data().begin(), kUuidOctets, header.uuid.begin());
  header.base = entry->find_integer(entry->optional, attribute::kBase).value_or(0);
  too_new = !entry->unknown.empty() || entry->find_integer(entry->mandatory, attribute::kFormat) != kFormatNumber;
  return header;
}

std::optional<StoreHeader> header_with_a_flip(ByteView octets, bool& too_new) {
  Bytes scratch = to_bytes(octets);
  for (size_t at = 0; at < scratch.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      scratch[at] ^= static_cast<uint8_t>(1u << bit);
      auto element = DerReader(scratch).next(Tag::kSequence);
      if (element) {
        if (auto header = as_header(element->octets, too_new)) return header;
      }
      scratch[at] = octets[at];
    }
  }
  return std::nullopt;
}

std::optional<StoreHeader> find_header(LogReader& reader, bool& too_new) {
  ByteView front = reader.view(0, kHeaderSearchOctets);
  for (size_t at = kLogStart; at < front.size(); ++at) {
    if (front[at] != static_cast<uint8_t>(Tag::kSequence)) continue;
    auto element = DerReader(front.subspan(at)).next(Tag::kSequence);
    if (!element || element->octets.size() > kCopyDistance) continue;
    auto header = as_header(element->octets, too_new);
    if (!header) continue;
    // The first copy stands at the beginning and nowhere else: an archive that holds a store is not one.
    bool is_first = parse_entry(element->octets)->sequence.index == 0;
    if (is_first == (at == kLogStart)) return header;
    break;
  }
  return std::nullopt;
}

}  // namespace

StoreHeader read_header(const File& file, const std::string& path) {
  LogReader reader(file);
  if (reader.size() == 0) throw Error(ErrorCode::kNotAStore, path + " is empty: it is not a store");
  bool too_new = false;
  auto header = find_header(reader, too_new);
  if (!header && reader.size() > kLogStart) {
    header = header_with_a_flip(to_bytes(reader.view(kLogStart, kCopyDistance / 8)), too_new);
  }
  if (header && too_new) {
    throw Error(ErrorCode::kTooNew,
                path + " was written by a newer version: its header asks for what this one does not know");
  }
  if (header) return *header;
  ByteView begin = reader.view(0, kHeadOctets);
  bool begins_right = begin.size() >= kStoreBegin.size() && equal(begin.first(kStoreBegin.size()), kStoreBegin);
  if (begins_right && reader.size() > kCopyDistance) {
    throw Error(ErrorCode::kCorrupt, path + " is damaged: neither copy of its header is readable");
  }
  throw Error(ErrorCode::kNotAStore,
              path + (begins_right ? " is cut off inside its header" : " is not a store: it does not begin like one"));
}

ScanResult scan_log(const File& file, const StoreHeader& header, const ScanState& from) {
  Walk walk(file, header.salt, from.offset);
  return std::move(Judgement(walk, header, from).result);
}

std::optional<Bytes> read_entry(const File& file, const StoreHeader& header, const LogEntry& entry) {
  Bytes octets(entry.length);
  if (file.read_at(entry.offset, octets) != octets.size()) return std::nullopt;
  if (entry.corrected) {
    auto fixed = correct_entry(header.salt, octets);
    if (!fixed) return std::nullopt;
    octets = std::move(*fixed);
  }
  auto view = parse_entry(octets);
  if (!view || !crc_matches(header.salt, *view)) return std::nullopt;
  if (view->sequence.number != entry.sequence.number || view->name != entry.name) return std::nullopt;
  return octets;
}

}  // namespace vtpm::store
