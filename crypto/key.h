// Asymmetric keys as the rest of the house sees them.
//
// A private key offers the three raw operations on which every RSA and EC mechanism is built; where it lives (a TPM
// instance, see tpm/resident_key.h, or software, see crypto/software_key.h) is nobody else's business. Paddings are
// in crypto/rsa_padding.h, so that they exist once for both.
#pragma once

#include <memory>
#include <optional>

#include "crypto/bytes.h"

struct evp_pkey_st;

namespace vtpm::crypto {

class NativeKey;  // crypto/native_key.h

enum class KeyType { kRsa, kEc };

/// NIST curves (SP 800-186). Sizes: field and scalar octets 32, 48, 66.
enum class Curve { kP256, kP384, kP521 };
size_t curve_octets(Curve curve);
/// DER OBJECT IDENTIFIER, as CKA_EC_PARAMS carries it.
ByteView curve_oid(Curve curve);
/// From CKA_EC_PARAMS: namedCurve OID or PrintableString name ("secp256r1"); nothing for anything else.
std::optional<Curve> curve_from_parameters(ByteView der);

/// A public key, immutable and safe to share between threads.
class PublicKey {
 public:
  /// Big-endian numbers; leading zeros are dropped. Throws kInvalidArgument for an even or tiny modulus or exponent.
  static PublicKey rsa(ByteView modulus, ByteView exponent);
  /// `point`: uncompressed 04 || X || Y. Throws kInvalidArgument when it is not on the curve.
  static PublicKey ec(Curve curve, ByteView point);
  /// SubjectPublicKeyInfo (RFC 5280); nothing when it does not parse or is of another type.
  static std::optional<PublicKey> from_spki(ByteView der);

  KeyType type() const { return type_; }
  /// RSA only: modulus and exponent, big-endian without leading zeros.
  const Bytes& modulus() const { return modulus_; }
  const Bytes& exponent() const { return exponent_; }
  size_t bits() const;
  /// EC only.
  Curve curve() const { return curve_; }
  const Bytes& point() const { return point_; }
  Bytes spki() const;

  /// RSA: block^e mod n; `block` is modulus-sized; nothing when it is not below the modulus.
  std::optional<Bytes> rsa_public(ByteView block) const;
  /// EC: FIPS 186-4 verification of r || s (each curve_octets) over a digest of any length.
  bool ecdsa_verify(ByteView digest, ByteView signature) const;

  evp_pkey_st* native() const;

 private:
  PublicKey() = default;
  KeyType type_ = KeyType::kRsa;
  Curve curve_ = Curve::kP256;
  Bytes modulus_, exponent_, point_;
  std::shared_ptr<NativeKey> native_;
};

/// A private key. Thread-safe. Faults throw Error.
class PrivateKey {
 public:
  virtual ~PrivateKey() = default;
  /// RSA: block^d mod n, modulus-sized in and out. The caller has checked that block < n.
  virtual SecretBytes rsa_private(ByteView block) = 0;
  /// EC: signs a digest of any length (FIPS 186-4 takes the leftmost bits); r || s, each curve_octets.
  virtual Bytes ecdsa_sign(ByteView digest) = 0;
  /// EC: x coordinate of d * point (SP 800-56A 5.7.1.2), curve_octets. Throws kInvalidArgument for a bad point.
  virtual SecretBytes ecdh(ByteView point) = 0;
};

}  // namespace vtpm::crypto
