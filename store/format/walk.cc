// SPDX-License-Identifier: Apache-2.0
#include "store/format/walk.h"

#include <algorithm>
#include <cstring>

#include "base/der.h"
#include "store/format/blind_index.h"
#include "store/format/encoding.h"
#include "store/format/free_space.h"

namespace vtpm::store {
namespace {

constexpr size_t kHeadBytes = 64;          // enough to recognize what begins at an offset
constexpr unsigned kMaxCorrections = 256;  // of one walk; each may cost some milliseconds
// The cost in bytes of one damaged element, beside CRCs. There may be one in each sector of a disk, but not one in each
// byte.
constexpr uint64_t kBadCost = 4096;

LogEntry to_log_entry(const EntryView& view, uint64_t offset, bool corrected) {
  return {facts_of(view), offset,   static_cast<uint32_t>(view.bytes.size()), static_cast<uint32_t>(view.data_at),
          crc_of(view),   corrected};
}

bool all_zero(ByteView bytes) {
  // Comparing the bytes with themselves shifted by one lets memcmp do the work.
  return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// The name that a damaged entry still shows, although its attributes may be unreadable.
std::string name_of_damaged(ByteView bytes) {
  auto outer = DerReader(bytes).next(DerTag::kSequence);
  if (!outer) return {};
  DerReader parts(outer->contents);
  if (!parts.next(DerTag::kSequence)) return {};
  auto name = parts.next(DerTag::kUtf8String);
  if (!name || !parts.empty() || !valid_name(as_text(name->contents))) return {};
  return std::string(as_text(name->contents));
}

}  // namespace

Walk::Walk(const File& file, const StoreHeader& header, uint64_t from, Look look)
    : reader_(file),
      header_(header),
      look_(look),
      at_(from),
      from_(from),
      budget_(8 * reader_.size() + kMaxEntryBytes) {
  while (step()) {
  }
}

bool Walk::step() {
  ByteView head = reader_.view(at_, kHeadBytes);
  if (head.size() < kEndBytes) return head.empty() ? false : take_bad_rest("the file ends inside an entry");
  if (head[0] == 0 && head[1] == 0) {
    if (look_ == Look::kBounded && is_too_much()) return false;
    if (only_zeros(at_, reader_.size())) return false;
    return take_bad();
  }
  if (auto total = read_free(head)) {
    if (at_ + *total + kEndBytes > reader_.size()) return false;  // cut off inside the free space
    return take_free(*total);
  }
  if (auto entry = entry_at(at_)) return take(std::move(*entry));
  return take_bad();
}

// Reserves memory for all items, if the rest of the file is like what was read: moving items costs as much as reading
// them.
void Walk::make_room() {
  constexpr size_t kSample = 256, kMost = 1 << 20;
  if (items.size() != kSample) return;
  const uint64_t average = (at_ - from_) / kSample + 1;
  items.reserve(std::min<uint64_t>(kSample + (reader_.size() - at_) / average, kMost));
}

bool Walk::take(LogEntry entry) {
  make_room();
  uint64_t length = entry.length;
  items.push_back({Item::Kind::kEntry, at_, length, std::move(entry), nullptr});
  at_ += length;
  return true;
}

bool Walk::take_free(uint64_t length) {
  if (!items.empty() && items.back().kind == Item::Kind::kFree) {
    items.back().length += length;
  } else {
    items.push_back({Item::Kind::kFree, at_, length, {}, nullptr});
  }
  at_ += length;
  return true;
}

// A free entry with one flipped bit, found by trial: its bytes follow from its size, and something must follow it.
std::optional<uint64_t> Walk::free_with_a_flip() {
  Bytes head = to_bytes(reader_.view(at_, kMaxFreeHeaderBytes));
  for (size_t bit = 0; bit < head.size() * 8; ++bit) {
    auto mask = static_cast<uint8_t>(1u << bit % 8);
    head[bit / 8] ^= mask;
    auto total = read_free(head);
    if (total && at_ + *total + kEndBytes <= reader_.size() && ends_or_goes_on(at_ + *total)) return total;
    head[bit / 8] ^= mask;
  }
  return std::nullopt;
}

// Returns the entry at an offset if it is intact, otherwise nothing.
std::optional<LogEntry> Walk::entry_at(uint64_t offset) {
  auto header = read_der_header(reader_.peek(offset));
  if (!header || header->tag != static_cast<uint8_t>(DerTag::kSequence)) return std::nullopt;
  if (header->total() > kMaxEntryBytes || offset + header->total() > reader_.size()) return std::nullopt;
  if (!spend(header->total())) return std::nullopt;
  auto entry = parse_entry(reader_.view(offset, header->total()));
  if (!entry || !crc_matches(header_.salt, *entry)) return std::nullopt;
  return to_log_entry(*entry, offset, false);
}

bool Walk::take_bad() {
  if (!spend(kBadCost)) return take_bad_rest("behind more damage than is looked through");
  if (auto total = free_with_a_flip()) return take_free(*total);
  ByteView rest = reader_.view(at_, 1 << 16);
  auto header = read_der_header(rest);
  bool fits = header && header->tag == static_cast<uint8_t>(DerTag::kSequence) && header->total() <= kMaxEntryBytes &&
              at_ + header->total() <= reader_.size() && spend(header->total());
  if (fits) rest = reader_.view(at_, std::max<uint64_t>(header->total(), 1 << 16));
  if (corrections_ < kMaxCorrections && spend(rest.size())) {
    ++corrections_;
    if (auto fixed = correct_entry(header_.salt, rest))
      return take(to_log_entry(parse_entry(*fixed).value(), at_, true));
  }
  Damage damage{at_, 0, {}, false, 0, kNothingFollows, "its bytes are damaged"};
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

void Walk::take_damage(Damage damage) {
  uint64_t length = damage.length;
  items.push_back({Item::Kind::kBad, at_, length, {}, std::make_unique<Damage>(std::move(damage))});
  at_ += length;
}

bool Walk::take_bad_rest(const char* reason) {
  take_damage(Damage{at_, reader_.size() - at_, {}, false, 0, kNothingFollows, reason});
  return false;
}

bool Walk::goes_on(uint64_t offset) { return read_free(reader_.peek(offset)) || entry_at(offset); }

bool Walk::ends_or_goes_on(uint64_t offset) { return offset + kEndBytes == reader_.size() || goes_on(offset); }

std::optional<uint64_t> Walk::search(uint64_t from) {
  while (from < reader_.size() && budget_ > 0) {
    ByteView window = reader_.view(from, 1 << 16);
    if (window.empty()) break;
    const void* found = std::memchr(window.data(), static_cast<int>(DerTag::kSequence), window.size());
    if (!found) {
      from += window.size();
      continue;
    }
    from += static_cast<uint64_t>(static_cast<const uint8_t*>(found) - window.data());
    ByteView head = reader_.view(from, kHeadBytes);
    if (is_free_space(from) || (looks_like_entry(head) && entry_at(from))) return from;
    ++from;
  }
  return std::nullopt;
}

// Free space has no checksum. Inside of damage, bytes that look like its beginning may be data of an entry, and could
// reach over later entries once the file has grown. Therefore the zeros are checked too.
bool Walk::is_free_space(uint64_t offset) {
  auto total = read_free(reader_.view(offset, kHeadBytes));
  if (!total || offset + *total + kEndBytes > reader_.size() || !spend(*total)) return false;
  const uint64_t header = std::min<uint64_t>(free_header(*total).size(), *total);
  return only_zeros(offset + header, offset + *total);
}

bool Walk::looks_like_entry(ByteView head) {
  auto outer = read_der_header(head);
  if (!outer) return false;
  auto nvram = read_der_header(head.subspan(outer->bytes));
  if (!nvram || nvram->tag != static_cast<uint8_t>(DerTag::kSequence) || nvram->total() > outer->contents) return false;
  size_t at = outer->bytes + nvram->bytes;
  return at < head.size() && head[at] == static_cast<uint8_t>(DerTag::kIa5String);
}

bool Walk::only_zeros(uint64_t offset, uint64_t end) {
  while (offset < end) {
    ByteView window = reader_.view(offset, std::min<uint64_t>(1 << 16, end - offset));
    if (window.empty()) return true;
    if (!all_zero(window)) return false;
    offset += window.size();
  }
  return true;
}

// Behind the last free space of a file stand the zeros of a growth that a crash has interrupted. An incomplete
// transaction may contain free space too, and has as much space behind it as there was.
bool Walk::is_too_much() {
  constexpr uint64_t kMost = kMaxGrowth + kGrowthUnit + kEndBytes;
  const uint64_t behind = bytes_behind(at_, reader_.size());
  if (behind <= kMost || items.empty() || items.back().kind != Item::Kind::kFree) return false;
  if (items.size() > 1) {
    const Item& before = items[items.size() - 2];
    const Sequence& sequence = before.entry.sequence;
    if (before.kind != Item::Kind::kEntry) return false;
    if (sequence.number > header_.base && sequence.number != sequence.last()) return false;
  }
  if (!only_zeros(at_, at_ + kMost)) return false;
  unread_ = behind - kEndBytes;
  return true;
}

bool Walk::spend(uint64_t bytes) {
  if (budget_ < bytes) {
    budget_ = 0;
    return false;
  }
  budget_ -= bytes;
  spent_ += bytes;
  return true;
}

}  // namespace vtpm::store
