// SPDX-License-Identifier: Apache-2.0
// The interface of asymmetric keys.
//
// A private key offers the raw operations on which every mechanism is built. Its users do not know where it lives: in
// the TPM (tpm/use/resident_key.h) or in software (crypto/key/software_key.h). Paddings are in
// crypto/key/rsa_padding.h, once for both.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"

struct evp_pkey_st;

namespace vtpm::crypto {

class NativeKey;  // crypto/key/native_key.h

/// kEc: ECDSA and ECDH on Weierstrass curves; kEdwards: EdDSA; kMontgomery: X25519 and X448; kDsa and kDh: in the
/// multiplicative group of a prime field.
enum class KeyType { kRsa, kEc, kEdwards, kMontgomery, kDsa, kDh };

/// Keys on the NIST curves P-256, P-384 and P-521 can live in the TPM, those on other curves only in software.
enum class Curve {
  kP256,
  kP384,
  kP521,
  kP224,
  kSecp256k1,
  kEd25519,
  kEd448,
  kX25519,
  kX448,
  kBrainpoolP256,  // brainpoolP256r1 … of RFC 5639
  kBrainpoolP384,
  kBrainpoolP512
};
/// kEc, kEdwards or kMontgomery.
KeyType curve_key_type(Curve curve);
/// Size in bytes of a private value (32, 48, 66, 28, 32, 32, 57, 32, 56, 32, 48, 64) and, on Weierstrass curves, of a
/// coordinate.
size_t curve_bytes(Curve curve);
/// Size in bytes of a public key: 04 || X || Y on a Weierstrass curve, otherwise that of a private value.
size_t curve_point_bytes(Curve curve);
/// DER OBJECT IDENTIFIER, as CKA_EC_PARAMS carries it (RFC 5480, RFC 8410).
ByteView curve_oid(Curve curve);
/// Whether CKA_EC_PARAMS is an OID or a PrintableString, so that it names a curve, supported or not.
bool names_curve(ByteView der);
/// The curve of CKA_EC_PARAMS: a namedCurve OID or a PrintableString ("secp256r1", "edwards25519"); nothing for
/// anything else.
std::optional<Curve> curve_from_parameters(ByteView der);

/// Converts a compressed point (02 or 03, then X: SEC 1, 2.3.4) of a Weierstrass curve to 04 || X || Y. Throws
/// kInvalidArgument if the bytes are not a compressed point on the curve.
Bytes uncompressed_point(Curve curve, ByteView compressed);

/// CKA_PRIME, CKA_SUBPRIME and CKA_BASE: big-endian without leading zeros. The subprime is optional for DH.
struct DomainParameters {
  Bytes prime, subprime, base;
};

class Digest;  // crypto/hash/digest.h

/// The scheme of RFC 8032: pure Ed25519 and Ed448; with a context (Ed25519ctx; it may be empty); or over a digest of
/// the message (Ed25519ph, Ed448ph), also with a context.
struct EddsaMode {
  enum class Form { kPure, kContext, kPrehashed };
  static constexpr size_t kMostContext = 255;

  Form form = Form::kPure;
  Bytes context = {};  // at most kMostContext bytes; none for kPure

  /// The digest for prehashing: 64 bytes of SHA-512 or SHAKE256.
  static Digest digest(Curve curve);
};

/// A public key, immutable and thread-safe.
class PublicKey {
 public:
  /// From big-endian numbers; leading zeros are removed. Throws kInvalidArgument for an even or too small modulus or
  /// exponent.
  static PublicKey rsa(ByteView modulus, ByteView exponent);
  /// `point`: uncompressed 04 || X || Y, on Edwards and Montgomery curves the encoding of RFC 8032 and RFC 7748. Throws
  /// kInvalidArgument if it is not on the curve. An invalid point of an Edwards curve is accepted, but verifies no
  /// signature.
  static PublicKey ec(Curve curve, ByteView point);
  /// Throw kInvalidArgument if the numbers cannot be such a key. Whether the primes are prime is not checked.
  static PublicKey dsa(const DomainParameters& domain, ByteView value);
  static PublicKey dh(const DomainParameters& domain, ByteView value);
  /// From SubjectPublicKeyInfo (RFC 5280; DH: PKCS #3, without the subprime); nothing if it does not parse or is of
  /// another type.
  static std::optional<PublicKey> from_spki(ByteView der);

  KeyType type() const { return type_; }
  /// RSA only: modulus and exponent, big-endian without leading zeros.
  const Bytes& modulus() const { return modulus_; }
  const Bytes& exponent() const { return exponent_; }
  size_t bits() const;
  /// Curves only.
  Curve curve() const { return curve_; }
  const Bytes& point() const { return point_; }
  /// DSA and DH only.
  const DomainParameters& domain() const { return domain_; }
  const Bytes& value() const { return value_; }
  Bytes spki() const;

  /// RSA: block^e mod n. `block` has the size of the modulus; returns nothing if it is not below the modulus.
  std::optional<Bytes> rsa_public(ByteView block) const;
  /// EC: verifies r || s (each of curve_bytes bytes) over a digest of any length (FIPS 186-4).
  bool ecdsa_verify(ByteView digest, ByteView signature) const;
  /// Edwards: verifies over the whole message, or over EddsaMode::digest of it (RFC 8032).
  bool eddsa_verify(ByteView message, ByteView signature, const EddsaMode& mode = {}) const;
  /// DSA: verifies r || s (each as long as the subprime) (FIPS 186-4).
  bool dsa_verify(ByteView digest, ByteView signature) const;

  evp_pkey_st* native() const;

 private:
  PublicKey() = default;
  static PublicKey over_field(KeyType type, const DomainParameters& domain, ByteView value);
  KeyType type_ = KeyType::kRsa;
  Curve curve_ = Curve::kP256;
  Bytes modulus_, exponent_, point_, value_;
  DomainParameters domain_;
  std::shared_ptr<NativeKey> native_;
};

/// A private key. Thread-safe. Faults throw Error; an operation that the type of key does not support throws
/// kInvalidArgument.
class PrivateKey {
 public:
  virtual ~PrivateKey() = default;
  /// RSA: block^d mod n; argument and result have the size of the modulus. The caller must check that block < n.
  virtual SecretBytes rsa_private(ByteView block) = 0;
  /// EC: signs a digest of any length (FIPS 186-4 uses the leftmost bits). Returns r || s, each of curve_bytes bytes.
  virtual Bytes ecdsa_sign(ByteView digest) = 0;
  /// EC: the x coordinate of d * point (SP 800-56A, 5.7.1.2), curve_bytes bytes. Montgomery: RFC 7748, section 5.
  /// Throws kInvalidArgument for an invalid point.
  virtual SecretBytes ecdh(ByteView point) = 0;
  /// Edwards: signs the whole message, or EddsaMode::digest of it. Deterministic. Returns twice curve_bytes bytes.
  virtual Bytes eddsa_sign(ByteView message, const EddsaMode& mode = {});
  /// DSA: signs a digest of any length. Returns r || s, each as long as the subprime.
  virtual Bytes dsa_sign(ByteView digest);
  /// DH: value^x mod p, as long as the prime. Throws kInvalidArgument for an invalid value.
  virtual SecretBytes dh(ByteView value);
};

}  // namespace vtpm::crypto
