// SPDX-License-Identifier: Apache-2.0
#include "store/format/entry.h"

#include <algorithm>

#include "base/der.h"
#include "base/error.h"
#include "base/numbers.h"
#include "store/format/crc32c.h"

namespace vtpm::store {
namespace {

Bytes encode_attribute(const Attribute& attribute) {
  Bytes name, out;
  write_der(name, DerTag::kIa5String, as_bytes(attribute.name));
  if (attribute.values.empty()) return name;
  append(name, attribute.values);
  write_der(out, DerTag::kSequence, name);
  return out;
}

void write_attributes(Bytes& out, const std::vector<Attribute>& attributes) {
  std::vector<Bytes> encoded;
  for (const Attribute& attribute : attributes) encoded.push_back(encode_attribute(attribute));
  write_der_set(out, std::move(encoded));
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool is_utf8_without_controls(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto first = static_cast<uint8_t>(text[i]);
    size_t more = first < 0x80                    ? 0
                  : first >= 0xC2 && first < 0xE0 ? 1
                  : first >= 0xE0 && first < 0xF0 ? 2
                  : first >= 0xF0 && first < 0xF5 ? 3
                                                  : 4;
    if (more == 4 || i + more >= text.size()) return false;
    uint32_t code = more == 0 ? first : first & (0x3F >> more);
    for (size_t k = 1; k <= more; ++k) {
      auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3F);
    }
    if (code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF)
      return false;
    if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000)) return false;
    i += more + 1;
  }
  return true;
}

// Returns nothing if the element is not an attribute.
std::optional<AttributeView> parse_attribute(const DerElement& element) {
  if (element.tag == DerTag::kIa5String) return AttributeView{as_text(element.contents), {}};
  if (element.tag != DerTag::kSequence) return std::nullopt;
  DerReader inside(element.contents);
  auto name = inside.next(DerTag::kIa5String);
  if (!name || inside.empty()) return std::nullopt;  // a name alone is written without a SEQUENCE
  for (DerReader values = inside; !values.empty();) {
    if (!values.next()) return std::nullopt;
  }
  return AttributeView{as_text(name->contents), element.contents.subspan(name->bytes.size())};
}

template <typename F>
bool for_each_attribute(ByteView set, F&& visit) {
  ByteView previous;
  for (DerReader reader(set); !reader.empty();) {
    auto element = reader.next();
    if (!element) return false;
    if (std::lexicographical_compare(element->bytes.begin(), element->bytes.end(), previous.begin(), previous.end())) {
      return false;
    }
    previous = element->bytes;
    auto attribute = parse_attribute(*element);
    if (!attribute || attribute->name.empty() || !is_printable_ascii(attribute->name)) return false;
    if (!visit(*attribute)) return false;
  }
  return true;
}

// Returns the contents of the only value if that is an OCTET STRING of `size` bytes, otherwise nothing.
std::optional<ByteView> only_bytes(ByteView values, size_t size) {
  DerReader reader(values);
  auto element = reader.next(DerTag::kOctetString);
  if (!element || !reader.empty() || element->contents.size() != size) return std::nullopt;
  return element->contents;
}

// The same for any size. Returns an empty view if there is another value: a malformed optional attribute is ignored.
ByteView bytes_or_nothing(ByteView values) {
  DerReader reader(values);
  auto element = reader.next(DerTag::kOctetString);
  return element && reader.empty() ? element->contents : ByteView();
}

bool read_sequence(EntryView& entry, ByteView values) {
  auto value = only_bytes(values, kSequenceBytes);
  if (!value) return false;
  entry.sequence = Sequence{read_be(value->first(8)), static_cast<uint16_t>(read_be(value->subspan(8, 2))),
                            static_cast<uint16_t>(read_be(value->subspan(10, 2))), read_be(value->subspan(12, 8))};
  const Sequence& s = entry.sequence;
  return s.number != 0 && s.index < s.count && s.number > s.index && s.durable < s.number;
}

bool read_encryption(EntryView& entry, ByteView values) {
  DerReader reader(values);
  auto cipher = reader.next(DerTag::kIa5String);
  auto epoch = reader.next(DerTag::kInteger);
  if (!cipher || !epoch) return false;
  auto number = read_der_unsigned(*epoch);
  if (!number) return false;
  entry.sealed = true;
  entry.cipher = as_text(cipher->contents);
  entry.epoch = *number;
  return true;
}

