// SPDX-License-Identifier: Apache-2.0
// Message digests and HMAC.
//
// These are libcrypto's digests, and two families that OpenSSL 3.0 lacks: BLAKE2b with other sizes than 512 bits (RFC
// 7693, crypto/hash/blake2b.h) and SHA-512/t for any t (FIPS 180-4, 5.3.6: libcrypto's SHA-512 with another initial
// value). The functions are thread-safe; an object belongs to one thread at a time. Failures of libcrypto throw
// kInternal.
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
/// Size of the digest in bytes.
size_t hash_bytes(Hash hash);
/// libcrypto's immutable algorithm, owned by the process. Throws kUnsupported for BLAKE2b below 512 bits.
const evp_md_st* native_hash(Hash hash);

/// A running computation of one algorithm.
class DigestContext {
 public:
  virtual ~DigestContext() = default;
  virtual std::unique_ptr<DigestContext> clone() const = 0;
  virtual void update(ByteView data) = 0;
  /// Writes the digest to `out`, which must have its size.
  virtual void finish(MutableByteView out) = 0;
  /// Returns the running computation as bytes for `load`; nothing if the algorithm does not support it.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  /// Loads saved bytes into a new computation. Throws kInvalidArgument for bytes that cannot be a state of this
  /// algorithm.
  virtual void load(ByteView saved);
};

/// A running digest. A copy continues independently.
class Digest {
 public:
  explicit Digest(Hash hash);
  /// SHA-512/t, 0 < t < 512, t != 384 (otherwise throws kInvalidArgument). The digest has ceil(t / 8) bytes; unused low
  /// bits of the last are zero.
  static Digest sha512_t(unsigned bits);
  /// SHAKE128 and SHAKE256 with a digest of `bytes` bytes (FIPS 202, 6.2); `save` is not supported.
  static Digest shake128(size_t bytes);
  static Digest shake256(size_t bytes);
  Digest(const Digest& other);
  Digest& operator=(const Digest& other);
  Digest(Digest&&) noexcept = default;
  Digest& operator=(Digest&&) noexcept = default;

  Digest& update(ByteView data);
  /// For SHA-1, SHA-2 and BLAKE2b below 512 bits, returns the running computation, which contains parts of the data.
  /// Returns nothing for others: OpenSSL 3.0 does not export the state of SHA-3 and of its BLAKE2b.
  std::optional<SecretBytes> save() const { return state_->save(); }
  /// Loads the result of `save` of the same algorithm into a new digest. Other bytes of the right form yield a digest
  /// of other data, and do no harm. Throws kInvalidArgument for bytes that cannot be a state.
  void load(ByteView saved) { state_->load(saved); }
  /// Returns the digest. Afterwards the object may only be destroyed or assigned to.
  Bytes finish();
  /// The same into the caller's buffer, which must have the size of the digest: for results that are secrets.
  void finish(MutableByteView out);

  size_t size() const { return bytes_; }
  /// The block size, which HMAC calls B.
  size_t block_bytes() const { return block_bytes_; }

 private:
  Digest(size_t block_bytes, size_t bytes, std::unique_ptr<DigestContext> state)
      : block_bytes_(block_bytes), bytes_(bytes), state_(std::move(state)) {}
  size_t block_bytes_, bytes_;
  std::unique_ptr<DigestContext> state_;
};

Bytes digest(Hash hash, ByteView data);

/// HMAC with a key of any length (RFC 2104). `begin` may be called again for another message under the same key. A copy
/// continues independently.
class Hmac {
 public:
  Hmac(Hash hash, ByteView key) : Hmac(Digest(hash), key) {}
  /// `fresh`: a digest without data.
  Hmac(Digest fresh, ByteView key);
  Hmac& begin();
  Hmac& update(ByteView data);
  Bytes finish();
  /// The same into the caller's buffer, which must have the size of the digest: for results that are secrets.
  void finish(MutableByteView out);
  size_t size() const { return inner_.size(); }
  /// Save and load the computation over the message like Digest::save and Digest::load; the key is not included.
  std::optional<SecretBytes> save() const { return running_.save(); }
  void load(ByteView saved) { running_.load(saved); }

 private:
  Digest inner_, outer_;  // after their first block, which contains the key
  Digest running_;
};

Bytes hmac(Hash hash, ByteView key, ByteView data);

}  // namespace vtpm::crypto
