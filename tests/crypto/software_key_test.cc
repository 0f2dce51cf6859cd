// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/software_key.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "crypto/hash/digest.h"
#include "crypto/library/openssl.h"
#include "crypto/library/random.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

const Bytes kF4 = {1, 0, 1};

RsaNumbers clone(const RsaNumbers& n) {
  return {n.modulus,        n.public_exponent,   n.private_exponent.clone(), n.prime1.clone(),
          n.prime2.clone(), n.exponent1.clone(), n.exponent2.clone(),        n.coefficient.clone()};
}

class RsaKeyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { key_ = SoftwareKey::generate_rsa(1024, kF4).release(); }
  static void TearDownTestSuite() { delete key_; }
  static SoftwareKey* key_;

  // A key with other CRT numbers than `numbers` had would give another answer here.
  static bool same_key(SoftwareKey& other) {
    Bytes block = random_bytes(128);
    block[0] = 0;
    return equal(other.rsa_private(key_->public_key().rsa_public(block).value()), block);
  }
};
SoftwareKey* RsaKeyTest::key_ = nullptr;

TEST_F(RsaKeyTest, AGeneratedKeyHasConsistentNumbers) {
  const PublicKey& half = key_->public_key();
  EXPECT_EQ(half.type(), KeyType::kRsa);
  EXPECT_EQ(half.bits(), 1024u);
  EXPECT_EQ(half.exponent(), kF4);
  EXPECT_TRUE(same_key(*key_));
  RsaNumbers numbers = key_->rsa_numbers();
  EXPECT_EQ(numbers.modulus, half.modulus());
  EXPECT_EQ(numbers.prime1.size(), 64u);
  EXPECT_EQ(numbers.prime2.size(), 64u);
}

TEST_F(RsaKeyTest, GeneratesOddSizesAndOtherExponents) {
  auto key = SoftwareKey::generate_rsa(1026, Bytes{0, 3});
  EXPECT_EQ(key->public_key().bits(), 1026u);
  EXPECT_EQ(key->public_key().exponent(), Bytes{3});
  auto large = SoftwareKey::generate_rsa(2048, from_hex("ffffffffffffffff"));
  EXPECT_EQ(large->public_key().exponent(), from_hex("ffffffffffffffff"));
  Bytes block(256, 0);
  block[255] = 2;
  EXPECT_EQ(large->public_key().rsa_public(large->rsa_private(block)), block);
}

TEST_F(RsaKeyTest, RejectsSizesAndExponentsOutOfRange) {
  auto code = [](unsigned bits, ByteView e) { return error_of([&] { SoftwareKey::generate_rsa(bits, e); }); };
  EXPECT_EQ(code(1022, kF4), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(8194, kF4), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1024, Bytes{1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1024, Bytes{2}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1024, Bytes{}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1024, Bytes(9, 1)), ErrorCode::kInvalidArgument);
}

// All numbers may be missing that PKCS #11 allows to omit, and more: n, e and d suffice.
TEST_F(RsaKeyTest, MissingNumbersAreComputed) {
  const RsaNumbers full = key_->rsa_numbers();
  for (unsigned left_out = 0; left_out < 32; ++left_out) {
    SCOPED_TRACE(left_out);
    RsaNumbers numbers = clone(full);
    if ((left_out & 1) != 0) numbers.prime1.clear();
    if ((left_out & 2) != 0) numbers.prime2.clear();
    if ((left_out & 4) != 0) numbers.exponent1.clear();
    if ((left_out & 8) != 0) numbers.exponent2.clear();
    if ((left_out & 16) != 0) numbers.coefficient.clear();
    if ((left_out & 3) == 3 && (left_out & 28) != 28) continue;  // the order of the primes could not be known
    auto imported = SoftwareKey::import_rsa(numbers);
    EXPECT_TRUE(same_key(*imported));
    RsaNumbers got = imported->rsa_numbers();
    EXPECT_TRUE(equal(got.private_exponent, full.private_exponent));
    bool swapped = !equal(got.prime1, full.prime1);
    EXPECT_TRUE(equal(got.prime1, swapped ? full.prime2 : full.prime1));
    EXPECT_TRUE(equal(got.exponent1, swapped ? full.exponent2 : full.exponent1));
    EXPECT_TRUE(swapped || equal(got.coefficient, full.coefficient));
  }
}

TEST_F(RsaKeyTest, ImportAcceptsLeadingZerosAndSwappedPrimes) {
  RsaNumbers numbers = key_->rsa_numbers();
  std::swap(numbers.prime1, numbers.prime2);
  std::swap(numbers.exponent1, numbers.exponent2);
  numbers.coefficient.clear();
  for (SecretBytes* number : {&numbers.private_exponent, &numbers.prime1, &numbers.exponent2}) {
    SecretBytes padded(3);
    padded.append(*number);
    *number = std::move(padded);
  }
  EXPECT_TRUE(same_key(*SoftwareKey::import_rsa(numbers)));
}

