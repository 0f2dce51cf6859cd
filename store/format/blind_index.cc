// SPDX-License-Identifier: Apache-2.0
#include "store/format/blind_index.h"

#include <algorithm>

#include "base/numbers.h"
#include "crypto/hash/digest.h"
#include "store/format/entry.h"

namespace vtpm::store {

BlindTag clear_tag(const Property& property) {
  Bytes octets;
  write_be(octets, property.kind, 8);
  append(octets, property.value);
  return read_be(ByteView(crypto::digest(crypto::Hash::kSha256, octets)).first(kTagOctets));
}

std::vector<BlindTag> read_tags(ByteView contents) {
  std::vector<BlindTag> tags;
  if (contents.size() % kTagOctets != 0 || contents.size() > kMaxTags * kTagOctets) return tags;
  tags.reserve(contents.size() / kTagOctets);
  for (; !contents.empty(); contents = contents.subspan(kTagOctets))
    tags.push_back(read_be(contents.first(kTagOctets)));
  return tags;
}

Bytes write_tags(std::vector<BlindTag> tags) {
  std::sort(tags.begin(), tags.end());
  Bytes octets;
  for (const BlindTag tag : tags) write_be(octets, tag, kTagOctets);
  return octets;
}

}  // namespace vtpm::store
