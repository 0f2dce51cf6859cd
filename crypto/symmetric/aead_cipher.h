// SPDX-License-Identifier: Apache-2.0
// Authenticated encryption with associated data under a nonce that the caller chooses: AES-GCM (SP 800-38D), AES-CCM
// (SP 800-38C), ChaCha20-Poly1305 (RFC 8439; draft-irtf-cfrg-xchacha-03). One key encrypts any number of messages; a
// nonce must never repeat.
//
// A message is sealed or opened in one call, or in pieces. Opening in pieces keeps the ciphertext until its tag has
// been checked: no byte of a forged message is ever returned. (The store uses crypto/symmetric/aead.h, which needs no
// nonce.)
#pragma once

#include <memory>

#include "base/bytes.h"

struct evp_cipher_ctx_st;

namespace vtpm::crypto {

/// Size of the key in bytes: AES 16, 24 or 32; ChaCha20-Poly1305 32.
enum class AeadMode { kGcm, kCcm, kChaCha20Poly1305 };

/// Whether the mode supports nonces of `bytes` bytes: GCM 1 to 128 (libcrypto's limit), CCM 7 to 13, ChaCha20-Poly1305
/// 12, or 24 for XChaCha20-Poly1305.
bool aead_takes_nonce(AeadMode mode, size_t bytes);
/// Whether the mode supports tags of `bytes` bytes: GCM 4 to 16, CCM 4, 6, 8 … 16, ChaCha20-Poly1305 16.
bool aead_takes_tag(AeadMode mode, size_t bytes);
/// The largest message in bytes; with CCM it depends on the nonce: 65 535 for a nonce of 13 bytes.
uint64_t aead_bytes_at_most(AeadMode mode, size_t nonce_bytes);

/// The parameters of one message.
struct AeadMessage {
  ByteView nonce;
  ByteView associated;
};

class AeadKey {
 public:
  /// Throws kInvalidArgument for a key of another size.
  AeadKey(AeadMode mode, ByteView key);
  AeadKey clone() const { return {mode_, key_}; }
  AeadMode mode() const { return mode_; }
  ByteView key() const { return key_; }

  /// `cipher_text` must be as long as `plain` and may be the same memory; the size of `tag` selects the tag length.
  /// Thread-safe. Throws kInvalidArgument for a nonce, tag or message of a size that the mode does not support.
  void seal(const AeadMessage& message, ByteView plain, MutableByteView cipher_text, MutableByteView tag) const;
  /// Returns false if the tag is wrong; `plain` has then been wiped. Otherwise as above.
  bool open(const AeadMessage& message, ByteView cipher_text, ByteView tag, MutableByteView plain) const;

 private:
  AeadMode mode_;
  SecretBytes key_;
};

/// Sealing in pieces. GCM and ChaCha20-Poly1305 return the output of each piece; CCM, which needs the length first,
/// returns everything at the end. A copy continues independently.
class AeadSealer {
 public:
  /// Throws kInvalidArgument as `AeadKey::seal` does.
  AeadSealer(const AeadKey& key, const AeadMessage& message, size_t tag_bytes);
  AeadSealer(const AeadSealer& other);
  AeadSealer& operator=(const AeadSealer& other);
  AeadSealer(AeadSealer&&) noexcept = default;
  AeadSealer& operator=(AeadSealer&&) noexcept = default;

  size_t update_bytes(size_t in) const;
  size_t finish_bytes() const { return held_.size(); }
  size_t tag_bytes() const { return tag_bytes_; }
  /// Size of the message so far, in bytes.
  uint64_t total() const { return bytes_; }

  /// `out` must have at least `update_bytes` bytes and may be the memory of `in`. Returns false, and does nothing, if
  /// the message would exceed the limit of the mode.
  bool update(ByteView in, MutableByteView out);
  /// `out` must have at least `finish_bytes` bytes, `tag` exactly `tag_bytes`. Ends the message.
  void finish(MutableByteView out, MutableByteView tag);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  AeadKey key_;
  Bytes nonce_, associated_;  // CCM only
  size_t tag_bytes_;
  uint64_t bytes_ = 0;
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;  // null for CCM
  SecretBytes held_;
};

/// Opening in pieces: returns nothing before the end. A copy continues independently.
class AeadOpener {
 public:
  /// Throws kInvalidArgument as `AeadKey::open` does.
  AeadOpener(const AeadKey& key, const AeadMessage& message, size_t tag_bytes);
  AeadOpener(const AeadOpener& other);
  AeadOpener& operator=(const AeadOpener& other);
  AeadOpener(AeadOpener&&) noexcept = default;
  AeadOpener& operator=(AeadOpener&&) noexcept = default;

  /// Adds ciphertext (and, at its end, the tag, unless it is passed to `finish`). Returns false, and does nothing, if
  /// it would be too long.
  bool update(ByteView in);
  /// Number of bytes so far.
  size_t size() const { return held_.size(); }
  size_t tag_bytes() const { return tag_bytes_; }

  enum class Result { kGood, kBadTag, kTooShort };
  /// The tag is at the end of the input: `out` must have at least `size() - tag_bytes()` bytes. Ends the message.
  Result finish(MutableByteView out);
  /// The tag is separate: `out` must have at least `size()` bytes. Ends the message.
  Result finish(ByteView tag, MutableByteView out);

 private:
  AeadKey key_;
  Bytes nonce_, associated_, held_;
  size_t tag_bytes_;
};

}  // namespace vtpm::crypto
