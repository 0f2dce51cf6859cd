// SPDX-License-Identifier: Apache-2.0
// The low-level RSA and EC_KEY functions are deprecated in OpenSSL 3.0; they are what libtpms calls.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tpm/host/acceleration.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "crypto/library/openssl.h"
#include "crypto/library/want_of_memory.h"
#include "tpm/host/guard.h"
#include "tpm/host/libcrypto_calls.h"

namespace vtpm::tpm {

using crypto::BigNumber;
using crypto::BigNumberContext;
using Group = crypto::Owned<EC_GROUP, EC_GROUP_free>;
using Rsa = crypto::Owned<RSA, RSA_free>;

struct Acceleration::Curve {
  Group group;
  BigNumber p, a, b;
};

struct Acceleration::RsaKey {
  BigNumber n, d;
  crypto::Key key;
};

namespace {

constexpr int kNamedCurves[] = {NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1, NID_secp224r1,
                                NID_X9_62_prime192v1};

BigNumber copy_of(const BIGNUM* number) { return BigNumber(BN_dup(number)); }

/// The integer part of the square root. Newton's method from above.
BigNumber square_root(const BIGNUM* number, BN_CTX* context) {
  BigNumber root(BN_new()), next(BN_new());
  if (!root || !next || !BN_set_bit(root.get(), (BN_num_bits(number) + 1) / 2)) return nullptr;
  for (;;) {
    if (!BN_div(next.get(), nullptr, number, root.get(), context)) return nullptr;
    if (!BN_add(next.get(), next.get(), root.get()) || !BN_rshift1(next.get(), next.get())) return nullptr;
    if (BN_cmp(next.get(), root.get()) >= 0) return root;
    BN_swap(root.get(), next.get());
  }
}

/// p, if d is the inverse of e modulo (p - 1)(q - 1), as libtpms makes it: then e d - 1 is that product times the least
/// number above e d / n, the product gives p + q, and p is a root of x^2 - (p + q) x + n. A square root costs a
/// fiftieth of a power. Null, or any number, when d is not that inverse.
BigNumber prime_of_totient(const BIGNUM* n, const BIGNUM* e, const BIGNUM* d, BN_CTX* context) {
  BigNumber product(BN_new()), factor(BN_new()), totient(BN_new()), sum(BN_new()), square(BN_new()), four_n(BN_new());
  if (!product || !factor || !totient || !sum || !square || !four_n) return nullptr;
  if (!BN_mul(product.get(), e, d, context)) return nullptr;
  for (BIGNUM* secret : {product.get(), totient.get(), sum.get(), square.get()}) BN_set_flags(secret, BN_FLG_CONSTTIME);
  if (!BN_div(factor.get(), nullptr, product.get(), n, context) || !BN_add_word(factor.get(), 1)) return nullptr;
  if (!BN_div(totient.get(), nullptr, product.get(), factor.get(), context)) return nullptr;
  if (!BN_sub(sum.get(), n, totient.get()) || !BN_add_word(sum.get(), 1)) return nullptr;
  if (!BN_sqr(square.get(), sum.get(), context) || !BN_lshift(four_n.get(), n, 2)) return nullptr;
  if (!BN_sub(square.get(), square.get(), four_n.get()) || BN_is_negative(square.get())) return nullptr;
  BigNumber difference = square_root(square.get(), context);
  if (!difference || !BN_add(sum.get(), sum.get(), difference.get()) || !BN_rshift1(sum.get(), sum.get()))
    return nullptr;
  return sum;
}

/// p from n, e and dP; null when the numbers do not belong together.
BigNumber prime_of_exponent(const BIGNUM* n, const BIGNUM* e, const BIGNUM* dp, BN_CTX* context) {
  BigNumber exponent(BN_new()), power(BN_new()), two(BN_new()), p(BN_new());
  if (!exponent || !power || !two || !p) return nullptr;
  if (!BN_mul(exponent.get(), e, dp, context) || !BN_set_word(two.get(), 2)) return nullptr;
  BN_set_flags(exponent.get(), BN_FLG_CONSTTIME);  // as secret as dP
  if (!BN_mod_exp(power.get(), two.get(), exponent.get(), n, context)) return nullptr;
  if (!BN_mod_sub(power.get(), power.get(), two.get(), n, context)) return nullptr;
  if (!BN_gcd(p.get(), power.get(), n, context)) return nullptr;
  if (BN_is_one(p.get()) || BN_cmp(p.get(), n) == 0) return nullptr;
  return p;
}

/// d mod (prime - 1)
BigNumber reduce(const BIGNUM* d, const BIGNUM* prime, BN_CTX* context) {
  BigNumber order(BN_dup(prime)), reduced(BN_new());
  if (!order || !reduced || !BN_sub_word(order.get(), 1)) return nullptr;
  BN_set_flags(order.get(), BN_FLG_CONSTTIME);
  return BN_mod(reduced.get(), d, order.get(), context) ? std::move(reduced) : nullptr;
}

/// The numbers of an RSA key besides n, e and d.
struct Factors {
  BigNumber p, q, p_exponent, q_exponent;
};

/// Makes the factors from `prime`, which may be null. Returns nothing unless it is one of the primes of n, and dP
/// belongs to one of the two.
std::optional<Factors> factors_of(BigNumber prime, const BIGNUM* n, const BIGNUM* d, const BIGNUM* dp,
                                  BN_CTX* context) {
  if (!prime || BN_is_zero(prime.get()) || BN_is_one(prime.get()) || BN_cmp(prime.get(), n) >= 0) return std::nullopt;
  Factors made{std::move(prime), BigNumber(BN_new()), nullptr, nullptr};
  BigNumber rest(BN_new());
  if (!made.q || !rest) return std::nullopt;
  BN_set_flags(made.p.get(), BN_FLG_CONSTTIME);
  if (!BN_div(made.q.get(), rest.get(), n, made.p.get(), context) || !BN_is_zero(rest.get())) return std::nullopt;
  BN_set_flags(made.q.get(), BN_FLG_CONSTTIME);
  made.p_exponent = reduce(d, made.p.get(), context);
  made.q_exponent = reduce(d, made.q.get(), context);
  if (!made.p_exponent || !made.q_exponent) return std::nullopt;
  if (BN_cmp(made.q_exponent.get(), dp) == 0) {
    std::swap(made.p, made.q);
    std::swap(made.p_exponent, made.q_exponent);
  }
  if (BN_cmp(made.p_exponent.get(), dp) != 0) return std::nullopt;
  return made;
}

crypto::Key build_key(const BIGNUM* n, const BIGNUM* e, const BIGNUM* d, const BIGNUM* dp) {
  BigNumberContext context(BN_CTX_secure_new());
  BigNumber coefficient(BN_new());
  if (!context || !coefficient) return nullptr;
  auto factors = factors_of(prime_of_totient(n, e, d, context.get()), n, d, dp, context.get());
  if (!factors) factors = factors_of(prime_of_exponent(n, e, dp, context.get()), n, d, dp, context.get());
  if (!factors) return nullptr;
  auto& [p, q, p_exponent, q_exponent] = *factors;
  if (!BN_mod_inverse(coefficient.get(), q.get(), p.get(), context.get())) return nullptr;

  Rsa rsa(RSA_new());
  BigNumber modulus = copy_of(n), public_exponent = copy_of(e), private_exponent = copy_of(d);
  crypto::Key key(EVP_PKEY_new());
  if (!rsa || !key || !modulus || !public_exponent || !private_exponent) return nullptr;
  // Each set0 takes its numbers over, if it succeeds.
  if (!RSA_set0_key(rsa.get(), modulus.get(), public_exponent.get(), private_exponent.get())) return nullptr;
  (void)modulus.release(), (void)public_exponent.release(), (void)private_exponent.release();
  if (!RSA_set0_factors(rsa.get(), p.get(), q.get())) return nullptr;
  (void)p.release(), (void)q.release();
  if (!RSA_set0_crt_params(rsa.get(), p_exponent.get(), q_exponent.get(), coefficient.get())) return nullptr;
  (void)p_exponent.release(), (void)q_exponent.release(), (void)coefficient.release();
  if (!EVP_PKEY_set1_RSA(key.get(), rsa.get())) return nullptr;
  return key;
}

}  // namespace

Acceleration::Acceleration() { crypto::ensure_openssl(); }  // before libtpms makes the first call
Acceleration::~Acceleration() = default;

ec_group_st* Acceleration::named_curve(const BIGNUM* p, const BIGNUM* a, const BIGNUM* b) {
  for (const Curve& curve : curves_) {
    if (BN_cmp(curve.p.get(), p) == 0 && BN_cmp(curve.a.get(), a) == 0 && BN_cmp(curve.b.get(), b) == 0)
      return curve.group.get();
  }
  for (const int nid : kNamedCurves) {
    Curve curve{Group(EC_GROUP_new_by_curve_name(nid)), BigNumber(BN_new()), BigNumber(BN_new()), BigNumber(BN_new())};
    if (!curve.group || !curve.p || !curve.a || !curve.b) return nullptr;
    if (!EC_GROUP_get_curve(curve.group.get(), curve.p.get(), curve.a.get(), curve.b.get(), nullptr)) return nullptr;
    if (BN_cmp(curve.p.get(), p) != 0 || BN_cmp(curve.a.get(), a) != 0 || BN_cmp(curve.b.get(), b) != 0) continue;
    if (crypto::wanted_memory()) return nullptr;  // libcrypto goes on without some tables of a group
    curves_.push_back(std::move(curve));
    return curves_.back().group.get();
  }
  return nullptr;
}

bool Acceleration::owns(const ec_group_st* group) const {
  return std::any_of(curves_.begin(), curves_.end(), [&](const Curve& curve) { return curve.group.get() == group; });
}

evp_pkey_st* Acceleration::complete_rsa(const evp_pkey_st* key) {
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return nullptr;
  const RSA* rsa = EVP_PKEY_get0_RSA(key);
  if (rsa == nullptr) return nullptr;
  const BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *coefficient;
  RSA_get0_key(rsa, &n, &e, &d);
  RSA_get0_factors(rsa, &p, &q);
  RSA_get0_crt_params(rsa, &dp, &dq, &coefficient);
  if (n == nullptr || e == nullptr || d == nullptr || dp == nullptr || p != nullptr) return nullptr;

  auto found = std::find_if(rsa_.begin(), rsa_.end(), [&](const RsaKey& cached) {
    return BN_cmp(cached.n.get(), n) == 0 && BN_cmp(cached.d.get(), d) == 0;
  });
  if (found == rsa_.end()) {
    RsaKey fresh{copy_of(n), copy_of(d), build_key(n, e, d, dp)};
    if (!fresh.n || !fresh.d || !fresh.key || crypto::wanted_memory()) return nullptr;
    if (rsa_.size() == kRsaKeys) rsa_.pop_back();
    rsa_.push_back(std::move(fresh));
    found = rsa_.end() - 1;
  }
  std::rotate(rsa_.begin(), found, found + 1);
  return rsa_.front().key.get();
}

void Acceleration::forget() noexcept { rsa_.clear(); }

size_t Acceleration::cached_keys() const { return rsa_.size(); }

void Acceleration::clear_errors() noexcept { ERR_clear_error(); }

}  // namespace vtpm::tpm

