// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/software_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "base/numbers.h"
#include "crypto/key/curve_table.h"
#include "crypto/key/ecdsa_signature.h"
#include "crypto/key/native_key.h"
#include "crypto/key/rsa_numbers.h"
#include "crypto/library/constant_time.h"
#include "crypto/library/random.h"

namespace vtpm::crypto {
namespace {

using Operation = NativeKey::Operation;
using Group = Owned<EC_GROUP, EC_GROUP_free>;
using Point = Owned<EC_POINT, EC_POINT_clear_free>;

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

void need(const PublicKey& key, KeyType type) {
  if (key.type() != type) refuse(type == KeyType::kRsa ? "an RSA operation needs an RSA key" : "an EC key is needed");
}

// d * G in constant time, uncompressed. Throws kInvalidArgument unless 0 < scalar < order.
Bytes point_of_scalar(Curve curve, const BIGNUM* scalar) {
  Group group(EC_GROUP_new_by_curve_name(OBJ_txt2nid(row_of(curve).native_name)));
  require_openssl(group != nullptr, "an EC group");
  if (BN_is_zero(scalar) || BN_cmp(scalar, EC_GROUP_get0_order(group.get())) >= 0) {
    refuse("the private value is not between 0 and the order of the curve");
  }
  Point point(EC_POINT_new(group.get()));
  Bytes bytes(1 + 2 * curve_bytes(curve));
  require_openssl(point != nullptr && EC_POINT_mul(group.get(), point.get(), scalar, nullptr, nullptr, nullptr) == 1 &&
                      EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, bytes.data(),
                                         bytes.size(), nullptr) == bytes.size(),
                  "computing an EC public key");
  return bytes;
}

}  // namespace

// The key undoes what its public half does, for a random block, or agrees with another key. It also shows that imported
// RSA primes are prime: with a composite one e dP = 1 mod p-1 does not make the operations inverses.
bool SoftwareKey::works(SoftwareKey& key) {
  const PublicKey& half = key.public_key();
  const Bytes digest = random_bytes(32);
  switch (half.type()) {
    case KeyType::kRsa: {
      Bytes block = random_bytes(half.modulus().size());
      block[0] = 0;
      std::optional<Bytes> sealed = half.rsa_public(block);
      return sealed && constant_time_equal(key.rsa_private(*sealed), block);
    }
    case KeyType::kEc:
      return half.ecdsa_verify(digest, key.ecdsa_sign(digest));
    case KeyType::kEdwards:
      return half.eddsa_verify(digest, key.eddsa_sign(digest));
    case KeyType::kDsa:
      return half.dsa_verify(digest, key.dsa_sign(digest));
    case KeyType::kMontgomery: {
      auto other = generate_raw(half.curve());
      return constant_time_equal(key.ecdh(other->public_key().point()), other->ecdh(half.point()));
    }
    case KeyType::kDh: {
      auto other = generate_finite(KeyType::kDh, half.domain(), 0);
      return constant_time_equal(key.dh(other->public_key().value()), other->dh(half.value()));
    }
  }
  return false;
}

std::unique_ptr<SoftwareKey> SoftwareKey::tested(std::unique_ptr<SoftwareKey> key) {
  if (!works(*key)) throw Error(ErrorCode::kInternal, "a newly generated key failed its self-test");
  return key;
}

