// SPDX-License-Identifier: Apache-2.0
// Arbitrary bytes as DER, as an entry, and as a free entry. Every view must lie inside the bytes, and writing what was
// read must give the same bytes, because DER has one encoding for each value and seals cover bytes.
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
  require(same(written, element.bytes), "an element is written as it was read");
  const auto header = read_der_header(element.bytes);
  require(header && header->total() == element.bytes.size(), "a header says how long its element is");
  const auto number = read_der_unsigned(element);
  if (!number) return;
  Bytes integer;
  write_der_unsigned(integer, *number);
  require(same(integer, element.bytes), "an INTEGER is written as it was read");
}

void walk(ByteView bytes, unsigned depth) {
  DerReader reader(bytes);
  size_t seen = 0;
  while (const auto element = reader.next()) {
    require(element->bytes.data() == bytes.data() + seen, "elements follow each other");
    require(inside(element->bytes, bytes), "an element lies inside");
    require(inside(element->contents, element->bytes), "contents lie inside their element");
    seen += element->bytes.size();
    check_element(*element);
    if ((static_cast<uint8_t>(element->tag) & kConstructed) && depth < kDeepest) walk(element->contents, depth + 1);
  }
  require(reader.empty() == (seen == bytes.size()), "a reader is empty behind the last byte and never before");
  require(!reader.next(), "a reader that found no DER stays where it was");
}

void check_entry(ByteView bytes) {
  const auto entry = parse_entry(bytes);
  if (!entry) return;
  require(inside(as_bytes(entry->type), bytes) && inside(as_bytes(entry->name), bytes), "its names lie inside");
  require(inside(entry->mandatory, bytes) && inside(entry->optional, bytes), "its attributes lie inside");
  require(entry->data_at + entry->data_bytes <= bytes.size(), "its data lies inside");
  require(entry->size <= entry->data_bytes, "it is no longer than its data");
  require(entry->crc_at > 0 && entry->crc_at + kCrcBytes <= bytes.size(), "its CRC lies inside");
  require(entry->mac_at + (entry->mac_at ? kMacBytes : 0) <= bytes.size(), "its MAC lies inside");
  require(same(encode(to_entry(*entry)), bytes), "an entry is written as it was read");

  Bytes changed = to_bytes(bytes);
  store_crc({}, changed, entry->crc_at);
  const auto again = parse_entry(changed);
  require(again && crc_matches({}, *again), "a CRC that is put in is found right");
}

void check_free(ByteView bytes) {
  const auto total = read_free(bytes);
  if (!total) return;
  const Bytes header = free_header(*total);
  const size_t shown = std::min(header.size(), bytes.size());
  require(*total >= kMinFreeBytes && same(ByteView(header).first(shown), bytes.first(shown)),
          "a free entry is written as it was read");
}

}  // namespace
}  // namespace vtpm::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const vtpm::ByteView bytes(data, size);
  vtpm::fuzz::walk(bytes, 0);
  vtpm::fuzz::check_entry(bytes);
  vtpm::fuzz::check_free(bytes);
  return 0;
}
