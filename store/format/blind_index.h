// SPDX-License-Identifier: Apache-2.0
// The blind index: tags in entries by which these are found without being read, unsealed and authenticated
// (docs/format.md, "Blind index").
//
// The writer of a sealed entry may add tags. A tag is eight bytes of an HMAC of a property, under a key that is derived
// from the master key. Equal properties have equal tags; a reader without the key learns nothing else. The properties
// of a clear entry are not secret, so its tags are a hash without a key. The seal or MAC of an entry covers its tags,
// but they are used before it is checked: a search finds candidates, which must be read before they count.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace vtpm::store {

using BlindTag = uint64_t;

/// Something by which entries are found. The store does not interpret `kind`; for PKCS#11 objects it is an attribute
/// type.
struct Property {
  uint64_t kind = 0;
  Bytes value;
};

constexpr size_t kTagBytes = 8;
constexpr size_t kMaxTags = 32;  // of an entry; an `ix` with more is ignored

/// Returns the tag of a property of a clear entry: the first eight bytes of SHA-256(kind in eight bytes | value).
BlindTag clear_tag(const Property& property);

/// Returns the tags in the contents of `ix`; none if these are not 1 to 32 times eight bytes.
std::vector<BlindTag> read_tags(ByteView contents);
/// Returns the contents of `ix`. The tags are in ascending order, so that their order reveals nothing.
Bytes write_tags(std::vector<BlindTag> tags);

}  // namespace vtpm::store
