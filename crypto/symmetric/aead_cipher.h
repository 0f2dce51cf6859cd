// SPDX-License-Identifier: Apache-2.0
// Authenticated encryption with associated data under a nonce that the caller chooses: AES-GCM (SP 800-38D), AES-CCM
// (SP 800-38C), ChaCha20-Poly1305 (RFC 8439; draft-irtf-cfrg-xchacha-03). One key, any number of messages: a nonce must
// never come twice.
//
// A message is sealed or opened in one call, or in pieces. Opening in pieces keeps the cipher text until its tag has
// been checked: no octet of a forged message is ever put out. (crypto/symmetric/aead.h is the store's own, which needs
// no nonce.)
#pragma once

#include <memory>

#include "base/bytes.h"

struct evp_cipher_ctx_st;

namespace vtpm::crypto {

/// Key octets: AES 16, 24, 32; ChaCha20-Poly1305 32.
enum class AeadMode { kGcm, kCcm, kChaCha20Poly1305 };

/// GCM: 1..128 (libcrypto's limit; the standard has none that matters), CCM 7..13, ChaCha20-Poly1305 12, or 24 for
/// XChaCha20-Poly1305.
bool aead_takes_nonce(AeadMode mode, size_t octets);
/// GCM: 4..16, CCM 4, 6, 8 … 16, ChaCha20-Poly1305 16.
bool aead_takes_tag(AeadMode mode, size_t octets);
/// The longest message; with CCM it depends on the nonce: 65 535 octets for one of 13.
uint64_t aead_octets_at_most(AeadMode mode, size_t nonce_octets);

/// What belongs to one message beside its text.
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

  /// `cipher_text` is as long as `plain`, and may be the same memory; `tag` has the wanted size. Thread-safe. Throws
  /// kInvalidArgument for a nonce, tag or message of a size that the mode does not take.
  void seal(const AeadMessage& message, ByteView plain, MutableByteView cipher_text, MutableByteView tag) const;
  /// False when the tag is wrong: `plain` has been wiped. Otherwise as above.
  bool open(const AeadMessage& message, ByteView cipher_text, ByteView tag, MutableByteView plain) const;

 private:
  AeadMode mode_;
  SecretBytes key_;
};

/// Sealing in pieces. GCM and ChaCha20-Poly1305 put out what they get; CCM, which needs to know the length first, puts
/// all out at the end. Copying clones the state.
class AeadSealer {
 public:
  /// Throws kInvalidArgument as `AeadKey::seal` does.
  AeadSealer(const AeadKey& key, const AeadMessage& message, size_t tag_octets);
  AeadSealer(const AeadSealer& other);
  AeadSealer& operator=(const AeadSealer& other);
  AeadSealer(AeadSealer&&) noexcept = default;
  AeadSealer& operator=(AeadSealer&&) noexcept = default;

  size_t update_octets(size_t in) const;
  size_t finish_octets() const { return held_.size(); }
  size_t tag_octets() const { return tag_octets_; }
  /// Octets of the message until now.
  uint64_t octets() const { return octets_; }

  /// `out` has at least `update_octets`, and may be the memory of `in`. False: the message is longer than the mode
  /// takes; nothing was done.
  bool update(ByteView in, MutableByteView out);
  /// `out` has at least `finish_octets`, `tag` has `tag_octets`. Ends the message.
  void finish(MutableByteView out, MutableByteView tag);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  AeadKey key_;
  Bytes nonce_, associated_;  // CCM only
  size_t tag_octets_;
  uint64_t octets_ = 0;
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;  // null for CCM
  SecretBytes held_;
};

/// Opening in pieces: nothing comes out before the end. Copying clones the state.
class AeadOpener {
 public:
  /// Throws kInvalidArgument as `AeadKey::open` does.
  AeadOpener(const AeadKey& key, const AeadMessage& message, size_t tag_octets);
  AeadOpener(const AeadOpener& other);
  AeadOpener& operator=(const AeadOpener& other);
  AeadOpener(AeadOpener&&) noexcept = default;
  AeadOpener& operator=(AeadOpener&&) noexcept = default;

  /// Cipher text (and, at its end, the tag, when it is not given to `finish`). False: too long; nothing was done.
  bool update(ByteView in);
  /// Octets that have come until now.
  size_t octets() const { return held_.size(); }
  size_t tag_octets() const { return tag_octets_; }

  enum class Result { kGood, kBadTag, kTooShort };
  /// The tag is at the end of what came: `out` has at least octets() - tag_octets(). Ends the message.
  Result finish(MutableByteView out);
  /// The tag is apart: `out` has at least octets(). Ends the message.
  Result finish(ByteView tag, MutableByteView out);

 private:
  AeadKey key_;
  Bytes nonce_, associated_, held_;
  size_t tag_octets_;
};

}  // namespace vtpm::crypto
