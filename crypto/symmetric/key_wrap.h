// SPDX-License-Identifier: Apache-2.0
// Wrapping keys with AES: KW (RFC 3394) and KWP (RFC 5649), both in SP 800-38F.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace vtpm::crypto {

enum class WrapMode {
  kKw,   // 16 bytes or more, a multiple of 8
  kKwp,  // 1 byte or more
};

/// Whether a key of this size can be wrapped.
bool can_wrap(WrapMode mode, size_t bytes);
/// The size of the result of `wrap` for `bytes` bytes.
size_t wrapped_bytes(WrapMode mode, size_t bytes);

/// `key`: 16, 24 or 32 bytes. `iv`: 8 bytes (KW) or 4 (KWP) instead of the standard's, or empty. Throws
/// kInvalidArgument for other sizes, and if the plain text cannot be wrapped.
Bytes wrap(WrapMode mode, ByteView key, ByteView plain, ByteView iv = {});
/// Returns nothing if `wrapped` was changed, was wrapped with another key or `iv`, or has an impossible size.
std::optional<SecretBytes> unwrap(WrapMode mode, ByteView key, ByteView wrapped, ByteView iv = {});

}  // namespace vtpm::crypto
