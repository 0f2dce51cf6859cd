// SPDX-License-Identifier: Apache-2.0
#include "store/format/blind_index.h"

#include <algorithm>

#include "base/numbers.h"
#include "crypto/hash/digest.h"
#include "store/format/entry.h"

namespace vtpm::store {

BlindTag clear_tag(const Property& property) {
  Bytes bytes;
  write_be(bytes, property.kind, 8);
  append(bytes, property.value);
  return read_be(ByteView(crypto::digest(crypto::Hash::kSha256, bytes)).first(kTagBytes));
}

std::vector<BlindTag> read_tags(ByteView contents) {
  std::vector<BlindTag> tags;
  if (contents.size() % kTagBytes != 0 || contents.size() > kMaxTags * kTagBytes) return tags;
  tags.reserve(contents.size() / kTagBytes);
  for (; !contents.empty(); contents = contents.subspan(kTagBytes)) tags.push_back(read_be(contents.first(kTagBytes)));
  return tags;
}

Bytes write_tags(std::vector<BlindTag> tags) {
  std::sort(tags.begin(), tags.end());
  Bytes bytes;
  for (const BlindTag tag : tags) write_be(bytes, tag, kTagBytes);
  return bytes;
}

}  // namespace vtpm::store