// Attributes that may occur once, one bit each.
enum Seen : unsigned {
  kSeenSequence = 1,
  kSeenSize = 2,
  kSeenEncryption = 4,
  kSeenDeleted = 8,
  kSeenCrc = 16,
  kSeenMac = 32
};

bool once(unsigned& seen, Seen which) {
  bool first = !(seen & which);
  seen |= which;
  return first;
}

bool is_known_mandatory(std::string_view name) {
  return name == attribute::kKdf || name == attribute::kCommit || name == attribute::kEpoch ||
         name == attribute::kFormat || name == attribute::kSalt || name == attribute::kCipher ||
         name == attribute::kFixed;
}

bool is_known_optional(std::string_view name) {
  return name == attribute::kCrc || name == attribute::kMac || name == attribute::kBase ||
         name == attribute::kCreated || name == attribute::kRole || name == attribute::kLimit ||
         name == attribute::kCapacity || name == attribute::kBorn || name == attribute::kNoRollback ||
         name == attribute::kIndex || name == attribute::kEmptySecret || name == attribute::kToBeChanged;
}

// Returns the value, or 0 if it is not an INTEGER up to `most`: a malformed optional attribute is ignored.
uint64_t integer_up_to(uint64_t most, ByteView values) {
  auto element = DerReader(values).next(DerTag::kInteger);
  auto value = element ? read_der_unsigned(*element) : std::nullopt;
  return value && *value <= most ? *value : 0;
}

bool read_mandatory(EntryView& entry, unsigned& seen) {
  return for_each_attribute(entry.mandatory, [&](const AttributeView& a) {
    if (a.name == attribute::kSequence) return once(seen, kSeenSequence) && read_sequence(entry, a.values);
    if (a.name == attribute::kRealSize) {
      auto value = only_bytes(a.values, kRealSizeBytes);
      if (value) entry.size = read_be(*value);
      return value && once(seen, kSeenSize);
    }
    if (a.name == attribute::kEncryption) return once(seen, kSeenEncryption) && read_encryption(entry, a.values);
    if (a.name == attribute::kDeleted) {
      entry.deleted = true;
      return a.values.empty() && once(seen, kSeenDeleted);
    }
    if (!is_known_mandatory(a.name) && entry.unknown.empty()) entry.unknown = a.name;
    return true;
  });
}

// Whether an attribute that the next version inherits is malformed. The next version preserves it like an unknown one.
bool is_malformed(const EntryView& entry, const AttributeView& a) {
  if (a.name == attribute::kNoRollback) return !a.values.empty();
  return (a.name == attribute::kCapacity && entry.capacity == 0) || (a.name == attribute::kBorn && entry.born == 0);
}

bool read_optional(EntryView& entry, unsigned& seen) {
  auto place = [&](ByteView values, size_t size, size_t& at, Seen which) {
    auto value = only_bytes(values, size);
    if (value) at = static_cast<size_t>(value->data() - entry.bytes.data());
    return value && once(seen, which);
  };
  return for_each_attribute(entry.optional, [&](const AttributeView& a) {
    if (a.name == attribute::kCrc) return place(a.values, kCrcBytes, entry.crc_at, kSeenCrc);
    if (a.name == attribute::kMac) return place(a.values, kMacBytes, entry.mac_at, kSeenMac);
    if (a.name == attribute::kIndex) entry.tags = bytes_or_nothing(a.values);
    if (a.name == attribute::kCapacity) entry.capacity = integer_up_to(kMaxEntryBytes, a.values);
    if (a.name == attribute::kBorn) entry.born = integer_up_to(entry.sequence.number, a.values);
    if (a.name == attribute::kNoRollback) entry.no_rollback = a.values.empty();
    entry.has_extras = entry.has_extras || !is_known_optional(a.name) || is_malformed(entry, a);
    return true;
  });
}

}  // namespace

Attribute bytes_attribute(std::string_view name, ByteView value) {
  Attribute attribute{std::string(name), {}};
  write_der(attribute.values, DerTag::kOctetString, value);
  return attribute;
}

Attribute integer_attribute(std::string_view name, uint64_t value) {
  Attribute attribute{std::string(name), {}};
  write_der_unsigned(attribute.values, value);
  return attribute;
}

