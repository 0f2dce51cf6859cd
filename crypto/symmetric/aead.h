// SPDX-License-Identifier: Apache-2.0
// AES-256-SIV (RFC 5297): deterministic authenticated encryption with any number of associated strings.
//
// Many processes, forks and restored snapshots share one key: a repeated nonce would break GCM, and SIV has none
// (docs/decisions/0006-aes-siv.md). This class avoids the pitfalls of OpenSSL 3.0's implementation: an empty plain text
// yields an all-zero tag (so it is rejected here; callers pad to at least one byte), initializing again without the key
// returns the previous tag (so each message uses a copy of a keyed context), and a wrong tag is reported by Update (so
// every return value is checked).
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>

#include "base/bytes.h"

struct evp_cipher_ctx_st;

namespace vtpm::crypto {

class Siv {
 public:
  static constexpr size_t kKeyBytes = 64;  // AES-256-SIV: two AES-256 keys
  static constexpr size_t kTagBytes = 16;

  /// `key`: 64 bytes. Throws kInvalidArgument for another size.
  explicit Siv(ByteView key);
  Siv(Siv&&) noexcept = default;
  Siv& operator=(Siv&&) noexcept = default;

  /// Returns tag (16 bytes) || ciphertext (as long as `plain`, which must not be empty). The associated strings are S2V
  /// components in this order; an empty one counts. Thread-safe.
  Bytes seal(std::initializer_list<ByteView> associated, ByteView plain) const;
  /// Returns the plain text, or nothing if the tag is wrong or `sealed` has fewer than 17 bytes. Thread-safe.
  std::optional<SecretBytes> open(std::initializer_list<ByteView> associated, ByteView sealed) const;

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_cipher_ctx_st, Free> encrypt_, decrypt_;
};

}  // namespace vtpm::crypto
