// SPDX-License-Identifier: Apache-2.0
// Message authentication codes, by one class: HMAC over every hash, CMAC and GMAC with AES, AES-XCBC-MAC.
//
// Whole results only: truncation (the GENERAL mechanisms, AES-XCBC-MAC-96) takes the first octets, and a MAC is
// compared with `constant_time_equal`; both are the caller's. Copying clones the running state.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

enum class MacAlgorithm {
  kHmac,     // RFC 2104; a key of any size; as long as the digest
  kCmac,     // SP 800-38B; AES key of 16, 24, 32 octets; 16 octets
  kGmac,     // SP 800-38D; the same
  kXcbcMac,  // RFC 3566; key of 16 octets; 16 octets
};

struct MacParameters {
  MacAlgorithm algorithm;
  Hash hash = Hash::kSha256;  // HMAC
  unsigned t = 0;             // HMAC over SHA-512/t instead
  ByteView iv = {};           // GMAC: 1 to 128 octets
};

/// The state of one algorithm's computation.
class MacState {
 public:
  virtual ~MacState() = default;
  virtual std::unique_ptr<MacState> clone() const = 0;
  virtual size_t octets() const = 0;
  virtual void update(ByteView data) = 0;
  virtual void finish(MutableByteView out) = 0;
  /// As DigestState has them.
  virtual std::optional<SecretBytes> save() const { return std::nullopt; }
  virtual void load(ByteView saved);
};

class Mac {
 public:
  /// Throws kInvalidArgument for a key, t or vector of another size.
  Mac(const MacParameters& parameters, ByteView key);
  Mac(const Mac& other) : state_(other.state_->clone()) {}
  Mac& operator=(const Mac& other);
  Mac(Mac&&) noexcept = default;
  Mac& operator=(Mac&&) noexcept = default;

  size_t octets() const { return state_->octets(); }
  Mac& update(ByteView data);
  /// Ends the computation; the object may only be destroyed or assigned to afterwards.
  Bytes finish();
  /// The same into the caller's memory, which has `octets`: for results that are secrets.
  void finish(MutableByteView out);
  /// The running state, without the key: HMAC over what Digest saves, CMAC, XCBC-MAC. Nothing for others, whose state
  /// libcrypto does not show. `load` into a computation that was just begun with the same parameters and key; throws
  /// kInvalidArgument for what no state can be.
  std::optional<SecretBytes> save() const { return state_->save(); }
  void load(ByteView saved) { state_->load(saved); }

 private:
  std::unique_ptr<MacState> state_;
};

}  // namespace vtpm::crypto