TEST_F(RsaKeyTest, RejectsInconsistentNumbers) {
  auto refused = [&](const std::function<void(RsaNumbers&)>& change) {
    RsaNumbers numbers = key_->rsa_numbers();
    change(numbers);
    bool result = error_of([&] { SoftwareKey::import_rsa(numbers); }) == ErrorCode::kInvalidArgument;
    EXPECT_EQ(ERR_peek_error(), 0u);
    return result;
  };
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.modulus.back() ^= 4; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.public_exponent = {3}; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.private_exponent[100] ^= 1; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.private_exponent.clear(); }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.private_exponent.append(Bytes(1)); }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.prime1[30] ^= 1; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.prime2[30] ^= 1; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.exponent1[30] ^= 1; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.exponent2[30] ^= 1; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.coefficient[30] ^= 1; }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { std::swap(n.exponent1, n.exponent2); }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.prime1 = SecretBytes(Bytes{1}); }));
  EXPECT_TRUE(refused([](RsaNumbers& n) { n.prime1 = SecretBytes(Bytes{0, 0}); }));
  EXPECT_TRUE(refused([](RsaNumbers& n) {  // d that is no inverse, nothing else to compare with
    n.private_exponent[5] ^= 1;
    for (SecretBytes* number : {&n.prime1, &n.prime2, &n.exponent1, &n.exponent2, &n.coefficient}) number->clear();
  }));
}

// One of the "primes" is composite: q is 5 times a prime, and the exponents are computed as if it were prime. Every
// congruence holds, so only a trial of the key can notice it.
TEST_F(RsaKeyTest, CompositePrimesAreRejected) {
  RsaNumbers real = key_->rsa_numbers();
  BigNumber p(BN_bin2bn(real.prime1.data(), 64, nullptr)), q(BN_bin2bn(real.prime2.data(), 64, nullptr));
  BigNumber n(BN_new()), d(BN_new()), order(BN_new()), p1(BN_dup(p.get())), q1(BN_new()), e(BN_new());
  BigNumberContext context(BN_CTX_new());
  BN_set_word(e.get(), 65537);
  BN_mul_word(q.get(), 5);
  BN_copy(q1.get(), q.get());
  BN_sub_word(p1.get(), 1);
  BN_sub_word(q1.get(), 1);
  BN_mul(n.get(), p.get(), q.get(), context.get());
  BN_mul(order.get(), p1.get(), q1.get(), context.get());
  ASSERT_NE(BN_mod_inverse(d.get(), e.get(), order.get(), context.get()), nullptr);
  auto bytes = [](const BigNumber& number) {
    Bytes out(static_cast<size_t>(BN_num_bytes(number.get())));
    BN_bn2bin(number.get(), out.data());
    return out;
  };
  RsaNumbers fake;
  fake.modulus = bytes(n);
  fake.public_exponent = kF4;
  fake.private_exponent = SecretBytes(bytes(d));
  fake.prime1 = SecretBytes(bytes(p));
  fake.prime2 = SecretBytes(bytes(q));
  EXPECT_EQ(error_of([&] { SoftwareKey::import_rsa(fake); }), ErrorCode::kInvalidArgument);
}

