// SPDX-License-Identifier: Apache-2.0
// Unsigned numbers as big-endian bytes, as TPM 2.0, PKCS#11, DER and the store's format write them.
#pragma once

#include <algorithm>

#include "base/bytes.h"

namespace vtpm {

/// The number in `bytes`. Of more than eight bytes the last eight count; an empty view is 0.
inline uint64_t read_be(ByteView bytes) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

/// Appends `value` as `size` bytes, at most eight; higher bytes are dropped.
inline void write_be(Bytes& out, uint64_t value, size_t size) {
  for (size_t i = size; i-- > 0;) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

/// The part of `number` without leading zeros; empty for 0.
inline ByteView without_leading_zeros(ByteView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return number;
}

/// `number` with leading zeros, `size` bytes in total; a longer number is returned unchanged.
inline Bytes left_padded(ByteView number, size_t size) {
  Bytes out(size - std::min(size, number.size()), 0);
  append(out, number);
  return out;
}

}  // namespace vtpm
