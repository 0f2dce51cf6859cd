// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/rsa_numbers.h"

namespace vtpm::crypto {
namespace {

[[noreturn]] void refuse(const char* reason) {
  ERR_clear_error();
  throw Error(ErrorCode::kInvalidArgument,
              std::string("the numbers of the RSA private key do not belong together: ") + reason);
}

BigNumber minus_one(const BIGNUM* number) {
  BigNumber result = secret_number();
  require_openssl(BN_copy(result.get(), number) != nullptr && BN_sub_word(result.get(), 1) == 1, "RSA arithmetic");
  BN_set_flags(result.get(), BN_FLG_CONSTTIME);
  return result;
}

BigNumber product(const BIGNUM* a, const BIGNUM* b, BN_CTX* context) {
  BigNumber result = secret_number();
  require_openssl(BN_mul(result.get(), a, b, context) == 1, "RSA arithmetic");
  return result;
}

// a mod m. Its value is secret, m may be a secret prime.
BigNumber remainder(const BIGNUM* a, const BIGNUM* m, BN_CTX* context) {
  BigNumber result = secret_number();
  require_openssl(BN_nnmod(result.get(), a, m, context) == 1, "RSA arithmetic");
  return result;
}

BigNumber cofactor(const BIGNUM* n, const BIGNUM* prime, BN_CTX* context) {
  BigNumber quotient = secret_number(), rest = secret_number();
  if (BN_is_zero(prime)) refuse("a prime is zero");
  require_openssl(BN_div(quotient.get(), rest.get(), n, prime, context) == 1, "RSA arithmetic");
  if (!BN_is_zero(rest.get())) refuse("the prime does not divide the modulus");
  return quotient;
}

// SP 800-56B, appendix C: e d - 1 = 2^t r is a multiple of the group's exponent, so that g^r, squared again and again,
// ends at 1; the value before it is a square root of 1, and for at least half of all g one other than +-1: a factor.
BigNumber find_prime(const RsaKeyNumbers& key, BN_CTX* context) {
  BigNumber exponent = minus_one(product(key.e.get(), key.d.get(), context).get());
  if (BN_is_zero(exponent.get())) refuse("the private exponent is trivial");
  int twos = 0;
  while (BN_is_bit_set(exponent.get(), twos) == 0) ++twos;
  BigNumber odd = secret_number();
  require_openssl(BN_rshift(odd.get(), exponent.get(), twos) == 1, "RSA arithmetic");
  BN_set_flags(odd.get(), BN_FLG_CONSTTIME);
  BigNumber minus = minus_one(key.n.get()), base = secret_number(), root = secret_number(), square = secret_number();

  constexpr BN_ULONG kTrials = 200;  // each fails with probability 1/2 at most
  for (BN_ULONG g = 2; g < kTrials; ++g) {
    require_openssl(
        BN_set_word(base.get(), g) == 1 && BN_mod_exp(root.get(), base.get(), odd.get(), key.n.get(), context) == 1,
        "RSA arithmetic");
    if (BN_is_one(root.get())) continue;
    for (int i = 0; i < twos && BN_cmp(root.get(), minus.get()) != 0; ++i) {
      require_openssl(BN_mod_sqr(square.get(), root.get(), key.n.get(), context) == 1, "RSA arithmetic");
      if (BN_is_one(square.get())) {
        BigNumber below = minus_one(root.get()), prime = secret_number();
        require_openssl(BN_gcd(prime.get(), below.get(), key.n.get(), context) == 1, "RSA arithmetic");
        return prime;
      }
      std::swap(root, square);
    }
  }
  refuse("the exponents are not inverses of each other");
}

// dP = d mod p-1, if it is the inverse of e.
BigNumber crt_exponent(const RsaKeyNumbers& key, const BIGNUM* prime, BN_CTX* context) {
  BigNumber order = minus_one(prime);
  BigNumber exponent = remainder(key.d.get(), order.get(), context);
  BigNumber one = remainder(product(exponent.get(), key.e.get(), context).get(), order.get(), context);
  if (!BN_is_one(one.get())) refuse("the exponents are not inverses of each other");
  return exponent;
}

void check_given(ByteView given, const BIGNUM* computed, const char* reason) {
  if (!given.empty() && BN_cmp(secret_number(given).get(), computed) != 0) refuse(reason);
}

/// A prime of which the two highest bits are set, so that the product of two has all the bits that it can have.
BigNumber make_prime(unsigned bits, const BIGNUM* exponent, BN_CTX* context) {
  BigNumber prime = secret_number(), common = secret_number();
  do {
    require_openssl(
        BN_generate_prime_ex2(prime.get(), static_cast<int>(bits), 0, nullptr, nullptr, nullptr, context) == 1 &&
            BN_gcd(common.get(), minus_one(prime.get()).get(), exponent, context) == 1,
        "making a prime");
  } while (!BN_is_one(common.get()));
  return prime;
}

}  // namespace

RsaKeyNumbers complete_rsa_numbers(const RsaNumbers& numbers) {
  ensure_openssl();
  BigNumberContext context(BN_CTX_secure_new());
  require_openssl(context != nullptr, "RSA arithmetic");
  RsaKeyNumbers key;
  key.n = public_number(numbers.modulus);
  key.e = public_number(numbers.public_exponent);
  key.d = secret_number(numbers.private_exponent);
  if (!BN_is_odd(key.n.get()) || !BN_is_odd(key.e.get()) || BN_is_one(key.e.get()))
    refuse("n or e is not valid for RSA");
  if (BN_is_zero(key.d.get()) || BN_cmp(key.d.get(), key.n.get()) >= 0) refuse("d is not between 0 and the modulus");

  bool q_only = numbers.prime1.empty() && !numbers.prime2.empty();
  if (q_only) {
    key.q = secret_number(numbers.prime2);
    key.p = cofactor(key.n.get(), key.q.get(), context.get());
  } else {
    key.p = numbers.prime1.empty() ? find_prime(key, context.get()) : secret_number(numbers.prime1);
    key.q = cofactor(key.n.get(), key.p.get(), context.get());
  }
  check_given(numbers.prime2, key.q.get(), "the primes are not the modulus's");
  if (BN_is_one(key.p.get()) || BN_is_one(key.q.get()) || BN_cmp(key.p.get(), key.q.get()) == 0) {
    refuse("the primes are trivial");
  }

  key.dp = crt_exponent(key, key.p.get(), context.get());
  key.dq = crt_exponent(key, key.q.get(), context.get());
  check_given(numbers.exponent1, key.dp.get(), "the first CRT exponent is another key's");
  check_given(numbers.exponent2, key.dq.get(), "the second CRT exponent is another key's");
  key.qinv = secret_number();
  if (BN_mod_inverse(key.qinv.get(), key.q.get(), key.p.get(), context.get()) == nullptr) refuse("q has no inverse");
  check_given(numbers.coefficient, key.qinv.get(), "the CRT coefficient is another key's");
  return key;
}

RsaNumbers make_rsa_numbers(unsigned bits, ByteView exponent) {
  ensure_openssl();
  BigNumberContext context(BN_CTX_secure_new());
  require_openssl(context != nullptr, "RSA arithmetic");
  const BigNumber e = public_number(exponent);
  // Of different sizes, so they differ by enough (SP 800-56B, 6.3.1).
  const BigNumber p = make_prime((bits + 1) / 2, e.get(), context.get());
  const BigNumber q = make_prime(bits / 2, e.get(), context.get());
  const BigNumber p1 = minus_one(p.get()), q1 = minus_one(q.get());
  BigNumber common = secret_number(), order = secret_number(), d = secret_number();
  require_openssl(BN_gcd(common.get(), p1.get(), q1.get(), context.get()) == 1 &&
                      BN_div(order.get(), nullptr, product(p1.get(), q1.get(), context.get()).get(), common.get(),
                             context.get()) == 1,
                  "RSA arithmetic");
  BN_set_flags(order.get(), BN_FLG_CONSTTIME);
  require_openssl(BN_mod_inverse(d.get(), e.get(), order.get(), context.get()) != nullptr, "RSA arithmetic");
  RsaNumbers numbers;
  numbers.modulus = big_endian_bytes(product(p.get(), q.get(), context.get()).get());
  numbers.public_exponent = to_bytes(exponent);
  numbers.private_exponent = secret_big_endian_bytes(d.get());
  numbers.prime1 = secret_big_endian_bytes(p.get());
  return numbers;
}

}  // namespace vtpm::crypto
