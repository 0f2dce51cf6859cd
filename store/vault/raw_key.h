// SPDX-License-Identifier: Apache-2.0
// Raw keys: the key of a store that a program opens with the key itself, not with a secret from which a key is derived.
//
// A raw key has exactly 128, 192 or 256 bits. It is never truncated or padded, and anything else is rejected instead of
// being taken for a passphrase.
#pragma once

#include <string>

#include "base/bytes.h"

namespace vtpm::store {

enum class KeyFormat { kHex, kBinary };

class RawKey {
 public:
  /// Throws kInvalidArgument unless `bytes` has 16, 24 or 32 bytes.
  explicit RawKey(SecretBytes bytes);
  ByteView bytes() const { return bytes_; }
  RawKey clone() const { return RawKey(bytes_.clone()); }

 private:
  SecretBytes bytes_;
};

/// Reads the contents of a key file. kHex: 32, 48 or 64 hexadecimal digits, leading zeros included, optionally after 0x
/// and before one line end. kBinary: the bytes themselves. Throws kInvalidArgument; the sentence names `what` and, if a
/// character is not a hexadecimal digit, its position, counted from 1.
RawKey parse_raw_key(ByteView contents, KeyFormat format, const std::string& what);

}  // namespace vtpm::store