Attribute text_attribute(std::string_view name, std::string_view value) {
  Attribute attribute{std::string(name), {}};
  write_der(attribute.values, DerTag::kIa5String, as_bytes(value));
  return attribute;
}

Attribute sequence_attribute(const Sequence& sequence) {
  Bytes value;
  write_be(value, sequence.number, 8);
  write_be(value, sequence.index, 2);
  write_be(value, sequence.count, 2);
  write_be(value, sequence.durable, 8);
  return bytes_attribute(attribute::kSequence, value);
}

Attribute realsize_attribute(uint64_t size) {
  Bytes value;
  write_be(value, size, kRealSizeBytes);
  return bytes_attribute(attribute::kRealSize, value);
}

Attribute capacity_attribute(uint64_t capacity) { return integer_attribute(attribute::kCapacity, capacity); }

Attribute born_attribute(uint64_t number) { return integer_attribute(attribute::kBorn, number); }

Attribute no_rollback_attribute() { return {std::string(attribute::kNoRollback), {}}; }

bool is_inherited(std::string_view optional_attribute) {
  return optional_attribute == attribute::kCapacity || optional_attribute == attribute::kBorn ||
         optional_attribute == attribute::kNoRollback || !is_known_optional(optional_attribute);
}

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && is_utf8_without_controls(name);
}

bool valid_type(std::string_view type) {
  return !type.empty() && type.size() <= kMaxTypeBytes && is_printable_ascii(type);
}

void refuse_length(std::string_view name, uint64_t bytes) {
  throw Error(ErrorCode::kNoSpace, "'" + std::string(name) + "' is too long: it would take " + std::to_string(bytes) +
                                       " bytes, and one entry of a store has at most " +
                                       std::to_string(kMaxEntryBytes) + " (16 MiB)");
}

Bytes encode(const Entry& entry) {
  if (!valid_type(entry.type) || (!entry.name.empty() && !valid_name(entry.name))) {
    throw Error(ErrorCode::kInvalidArgument, "the type or name of an entry is not valid: " + entry.name);
  }
  if (entry.data.size() > kMaxEntryBytes) {
    refuse_length(entry.name, entry.data.size());
  }
  Bytes head;
  write_der(head, DerTag::kIa5String, as_bytes(entry.type));
  write_attributes(head, entry.mandatory);
  write_attributes(head, entry.optional);
  write_der_header(head, DerTag::kOctetString, entry.data.size());
  uint64_t nvram = head.size() + entry.data.size();
  uint64_t name = entry.name.empty() ? 0 : der_header_size(entry.name.size()) + entry.name.size();

  Bytes out;
  uint64_t contents = der_header_size(nvram) + nvram + name;
  out.reserve(contents + kDerHeaderMax);
  write_der_header(out, DerTag::kSequence, contents);
  write_der_header(out, DerTag::kSequence, nvram);
  append(out, head);
  append(out, entry.data);
  if (!entry.name.empty()) write_der(out, DerTag::kUtf8String, as_bytes(entry.name));
  if (out.size() > kMaxEntryBytes) {
    refuse_length(entry.name, out.size());
  }
  return out;
}

std::optional<std::vector<AttributeView>> parse_attributes(ByteView set) {
  std::vector<AttributeView> all;
  if (!for_each_attribute(set, [&](const AttributeView& a) {
        all.push_back(a);
        return true;
      })) {
    return std::nullopt;
  }
  return all;
}

