// Message digests and HMAC.
#pragma once

#include <memory>

#include "crypto/bytes.h"

struct evp_md_ctx_st;
struct evp_mac_ctx_st;
struct evp_md_st;

namespace vtpm::crypto {

enum class Hash { kSha1, kSha224, kSha256, kSha384, kSha512 };
/// Octets of the digest: 20, 28, 32, 48, 64.
size_t hash_octets(Hash hash);
/// The fetched, immutable algorithm; owned by the process.
const evp_md_st* native_hash(Hash hash);

/// A running digest; copying it clones the state (C_GetOperationState).
class Digest {
 public:
  explicit Digest(Hash hash);
  Digest(const Digest& other);
  Digest& operator=(const Digest& other);
  Digest(Digest&&) noexcept = default;
  Digest& operator=(Digest&&) noexcept = default;

  Digest& update(ByteView data);
  /// Ends the digest; the object may only be destroyed or assigned to afterwards.
  Bytes finish();
  Hash hash() const { return hash_; }

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  Hash hash_;
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

Bytes digest(Hash hash, ByteView data);

/// A keyed HMAC, any key length (RFC 2104). `begin` may be called again for another message under the same key.
class Hmac {
 public:
  Hmac(Hash hash, ByteView key);
  Hmac& begin();
  Hmac& update(ByteView data);
  Bytes finish();
  /// The same into the caller's memory, which has the digest's size: for results that are secrets.
  void finish(MutableByteView out);

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const noexcept;
  };
  Hash hash_;
  std::unique_ptr<evp_mac_ctx_st, Free> context_;
};

Bytes hmac(Hash hash, ByteView key, ByteView data);

}  // namespace vtpm::crypto
