// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as DER, as an entry, and as a free entry. What must hold: every view lies inside the bytes, and
// what was read is written as the same bytes, since DER has one encoding of everything and seals are made over bytes.
#include <algorithm>

#include "base/der.h"
#include "store/format/entry.h"
#include "store/format/free_space.h"
#include "tests/fuzz/require.h"

namespace vtpm::fuzz {
namespace {

using namespace store;

constexpr unsigned kDeepest = 64;
constexpr uint8_t kConstructed = 0x20;

bool same(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

bool inside(ByteView part, ByteView whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_element(const DerElement& element) {
  Bytes written;
  write_der(written, element.tag, element.contents);
  require(same(written, element.octets), "an element is written as it was read");
  const auto header = read_der_header(element.octets);
  require(header && header->total() == element.octets.size(), "a header says how long its element is");
  const auto number = read_der_unsigned(element);
  if (!number) return;
  Bytes integer;
  write_der_unsigned(integer, *number);
  require(same(integer, element.octets), "an INTEGER is written as it was read");
}

void walk(ByteView octets, unsigned depth) {
  DerReader reader(octets);
  size_t seen = 0;
  while (const auto element = reader.next()) {
    require(element->octets.data() == octets.data() + seen, "elements follow each other");
    require(inside(element->octets, octets), "an element lies inside");
    require(inside(element->contents, element->octets), "contents lie inside their element");
    seen += element->octets.size();
    check_element(*element);
    if ((static_cast<uint8_t>(element->tag) & kConstructed) && depth < kDeepest) walk(element->contents, depth + 1);
  }
  require(reader.empty() == (seen == octets.size()), "a reader is empty behind the last octet and never before");
  require(!reader.next(), "a reader that found no DER stays where it was");
}

void check_entry(ByteView octets) {
  const auto entry = parse_entry(octets);
  if (!entry) return;
  require(inside(as_bytes(entry->type), octets) && inside(as_bytes(entry->name), octets), "its names lie inside");
  require(inside(entry->mandatory, octets) && inside(entry->optional, octets), "its attributes lie inside");
  require(entry->data_at + entry->data_octets <= octets.size(), "its data lies inside");
  require(entry->size <= entry->data_octets, "it is no longer than its data");
  require(entry->crc_at > 0 && entry->crc_at + kCrcOctets <= octets.size(), "its CRC lies inside");
  require(entry->mac_at + (entry->mac_at ? kMacOctets : 0) <= octets.size(), "its MAC lies inside");
  require(same(encode(to_entry(*entry)), octets), "an entry is written as it was read");

  Bytes changed = to_bytes(octets);
  store_crc({}, changed, entry->crc_at);
  const auto again = parse_entry(changed);
  require(again && crc_matches({}, *again), "a CRC that is put in is found right");
}

void check_free(ByteView octets) {
  const auto total = read_free(octets);
  if (!total) return;
  const Bytes header = free_header(*total);
  const size_t shown = std::min(header.size(), octets.size());
  require(*total >= kMinFreeOctets && same(ByteView(header).first(shown), octets.first(shown)),
          "a free entry is written as it was read");
}

}  // namespace
}  // namespace vtpm::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const vtpm::ByteView octets(data, size);
  vtpm::fuzz::walk(octets, 0);
  vtpm::fuzz::check_entry(octets);
  vtpm::fuzz::check_free(octets);
  return 0;
}
