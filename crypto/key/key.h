// SPDX-License-Identifier: Apache-2.0
// Asymmetric keys as the rest of the house sees them.
//
// A private key offers the three raw operations on which every RSA and EC mechanism is built; where it lives (a TPM
// instance, see tpm/use/resident_key.h, or software, see crypto/key/software_key.h) is nobody else's business. Paddings
// are in crypto/key/rsa_padding.h, so that they exist once for both.
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

/// The NIST curves P-256, P-384 and P-521 can live in the TPM; the others are software's alone.
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
/// Of a private value: 32, 48, 66, 28, 32, 32, 57, 32, 56, 32, 48, 64; of a coordinate, where points have two.
size_t curve_octets(Curve curve);
/// Of a public key: 04 || X || Y on a Weierstrass curve, else as many as a private value.
size_t curve_point_octets(Curve curve);
/// DER OBJECT IDENTIFIER, as CKA_EC_PARAMS carries it (RFC 5480, RFC 8410).
ByteView curve_oid(Curve curve);
/// Whether CKA_EC_PARAMS is an OID or a PrintableString at all: a curve by its name, known here or not.
bool names_curve(ByteView der);
/// From CKA_EC_PARAMS: namedCurve OID or PrintableString name ("secp256r1", "edwards25519"); nothing for anything else.
std::optional<Curve> curve_from_parameters(ByteView der);

/// 04 || X || Y of a compressed point (02 or 03, then X: SEC 1, 2.3.4) of a Weierstrass curve. Throws kInvalidArgument
/// when the curve has no such point, and for octets that are no compressed point.
Bytes uncompressed_point(Curve curve, ByteView compressed);

/// CKA_PRIME, CKA_SUBPRIME and CKA_BASE: big-endian without leading zeros. DH may do without the subprime.
struct DomainParameters {
  Bytes prime, subprime, base;
};

class Digest;  // crypto/hash/digest.h

/// Which of RFC 8032's schemes: Ed25519 and Ed448 as they are, with a context (Ed25519ctx; it may be empty), or over a
/// digest of the message (Ed25519ph, Ed448ph), with a context too.
struct EddsaMode {
  enum class Form { kPure, kContext, kPrehashed };
  static constexpr size_t kMostContext = 255;

  Form form = Form::kPure;
  Bytes context = {};  // at most kMostContext octets; none for kPure

  /// What a message becomes when it is prehashed: 64 octets of SHA-512 or SHAKE256.
  static Digest digest(Curve curve);
};

/// A public key, immutable and safe to share between threads.
class PublicKey {
 public:
  /// Big-endian numbers; leading zeros are dropped. Throws kInvalidArgument for an even or tiny modulus or exponent.
  static PublicKey rsa(ByteView modulus, ByteView exponent);
  /// `point`: uncompressed 04 || X || Y, on Edwards and Montgomery curves the octets of RFC 8032 and RFC 7748. Throws
  /// kInvalidArgument when it is not on the curve; octets that are no point of an Edwards curve verify nothing.
  static PublicKey ec(Curve curve, ByteView point);
  /// Throw kInvalidArgument when the numbers are no such key; that the primes are prime is not shown.
  static PublicKey dsa(const DomainParameters& domain, ByteView value);
  static PublicKey dh(const DomainParameters& domain, ByteView value);
  /// SubjectPublicKeyInfo (RFC 5280; DH: PKCS #3, without the subprime); nothing when it does not parse or is of
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

  /// RSA: block^e mod n; `block` is modulus-sized; nothing when it is not below the modulus.
  std::optional<Bytes> rsa_public(ByteView block) const;
  /// EC: FIPS 186-4 verification of r || s (each curve_octets) over a digest of any length.
  bool ecdsa_verify(ByteView digest, ByteView signature) const;
  /// Edwards: RFC 8032 over the whole message, or over EddsaMode::digest of it.
  bool eddsa_verify(ByteView message, ByteView signature, const EddsaMode& mode = {}) const;
  /// DSA: FIPS 186-4 verification of r || s (each as long as the subprime).
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

/// A private key. Thread-safe. Faults throw Error; an operation of another type of key kInvalidArgument.
class PrivateKey {
 public:
  virtual ~PrivateKey() = default;
  /// RSA: block^d mod n, modulus-sized in and out. The caller has checked that block < n.
  virtual SecretBytes rsa_private(ByteView block) = 0;
  /// EC: signs a digest of any length (FIPS 186-4 takes the leftmost bits); r || s, each curve_octets.
  virtual Bytes ecdsa_sign(ByteView digest) = 0;
  /// EC: x coordinate of d * point (SP 800-56A 5.7.1.2), curve_octets. Montgomery: RFC 7748, 5. Throws kInvalidArgument
  /// for a bad point.
  virtual SecretBytes ecdh(ByteView point) = 0;
  /// Edwards: EdDSA over the whole message, or over EddsaMode::digest of it; deterministic; twice curve_octets.
  virtual Bytes eddsa_sign(ByteView message, const EddsaMode& mode = {});
  /// DSA: signs a digest of any length; r || s, each as long as the subprime.
  virtual Bytes dsa_sign(ByteView digest);
  /// DH: value^x mod p, as long as the prime. Throws kInvalidArgument for a bad value.
  virtual SecretBytes dh(ByteView value);
};

}  // namespace vtpm::crypto
