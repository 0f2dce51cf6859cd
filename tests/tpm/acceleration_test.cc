// SPDX-License-Identifier: Apache-2.0
// What the acceleration recognizes, and that it changes nothing else.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tpm/host/acceleration.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/rsa.h>

#include "crypto/library/openssl.h"

namespace vtpm::tpm {
namespace {

using crypto::BigNumber;
using Group = crypto::Owned<EC_GROUP, EC_GROUP_free>;
using Rsa = crypto::Owned<RSA, RSA_free>;

struct Numbers {
  BigNumber p{BN_new()}, a{BN_new()}, b{BN_new()};
  explicit Numbers(int nid) {
    const Group group(EC_GROUP_new_by_curve_name(nid));
    EC_GROUP_get_curve(group.get(), p.get(), a.get(), b.get(), nullptr);
  }
};

TEST(AccelerationTest, TheNumbersOfNistCurvesGiveNamedCurves) {
  Acceleration acceleration;
  for (const int nid :
       {NID_X9_62_prime192v1, NID_secp224r1, NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1, NID_secp384r1}) {
    const Numbers curve(nid);
    EC_GROUP* group = acceleration.named_curve(curve.p.get(), curve.a.get(), curve.b.get());
    ASSERT_NE(group, nullptr);
    EXPECT_EQ(EC_GROUP_get_curve_name(group), nid);
    EXPECT_TRUE(acceleration.owns(group));
    EXPECT_EQ(acceleration.named_curve(curve.p.get(), curve.a.get(), curve.b.get()), group);
  }
}

TEST(AccelerationTest, OtherCurvesAreNotReplaced) {
  Acceleration acceleration;
  const Numbers other(NID_brainpoolP256r1);
  EXPECT_EQ(acceleration.named_curve(other.p.get(), other.a.get(), other.b.get()), nullptr);
  Numbers changed(NID_X9_62_prime256v1);
  BN_add_word(changed.b.get(), 1);
  EXPECT_EQ(acceleration.named_curve(changed.p.get(), changed.a.get(), changed.b.get()), nullptr);
  const Group group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  EXPECT_FALSE(acceleration.owns(group.get()));
}

/// The numbers of `whole` that libtpms passes to OpenSSL: n, e, d, dP, dQ, qInv, and no primes.
crypto::Key as_libtpms(const RSA* whole, bool with_private, bool spoil = false) {
  const Rsa part(RSA_new());
  const BIGNUM *n, *e, *d, *dp, *dq, *qinv;
  RSA_get0_key(whole, &n, &e, &d);
  RSA_get0_crt_params(whole, &dp, &dq, &qinv);
  RSA_set0_key(part.get(), BN_dup(n), BN_dup(e), with_private ? BN_dup(d) : nullptr);
  if (with_private) {
    BIGNUM* exponent = BN_dup(dp);
    if (spoil) BN_add_word(exponent, 2);
    RSA_set0_crt_params(part.get(), exponent, BN_dup(dq), BN_dup(qinv));
  }
  crypto::Key key(EVP_PKEY_new());
  EVP_PKEY_set1_RSA(key.get(), part.get());
  return key;
}

TEST(AccelerationTest, ThePrimesOfAnRsaKeyAreFound) {
  crypto::ensure_openssl();
  for (const unsigned long exponent : {7ul, 17ul, 65537ul, 4294967291ul}) {
    const Rsa whole(RSA_new());
    const BigNumber e(BN_new());
    BN_set_word(e.get(), exponent);
    ASSERT_EQ(RSA_generate_key_ex(whole.get(), 1024, e.get(), nullptr), 1);
    Acceleration acceleration;
    const crypto::Key key = as_libtpms(whole.get(), true);
    EVP_PKEY* complete = acceleration.complete_rsa(key.get());
    ASSERT_NE(complete, nullptr) << exponent;
    EXPECT_EQ(acceleration.complete_rsa(key.get()), complete);
    EXPECT_EQ(acceleration.cached_keys(), 1u);
    const RSA* rsa = EVP_PKEY_get0_RSA(complete);
    EXPECT_EQ(RSA_check_key(rsa), 1);
    EXPECT_EQ(BN_cmp(RSA_get0_p(rsa), RSA_get0_p(whole.get())), 0);
    EXPECT_EQ(RSA_test_flags(rsa, RSA_FLAG_NO_BLINDING), 0);
    acceleration.forget();
    EXPECT_EQ(acceleration.cached_keys(), 0u);
  }
}

// libtpms computes d as the inverse of e modulo (p - 1)(q - 1), OpenSSL modulo the least common multiple.
BIGNUM* totient_exponent(const RSA* rsa, BN_CTX* context) {
  const BigNumber p(BN_dup(RSA_get0_p(rsa))), q(BN_dup(RSA_get0_q(rsa))), totient(BN_new());
  BN_sub_word(p.get(), 1);
  BN_sub_word(q.get(), 1);
  BN_mul(totient.get(), p.get(), q.get(), context);
  return BN_mod_inverse(nullptr, RSA_get0_e(rsa), totient.get(), context);
}

TEST(AccelerationTest, ThePrimesAreFoundForBothKindsOfPrivateExponent) {
  crypto::ensure_openssl();
  const crypto::BigNumberContext context(BN_CTX_new());
  for (const unsigned bits : {1024u, 2048u}) {
    for (int i = 0; i < 3; ++i) {
      const crypto::Key whole(EVP_RSA_gen(bits));
      RSA* rsa = const_cast<RSA*>(EVP_PKEY_get0_RSA(whole.get()));
      for (const bool of_totient : {false, true}) {
        if (of_totient) RSA_set0_key(rsa, nullptr, nullptr, totient_exponent(rsa, context.get()));
        Acceleration acceleration;
        EVP_PKEY* complete = acceleration.complete_rsa(as_libtpms(rsa, true).get());
        ASSERT_NE(complete, nullptr) << bits;
        EXPECT_EQ(RSA_check_key(EVP_PKEY_get0_RSA(complete)), 1);
        EXPECT_EQ(BN_cmp(RSA_get0_p(EVP_PKEY_get0_RSA(complete)), RSA_get0_p(rsa)), 0);
        EXPECT_EQ(BN_cmp(RSA_get0_dmq1(EVP_PKEY_get0_RSA(complete)), RSA_get0_dmq1(rsa)), 0);
      }
    }
  }
}

TEST(AccelerationTest, OtherKeysAreNotReplaced) {
  Acceleration acceleration;
  const crypto::Key whole(EVP_RSA_gen(1024)), ec(EVP_EC_gen("P-256"));
  const RSA* rsa = EVP_PKEY_get0_RSA(whole.get());
  EXPECT_EQ(acceleration.complete_rsa(nullptr), nullptr);
  EXPECT_EQ(acceleration.complete_rsa(ec.get()), nullptr);
  EXPECT_EQ(acceleration.complete_rsa(as_libtpms(rsa, false).get()), nullptr);       // a public key
  EXPECT_EQ(acceleration.complete_rsa(as_libtpms(rsa, true, true).get()), nullptr);  // dP is another key's
  EXPECT_EQ(acceleration.cached_keys(), 0u);
  Acceleration::clear_errors();
}

TEST(AccelerationTest, TheCacheKeepsAFewKeys) {
  Acceleration acceleration;
  for (int i = 0; i < 12; ++i) {
    const crypto::Key whole(EVP_RSA_gen(1024));
    EXPECT_NE(acceleration.complete_rsa(as_libtpms(EVP_PKEY_get0_RSA(whole.get()), true).get()), nullptr);
  }
  EXPECT_EQ(acceleration.cached_keys(), 8u);
}

}  // namespace
}  // namespace vtpm::tpm
