// SPDX-License-Identifier: Apache-2.0
// Private keys that OpenSSL uses, for templates that the TPM cannot honour. All operations are blinded. Thread-safe.
#pragma once

#include "crypto/key/key.h"

namespace vtpm::crypto {

/// Numbers of an RSA private key, big-endian. prime1 to coefficient may be empty on import; they are then computed.
struct RsaNumbers {
  Bytes modulus, public_exponent;
  SecretBytes private_exponent, prime1, prime2, exponent1, exponent2, coefficient;
};

class SoftwareKey : public PrivateKey {
 public:
  /// `bits`: 1024 to 8192; `exponent`: odd, at least 3. The key is self-tested before it is returned. Throws
  /// kInvalidArgument for values out of range.
  static std::unique_ptr<SoftwareKey> generate_rsa(unsigned bits, ByteView exponent);
  /// On any curve.
  static std::unique_ptr<SoftwareKey> generate_ec(Curve curve);
  /// Throw kInvalidArgument for unusable parameters. `private_bits` 0: as many as the strength of the group requires.
  static std::unique_ptr<SoftwareKey> generate_dsa(const DomainParameters& domain);
  static std::unique_ptr<SoftwareKey> generate_dh(const DomainParameters& domain, unsigned private_bits = 0);
  /// Throw kInvalidArgument if the numbers are inconsistent.
  static std::unique_ptr<SoftwareKey> import_rsa(const RsaNumbers& numbers);
  /// `scalar`: on Edwards and Montgomery curves the encoding of RFC 8032 and RFC 7748, exactly curve_bytes bytes.
  static std::unique_ptr<SoftwareKey> import_ec(Curve curve, ByteView scalar);
  static std::unique_ptr<SoftwareKey> import_dsa(const DomainParameters& domain, ByteView private_value);
  static std::unique_ptr<SoftwareKey> import_dh(const DomainParameters& domain, ByteView private_value);

  const PublicKey& public_key() const { return public_; }
  evp_pkey_st* native() const;
  RsaNumbers rsa_numbers() const;
  SecretBytes ec_scalar() const;      // curve_bytes, left-padded; as imported on Edwards and Montgomery curves
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
  static std::unique_ptr<SoftwareKey> import_raw(Curve curve, ByteView bytes);
  static std::unique_ptr<SoftwareKey> generate_finite(KeyType type, const DomainParameters& domain, unsigned bits);
  static std::unique_ptr<SoftwareKey> import_finite(KeyType type, const DomainParameters& domain, ByteView value);
  static std::unique_ptr<SoftwareKey> tested(std::unique_ptr<SoftwareKey> key);
  static bool works(SoftwareKey& key);
  SecretBytes derive(evp_pkey_st* peer, size_t bytes, const char* refusal) const;

  PublicKey public_;
  std::shared_ptr<NativeKey> native_;
};

/// CKM_DSA_PARAMETER_GEN (FIPS 186-4, A.1): 1024/160, 2048/224, 2048/256 or 3072/256 bits; takes seconds.
DomainParameters generate_dsa_domain(unsigned prime_bits, unsigned subprime_bits);
/// "ffdhe2048" … "ffdhe8192" (RFC 7919), "modp_1536" … "modp_8192" (RFC 3526); nothing for another name.
std::optional<DomainParameters> dh_group(const char* name);
/// Throws kInvalidArgument unless the prime is prime and, if there is a subprime, the subprime is prime and the order
/// of the base. Returns at once for the groups of dh_group; otherwise it takes a second or more from 3072 bits on.
void check_domain_numbers(const DomainParameters& domain);

}  // namespace vtpm::crypto
