// SPDX-License-Identifier: Apache-2.0
// One entry of the log: what a writer fills in (`Entry`), its bytes (`encode`), and what a reader sees of them
// (`EntryView`). docs/format.md is the authority.
//
//     Entry ::= SEQUENCE {
//                 nvram SEQUENCE { type      IA5String,
//                                  mandatory SET OF Attr,
//                                  optional  SET OF Attr,
//                                  data      OCTET STRING },
//                 name  UTF8String OPTIONAL }
//     Attr  ::= CHOICE { IA5String, SEQUENCE { IA5String, ANY ... } }
//
// An EntryView consists of offsets into bytes that it does not own. Seals and checksums are computed over the raw
// bytes, never over a second encoding. A writer therefore encodes the entry first, with zeros where seal and checksum
// will stand, and fills these in at the offsets that the view of its own bytes shows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "store/format/log_format.h"

namespace vtpm::store {

/// An attribute to be written. `values` is the DER of what follows its name; if it is empty, the attribute has no
/// value.
struct Attribute {
  std::string name;
  Bytes values;
};

/// The value of `seq`.
struct Sequence {
  uint64_t number = 0;   // rises along the log; of the entries of one name the highest is current
  uint16_t index = 0;    // position in its transaction
  uint16_t count = 1;    // number of entries in its transaction
  uint64_t durable = 0;  // the highest number that the writer knew to be synced
  uint64_t first() const { return number - index; }
  uint64_t last() const { return first() + count - 1; }
};

struct Entry {
  std::string type;
  std::string name;  // empty: the entry has none
  std::vector<Attribute> mandatory, optional;
  Bytes data;  // at least one byte
};

Attribute bytes_attribute(std::string_view name, ByteView value);
Attribute integer_attribute(std::string_view name, uint64_t value);
Attribute text_attribute(std::string_view name, std::string_view value);
Attribute sequence_attribute(const Sequence& sequence);
Attribute realsize_attribute(uint64_t size);
/// `capacity`: bytes of plain text that the name may hold, 1 to 16 MiB.
Attribute capacity_attribute(uint64_t capacity);
/// `number`: that of the first version of the entry's name.
Attribute born_attribute(uint64_t number);
/// Says that no older version of the entry's name may be served in its place.
Attribute no_rollback_attribute();

/// Returns the DER of an entry. Throws kNoSpace if it is longer than 16 MiB, and kInvalidArgument if the type or the
/// name is not valid (`valid_type`, `valid_name`).
Bytes encode(const Entry& entry);
/// Throws kNoSpace with a sentence that says which limit the entry `name`, of so many bytes, exceeds.
[[noreturn]] void refuse_length(std::string_view name, uint64_t bytes);

/// Whether the text is 1 to 255 bytes of UTF-8 without control characters.
bool valid_name(std::string_view name);
/// Whether the text is 1 to 64 printable ASCII characters.
bool valid_type(std::string_view type);

/// An entry as it was read. Everything in it refers to `bytes`, which it does not own.
struct EntryView {
  ByteView bytes;
  std::string_view type, name;
  bool has_name = false;
  ByteView mandatory, optional;  // contents of the two SETs
  Sequence sequence;
  uint64_t size = 0;  // realsize
  bool deleted = false;
  uint64_t capacity = 0;               // the largest plain text, in bytes, that it may hold; 0: not registered
  uint64_t born = 0;                   // the number of the first version of the name; 0: the attribute is absent
  bool no_rollback = false;            // it has `norollback`
  bool has_extras = false;             // it has optional attributes that this build does not know, or malformed ones
  bool sealed = false;                 // it has `enc`
  std::string_view cipher;             // of `enc`
  uint64_t epoch = 0;                  // of `enc`
  std::string_view unknown;            // name of a mandatory attribute that this build does not know; empty: none
  ByteView tags;                       // contents of `ix` (store/format/blind_index.h); empty: the attribute is absent
  size_t data_at = 0, data_bytes = 0;  // contents of the data OCTET STRING
  size_t crc_at = 0, mac_at = 0;       // offsets of the values in `bytes`; 0: the attribute is absent

  ByteView data() const { return bytes.subspan(data_at, data_bytes); }
  /// Returns the DER of an attribute's values, or nothing if it is not in that set.
  std::optional<ByteView> find(ByteView set, std::string_view attribute) const;
  /// Returns the contents of an attribute's only value if that is an OCTET STRING of `bytes_wanted` bytes.
  std::optional<ByteView> find_bytes(ByteView set, std::string_view attribute, size_t bytes_wanted) const;
  std::optional<uint64_t> find_integer(ByteView set, std::string_view attribute) const;
};

/// Reads the bytes of an entry. Returns nothing if they are not exactly one well-formed entry with `seq`, `realsize`
/// and `crc32c`. It does not check the CRC. (A `free` entry has none of these: store/format/free_space.h.)
std::optional<EntryView> parse_entry(ByteView bytes);

/// An attribute as it stands in a set.
struct AttributeView {
  std::string_view name;
  ByteView values;
};
/// Returns the attributes of a set, or nothing if the set contains anything else or is not sorted as DER requires.
std::optional<std::vector<AttributeView>> parse_attributes(ByteView set);

/// Whether a new version of an entry takes over this optional attribute of the version before: `capacity`, `born`,
/// `norollback`, and every attribute that this build does not know.
bool is_inherited(std::string_view optional_attribute);

/// Returns the CRC-32C over the store's salt and the entry with its four CRC bytes zero.
uint32_t entry_crc(const Salt& salt, ByteView bytes, size_t crc_at);
bool crc_matches(const Salt& salt, const EntryView& entry);
/// Returns the checksum that stands in the entry.
uint32_t crc_of(const EntryView& entry);
/// Returns the epoch of the master key that sealed the entry or, of a key slot, of the one in it; 0 for any other
/// entry.
uint32_t epoch_of(const EntryView& entry);
void store_crc(const Salt& salt, MutableByteView bytes, size_t crc_at);
/// Overwrites the secrets of a retired key slot with zeros: wrapped key, commitment and salt of the KDF. The entry
/// remains valid, with a new CRC. Returns false, and changes nothing, if the bytes are not those of a key slot.
bool wipe_slot_secrets(const Salt& salt, MutableByteView bytes);

/// Returns a copy of the entry that can be changed and encoded again. A seal or MAC must be made again after that.
Entry to_entry(const EntryView& view);

}  // namespace vtpm::store
