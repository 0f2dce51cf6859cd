// SPDX-License-Identifier: Apache-2.0
// The types of key pairs, one row each: how the numbers of a key are represented in attributes, and what its keys can
// do. Where a key lives does not depend on its type (pkcs11/object/key_factory.h).
#pragma once

#include <memory>
#include <optional>

#include "crypto/key/software_key.h"
#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

struct KeyKind {
  CK_KEY_TYPE type;
  crypto::KeyType crypto_type;
  bool encrypts, signs, derives;  // what keys of the type can do, and the defaults of their uses
  bool bare_point;                // CKA_EC_POINT is not a DER OCTET STRING (shown_point)

  /// Makes the public key from the attributes of its object. Throws Error kInvalidArgument for numbers that are not a
  /// key; Refusal: CKR_CURVE_NOT_SUPPORTED, CKR_DOMAIN_PARAMS_INVALID, CKR_ATTRIBUTE_VALUE_INVALID.
  crypto::PublicKey (*public_key)(const Attributes& shown);
  /// Makes the private key from the attributes of its object, with all the checks of an import. Throws as public_key.
  std::unique_ptr<crypto::SoftwareKey> (*private_key)(const Attributes& shown, const SecretAttributes& secret);
  /// Sets the numbers that both halves show; then those that the public key alone shows.
  void (*show)(const crypto::PublicKey& key, Attributes& object);
  void (*show_public)(const crypto::PublicKey& key, Attributes& object);
  /// Sets the secret numbers.
  void (*hide)(const crypto::SoftwareKey& key, SecretAttributes& secret);
};

/// The row of a key type; null if it is not a type of key pairs.
const KeyKind* find_kind(CK_KEY_TYPE type);
/// The row of a key type. Throws Refusal CKR_ATTRIBUTE_VALUE_INVALID if it is not a type of key pairs.
const KeyKind& kind_of(CK_KEY_TYPE type);
const KeyKind& kind_of(crypto::KeyType type);
const KeyKind& kind_of(const Attributes& key);  // by CKA_KEY_TYPE

/// The curve that CKA_EC_PARAMS names, for keys of this type (PKCS#11 3.2, 6.3). Throws Refusal:
/// CKR_CURVE_NOT_SUPPORTED for another curve, CKR_DOMAIN_PARAMS_INVALID for explicit parameters.
crypto::Curve require_curve(ByteView parameters, CK_KEY_TYPE type);
/// CKA_EC_POINT as objects store it: a DER OCTET STRING for Weierstrass curves (PKCS#11 3.2, 6.3.3), and the bytes of
/// RFC 8032 and RFC 7748 for the others. C_GetAttributeValue returns those bytes through the function list of 3.2 only.
Bytes shown_point(const crypto::PublicKey& key);
Bytes octet_string(ByteView point);  // DER
/// Reads CKA_EC_POINT, or a point in a mechanism's parameter, which is raw or in a DER OCTET STRING. Returns nothing if
/// it does not have the length of a point of the curve. The view points into `value`.
std::optional<ByteView> read_point(ByteView value, crypto::Curve curve);
/// The same for the point of a peer, which may be compressed (SEC 1, 2.3.3); the result is uncompressed. Throws Error
/// kInvalidArgument for a compressed point that is not on the curve.
std::optional<Bytes> read_peer_point(ByteView value, crypto::Curve curve);
/// The domain parameters CKA_PRIME, CKA_SUBPRIME and CKA_BASE of an object.
crypto::DomainParameters domain_of(const Attributes& object);

}  // namespace vtpm::pkcs11
