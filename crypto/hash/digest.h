// SPDX-License-Identifier: Apache-2.0
// Message digests and HMAC.
//
// All of libcrypto's, and two families that OpenSSL 3.0 lacks: BLAKE2b with other sizes than 512 bits (written here
// from RFC 7693, crypto/hash/blake2b.h) and SHA-512/t for any t (FIPS 180-4, 5.3.6: libcrypto's SHA-512 with another
// start).
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"

struct evp_md_st;

namespace vtpm::crypto {

enum class Hash {
  kSha1,
  kSha224,
  kSha256,
  kSha384,
  kSha512,
  kSha512_224,
  kSha512_256,
  kSha3_224,
  kSha3_256,
  kSha3_384,
  kSha3_512,
  kBlake2b160,
  kBlake2b256,
  kBlake2b384,
  kBlake2b512
};
/// Octets of the digest.
size_t hash_octets(Hash hash);
/// The fetched, immutable algorithm; owned by the process. Throws kUnsupported for BLAKE2b below 512 bits.
const evp_md_st* native_hash(Hash hash);

/// The state of one algorithm's computation.
class DigestState {
 public:
  virtual ~DigestState() = default;
  virtual std::unique_ptr<DigestState> clone() const = 0;
  virtual void update(ByteView data) = 0;
  /// `out` has the digest's size.
  virtual void finish(MutableByteView out) = 0;
  /// The running state as octets that `load` of another one reads back; nothing where it can not be had.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  /// Into a computation that was just begun. Throws kInvalidArgument for what no state of this algorithm can be.
  virtual void load(ByteView saved);
};

/// A running digest; copying it clones the state (C_GetOperationState).
class Digest {
 public:
  explicit Digest(Hash hash);
  /// SHA-512/t, 0 < t < 512, t != 384 (else kInvalidArgument). ceil(t / 8) octets; unused low bits of the last are
  /// zero.
  static Digest sha512_t(unsigned bits);
  /// SHAKE128 and SHAKE256 with a digest of that many octets (FIPS 202, 6.2); their state is not saved.
  static Digest shake128(size_t octets);
  static Digest shake256(size_t octets);
  Digest(const Digest& other);
  Digest& operator=(const Digest& other);
  Digest(Digest&&) noexcept = default;
  Digest& operator=(Digest&&) noexcept = default;

  Digest& update(ByteView data);
  /// SHA-1, SHA-2 and BLAKE2b below 512 bits: the running state, which has whole octets of the data in it. Nothing for
  /// others: OpenSSL 3.0 shows no state of SHA-3 and of its BLAKE2b.
  std::optional<SecretBytes> save() const { return state_->save(); }
  /// What `save` of the same algorithm gave, into a digest that was just begun; octets from elsewhere make a digest of
  /// something else, and nothing worse. Throws kInvalidArgument for what no state can be.
  void load(ByteView saved) { state_->load(saved); }
  /// Ends the digest; the object may only be destroyed or assigned to afterwards.
  Bytes finish();
  /// The same into the caller's memory, which has the digest's size: for results that are secrets.
  void finish(MutableByteView out);

  size_t octets() const { return octets_; }
  /// What HMAC calls B.
  size_t block_octets() const { return block_octets_; }

 private:
  Digest(size_t block_octets, size_t octets, std::unique_ptr<DigestState> state)
      : block_octets_(block_octets), octets_(octets), state_(std::move(state)) {}
  size_t block_octets_, octets_;
  std::unique_ptr<DigestState> state_;
};

Bytes digest(Hash hash, ByteView data);

/// A keyed HMAC, any key length (RFC 2104). `begin` may be called again for another message under the same key; copying
/// clones the state.
class Hmac {
 public:
  Hmac(Hash hash, ByteView key) : Hmac(Digest(hash), key) {}
  /// `fresh`: a digest that has seen nothing yet.
  Hmac(Digest fresh, ByteView key);
  Hmac& begin();
  Hmac& update(ByteView data);
  Bytes finish();
  /// The same into the caller's memory, which has the digest's size: for results that are secrets.
  void finish(MutableByteView out);
  size_t octets() const { return inner_.octets(); }
  /// The message so far, as Digest::save and Digest::load do it; the key is not in it.
  std::optional<SecretBytes> save() const { return running_.save(); }
  void load(ByteView saved) { running_.load(saved); }

 private:
  Digest inner_, outer_;  // after their first block, the key's
  Digest running_;
};

Bytes hmac(Hash hash, ByteView key, ByteView data);

}  // namespace vtpm::crypto