std::optional<EntryView> parse_entry(ByteView bytes) {
  EntryView entry;
  entry.bytes = bytes;
  DerReader reader(bytes);
  auto outer = reader.next(DerTag::kSequence);
  if (!outer || !reader.empty()) return std::nullopt;

  DerReader parts(outer->contents);
  auto nvram = parts.next(DerTag::kSequence);
  if (!nvram) return std::nullopt;
  if (auto name = parts.next(DerTag::kUtf8String)) {
    entry.has_name = true;
    entry.name = as_text(name->contents);
    if (!valid_name(entry.name)) return std::nullopt;
  }
  if (!parts.empty()) return std::nullopt;

  DerReader fields(nvram->contents);
  auto type = fields.next(DerTag::kIa5String);
  auto mandatory = fields.next(DerTag::kSet);
  auto optional = fields.next(DerTag::kSet);
  auto data = fields.next(DerTag::kOctetString);
  if (!type || !mandatory || !optional || !data || !fields.empty() || data->contents.empty()) return std::nullopt;
  entry.type = as_text(type->contents);
  if (!valid_type(entry.type)) return std::nullopt;
  entry.mandatory = mandatory->contents;
  entry.optional = optional->contents;
  entry.data_at = static_cast<size_t>(data->contents.data() - bytes.data());
  entry.data_bytes = data->contents.size();

  unsigned seen = 0;
  if (!read_mandatory(entry, seen) || !read_optional(entry, seen)) return std::nullopt;
  if ((seen & (kSeenSequence | kSeenSize | kSeenCrc)) != (kSeenSequence | kSeenSize | kSeenCrc)) return std::nullopt;
  if (entry.size > entry.data_bytes) return std::nullopt;
  return entry;
}

std::optional<ByteView> EntryView::find(ByteView set, std::string_view attribute) const {
  std::optional<ByteView> found;
  for_each_attribute(set, [&](const AttributeView& a) {
    if (a.name == attribute) found = a.values;
    return !found;
  });
  return found;
}

std::optional<ByteView> EntryView::find_bytes(ByteView set, std::string_view attribute, size_t bytes_wanted) const {
  auto values = find(set, attribute);
  return values ? only_bytes(*values, bytes_wanted) : std::nullopt;
}

std::optional<uint64_t> EntryView::find_integer(ByteView set, std::string_view attribute) const {
  auto values = find(set, attribute);
  if (!values) return std::nullopt;
  auto element = DerReader(*values).next(DerTag::kInteger);
  return element ? read_der_unsigned(*element) : std::nullopt;
}

uint32_t entry_crc(const Salt& salt, ByteView bytes, size_t crc_at) {
  return Crc32c()
      .update(salt)
      .update(bytes.first(crc_at))
      .update_zeros(kCrcBytes)
      .update(bytes.subspan(crc_at + kCrcBytes))
      .value();
}

uint32_t crc_of(const EntryView& entry) {
  return static_cast<uint32_t>(read_be(entry.bytes.subspan(entry.crc_at, kCrcBytes)));
}

uint32_t epoch_of(const EntryView& entry) {
  if (entry.type != type::kKeySlot) return static_cast<uint32_t>(entry.epoch);
  return static_cast<uint32_t>(entry.find_integer(entry.mandatory, attribute::kEpoch).value_or(0));
}

bool crc_matches(const Salt& salt, const EntryView& entry) {
  return entry_crc(salt, entry.bytes, entry.crc_at) == read_be(entry.bytes.subspan(entry.crc_at, kCrcBytes));
}

void store_crc(const Salt& salt, MutableByteView bytes, size_t crc_at) {
  uint32_t crc = entry_crc(salt, bytes, crc_at);
  for (size_t i = 0; i < kCrcBytes; ++i) bytes[crc_at + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
}

bool wipe_slot_secrets(const Salt& salt, MutableByteView bytes) {
  const auto view = parse_entry(bytes);
  if (!view || view->type != type::kKeySlot) return false;
  const auto zero = [&](ByteView part) {
    std::fill_n(bytes.begin() + (part.data() - bytes.data()), part.size(), uint8_t{0});
  };
  const auto commitment = view->find_bytes(view->mandatory, attribute::kCommit, kCommitBytes);
  const auto kdf = view->find(view->mandatory, attribute::kKdf);
  zero(view->data());
  if (commitment) zero(*commitment);
  if (kdf && kdf->size() > kKdfSaltBytes) zero(kdf->last(kKdfSaltBytes));
  store_crc(salt, bytes, view->crc_at);
  return true;
}

Entry to_entry(const EntryView& view) {
  Entry entry{std::string(view.type), std::string(view.name), {}, {}, to_bytes(view.data())};
  for (auto [set, attributes] :
       {std::pair(view.mandatory, &entry.mandatory), std::pair(view.optional, &entry.optional)}) {
    const auto parsed = parse_attributes(set).value_or(std::vector<AttributeView>());
    for (const AttributeView& a : parsed) attributes->push_back({std::string(a.name), to_bytes(a.values)});
  }
  return entry;
}

}  // namespace vtpm::store
