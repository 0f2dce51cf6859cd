// SPDX-License-Identifier: Apache-2.0
// DER (X.690), as much of it as the store needs, strict on reading.
//
// A file may be hostile: every length is checked against what is really there, only minimal definite lengths are
// accepted, and "not DER" is an answer (an empty optional), not a fault: the recovery asks it at many places.
// Nothing is copied on reading; the elements are views into the caller's octets.
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
  size_t octets = 0;      // of tag and length
  uint64_t contents = 0;  // what the length says
  uint64_t total() const { return octets + contents; }
};
constexpr size_t kDerHeaderMax = 6;  // one-octet tag, length below 2^32

/// Octets of the header in front of `contents` octets.
constexpr size_t der_header_size(uint64_t contents) {
  size_t size = 2;
  if (contents >= 0x80) {
    for (uint64_t rest = contents; rest != 0; rest >>= 8) ++size;
  }
  return size;
}

/// Reads a header from the beginning of `octets`; the contents need not be there. Nothing for a multi-octet tag, an
/// indefinite, non-minimal or more than four-octet length, or too few octets. In line, as is what uses it: opening a
/// store reads some forty headers for each of its entries.
inline std::optional<DerHeader> read_der_header(ByteView octets) {
  if (octets.size() < 2 || (octets[0] & 0x1F) == 0x1F) return std::nullopt;
  DerHeader header{octets[0], 2, octets[1]};
  if (octets[1] < 0x80) return header;
  const size_t count = octets[1] & 0x7F;
  if (count == 0 || count > 4 || octets.size() < 2 + count) return std::nullopt;
  header.contents = 0;
  for (size_t i = 0; i < count; ++i) header.contents = header.contents << 8 | octets[2 + i];
  header.octets = 2 + count;
  if (der_header_size(header.contents) != header.octets) return std::nullopt;
  return header;
}

struct DerElement {
  DerTag tag{};
  ByteView octets;    // header included
  ByteView contents;  // a part of `octets`
};

/// Walks the elements of a constructed contents, or of any concatenation.
class DerReader {
 public:
  explicit DerReader(ByteView octets) : rest_(octets) {}
  bool empty() const { return rest_.empty(); }
  /// The next element, whole. Nothing at the end and for anything that is not DER; the two differ by `empty`.
  std::optional<DerElement> next() {
    const auto header = read_der_header(rest_);
    if (!header || header->total() > rest_.size()) return std::nullopt;
    const ByteView octets = rest_.first(header->total());
    rest_ = rest_.subspan(octets.size());
    return DerElement{static_cast<DerTag>(header->tag), octets, octets.subspan(header->octets)};
  }
  /// The same when it has this tag; else nothing, and the reader stays where it was.
  std::optional<DerElement> next(DerTag tag) {
    if (rest_.empty() || rest_[0] != static_cast<uint8_t>(tag)) return std::nullopt;
    return next();
  }

 private:
  ByteView rest_;
};

/// The value of an INTEGER element that is not negative, minimal, and fits.
std::optional<uint64_t> read_der_unsigned(const DerElement& element);

void write_der_header(Bytes& out, DerTag tag, uint64_t contents);
void write_der(Bytes& out, DerTag tag, ByteView contents);
void write_der_unsigned(Bytes& out, uint64_t value);
/// SET OF: the elements' encodings in ascending order (X.690 11.6).
void write_der_set(Bytes& out, std::vector<Bytes> elements);

}  // namespace vtpm
