// SPDX-License-Identifier: Apache-2.0
// Raw keys: a store that a program opens with the key itself, not with a secret that is stretched into one.
//
// Exactly 128, 192 or 256 bits; nothing is cut off or filled up, and what is not a key is never taken for a passphrase.
#pragma once

#include <string>

#include "base/bytes.h"

namespace vtpm::store {

enum class KeyFormat { kHex, kBinary };

class RawKey {
 public:
  /// 16, 24 or 32 bytes, else kInvalidArgument.
  explicit RawKey(SecretBytes bytes);
  ByteView bytes() const { return bytes_; }
  RawKey clone() const { return RawKey(bytes_.clone()); }

 private:
  SecretBytes bytes_;
};

/// The contents of a key file. kHex: 32, 48 or 64 hexadecimal digits, optionally after 0x; leading zeros count; one
/// line end may follow. kBinary: the bytes themselves. Throws kInvalidArgument, naming `what` and, of a character that
/// is no digit, its position (from 1).
RawKey parse_raw_key(ByteView contents, KeyFormat format, const std::string& what);

}  // namespace vtpm::store
