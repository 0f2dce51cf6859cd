// SPDX-License-Identifier: Apache-2.0
// The types of key pairs: how each one's numbers stand in attributes, and what its keys can do. One row each; where a
// key lives is not a question of its type (pkcs11/object/key_factory.h).
#pragma once

#include <memory>
#include <optional>

#include "crypto/key/software_key.h"
#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

struct KeyKind {
  CK_KEY_TYPE type;
  crypto::KeyType crypto_type;
  bool encrypts, signs, derives;  // what its keys can do, and may unless a template says otherwise
  bool bare_point;                // CKA_EC_POINT is no DER OCTET STRING (shown_point)

  /// From the attributes of a public key. Throw Error kInvalidArgument for numbers that are no key, Refusal
  /// CKR_CURVE_NOT_SUPPORTED, CKR_ATTRIBUTE_VALUE_INVALID.
  crypto::PublicKey (*public_key)(const Attributes& shown);
  /// From those of a private key, checked as on import.
  std::unique_ptr<crypto::SoftwareKey> (*private_key)(const Attributes& shown, const SecretAttributes& secret);
  /// The numbers that anyone may see, of either half; then those of a public key alone.
  void (*show)(const crypto::PublicKey& key, Attributes& object);
  void (*show_public)(const crypto::PublicKey& key, Attributes& object);
  /// The numbers that nobody may see.
  void (*hide)(const crypto::SoftwareKey& key, SecretAttributes& secret);
};

/// Null for other types.
const KeyKind* find_kind(CK_KEY_TYPE type);
/// Throw Refusal CKR_ATTRIBUTE_VALUE_INVALID for other types.
const KeyKind& kind_of(CK_KEY_TYPE type);
const KeyKind& kind_of(crypto::KeyType type);
const KeyKind& kind_of(const Attributes& key);  // by CKA_KEY_TYPE

/// The curve that CKA_EC_PARAMS names, for keys of this type. Throws Refusal CKR_CURVE_NOT_SUPPORTED for others and for
/// explicit parameters.
crypto::Curve require_curve(ByteView parameters, CK_KEY_TYPE type);
/// CKA_EC_POINT as objects have it: a DER OCTET STRING on Weierstrass curves (3.2, 6.3), the bare bytes of RFC 8032
/// and RFC 7748 on the others. C_GetAttributeValue shows the latter so through the list of 3.2 only.
Bytes shown_point(const crypto::PublicKey& key);
Bytes octet_string(ByteView point);  // DER
/// CKA_EC_POINT, or a point in a mechanism's parameter: raw, or in a DER OCTET STRING. Nothing when it is not as long
/// as a point of the curve.
std::optional<ByteView> read_point(ByteView value, crypto::Curve curve);
/// The same for a point that a peer has sent: uncompressed here, though it may come compressed (SEC 1, 2.3.3). Throws
/// Error kInvalidArgument for a compressed point that the curve does not have.
std::optional<Bytes> read_peer_point(ByteView value, crypto::Curve curve);
/// CKA_PRIME, CKA_SUBPRIME and CKA_BASE.
crypto::DomainParameters domain_of(const Attributes& object);

}  // namespace vtpm::pkcs11
