// AES-XCBC-MAC (RFC 3566). Private to crypto/. OpenSSL has none: written here over single AES blocks.
#pragma once

#include <array>

#include "crypto/cipher_engine.h"
#include "crypto/mac.h"

namespace vtpm::crypto {

class XcbcMac : public MacState {
 public:
  /// Throws kInvalidArgument unless the key has 16 octets.
  explicit XcbcMac(ByteView key);
  ~XcbcMac() override;

  std::unique_ptr<MacState> clone() const override { return std::unique_ptr<MacState>(new XcbcMac(*this)); }
  size_t octets() const override { return kBlock; }
  void update(ByteView data) override;
  void finish(MutableByteView out) override;

 private:
  static constexpr size_t kBlock = 16;
  using Block = std::array<uint8_t, kBlock>;

  XcbcMac(const XcbcMac& other);
  void chain();

  CipherContext cipher_;  // keyed with K1
  Block whole_, padded_;  // K2 and K3: what the last block is combined with
  Block chain_{}, held_{};
  size_t held_octets_ = 0;
};

}  // namespace vtpm::crypto
