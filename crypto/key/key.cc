// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <string>

#include "base/numbers.h"
#include "crypto/key/big_number.h"
#include "crypto/key/curve_table.h"
#include "crypto/key/ecdsa_signature.h"
#include "crypto/key/eddsa.h"
#include "crypto/key/finite_field.h"
#include "crypto/key/native_key.h"

namespace vtpm::crypto {
namespace {

using Operation = NativeKey::Operation;

constexpr size_t kSmallestModulus = 512;  // bits; smaller RSA keys give no protection

bool is_odd(ByteView number) { return !number.empty() && (number.back() & 1) == 1; }

// What libcrypto will compute with: beyond 3072 bits it takes exponents of at most 64 bits (a denial-of-service limit).
bool acceptable(ByteView modulus, ByteView exponent) {
  size_t bits = modulus.size() * 8;
  bool exponent_is_one = exponent.size() == 1 && exponent[0] == 1;
  return is_odd(modulus) && bits >= kSmallestModulus && bits <= OPENSSL_RSA_MAX_MODULUS_BITS && is_odd(exponent) &&
         !exponent_is_one && exponent.size() <= modulus.size() &&
         (bits <= OPENSSL_RSA_SMALL_MODULUS_BITS || exponent.size() * 8 <= OPENSSL_RSA_MAX_PUBEXP_BITS);
}

std::optional<Curve> curve_of(const EVP_PKEY* key) {
  char group[64];
  size_t size = 0;
  std::string_view name = EVP_PKEY_get0_type_name(key);
  if (name == "EC") {
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &size) != 1) {
      return std::nullopt;
    }
    name = std::string_view(group, size);
  }
  for (const CurveRow& row : curve_rows()) {
    if (name == row.native_name) return row.curve;
  }
  return std::nullopt;
}

// libcrypto decodes an explicit description of a named curve as the named curve; such keys are rejected.
bool has_explicit_curve(const EVP_PKEY* key) {
  int explicit_curve = 0;
  return EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_curve) != 1 ||
         explicit_curve != 0;
}

Bytes point_of(const EVP_PKEY* key, Curve curve) {
  size_t bytes = curve_bytes(curve);
  if (curve_key_type(curve) != KeyType::kEc) {
    Bytes raw(bytes);
    size_t size = raw.size();
    require_openssl(EVP_PKEY_get_raw_public_key(key, raw.data(), &size) == 1 && size == raw.size(),
                    "reading a public key");
    return raw;
  }
  Bytes point = {POINT_CONVERSION_UNCOMPRESSED};
  append(point, secret_big_endian_bytes(number_of(key, OSSL_PKEY_PARAM_EC_PUB_X).get(), bytes));
  append(point, secret_big_endian_bytes(number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y).get(), bytes));
  return point;
}

Key weierstrass_key(const CurveRow& row, ByteView point) {
  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  require_openssl(
      builder && OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, row.native_name, 0) == 1 &&
          OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1,
      "describing an EC key");
  return key_from_parameters("EC", EVP_PKEY_PUBLIC_KEY, builder.get());
}

}  // namespace

Bytes uncompressed_point(Curve curve, ByteView compressed) {
  ensure_openssl();
  const CurveRow& row = row_of(curve);
  Key key;
  // The lowest bit of the first byte is that of Y.
  if (row.type == KeyType::kEc && compressed.size() == 1 + row.bytes &&
      (compressed[0] | 1) == (POINT_CONVERSION_COMPRESSED | 1)) {
    key = weierstrass_key(row, compressed);
  }
  if (!key) {
    ERR_clear_error();
    throw Error(ErrorCode::kInvalidArgument, "the bytes are not a compressed point on the curve");
  }
  return point_of(key.get(), curve);
}

std::optional<Curve> named_curve(const evp_pkey_st* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && has_explicit_curve(key)) return std::nullopt;
  return curve_of(key);
}

PublicKey PublicKey::rsa(ByteView modulus, ByteView exponent) {
  ensure_openssl();
  PublicKey result;
  result.type_ = KeyType::kRsa;
  result.modulus_ = to_bytes(without_leading_zeros(modulus));
  result.exponent_ = to_bytes(without_leading_zeros(exponent));
  if (!acceptable(result.modulus_, result.exponent_)) {
    throw Error(ErrorCode::kInvalidArgument, "the numbers are not a usable RSA public key");
  }
  BigNumber n = public_number(result.modulus_), e = public_number(result.exponent_);
  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  require_openssl(builder && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
                      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1,
                  "describing an RSA key");
  Key key = key_from_parameters("RSA", EVP_PKEY_PUBLIC_KEY, builder.get());
  if (!key) throw Error(ErrorCode::kInvalidArgument, "the numbers are not an RSA public key");
  result.native_ = std::make_shared<NativeKey>(std::move(key));
  return result;
}

