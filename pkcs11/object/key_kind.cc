// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/key_kind.h"

#include <algorithm>

#include "base/der.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/mechanism_table.h"

namespace vtpm::pkcs11 {
namespace {

using crypto::Curve;
using crypto::KeyType;
using crypto::PublicKey;
using crypto::SoftwareKey;

// --- RSA ---

PublicKey rsa_public(const Attributes& shown) {
  return PublicKey::rsa(shown.get(CKA_MODULUS), shown.get(CKA_PUBLIC_EXPONENT));
}

std::unique_ptr<SoftwareKey> rsa_private(const Attributes& shown, const SecretAttributes& secret) {
  const auto number = [&](CK_ATTRIBUTE_TYPE type) { return SecretBytes(secret.get(type)); };
  return SoftwareKey::import_rsa({to_bytes(shown.get(CKA_MODULUS)), to_bytes(shown.get(CKA_PUBLIC_EXPONENT)),
                                  number(CKA_PRIVATE_EXPONENT), number(CKA_PRIME_1), number(CKA_PRIME_2),
                                  number(CKA_EXPONENT_1), number(CKA_EXPONENT_2), number(CKA_COEFFICIENT)});
}

void show_rsa(const PublicKey& key, Attributes& object) {
  object.set(CKA_MODULUS, key.modulus());
  object.set(CKA_PUBLIC_EXPONENT, key.exponent());
}

void show_rsa_public(const PublicKey& key, Attributes& object) { object.set_number(CKA_MODULUS_BITS, key.bits()); }

void hide_rsa(const SoftwareKey& key, SecretAttributes& secret) {
  const crypto::RsaNumbers numbers = key.rsa_numbers();
  secret.set(CKA_PRIVATE_EXPONENT, numbers.private_exponent);
  secret.set(CKA_PRIME_1, numbers.prime1);
  secret.set(CKA_PRIME_2, numbers.prime2);
  secret.set(CKA_EXPONENT_1, numbers.exponent1);
  secret.set(CKA_EXPONENT_2, numbers.exponent2);
  secret.set(CKA_COEFFICIENT, numbers.coefficient);
}

// --- curves ---

Curve curve_of(const Attributes& shown) {
  return require_curve(shown.get(CKA_EC_PARAMS), shown.number(CKA_KEY_TYPE).value_or(CK_UNAVAILABLE_INFORMATION));
}

/// A compressed point, raw or in a DER OCTET STRING.
std::optional<ByteView> compressed_point(ByteView point, Curve curve) {
  DerReader reader(point);
  const auto string = reader.next(DerTag::kOctetString);
  const ByteView bytes = string && reader.empty() ? string->contents : point;
  const bool compressed = crypto::curve_key_type(curve) == KeyType::kEc &&
                          bytes.size() == 1 + crypto::curve_bytes(curve) && (bytes[0] == 2 || bytes[0] == 3);
  return compressed ? std::optional(bytes) : std::nullopt;
}

PublicKey curve_public(const Attributes& shown) {
  const Curve curve = curve_of(shown);
  const std::optional<ByteView> point = read_point(shown.get(CKA_EC_POINT), curve);
  refuse_if(!point && compressed_point(shown.get(CKA_EC_POINT), curve), CKR_TEMPLATE_INCONSISTENT,
            "CKA_EC_POINT is a compressed point, which this token does not take");
  refuse_if(!point, CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT is not an uncompressed point of the curve");
  return PublicKey::ec(curve, *point);
}

std::unique_ptr<SoftwareKey> curve_private(const Attributes& shown, const SecretAttributes& secret) {
  return SoftwareKey::import_ec(curve_of(shown), secret.get(CKA_VALUE));
}

void show_curve(const PublicKey& key, Attributes& object) {
  object.set(CKA_EC_PARAMS, crypto::curve_oid(key.curve()));
  object.set(CKA_EC_POINT, shown_point(key));
}

void hide_curve(const SoftwareKey& key, SecretAttributes& secret) { secret.set(CKA_VALUE, key.ec_scalar()); }

// --- prime fields ---

PublicKey dsa_public(const Attributes& shown) { return PublicKey::dsa(domain_of(shown), shown.get(CKA_VALUE)); }
PublicKey dh_public(const Attributes& shown) { return PublicKey::dh(domain_of(shown), shown.get(CKA_VALUE)); }

std::unique_ptr<SoftwareKey> dsa_private(const Attributes& shown, const SecretAttributes& secret) {
  return SoftwareKey::import_dsa(domain_of(shown), secret.get(CKA_VALUE));
}
std::unique_ptr<SoftwareKey> dh_private(const Attributes& shown, const SecretAttributes& secret) {
  return SoftwareKey::import_dh(domain_of(shown), secret.get(CKA_VALUE));
}

void show_field(const PublicKey& key, Attributes& object) {
  object.set(CKA_PRIME, key.domain().prime);
  if (key.type() == KeyType::kDsa) object.set(CKA_SUBPRIME, key.domain().subprime);
  object.set(CKA_BASE, key.domain().base);
}

void show_field_public(const PublicKey& key, Attributes& object) { object.set(CKA_VALUE, key.value()); }

void hide_field(const SoftwareKey& key, SecretAttributes& secret) { secret.set(CKA_VALUE, key.private_value()); }

void show_nothing(const PublicKey&, Attributes&) {}

constexpr KeyKind kKinds[] = {
    {CKK_RSA, KeyType::kRsa, true, true, false, false, rsa_public, rsa_private, show_rsa, show_rsa_public, hide_rsa},
    {CKK_EC, KeyType::kEc, false, true, true, false, curve_public, curve_private, show_curve, show_nothing, hide_curve},
    {CKK_EC_EDWARDS, KeyType::kEdwards, false, true, false, true, curve_public, curve_private, show_curve, show_nothing,
     hide_curve},
    {CKK_EC_MONTGOMERY, KeyType::kMontgomery, false, false, true, true, curve_public, curve_private, show_curve,
     show_nothing, hide_curve},
    {CKK_DSA, KeyType::kDsa, false, true, false, false, dsa_public, dsa_private, show_field, show_field_public,
     hide_field},
    {CKK_DH, KeyType::kDh, false, false, true, false, dh_public, dh_private, show_field, show_field_public, hide_field},
};

constexpr bool is_of_pairs(CK_KEY_TYPE type) {
  for (const KeyKind& row : kKinds) {
    if (row.type == type) return true;
  }
  return false;
}

constexpr bool mechanisms_of_pairs_have_their_mark() {
  for (const Mechanism& row : kMechanisms) {
    if (row.of_pairs != is_of_pairs(row.key_type)) return false;
    if (row.of_pairs && row.other_key_type != kNoKey && !is_of_pairs(row.other_key_type)) return false;
  }
  return true;
}
static_assert(mechanisms_of_pairs_have_their_mark(),
              "a mechanism has Mechanism::of_pairs exactly when its key type has a row in kKinds");

template <typename F>
const KeyKind& find(F&& matches) {
  const KeyKind* row = std::find_if(std::begin(kKinds), std::end(kKinds), matches);
  refuse_if(row == std::end(kKinds), CKR_ATTRIBUTE_VALUE_INVALID, "this token has no key pairs of that type");
  return *row;
}

}  // namespace

const KeyKind* find_kind(CK_KEY_TYPE type) {
  for (const KeyKind& row : kKinds) {
    if (row.type == type) return &row;
  }
  return nullptr;
}
const KeyKind& kind_of(CK_KEY_TYPE type) {
  return find([&](const KeyKind& row) { return row.type == type; });
}
const KeyKind& kind_of(crypto::KeyType type) {
  return find([&](const KeyKind& row) { return row.crypto_type == type; });
}
const KeyKind& kind_of(const Attributes& key) {
  return kind_of(key.number(CKA_KEY_TYPE).value_or(CK_UNAVAILABLE_INFORMATION));
}

crypto::Curve require_curve(ByteView parameters, CK_KEY_TYPE type) {
  // Explicit parameters and implicitlyCA are not supported.
  refuse_if(!crypto::names_curve(parameters), CKR_DOMAIN_PARAMS_INVALID,
            "CKA_EC_PARAMS is neither an object identifier nor a curve's name");
  const std::optional<Curve> curve = crypto::curve_from_parameters(parameters);
  refuse_if(!curve || crypto::curve_key_type(*curve) != kind_of(type).crypto_type, CKR_CURVE_NOT_SUPPORTED,
            "CKA_EC_PARAMS names no curve of this token for keys of this type");
  return *curve;
}

Bytes shown_point(const PublicKey& key) { return key.type() == KeyType::kEc ? octet_string(key.point()) : key.point(); }

Bytes octet_string(ByteView point) {
  Bytes der;
  write_der(der, DerTag::kOctetString, point);
  return der;
}

std::optional<ByteView> read_point(ByteView value, crypto::Curve curve) {
  const size_t bytes = crypto::curve_point_bytes(curve);
  if (value.size() == bytes) return value;
  DerReader reader(value);
  auto string = reader.next(DerTag::kOctetString);
  if (string && reader.empty() && string->contents.size() == bytes) return string->contents;
  return std::nullopt;
}

std::optional<Bytes> read_peer_point(ByteView value, crypto::Curve curve) {
  if (const auto point = read_point(value, curve)) return to_bytes(*point);
  if (const auto compressed = compressed_point(value, curve)) return crypto::uncompressed_point(curve, *compressed);
  return std::nullopt;
}

crypto::DomainParameters domain_of(const Attributes& object) {
  return {to_bytes(object.get(CKA_PRIME)), to_bytes(object.get(CKA_SUBPRIME)), to_bytes(object.get(CKA_BASE))};
}

}  // namespace vtpm::pkcs11
