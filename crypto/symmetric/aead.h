// SPDX-License-Identifier: Apache-2.0
// AES-256-SIV (RFC 5297): deterministic authenticated encryption with any number of associated strings.
//
// Chosen because many processes, forks and restored snapshots share one key: a repeated nonce would break GCM, SIV has
// none. OpenSSL 3.0's implementation has traps that this class closes: an empty plain text yields an all-zero tag (so
// it is refused here; callers pad to at least one octet), re-initialising without the key returns the previous tag (so
// each message runs in a copy of a keyed template context), failure shows in Update (so every return is checked).
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>

#include "base/bytes.h"

struct evp_cipher_ctx_st;

namespace vtpm::crypto {

class Siv {
 public:
  static constexpr size_t kKeyOctets = 64;  // AES-256-SIV: two AES-256 keys
  static constexpr size_t kTagOctets = 16;

  /// `key`: 64 octets. Throws kInvalidArgument for another size.
  explicit Siv(ByteView key);
  Siv(Siv&&) noexcept = default;
  Siv& operator=(Siv&&) noexcept = default;

  /// Tag (16 octets) || cipher text (as long as `plain`, which must not be empty). The associated strings are S2V
  /// components in this order; an empty one counts. Thread-safe.
  Bytes seal(std::initializer_list<ByteView> associated, ByteView plain) const;
  /// The plain text, or nothing when the tag is wrong or `sealed` is shorter than 17 octets. Thread-safe.
  std::optional<SecretBytes> open(std::initializer_list<ByteView> associated, ByteView sealed) const;

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_cipher_ctx_st, Free> encrypt_, decrypt_;
};

}  // namespace vtpm::crypto
