// SPDX-License-Identifier: Apache-2.0
// Message authentication codes in one class: HMAC over every hash, CMAC and GMAC with AES, AES-XCBC-MAC.
//
// The class returns complete MACs. The caller truncates (the GENERAL mechanisms, AES-XCBC-MAC-96 use the first bytes),
// and compares with `constant_time_equal`. A copy continues independently.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

enum class MacAlgorithm {
  kHmac,     // RFC 2104; a key of any size; as long as the digest
  kCmac,     // SP 800-38B; AES key of 16, 24, 32 bytes; 16 bytes
  kGmac,     // SP 800-38D; the same
  kXcbcMac,  // RFC 3566; key of 16 bytes; 16 bytes
};

struct MacParameters {
  MacAlgorithm algorithm;
  Hash hash = Hash::kSha256;  // HMAC
  unsigned t = 0;             // HMAC over SHA-512/t instead
  ByteView iv = {};           // GMAC: 1 to 128 bytes
};

/// A running computation of one algorithm.
class MacState {
 public:
  virtual ~MacState() = default;
  virtual std::unique_ptr<MacState> clone() const = 0;
  virtual size_t size() const = 0;
  virtual void update(ByteView data) = 0;
  virtual void finish(MutableByteView out) = 0;
  /// As in DigestContext.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  virtual void load(ByteView saved);
};

class Mac {
 public:
  /// Throws kInvalidArgument for a key, t or vector of an unsupported size.
  Mac(const MacParameters& parameters, ByteView key);
  Mac(const Mac& other) : state_(other.state_->clone()) {}
  Mac& operator=(const Mac& other);
  Mac(Mac&&) noexcept = default;
  Mac& operator=(Mac&&) noexcept = default;

  size_t size() const { return state_->size(); }
  Mac& update(ByteView data);
  /// Returns the MAC. Afterwards the object may only be destroyed or assigned to.
  Bytes finish();
  /// The same into the caller's buffer, which must have `bytes` bytes: for results that are secrets.
  void finish(MutableByteView out);
  /// The running computation, without the key, for HMAC over digests that can be saved, CMAC and XCBC-MAC. Nothing for
  /// others, whose state libcrypto does not export. `load` into a new computation with the same parameters and key
  /// throws kInvalidArgument for bytes that cannot be a state.
  std::optional<SecretBytes> save() const { return state_->save(); }
  void load(ByteView saved) { state_->load(saved); }

 private:
  std::unique_ptr<MacState> state_;
};

}  // namespace vtpm::crypto
