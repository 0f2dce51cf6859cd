// SPDX-License-Identifier: Apache-2.0
// DSA and Diffie-Hellman.
#include <gtest/gtest.h>

#include "crypto/key/software_key.h"
#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

DomainParameters domain_of(const Case& c) { return {c.bytes("p"), c.bytes("q"), c.bytes("g")}; }

TEST(Dsa, MatchesThePublishedVectors) {
  for_each_case("dsa.txt", [](const Case& c) {
    PublicKey key = PublicKey::dsa(domain_of(c), c.bytes("y"));
    EXPECT_EQ(key.type(), KeyType::kDsa);
    EXPECT_EQ(key.bits(), 8 * c.bytes("p").size());
    EXPECT_EQ(key.dsa_verify(digest(c.hash(), c.bytes("message")), c.bytes("signature")), c.good());
    EXPECT_FALSE(key.dsa_verify(digest(c.hash(), c.bytes("message")), {}));
    EXPECT_EQ(ERR_peek_error(), 0u);
    if (!c.good()) return;  // some of the bad ones have another public value
    auto own = SoftwareKey::import_dsa(domain_of(c), c.bytes("x"));
    EXPECT_EQ(own->public_key().value(), key.value());
    EXPECT_EQ(to_hex(own->private_value()), c.text("x"));
    for (size_t size : {0u, 20u, 64u}) {
      Bytes hash(size, 7), signature = own->dsa_sign(hash);
      EXPECT_EQ(signature.size(), 2 * c.bytes("q").size());
      EXPECT_TRUE(key.dsa_verify(hash, signature));
      signature.back() ^= 1;
      EXPECT_FALSE(key.dsa_verify(hash, signature));
    }
  });
}