TEST_F(RsaKeyTest, BlocksOfAnotherSizeAreRejected) {
  EXPECT_EQ(error_of([&] { key_->rsa_private(Bytes(127)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { key_->rsa_private({}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { key_->ecdsa_sign(Bytes(32)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { key_->ec_scalar(); }), ErrorCode::kInvalidArgument);
}

TEST_F(RsaKeyTest, ThreadsShareOneKey) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        if (!same_key(*key_)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(EcKey, ImportedScalarsHaveTheirPublishedPoints) {
  for_each_case("ec_key.txt", [](const Case& c) {
    auto key = SoftwareKey::import_ec(c.curve(), c.bytes("scalar"));
    EXPECT_EQ(key->public_key().point(), c.bytes("point"));
    EXPECT_EQ(to_hex(key->ec_scalar()), c.text("scalar"));
    Bytes padded(5, 0);
    append(padded, c.bytes("scalar"));
    EXPECT_EQ(SoftwareKey::import_ec(c.curve(), padded)->public_key().point(), c.bytes("point"));
  });
}

TEST(EcKey, ScalarsOutOfRangeAreRejected) {
  // SP 800-186: the orders of the groups
  const std::pair<Curve, const char*> kOrders[] = {
      {Curve::kP256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"},
      {Curve::kP384,
       "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"},
      {Curve::kP521,
       "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899"
       "c"
       "47aebb6fb71e91386409"},
      {Curve::kP224, "ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d"},
      {Curve::kSecp256k1, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"},
  };
  for (const auto& row : kOrders) {
    const Curve curve = row.first;  // a lambda of C++20 as clang 14 knows it captures no structured binding
    const Bytes order = from_hex(row.second);
    for (const Bytes& bad : {Bytes{}, Bytes{0}, order, Bytes(curve_bytes(curve), 0xff), Bytes(100, 1)}) {
      EXPECT_EQ(error_of([&] { SoftwareKey::import_ec(curve, bad); }), ErrorCode::kInvalidArgument);
    }
    Bytes largest = order;
    largest.back() -= 1;
    EXPECT_TRUE(equal(SoftwareKey::import_ec(curve, largest)->ec_scalar(), largest));
    auto one = SoftwareKey::import_ec(curve, Bytes{1});
    EXPECT_EQ(one->ec_scalar().size(), curve_bytes(curve));
  }
}

TEST(EcKey, GeneratedKeysSign) {
  for (Curve curve : {Curve::kP256, Curve::kP384, Curve::kP521, Curve::kP224, Curve::kSecp256k1, Curve::kBrainpoolP256,
                      Curve::kBrainpoolP384, Curve::kBrainpoolP512}) {
    auto key = SoftwareKey::generate_ec(curve), other = SoftwareKey::generate_ec(curve);
    EXPECT_NE(key->public_key().point(), other->public_key().point());
    for (size_t size : {0u, 1u, 20u, 32u, 48u, 64u, 66u, 100u}) {
      Bytes hash = random_bytes(size);
      Bytes signature = key->ecdsa_sign(hash);
      EXPECT_EQ(signature.size(), 2 * curve_bytes(curve));
      EXPECT_TRUE(key->public_key().ecdsa_verify(hash, signature)) << size;
      EXPECT_FALSE(other->public_key().ecdsa_verify(hash, signature)) << size;
      EXPECT_NE(key->ecdsa_sign(hash), signature) << "a nonce was used twice";
    }
    EXPECT_EQ(error_of([&] { key->rsa_private(Bytes(128)); }), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of([&] { key->rsa_numbers(); }), ErrorCode::kInvalidArgument);
  }
}

// Short r and s are padded: one in 256 of each begins with a zero byte.
TEST(EcKey, SignaturesHaveFixedWidth) {
  auto key = SoftwareKey::generate_ec(Curve::kP256);
  Bytes hash(32, 0x42);
  int short_r = 0, short_s = 0;
  for (int i = 0; i < 20000 && (short_r == 0 || short_s == 0); ++i) {
    Bytes signature = key->ecdsa_sign(hash);
    ASSERT_EQ(signature.size(), 64u);
    if (signature[0] != 0 && signature[32] != 0) continue;
    short_r += signature[0] == 0;
    short_s += signature[32] == 0;
    ASSERT_TRUE(key->public_key().ecdsa_verify(hash, signature));
  }
  EXPECT_GT(short_r, 0);
  EXPECT_GT(short_s, 0);
}

TEST(EcKey, EcdhMatchesThePublishedVectors) {
  for_each_case("ecdh.txt", [](const Case& c) {
    auto key = SoftwareKey::import_ec(c.curve(), c.bytes("scalar"));
    if (c.good()) {
      EXPECT_EQ(to_hex(key->ecdh(c.bytes("point"))), c.text("secret"));
      EXPECT_EQ(to_hex(key->ecdh(c.bytes("point"))), c.text("secret")) << "a second time";
      Bytes compressed = to_bytes(ByteView(c.bytes("point")).first(1 + curve_bytes(c.curve())));
      compressed[0] = 2;
      EXPECT_EQ(error_of([&] { key->ecdh(compressed); }), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error_of([&] { key->ecdh({}); }), ErrorCode::kInvalidArgument);
      EXPECT_EQ(to_hex(key->ecdh(c.bytes("point"))), c.text("secret")) << "after a refused point";
    } else {
      EXPECT_EQ(error_of([&] { key->ecdh(c.bytes("point")); }), ErrorCode::kInvalidArgument);
    }
    EXPECT_EQ(ERR_peek_error(), 0u);
  });
}

TEST(EcKey, EcdhOfBothSidesAgrees) {
  for (Curve curve : {Curve::kP256, Curve::kP384, Curve::kP521, Curve::kP224, Curve::kSecp256k1, Curve::kBrainpoolP256,
                      Curve::kBrainpoolP384, Curve::kBrainpoolP512}) {
    auto a = SoftwareKey::generate_ec(curve), b = SoftwareKey::generate_ec(curve);
    EXPECT_TRUE(equal(a->ecdh(b->public_key().point()), b->ecdh(a->public_key().point())));
  }
}

TEST(EcKey, ThreadsShareOneKey) {
  auto key = SoftwareKey::generate_ec(Curve::kP256);
  std::vector<std::unique_ptr<SoftwareKey>> peers;
  std::vector<std::string> secrets;
  for (int t = 0; t < 8; ++t) {
    peers.push_back(SoftwareKey::generate_ec(Curve::kP256));
    secrets.push_back(to_hex(peers.back()->ecdh(key->public_key().point())));
  }
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < peers.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        if (to_hex(key->ecdh(peers[t]->public_key().point())) != secrets[t]) ++wrong;
        if (!key->public_key().ecdsa_verify(Bytes(32), key->ecdsa_sign(Bytes(32)))) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace vtpm::crypto
