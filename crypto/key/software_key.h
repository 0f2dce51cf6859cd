// SPDX-License-Identifier: Apache-2.0
// Private keys that OpenSSL executes, for templates that the TPM can not honour. All operations are blinded.
#pragma once

#include "crypto/key/key.h"

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
  /// On any curve.
  static std::unique_ptr<SoftwareKey> generate_ec(Curve curve);
  /// Throw kInvalidArgument for unusable parameters. `private_bits` 0: as many as the group's strength asks for.
  static std::unique_ptr<SoftwareKey> generate_dsa(const DomainParameters& domain);
  static std::unique_ptr<SoftwareKey> generate_dh(const DomainParameters& domain, unsigned private_bits = 0);
  /// Throw kInvalidArgument when the numbers do not belong together.
  static std::unique_ptr<SoftwareKey> import_rsa(const RsaNumbers& numbers);
  /// `scalar`: on Edwards and Montgomery curves the octets of RFC 8032 and RFC 7748, exactly curve_octets.
  static std::unique_ptr<SoftwareKey> import_ec(Curve curve, ByteView scalar);
  static std::unique_ptr<SoftwareKey> import_dsa(const DomainParameters& domain, ByteView private_value);
  static std::unique_ptr<SoftwareKey> import_dh(const DomainParameters& domain, ByteView private_value);

  const PublicKey& public_key() const { return public_; }
  evp_pkey_st* native() const;
  RsaNumbers rsa_numbers() const;
  SecretBytes ec_scalar() const;      // curve_octets, left-padded; as imported on Edwards and Montgomery curves
  SecretBytes private_value() const;  // of a DSA or DH key, without leading zeros

  SecretBytes rsa_private(ByteView block) override;
  Bytes ecdsa_sign(ByteView digest) override;
  SecretBytes ecdh(ByteView point) override;
  Bytes eddsa_sign(ByteView message, const EddsaMode& mode = {}) override;
  Bytes dsa_sign(ByteView digest) override;
  SecretBytes dh(ByteView value) override;

 private:
  SoftwareKey(PublicKey public_key, std::shared_ptr<NativeKey> native)
      : public_(std::move(public_key)), native_(std::move(native)) {}
  static std::unique_ptr<SoftwareKey> generate_raw(Curve curve);
  static std::unique_ptr<SoftwareKey> import_raw(Curve curve, ByteView octets);
  static std::unique_ptr<SoftwareKey> generate_finite(KeyType type, const DomainParameters& domain, unsigned bits);
  static std::unique_ptr<SoftwareKey> import_finite(KeyType type, const DomainParameters& domain, ByteView value);
  static std::unique_ptr<SoftwareKey> tested(std::unique_ptr<SoftwareKey> key);
  static bool works(SoftwareKey& key);
  SecretBytes derive(evp_pkey_st* peer, size_t octets, const char* refusal) const;

  PublicKey public_;
  std::shared_ptr<NativeKey> native_;
};

/// CKM_DSA_PARAMETER_GEN (FIPS 186-4, A.1): 1024/160, 2048/224, 2048/256, 3072/256 bits; takes seconds.
DomainParameters generate_dsa_domain(unsigned prime_bits, unsigned subprime_bits);
/// "ffdhe2048" … "ffdhe8192" (RFC 7919), "modp_1536" … "modp_8192" (RFC 3526); nothing for another name.
std::optional<DomainParameters> dh_group(const char* name);
/// Throws kInvalidArgument unless the prime is one, and the subprime, if there is one, is one too and the base of its
/// order. At once for the groups that dh_group knows; otherwise a second or more from 3072 bits on.
void check_domain_numbers(const DomainParameters& domain);

}  // namespace vtpm::crypto