PublicKey PublicKey::ec(Curve curve, ByteView point) {
  ensure_openssl();
  const CurveRow& row = row_of(curve);
  Key key;
  if (point.size() == curve_point_bytes(curve)) {
    if (row.type != KeyType::kEc)
      key.reset(EVP_PKEY_new_raw_public_key_ex(nullptr, row.native_name, nullptr, point.data(), point.size()));
    else if (point[0] == POINT_CONVERSION_UNCOMPRESSED)
      key = weierstrass_key(row, point);
  }
  if (!key) {
    ERR_clear_error();
    throw Error(ErrorCode::kInvalidArgument, "the bytes are not an uncompressed point on the curve");
  }
  PublicKey result;
  result.type_ = row.type;
  result.curve_ = curve;
  result.point_ = to_bytes(point);
  result.native_ = std::make_shared<NativeKey>(std::move(key));
  return result;
}

std::optional<PublicKey> PublicKey::from_spki(ByteView der) {
  ensure_openssl();
  const uint8_t* next = der.data();
  Key key(d2i_PUBKEY(nullptr, &next, static_cast<long>(der.size())));
  std::optional<PublicKey> result;
  if (key != nullptr && next == der.data() + der.size()) {
    const int type = EVP_PKEY_get_base_id(key.get());
    if (type == EVP_PKEY_RSA) {
      Bytes modulus = big_endian_bytes(number_of(key.get(), OSSL_PKEY_PARAM_RSA_N).get());
      Bytes exponent = big_endian_bytes(number_of(key.get(), OSSL_PKEY_PARAM_RSA_E).get());
      if (acceptable(modulus, exponent)) result = rsa(modulus, exponent);
    } else if (type == EVP_PKEY_DSA) {
      result = finite_field_public(KeyType::kDsa, key.get());
    } else if (type == EVP_PKEY_DH) {
      result = finite_field_public(KeyType::kDh, key.get());
    } else if (std::optional<Curve> curve = named_curve(key.get())) {
      result = ec(*curve, point_of(key.get(), *curve));
    }
  }
  ERR_clear_error();
  return result;
}

size_t PublicKey::bits() const {
  const bool on_curve = type_ == KeyType::kEc || type_ == KeyType::kEdwards || type_ == KeyType::kMontgomery;
  return on_curve ? row_of(curve_).bits : static_cast<size_t>(EVP_PKEY_get_bits(native()));
}

Bytes PublicKey::spki() const {
  uint8_t* der = nullptr;
  int size = i2d_PUBKEY(native(), &der);
  require_openssl(size > 0, "writing a SubjectPublicKeyInfo");
  const EncodedBytes owner(der);
  return Bytes(der, der + size);
}

std::optional<Bytes> PublicKey::rsa_public(ByteView block) const {
  if (type_ != KeyType::kRsa) throw Error(ErrorCode::kInvalidArgument, "an RSA operation needs an RSA key");
  if (block.size() != modulus_.size() || !std::ranges::lexicographical_compare(block, modulus_)) return std::nullopt;
  NativeKey::Lease context = native_->context(Operation::kRsaPublic);
  Bytes result(modulus_.size());
  size_t size = result.size();
  require_openssl(
      EVP_PKEY_encrypt(context.get(), result.data(), &size, block.data(), block.size()) == 1 && size == result.size(),
      "a public RSA operation");
  return result;
}

bool PublicKey::ecdsa_verify(ByteView digest, ByteView signature) const {
  if (type_ != KeyType::kEc) throw Error(ErrorCode::kInvalidArgument, "ECDSA needs an EC key");
  if (signature.size() != 2 * curve_bytes(curve_)) return false;
  Bytes der = ecdsa_signature_to_der(signature);
  NativeKey::Lease context = native_->context(Operation::kVerify);
  const uint8_t none = 0;
  bool good = EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.empty() ? &none : digest.data(),
                              digest.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

bool PublicKey::eddsa_verify(ByteView message, ByteView signature, const EddsaMode& mode) const {
  if (type_ != KeyType::kEdwards) throw Error(ErrorCode::kInvalidArgument, "EdDSA needs a key on an Edwards curve");
  if (mode.form != EddsaMode::Form::kPure) return eddsa_verify_by_curve(curve_, point_, message, signature, mode);
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  require_openssl(context != nullptr && EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr,
                                                                native(), nullptr) == 1,
                  "preparing an EdDSA verification");
  const uint8_t none = 0;
  bool good = EVP_DigestVerify(context.get(), signature.empty() ? &none : signature.data(), signature.size(),
                               message.empty() ? &none : message.data(), message.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

evp_pkey_st* PublicKey::native() const { return native_->get(); }

Bytes PrivateKey::eddsa_sign(ByteView, const EddsaMode&) {
  throw Error(ErrorCode::kInvalidArgument, "this key does not support EdDSA");
}
Bytes PrivateKey::dsa_sign(ByteView) { throw Error(ErrorCode::kInvalidArgument, "this key does not support DSA"); }
SecretBytes PrivateKey::dh(ByteView) {
  throw Error(ErrorCode::kInvalidArgument, "this key does not support Diffie-Hellman");
}

}  // namespace vtpm::crypto