using vtpm::tpm::adopted;
using vtpm::tpm::current_call;
using vtpm::tpm::go_on_if_memory_lasts;

// The redirected calls. If `new` fails in one of them, OpenSSL's own function is called, as without the acceleration.
extern "C" {

EC_GROUP* vtpm_tpm_ec_group_new(const BIGNUM* p, const BIGNUM* a, const BIGNUM* b, BN_CTX* context) {
  EC_GROUP* named = nullptr;
  try {
    named = current_call->acceleration->named_curve(p, a, b);
  } catch (...) {
  }
  go_on_if_memory_lasts();
  return named != nullptr ? named : adopted<EC_GROUP_free>(EC_GROUP_new_curve_GFp(p, a, b, context));
}

int vtpm_tpm_ec_group_set_generator(EC_GROUP* group, const EC_POINT* generator, const BIGNUM* order,
                                    const BIGNUM* cofactor) {
  // A named curve has its generator already. Another generator or order would be another group, so the call fails.
  const int answer = current_call->acceleration->owns(group)
                         ? BN_cmp(EC_GROUP_get0_order(group), order) == 0 &&
                               EC_POINT_cmp(group, EC_GROUP_get0_generator(group), generator, nullptr) == 0
                         : EC_GROUP_set_generator(group, generator, order, cofactor);
  go_on_if_memory_lasts();
  return answer;
}

void vtpm_tpm_ec_group_free(EC_GROUP* group) {
  if (current_call->acceleration->owns(group)) return;
  current_call->objects->disown(group);
  EC_GROUP_free(group);
}

// OpenSSL skips leading zeros one by one, which took a twentieth of the time of a P-256 signature.
BIGNUM* vtpm_tpm_number(const unsigned char* bytes, int count, BIGNUM* into) {
  uint64_t word = 0;
  while (count >= static_cast<int>(sizeof word)) {
    std::memcpy(&word, bytes, sizeof word);
    if (word != 0) break;
    bytes += sizeof word;
    count -= static_cast<int>(sizeof word);
  }
  if (into == nullptr) return adopted<BN_clear_free>(BN_bin2bn(bytes, count, nullptr));
  BIGNUM* const answer = BN_bin2bn(bytes, count, into);
  go_on_if_memory_lasts();
  return answer;
}

EVP_PKEY_CTX* vtpm_tpm_pkey_context_new(EVP_PKEY* key, ENGINE* engine) {
  EVP_PKEY* complete = nullptr;
  try {
    complete = current_call->acceleration->complete_rsa(key);
  } catch (...) {
  }
  go_on_if_memory_lasts();
  return adopted<EVP_PKEY_CTX_free>(EVP_PKEY_CTX_new(complete != nullptr ? complete : key, engine));
}

}  // extern "C"
