// SPDX-License-Identifier: Apache-2.0
#include "base/der.h"

#include <algorithm>

#include "base/numbers.h"

namespace vtpm {

std::optional<uint64_t> read_der_unsigned(const DerElement& element) {
  ByteView value = element.contents;
  if (element.tag != DerTag::kInteger || value.empty() || (value[0] & 0x80)) return std::nullopt;
  if (value.size() > 1 && value[0] == 0 && !(value[1] & 0x80)) return std::nullopt;
  if (value.size() > 9 || (value.size() == 9 && value[0] != 0)) return std::nullopt;
  return read_be(value);
}

void write_der_header(Bytes& out, DerTag tag, uint64_t contents) {
  out.push_back(static_cast<uint8_t>(tag));
  size_t count = der_header_size(contents) - 2;
  if (count == 0) {
    out.push_back(static_cast<uint8_t>(contents));
    return;
  }
  out.push_back(static_cast<uint8_t>(0x80 | count));
  for (size_t i = count; i-- > 0;) out.push_back(static_cast<uint8_t>(contents >> (8 * i)));
}

void write_der(Bytes& out, DerTag tag, ByteView contents) {
  write_der_header(out, tag, contents.size());
  append(out, contents);
}

void write_der_unsigned(Bytes& out, uint64_t value) {
  Bytes contents;
  for (int shift = 56; shift >= 0; shift -= 8) {
    auto byte = static_cast<uint8_t>(value >> shift);
    if (!contents.empty() || byte != 0) contents.push_back(byte);
  }
  if (contents.empty() || (contents[0] & 0x80)) contents.insert(contents.begin(), 0);
  write_der(out, DerTag::kInteger, contents);
}

void write_der_set(Bytes& out, std::vector<Bytes> elements) {
  std::sort(elements.begin(), elements.end());
  size_t size = 0;
  for (const Bytes& element : elements) size += element.size();
  write_der_header(out, DerTag::kSet, size);
  for (const Bytes& element : elements) append(out, element);
}

}  // namespace vtpm
