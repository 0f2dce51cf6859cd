// SPDX-License-Identifier: Apache-2.0
// Correction of one flipped bit. A CRC is linear, so the syndrome identifies a flipped bit outside of the DER
// structure. A flip inside the structure (a length, a tag, the name of an attribute) prevents parsing, so those few
// bytes are tried.
#include <algorithm>

#include "base/der.h"
#include "base/numbers.h"
#include "store/format/crc32c.h"
#include "store/format/scan.h"

namespace vtpm::store {
namespace {

// Longer entries are left to the repair tool: the longer the message, the likelier a chance match of the 32 bits.
constexpr uint64_t kMaxCorrectedBytes = 1 << 20;
constexpr size_t kStructureBytes = 320;      // more than type and attributes, or a name, of our own entries have
constexpr size_t kMaxAttributeBytes = 1024;  // of a set; thousands of trials read each attribute anew

bool attributes_are_few(ByteView entry) {
  DerReader outer(entry);
  auto contents = outer.next(DerTag::kSequence);
  auto nvram = contents ? DerReader(contents->contents).next(DerTag::kSequence) : std::nullopt;
  if (!nvram) return false;
  DerReader fields(nvram->contents);
  fields.next(DerTag::kIa5String);
  for (int set = 0; set < 2; ++set) {
    auto attributes = fields.next(DerTag::kSet);
    if (!attributes || attributes->contents.size() > kMaxAttributeBytes) return false;
  }
  return true;
}

std::optional<EntryView> parse_first(ByteView bytes) {
  auto header = read_der_header(bytes);
  if (!header || header->total() > std::min<uint64_t>(bytes.size(), kMaxCorrectedBytes)) return std::nullopt;
  bytes = bytes.first(header->total());
  return attributes_are_few(bytes) ? parse_entry(bytes) : std::nullopt;
}

std::optional<Bytes> by_syndrome(const Salt& salt, ByteView bytes) {
  auto entry = parse_first(bytes);
  if (!entry) return std::nullopt;
  Bytes fixed = to_bytes(entry->bytes);
  auto written = static_cast<uint32_t>(read_be(entry->bytes.subspan(entry->crc_at, kCrcBytes)));
  uint32_t syndrome = written ^ entry_crc(salt, entry->bytes, entry->crc_at);
  if (syndrome == 0) return fixed;
  if ((syndrome & (syndrome - 1)) == 0) {  // the flip is in the CRC bytes themselves
    store_crc(salt, fixed, entry->crc_at);
    return fixed;
  }
  auto bit = find_flipped_bit(syndrome, fixed.size());
  if (!bit) return std::nullopt;
  fixed[fixed.size() - 1 - bit->bytes_behind] ^= bit->mask;
  auto again = parse_first(fixed);
  if (!again || !crc_matches(salt, *again)) return std::nullopt;
  return fixed;
}

// A flip that leaves length and place of the CRC as they are was looked for by its syndrome already.
std::optional<Bytes> by_trial(const Salt& salt, ByteView bytes, size_t from, size_t to, Bytes& scratch) {
  const auto as_it_stands = parse_first(bytes);
  auto looked_for = [&](const EntryView& entry) {
    return as_it_stands && entry.bytes.size() == as_it_stands->bytes.size() && entry.crc_at == as_it_stands->crc_at;
  };
  for (size_t at = from; at < to; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      scratch[at] ^= static_cast<uint8_t>(1u << bit);
      auto entry = parse_first(scratch);
      if (entry && !looked_for(*entry) && crc_matches(salt, *entry)) return to_bytes(entry->bytes);
      scratch[at] = bytes[at];
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Bytes> correct_entry(const Salt& salt, ByteView bytes) {
  if (auto fixed = by_syndrome(salt, bytes)) return fixed;
  Bytes scratch = to_bytes(bytes.first(std::min<uint64_t>(bytes.size(), kMaxCorrectedBytes)));
  size_t front = std::min(scratch.size(), kStructureBytes);
  if (auto fixed = by_trial(salt, bytes, 0, front, scratch)) return fixed;
  auto header = read_der_header(bytes);
  if (!header || header->total() > scratch.size()) return std::nullopt;
  size_t back = header->total() - std::min<uint64_t>(header->total(), kStructureBytes);
  return by_trial(salt, bytes, std::max(front, back), header->total(), scratch);
}

}  // namespace vtpm::store
