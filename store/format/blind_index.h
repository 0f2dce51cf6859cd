// SPDX-License-Identifier: Apache-2.0
// The index that stands in entries: what lets them be found without reading, unsealing and authenticating them all
// (docs/format.md, "Blind index").
//
// Whoever seals an entry may add `tags`: eight bytes of an HMAC of a property, under a key that only the master key
// gives. Equal properties have equal tags, which is all that a reader of the file learns. The tags of a clear entry,
// whose properties are no secret, are a hash that needs no key. The tags stand in the entry, under its seal or MAC, but
// nothing checks them before it is read: what they find is a candidate, never an answer.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace vtpm::store {

using BlindTag = uint64_t;

/// Something that entries are found by: the kind is its owner's number, a PKCS#11 attribute type for objects.
struct Property {
  uint64_t kind = 0;
  Bytes value;
};

constexpr size_t kTagBytes = 8;
constexpr size_t kMaxTags = 32;  // of an entry; more are no index

/// The tag of a property of a clear entry: the first eight bytes of SHA-256(kind in eight bytes | value).
BlindTag clear_tag(const Property& property);

/// The tags in the contents of `ix`; none when they are not 1 to 32 times eight bytes.
std::vector<BlindTag> read_tags(ByteView contents);
/// Ascending, so that their order says nothing.
Bytes write_tags(std::vector<BlindTag> tags);

}  // namespace vtpm::store
