// SPDX-License-Identifier: Apache-2.0
// CMAC (SP 800-38B) and AES-XCBC-MAC (RFC 3566): the CBC chain over the message, whose last block is combined with one
// of two subkeys. They differ in the derivation of the subkeys. Private to crypto/.
//
// OpenSSL 3.0 has no XCBC-MAC and does not export the state of its CMAC. Both are implemented here over its AES-CBC.
#pragma once

#include <array>

#include "crypto/symmetric/cipher_engine.h"
#include "crypto/symmetric/mac.h"

namespace vtpm::crypto {

class CbcMac : public MacState {
 public:
  /// `key`: 16, 24 or 32 bytes. Both throw kInvalidArgument for another size.
  static std::unique_ptr<CbcMac> cmac(ByteView key);
  /// `key`: 16 bytes.
  static std::unique_ptr<CbcMac> xcbc(ByteView key);
  ~CbcMac() override;

  std::unique_ptr<MacState> clone() const override { return std::unique_ptr<MacState>(new CbcMac(*this)); }
  size_t size() const override { return kBlock; }
  void update(ByteView data) override;
  void finish(MutableByteView out) override;
  /// The last block of the chain, then the incomplete block: 0 to 16 bytes.
  std::optional<SecretBytes> save() const override;
  void load(ByteView saved) override;

 private:
  static constexpr size_t kBlock = 16;
  using Block = std::array<uint8_t, kBlock>;

  CbcMac() = default;
  CbcMac(const CbcMac& other);
  void start(ByteView key);
  void chain(ByteView blocks);

  CipherContext cipher_;      // CBC
  Block whole_{}, padded_{};  // the subkeys for a complete and for a padded last block
  Block chain_{}, held_{};
  size_t held_bytes_ = 0;
};

}  // namespace vtpm::crypto
