// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli; RFC 3720, appendix B.4). It detects rot and is never used to check a key (requirement R0.17).
//
// It is computed in pieces, because the CRC of an entry starts with the store's salt and skips its own four bytes. The
// CRC is linear, so a single flipped bit can be found (`find_flipped_bit`).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace vtpm::store {

/// A running CRC-32C. `value` may be called at any time. About 8 GB/s with SSE 4.2, 1 GB/s without.
class Crc32c {
 public:
  Crc32c& update(ByteView bytes);
  /// The same as `update` with `count` zero bytes.
  Crc32c& update_zeros(size_t count);
  uint32_t value() const { return ~state_; }

 private:
  uint32_t state_ = 0xFFFFFFFF;
};

uint32_t crc32c(ByteView bytes);

/// A bit of a message, counted from its end.
struct BitFromEnd {
  size_t bytes_behind = 0;  // bytes between the damaged one and the end of the message
  uint8_t mask = 0;         // the bit that flipped
};
/// Finds the bit whose flip explains `syndrome` = CRC(message as read) XOR CRC(message as written) in a message of
/// `size` bytes. Returns nothing if no single bit does. Costs about 10 ns a byte.
std::optional<BitFromEnd> find_flipped_bit(uint32_t syndrome, size_t size);

}  // namespace vtpm::store