std::unique_ptr<SoftwareKey> SoftwareKey::generate_rsa(unsigned bits, ByteView exponent) {
  ensure_openssl();
  ByteView e_bytes = without_leading_zeros(exponent);
  if (bits < 1024 || bits > 8192) refuse("RSA key size out of range (1024 to 8192 bits)");
  bool is_one = e_bytes.size() == 1 && e_bytes[0] == 1;
  if (e_bytes.empty() || e_bytes.back() % 2 == 0 || is_one || e_bytes.size() > 8) {
    refuse("the RSA public exponent must be odd, at least 3 and at most 64 bits long");
  }
  // OpenSSL makes a modulus of one bit less than an odd number from 2048 on.
  if (bits % 2 != 0) return import_rsa(make_rsa_numbers(bits, e_bytes));
  BigNumber e = public_number(e_bytes);
  KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* made = nullptr;
  require_openssl(context != nullptr && EVP_PKEY_keygen_init(context.get()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(bits)) == 1 &&
                      EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), e.get()) == 1 &&
                      EVP_PKEY_generate(context.get(), &made) == 1,
                  "generating an RSA key");
  auto native = std::make_shared<NativeKey>(Key(made));
  PublicKey half = PublicKey::rsa(big_endian_bytes(number_of(made, OSSL_PKEY_PARAM_RSA_N).get()), e_bytes);
  return tested(std::unique_ptr<SoftwareKey>(new SoftwareKey(std::move(half), std::move(native))));
}

std::unique_ptr<SoftwareKey> SoftwareKey::generate_ec(Curve curve) {
  ensure_openssl();
  if (curve_key_type(curve) != KeyType::kEc) return tested(generate_raw(curve));
  auto native = std::make_shared<NativeKey>(Key(EVP_EC_gen(row_of(curve).native_name)));
  require_openssl(native->get() != nullptr, "generating an EC key");
  Bytes point(1 + 2 * curve_bytes(curve));
  size_t size = 0;
  require_openssl(
      EVP_PKEY_get_octet_string_param(native->get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) == 1 &&
          size == point.size(),
      "reading an EC public key");
  return tested(std::unique_ptr<SoftwareKey>(new SoftwareKey(PublicKey::ec(curve, point), std::move(native))));
}

std::unique_ptr<SoftwareKey> SoftwareKey::import_rsa(const RsaNumbers& numbers) {
  PublicKey half = PublicKey::rsa(numbers.modulus, numbers.public_exponent);
  RsaKeyNumbers all = complete_rsa_numbers(numbers);
  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  auto push = [&](const char* name, const BigNumber& number) {
    require_openssl(OSSL_PARAM_BLD_push_BN(builder.get(), name, number.get()) == 1, "describing an RSA key");
  };
  require_openssl(builder != nullptr, "describing an RSA key");
  push(OSSL_PKEY_PARAM_RSA_N, all.n);
  push(OSSL_PKEY_PARAM_RSA_E, all.e);
  push(OSSL_PKEY_PARAM_RSA_D, all.d);
  push(OSSL_PKEY_PARAM_RSA_FACTOR1, all.p);
  push(OSSL_PKEY_PARAM_RSA_FACTOR2, all.q);
  push(OSSL_PKEY_PARAM_RSA_EXPONENT1, all.dp);
  push(OSSL_PKEY_PARAM_RSA_EXPONENT2, all.dq);
  push(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, all.qinv);
  Key key = key_from_parameters("RSA", EVP_PKEY_KEYPAIR, builder.get());
  if (!key) refuse("the numbers are not an RSA private key");
  std::unique_ptr<SoftwareKey> imported(new SoftwareKey(std::move(half), std::make_shared<NativeKey>(std::move(key))));
  if (!works(*imported)) refuse("the numbers of the RSA private key are inconsistent: its primes are not prime");
  return imported;
}

std::unique_ptr<SoftwareKey> SoftwareKey::import_ec(Curve curve, ByteView scalar) {
  ensure_openssl();
  if (curve_key_type(curve) != KeyType::kEc) return tested(import_raw(curve, scalar));
  BigNumber secret = secret_number(scalar);
  Bytes point = point_of_scalar(curve, secret.get());
  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  require_openssl(
      builder &&
          OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, row_of(curve).native_name, 0) ==
              1 &&
          OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1 &&
          OSSL_PARAM_BLD_push_BN_pad(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, secret.get(), curve_bytes(curve)) == 1,
      "describing an EC key");
  Key key = key_from_parameters("EC", EVP_PKEY_KEYPAIR, builder.get());
  if (!key) refuse("the private value is not an EC private key");
  return tested(std::unique_ptr<SoftwareKey>(
      new SoftwareKey(PublicKey::ec(curve, point), std::make_shared<NativeKey>(std::move(key)))));
}