TEST(Dsa, KeysOfGeneratedDomainParametersSign) {
  DomainParameters domain = generate_dsa_domain(1024, 160);
  EXPECT_EQ(domain.prime.size(), 128u);
  EXPECT_EQ(domain.subprime.size(), 20u);
  auto key = SoftwareKey::generate_dsa(domain), other = SoftwareKey::generate_dsa(domain);
  EXPECT_NE(key->public_key().value(), other->public_key().value());
  EXPECT_FALSE(other->public_key().dsa_verify(Bytes(20), key->dsa_sign(Bytes(20))));
  EXPECT_EQ(PublicKey::from_spki(key->public_key().spki()).value().value(), key->public_key().value());
  EXPECT_EQ(error_of([&] { key->dh(other->public_key().value()); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { generate_dsa_domain(1024, 256); }), ErrorCode::kInvalidArgument);
}

TEST(Dh, MatchesThePublishedVectors) {
  for_each_case("dh.txt", [](const Case& c) {
    auto key = SoftwareKey::import_dh(domain_of(c), c.bytes("x"));
    EXPECT_EQ(to_hex(key->public_key().value()), c.text("y"));
    EXPECT_EQ(to_hex(key->dh(c.bytes("peer"))), c.text("secret"));
    DomainParameters without = domain_of(c);
    without.subprime.clear();
    EXPECT_EQ(to_hex(SoftwareKey::import_dh(without, c.bytes("x"))->dh(c.bytes("peer"))), c.text("secret"));
  });
}

// Every public value of a group, and every private one; RFC 7919 and RFC 3526.
TEST(Dh, KeysOfNamedGroupsAgree) {
  for (const char* name : {"ffdhe2048", "ffdhe3072", "modp_1536", "modp_2048"}) {
    std::optional<DomainParameters> group = dh_group(name);
    ASSERT_TRUE(group) << name;
    EXPECT_EQ(group->base, Bytes{2});
    auto key = SoftwareKey::generate_dh(*group), other = SoftwareKey::generate_dh(*group);
    SecretBytes secret = key->dh(other->public_key().value());
    EXPECT_EQ(secret.size(), group->prime.size());
    EXPECT_TRUE(equal(secret, other->dh(key->public_key().value())));
  }
  // RFC 7919, A.1
  EXPECT_EQ(to_hex(dh_group("ffdhe2048")->prime).substr(0, 48), "ffffffffffffffffadf85458a2bb4a9aafdc5620273d3cf1");
  EXPECT_FALSE(dh_group("modp_1"));
  EXPECT_FALSE(dh_group("P-256"));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// One secret in 256 begins with a zero byte, which is not removed.
TEST(Dh, SecretsHaveTheSizeOfThePrime) {
  DomainParameters domain;
  for_each_case("dh.txt", [&](const Case& c) {
    if (domain.prime.empty()) domain = domain_of(c);
  });
  auto key = SoftwareKey::generate_dh(domain);
  int short_ones = 0;
  for (uint8_t i = 1; i < 255 && short_ones == 0; ++i) {
    for (uint8_t j = 1; j < 20 && short_ones == 0; ++j) {
      auto other = SoftwareKey::import_dh(domain, Bytes{j, i});
      SecretBytes secret = key->dh(other->public_key().value());
      ASSERT_EQ(secret.size(), domain.prime.size());
      if (secret[0] != 0) continue;
      ++short_ones;
      EXPECT_TRUE(equal(secret, other->dh(key->public_key().value())));
    }
  }
  EXPECT_GT(short_ones, 0);
}

TEST(Dh, GeneratedPrivateValueHasTheRequestedLength) {
  auto group = dh_group("modp_2048").value();
  DomainParameters plain{group.prime, {}, group.base};
  EXPECT_LE(SoftwareKey::generate_dh(plain, 256)->private_value().size(), 32u);
  EXPECT_EQ(error_of([&] { SoftwareKey::generate_dh(plain, 20); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { SoftwareKey::generate_dh(plain, 2048); }), ErrorCode::kInvalidArgument);
}

TEST(FiniteField, RejectsNumbersThatCannotBeAKey) {
  const auto group = dh_group("modp_2048").value();
  auto refused = [](const std::function<void()>& action) {
    bool result = error_of(action) == ErrorCode::kInvalidArgument;
    return result && ERR_peek_error() == 0;
  };
  auto domain_refused = [&](Bytes p, Bytes q, Bytes g) {
    DomainParameters domain{p, q, g};
    return refused([&] { PublicKey::dh(domain, Bytes{4}); }) && refused([&] { SoftwareKey::generate_dh(domain); }) &&
           refused([&] { SoftwareKey::import_dh(domain, Bytes(20, 3)); });
  };
  EXPECT_TRUE(domain_refused({}, {}, {2}));
  EXPECT_TRUE(domain_refused({23}, {}, {5}));
  EXPECT_TRUE(domain_refused(Bytes(1300, 0xff), {}, {2}));
  Bytes even = group.prime;
  even.back() = 0;
  EXPECT_TRUE(domain_refused(even, {}, {2}));
  EXPECT_TRUE(domain_refused(group.prime, {}, {}));
  EXPECT_TRUE(domain_refused(group.prime, {}, {1}));
  EXPECT_TRUE(domain_refused(group.prime, {}, group.prime));
  EXPECT_TRUE(domain_refused(group.prime, {3}, {2}));
  EXPECT_TRUE(domain_refused(group.prime, Bytes(30, 0xff), {2}));

  Bytes below = group.prime;
  below.back() -= 1;
  auto key = SoftwareKey::generate_dh(group);
  for (const Bytes& bad : {Bytes{}, Bytes{0}, Bytes{1}, below, group.prime, Bytes(300, 0xff)}) {
    EXPECT_TRUE(refused([&] { key->dh(bad); }));
    EXPECT_TRUE(refused([&] { PublicKey::dh(group, bad); }));
  }
  for (const Bytes& bad : {Bytes{}, Bytes{0}, group.prime}) {
    EXPECT_TRUE(refused([&] { SoftwareKey::import_dh(group, bad); }));
  }
  EXPECT_TRUE(refused([&] { PublicKey::dsa({group.prime, {}, group.base}, Bytes{4}); }));
  EXPECT_TRUE(refused([&] { SoftwareKey::generate_dsa({group.prime, {}, group.base}); }));
  EXPECT_TRUE(refused([&] { SoftwareKey::import_dsa({group.prime, {}, group.base}, Bytes{4}); }));
}

}  // namespace
}  // namespace vtpm::crypto
