// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/finite_field.h"

#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/dsa.h>

#include <algorithm>

#include "base/numbers.h"
#include "crypto/key/ecdsa_signature.h"
#include "crypto/key/native_key.h"

namespace vtpm::crypto {
namespace {

constexpr size_t kSmallestPrime = 512, kLargestPrime = 10000;  // bits; the upper limit is libcrypto's

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

// 1 < number < limit - 1
bool inside(const BIGNUM* number, const BIGNUM* limit) {
  BigNumber above(BN_dup(number));
  require_openssl(above != nullptr && BN_add_word(above.get(), 1) == 1, "finite-field arithmetic");
  return BN_cmp(number, BN_value_one()) > 0 && BN_cmp(above.get(), limit) < 0;
}

void check_domain(const BIGNUM* p, const BIGNUM* q, const BIGNUM* g) {
  const auto bits = static_cast<size_t>(BN_num_bits(p));
  if (!BN_is_odd(p) || bits < kSmallestPrime || bits > kLargestPrime)
    refuse("size of the prime out of range (512 to 10000 bits)");
  if (!inside(g, p)) refuse("the base is not between 1 and the prime");
  if (BN_is_zero(q)) return;
  BigNumberContext context(BN_CTX_new());
  BigNumber rest(BN_new()), below(BN_dup(p));
  require_openssl(context && rest && below && BN_sub_word(below.get(), 1) == 1, "finite-field arithmetic");
  if (BN_num_bits(q) < 160 || BN_cmp(q, p) >= 0) refuse("size of the subprime out of range (at least 160 bits)");
  require_openssl(BN_mod(rest.get(), below.get(), q, context.get()) == 1, "finite-field arithmetic");
  if (!BN_is_zero(rest.get())) refuse("the subprime does not divide the prime minus one");
}

}  // namespace

DomainParameters normalised(const DomainParameters& domain) {
  return {to_bytes(without_leading_zeros(domain.prime)), to_bytes(without_leading_zeros(domain.subprime)),
          to_bytes(without_leading_zeros(domain.base))};
}

Key finite_field_key(const char* type, const DomainParameters& domain, ByteView value, const BIGNUM* secret,
                     unsigned private_bits) {
  BigNumber p = public_number(domain.prime), q = public_number(domain.subprime), g = public_number(domain.base);
  BigNumber y = public_number(value);
  check_domain(p.get(), q.get(), g.get());
  if (!value.empty() && !inside(y.get(), p.get())) refuse("the public value is not between 1 and the prime");
  ParameterBuilder builder(OSSL_PARAM_BLD_new());
  auto push = [&](const char* name, const BIGNUM* number) {
    require_openssl(OSSL_PARAM_BLD_push_BN(builder.get(), name, number) == 1, "describing a key");
  };
  require_openssl(builder != nullptr, "describing a key");
  push(OSSL_PKEY_PARAM_FFC_P, p.get());
  if (!BN_is_zero(q.get())) push(OSSL_PKEY_PARAM_FFC_Q, q.get());
  push(OSSL_PKEY_PARAM_FFC_G, g.get());
  if (!value.empty()) push(OSSL_PKEY_PARAM_PUB_KEY, y.get());
  if (secret != nullptr) push(OSSL_PKEY_PARAM_PRIV_KEY, secret);
  if (private_bits != 0) {
    require_openssl(
        OSSL_PARAM_BLD_push_int(builder.get(), OSSL_PKEY_PARAM_DH_PRIV_LEN, static_cast<int>(private_bits)) == 1,
        "describing a key");
  }
  const int selection = value.empty()       ? EVP_PKEY_KEY_PARAMETERS
                        : secret == nullptr ? EVP_PKEY_PUBLIC_KEY
                                            : EVP_PKEY_KEYPAIR;
  Key key = key_from_parameters(type, selection, builder.get());
  if (!key) refuse("the numbers are not a key of this type");
  return key;
}

void check_domain_numbers(const DomainParameters& domain) {
  ensure_openssl();
  const Key parameters = finite_field_key("DH", normalised(domain), {}, nullptr);
  char name[32];
  if (EVP_PKEY_get_group_name(parameters.get(), name, sizeof name, nullptr) == 1) return;
  ERR_clear_error();
  BigNumber p = public_number(domain.prime), q = public_number(domain.subprime), g = public_number(domain.base);
  BigNumberContext context(BN_CTX_new());
  BigNumber power(BN_new());
  require_openssl(context && power, "finite-field arithmetic");
  const auto check_prime = [&](const BIGNUM* number, const char* sentence) {
    const int prime = BN_check_prime(number, context.get(), nullptr);
    require_openssl(prime >= 0, "testing a prime");
    if (prime == 0) refuse(sentence);
  };
  check_prime(p.get(), "the prime is not prime");
  if (BN_is_zero(q.get())) return;
  check_prime(q.get(), "the subprime is not prime");
  require_openssl(BN_mod_exp(power.get(), g.get(), q.get(), p.get(), context.get()) == 1, "finite-field arithmetic");
  if (!BN_is_one(power.get())) refuse("the base does not have the order of the subprime");
}

Bytes finite_field_power(const DomainParameters& domain, const BIGNUM* secret) {
  BigNumberContext context(BN_CTX_secure_new());
  BigNumber p = public_number(domain.prime), g = public_number(domain.base), y(BN_new());
  require_openssl(
      context && y && BN_mod_exp_mont_consttime(y.get(), g.get(), secret, p.get(), context.get(), nullptr) == 1,
      "computing a public value");
  return big_endian_bytes(y.get());
}

PublicKey PublicKey::over_field(KeyType type, const DomainParameters& domain, ByteView value) {
  ensure_openssl();
  PublicKey result;
  result.type_ = type;
  result.domain_ = normalised(domain);
  result.value_ = to_bytes(without_leading_zeros(value));
  if (result.value_.empty()) refuse("the public value is missing");
  result.native_ = std::make_shared<NativeKey>(
      finite_field_key(type == KeyType::kDsa ? "DSA" : "DH", result.domain_, result.value_, nullptr));
  return result;
}

PublicKey PublicKey::dsa(const DomainParameters& domain, ByteView value) {
  if (without_leading_zeros(domain.subprime).empty()) refuse("a DSA key needs a subprime");
  return over_field(KeyType::kDsa, domain, value);
}

PublicKey PublicKey::dh(const DomainParameters& domain, ByteView value) {
  return over_field(KeyType::kDh, domain, value);
}

std::optional<PublicKey> finite_field_public(KeyType type, const EVP_PKEY* key) {
  const char* const names[] = {OSSL_PKEY_PARAM_FFC_P, OSSL_PKEY_PARAM_FFC_Q, OSSL_PKEY_PARAM_FFC_G,
                               OSSL_PKEY_PARAM_PUB_KEY};
  Bytes numbers[4];  // what the key does not have stays empty
  for (size_t i = 0; i < 4; ++i) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(key, names[i], &raw) != 1) continue;
    numbers[i] = big_endian_bytes(BigNumber(raw).get());
  }
  try {
    const DomainParameters domain{numbers[0], numbers[1], numbers[2]};
    return type == KeyType::kDsa ? PublicKey::dsa(domain, numbers[3]) : PublicKey::dh(domain, numbers[3]);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    return std::nullopt;
  }
}

bool PublicKey::dsa_verify(ByteView digest, ByteView signature) const {
  if (type_ != KeyType::kDsa) refuse("DSA needs a DSA key");
  if (signature.size() != 2 * domain_.subprime.size()) return false;
  Bytes der = ecdsa_signature_to_der(signature);
  NativeKey::Lease context = native_->context(NativeKey::Operation::kVerify);
  const uint8_t none = 0;
  bool good = EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.empty() ? &none : digest.data(),
                              digest.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

}  // namespace vtpm::crypto
