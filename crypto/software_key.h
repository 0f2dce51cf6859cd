// Private keys that OpenSSL executes, for templates that the TPM can not honour. All operations are blinded.
#pragma once

#include "crypto/key.h"

namespace vtpm::crypto {

/// Numbers of an RSA private key, big-endian. p … qinv may be empty on import: they are computed then.
struct RsaNumbers {
  Bytes modulus, public_exponent;
  SecretBytes private_exponent, prime1, prime2, exponent1, exponent2, coefficient;
};

class SoftwareKey : public PrivateKey {
 public:
  /// `exponent`: odd, >= 3 (65537 is the caller's default); 1024 to 8192 bits. Self-tested before it is returned.
  static std::unique_ptr<SoftwareKey> generate_rsa(unsigned bits, ByteView exponent);
  static std::unique_ptr<SoftwareKey> generate_ec(Curve curve);
  /// Throw kInvalidArgument when the numbers do not belong together.
  static std::unique_ptr<SoftwareKey> import_rsa(const RsaNumbers& numbers);
  static std::unique_ptr<SoftwareKey> import_ec(Curve curve, ByteView scalar);

  const PublicKey& public_key() const { return public_; }
  RsaNumbers rsa_numbers() const;
  SecretBytes ec_scalar() const;  // curve_octets, left-padded

  SecretBytes rsa_private(ByteView block) override;
  Bytes ecdsa_sign(ByteView digest) override;
  SecretBytes ecdh(ByteView point) override;

 private:
  SoftwareKey(PublicKey public_key, std::shared_ptr<NativeKey> native)
      : public_(std::move(public_key)), native_(std::move(native)) {}
  PublicKey public_;
  std::shared_ptr<NativeKey> native_;
};

}  // namespace vtpm::crypto
