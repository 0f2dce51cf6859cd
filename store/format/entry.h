// SPDX-License-Identifier: Apache-2.0
// One element of the log.
//
//   Entry ::= SEQUENCE { nvram SEQUENCE { type IA5String, mandatory SET OF Attr, optional SET OF Attr, data OCTET
//   STRING },
//                        name UTF8String OPTIONAL }
//   Attr  ::= CHOICE { IA5String, SEQUENCE { IA5String, ANY ... } }
//
// `Entry` is what a writer fills in; `encode` makes its bytes. `EntryView` is what a reader sees: offsets into bytes
// that it does not own. Seals and checksums are made over the raw bytes, never over a re-encoding, so a writer encodes
// first, with zeros where they will stand, and fills them in at the offsets that the view of its own bytes gives.
// docs/format.md is the authority.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "store/format/log_format.h"

namespace vtpm::store {

/// `values`: the DER of what follows the name. Empty: the attribute is its name alone.
struct Attribute {
  std::string name;
  Bytes values;
};

/// The value of `seq`.
struct Sequence {
  uint64_t number = 0;   // rises along the log; the highest of a name wins
  uint16_t index = 0;    // place in its transaction
  uint16_t count = 1;    // entries of its transaction
  uint64_t durable = 0;  // the highest number that the writer knew to be synced
  uint64_t first() const { return number - index; }
  uint64_t last() const { return first() + count - 1; }
};

struct Entry {
  std::string type;
  std::string name;  // empty: none
  std::vector<Attribute> mandatory, optional;
  Bytes data;  // at least one byte
};

Attribute bytes_attribute(std::string_view name, ByteView value);
Attribute integer_attribute(std::string_view name, uint64_t value);
Attribute text_attribute(std::string_view name, std::string_view value);
Attribute sequence_attribute(const Sequence& sequence);
Attribute realsize_attribute(uint64_t size);
/// Bytes of plain text that an entry may hold, 1 to 16 MiB.
Attribute capacity_attribute(uint64_t capacity);
/// The number of the first version of the entry's name.
Attribute born_attribute(uint64_t number);
/// No older version of the entry's name may be served in its place.
Attribute no_rollback_attribute();

/// The bytes of an entry. Throws kNoSpace when it is longer than an entry may be, kInvalidArgument when the type or
/// name is not one (see `valid_name`).
Bytes encode(const Entry& entry);
/// Throws kNoSpace, with a sentence that says which limit an entry of so many bytes exceeds.
[[noreturn]] void refuse_length(std::string_view name, uint64_t bytes);

/// 1 to 255 bytes of UTF-8 without control characters.
bool valid_name(std::string_view name);
/// 1 to 64 printable ASCII characters.
bool valid_type(std::string_view type);

struct EntryView {
  ByteView bytes;
  std::string_view type, name;
  bool has_name = false;
  ByteView mandatory, optional;  // contents of the two SETs
  Sequence sequence;
  uint64_t size = 0;  // realsize
  bool deleted = false;
  uint64_t capacity = 0;               // bytes that it may come to hold; 0: not registered
  uint64_t born = 0;                   // the number of the first version of the name; 0: it does not say
  bool no_rollback = false;            // has `norollback`
  bool has_extras = false;             // optional attributes that this build does not know
  bool sealed = false;                 // has `enc`
  std::string_view cipher;             // of `enc`
  uint64_t epoch = 0;                  // of `enc`
  std::string_view unknown;            // a mandatory attribute that this build does not know; empty: none
  ByteView tags;                       // contents of `ix` (store/format/blind_index.h); empty: the attribute is absent
  size_t data_at = 0, data_bytes = 0;  // contents of the data OCTET STRING
  size_t crc_at = 0, mac_at = 0;       // offsets of the values in `bytes`; 0: the attribute is absent

  ByteView data() const { return bytes.subspan(data_at, data_bytes); }
  /// The DER of an attribute's values, or nothing when it is not in that set.
  std::optional<ByteView> find(ByteView set, std::string_view attribute) const;
  /// The contents of an attribute's first value when it is an OCTET STRING of that many bytes.
  std::optional<ByteView> find_bytes(ByteView set, std::string_view attribute, size_t bytes_wanted) const;
  std::optional<uint64_t> find_integer(ByteView set, std::string_view attribute) const;
};

/// Nothing when the bytes are not exactly one well-formed entry with `seq`, `realsize` and `crc32c`. The CRC is not
/// checked here. (A `free` entry has none of them: see store/format/free_space.h.)
std::optional<EntryView> parse_entry(ByteView bytes);

/// An attribute as it stands, for whoever walks a set.
struct AttributeView {
  std::string_view name;
  ByteView values;
};
/// Nothing when a set does not hold attributes, sorted as DER wants it.
std::optional<std::vector<AttributeView>> parse_attributes(ByteView set);

/// Whether a new version of an entry takes over this optional attribute of the version before: its capacity, when its
/// name was new, that it must not be rolled back, and what is not known here.
bool is_inherited(std::string_view optional_attribute);

/// CRC-32C over the store's salt and the entry with its four CRC bytes zero.
uint32_t entry_crc(const Salt& salt, ByteView bytes, size_t crc_at);
bool crc_matches(const Salt& salt, const EntryView& entry);
/// The checksum as it stands in the entry.
uint32_t crc_of(const EntryView& entry);
/// Of the master key that sealed the entry, or that a key slot holds; 0: neither.
uint32_t epoch_of(const EntryView& entry);
void store_crc(const Salt& salt, MutableByteView bytes, size_t crc_at);
/// The secrets of a key slot that is one no longer: wrapped key, commitment and KDF salt become zeros, the entry stays
/// valid. False, and nothing is changed, where the bytes are no key slot's.
bool wipe_slot_secrets(const Salt& salt, MutableByteView bytes);

/// The entry as `Entry`, to be changed and encoded again (only headers are; nothing sealed ever is).
Entry to_entry(const EntryView& view);

}  // namespace vtpm::store
