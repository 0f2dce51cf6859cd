// SPDX-License-Identifier: Apache-2.0
// Wrapping keys with AES: KW (RFC 3394) and KWP (RFC 5649), both in SP 800-38F.
#pragma once

#include <optional>

#include "base/bytes.h"

namespace vtpm::crypto {

enum class WrapMode {
  kKw,   // 16 octets or more, a multiple of 8
  kKwp,  // 1 octet or more
};

/// Whether a key of this size can be wrapped.
bool can_wrap(WrapMode mode, size_t octets);
/// What `wrap` makes of so many octets.
size_t wrapped_octets(WrapMode mode, size_t octets);

/// `key`: 16, 24 or 32 octets. `iv`: 8 octets (KW) or 4 (KWP) instead of the standard's, or empty. Throws
/// kInvalidArgument for other sizes, and when the plain text can not be wrapped.
Bytes wrap(WrapMode mode, ByteView key, ByteView plain, ByteView iv = {});
/// Nothing when `wrapped` has been changed, was wrapped with another key or `iv`, or has an impossible size.
std::optional<SecretBytes> unwrap(WrapMode mode, ByteView key, ByteView wrapped, ByteView iv = {});

}  // namespace vtpm::crypto
