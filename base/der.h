// SPDX-License-Identifier: Apache-2.0
// The part of DER (X.690) that the store needs, with a strict reader.
//
// A file may be hostile: the reader checks every length against the bytes that exist and accepts only minimal definite
// lengths. "Not DER" is an answer (an empty optional) and not a fault, because recovery asks it at many positions. The
// reader copies nothing: elements are views into the caller's bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace vtpm {

enum class DerTag : uint8_t {
  kInteger = 0x02,
  kOctetString = 0x04,
  kUtf8String = 0x0C,
  kIa5String = 0x16,
  kGeneralizedTime = 0x18,
  kSequence = 0x30,  // constructed bit included
  kSet = 0x31,
};

/// Tag and length of one element.
struct DerHeader {
  uint8_t tag = 0;
  size_t bytes = 0;       // size of tag and length in bytes
  uint64_t contents = 0;  // size of the contents in bytes
  uint64_t total() const { return bytes + contents; }
};
constexpr size_t kDerHeaderMax = 6;  // one-byte tag, length below 2^32

/// Size of the header of an element with `contents` bytes of contents.
constexpr size_t der_header_size(uint64_t contents) {
  size_t size = 2;
  if (contents >= 0x80) {
    for (uint64_t rest = contents; rest != 0; rest >>= 8) ++size;
  }
  return size;
}

/// Reads a header at the start of `bytes`; the contents may be missing. Returns nothing for a multi-byte tag, for a
/// length that is indefinite, not minimal or longer than four bytes, and if there are too few bytes. Inline, like its
/// callers: opening a store reads about forty headers for each entry.
inline std::optional<DerHeader> read_der_header(ByteView bytes) {
  if (bytes.size() < 2 || (bytes[0] & 0x1F) == 0x1F) return std::nullopt;
  DerHeader header{bytes[0], 2, bytes[1]};
  if (bytes[1] < 0x80) return header;
  const size_t count = bytes[1] & 0x7F;
  if (count == 0 || count > 4 || bytes.size() < 2 + count) return std::nullopt;
  header.contents = 0;
  for (size_t i = 0; i < count; ++i) header.contents = header.contents << 8 | bytes[2 + i];
  header.bytes = 2 + count;
  if (der_header_size(header.contents) != header.bytes) return std::nullopt;
  return header;
}

struct DerElement {
  DerTag tag{};
  ByteView bytes;     // including the header
  ByteView contents;  // a part of `bytes`
};

/// Iterates over concatenated elements, for instance the contents of a SEQUENCE. Does not own the bytes.
class DerReader {
 public:
  explicit DerReader(ByteView bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  /// Returns the next complete element. Returns nothing at the end and where the bytes are not DER; `empty`
  /// distinguishes the two.
  std::optional<DerElement> next() {
    const auto header = read_der_header(rest_);
    if (!header || header->total() > rest_.size()) return std::nullopt;
    const ByteView bytes = rest_.first(header->total());
    rest_ = rest_.subspan(bytes.size());
    return DerElement{static_cast<DerTag>(header->tag), bytes, bytes.subspan(header->bytes)};
  }
  /// The same if the element has this tag; otherwise returns nothing and does not advance.
  std::optional<DerElement> next(DerTag tag) {
    if (rest_.empty() || rest_[0] != static_cast<uint8_t>(tag)) return std::nullopt;
    return next();
  }

 private:
  ByteView rest_;
};

/// The value of an INTEGER element; nothing if it is negative, not minimal, or does not fit.
std::optional<uint64_t> read_der_unsigned(const DerElement& element);

// These append to `out`.
void write_der_header(Bytes& out, DerTag tag, uint64_t contents);
void write_der(Bytes& out, DerTag tag, ByteView contents);
void write_der_unsigned(Bytes& out, uint64_t value);
/// A SET OF the encoded elements, in ascending order (X.690 11.6).
void write_der_set(Bytes& out, std::vector<Bytes> elements);

}  // namespace vtpm
