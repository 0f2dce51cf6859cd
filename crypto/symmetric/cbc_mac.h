// SPDX-License-Identifier: Apache-2.0
// CMAC (SP 800-38B) and AES-XCBC-MAC (RFC 3566): the CBC chain over the message, whose last block is combined with one
// of two more keys. They differ in where those come from. Private to crypto/.
//
// OpenSSL 3.0 has no XCBC-MAC and shows no state of its CMAC: both are written here over its AES-CBC.
#pragma once

#include <array>

#include "crypto/symmetric/cipher_engine.h"
#include "crypto/symmetric/mac.h"

namespace vtpm::crypto {

class CbcMac : public MacState {
 public:
  /// AES key of 16, 24 or 32 octets. Throw kInvalidArgument for another size.
  static std::unique_ptr<CbcMac> cmac(ByteView key);
  /// 16 octets.
  static std::unique_ptr<CbcMac> xcbc(ByteView key);
  ~CbcMac() override;

  std::unique_ptr<MacState> clone() const override { return std::unique_ptr<MacState>(new CbcMac(*this)); }
  size_t octets() const override { return kBlock; }
  void update(ByteView data) override;
  void finish(MutableByteView out) override;
  /// The chain's last block, then what waits: 0 to 16 octets.
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
  Block whole_{}, padded_{};  // what the last block is combined with
  Block chain_{}, held_{};
  size_t held_octets_ = 0;
};

}  // namespace vtpm::crypto