evp_pkey_st* SoftwareKey::native() const { return native_->get(); }

RsaNumbers SoftwareKey::rsa_numbers() const {
  need(public_, KeyType::kRsa);
  auto number = [&](const char* name) { return secret_big_endian_bytes(number_of(native_->get(), name).get()); };
  return {public_.modulus(),
          public_.exponent(),
          number(OSSL_PKEY_PARAM_RSA_D),
          number(OSSL_PKEY_PARAM_RSA_FACTOR1),
          number(OSSL_PKEY_PARAM_RSA_FACTOR2),
          number(OSSL_PKEY_PARAM_RSA_EXPONENT1),
          number(OSSL_PKEY_PARAM_RSA_EXPONENT2),
          number(OSSL_PKEY_PARAM_RSA_COEFFICIENT1)};
}

SecretBytes SoftwareKey::ec_scalar() const {
  if (public_.type() == KeyType::kEdwards || public_.type() == KeyType::kMontgomery) {
    SecretBytes raw(curve_bytes(public_.curve()));
    size_t size = raw.size();
    require_openssl(EVP_PKEY_get_raw_private_key(native_->get(), raw.data(), &size) == 1 && size == raw.size(),
                    "reading a private key");
    return raw;
  }
  need(public_, KeyType::kEc);
  return secret_big_endian_bytes(number_of(native_->get(), OSSL_PKEY_PARAM_PRIV_KEY).get(),
                                 curve_bytes(public_.curve()));
}

SecretBytes SoftwareKey::rsa_private(ByteView block) {
  need(public_, KeyType::kRsa);
  SecretBytes result(public_.modulus().size());
  if (block.size() != result.size()) refuse("a raw RSA block must have the size of the modulus");
  NativeKey::Lease context = native_->context(Operation::kRsaPrivate);
  size_t size = result.size();
  require_openssl(
      EVP_PKEY_decrypt(context.get(), result.data(), &size, block.data(), block.size()) == 1 && size == result.size(),
      "a private RSA operation");
  return result;
}

Bytes SoftwareKey::ecdsa_sign(ByteView digest) {
  need(public_, KeyType::kEc);
  NativeKey::Lease context = native_->context(Operation::kSign);
  uint8_t der[160];  // SEQUENCE of two INTEGERs of at most 67 bytes
  size_t size = sizeof der;
  const uint8_t none = 0;
  require_openssl(EVP_PKEY_sign(context.get(), der, &size, digest.empty() ? &none : digest.data(), digest.size()) == 1,
                  "signing with ECDSA");
  return ecdsa_signature_from_der({der, size}, curve_bytes(public_.curve()));
}

SecretBytes SoftwareKey::ecdh(ByteView point) {
  if (public_.type() == KeyType::kMontgomery) {
    const PublicKey peer = PublicKey::ec(public_.curve(), point);
    return derive(peer.native(), point.size(), "the peer's point is one of small order");
  }
  need(public_, KeyType::kEc);
  size_t bytes = curve_bytes(public_.curve());
  NativeKey::Lease context = native_->context(Operation::kDerive);
  if (point.size() != 1 + 2 * bytes || point[0] != POINT_CONVERSION_UNCOMPRESSED ||
      EVP_PKEY_set1_encoded_public_key(context.peer(), point.data(), point.size()) != 1) {
    ERR_clear_error();
    refuse("the peer's bytes are not an uncompressed point on the curve");
  }
  SecretBytes secret(bytes);
  size_t size = secret.size();
  // The peer is not validated again (it would cost a scalar multiplication): a point on a curve of prime order that is
  // not infinity, which the decoding above has shown, is all that SP 800-56A 5.6.2.3.4 asks for.
  require_openssl(EVP_PKEY_derive_set_peer_ex(context.get(), context.peer(), 0) == 1 &&
                      EVP_PKEY_derive(context.get(), secret.data(), &size) == 1 && size == secret.size(),
                  "an ECDH operation");
  return secret;
}

}  // namespace vtpm::crypto
