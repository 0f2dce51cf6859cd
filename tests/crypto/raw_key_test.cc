// SPDX-License-Identifier: Apache-2.0
// Keys on Edwards and Montgomery curves.
#include <gtest/gtest.h>

#include "crypto/key/software_key.h"
#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(EdwardsKey, MatchesThePublishedVectors) {
  for_each_case("eddsa.txt", [](const Case& c) {
    auto key = SoftwareKey::import_ec(c.curve(), c.bytes("private"));
    const PublicKey& half = key->public_key();
    EXPECT_EQ(half.type(), KeyType::kEdwards);
    EXPECT_EQ(to_hex(half.point()), c.text("point"));
    EXPECT_EQ(to_hex(key->ec_scalar()), c.text("private"));
    const Bytes message = c.bytes("message");
    Bytes signature = key->eddsa_sign(message);
    EXPECT_EQ(to_hex(signature), c.text("signature"));
    EXPECT_TRUE(PublicKey::ec(c.curve(), c.bytes("point")).eddsa_verify(message, signature));
    Bytes longer = message;
    longer.push_back(0);
    EXPECT_FALSE(half.eddsa_verify(longer, signature));
    for (size_t i = 0; i < signature.size(); i += 7) {
      Bytes changed = signature;
      changed[i] ^= 4;
      EXPECT_FALSE(half.eddsa_verify(message, changed)) << i;
    }
    EXPECT_FALSE(half.eddsa_verify(message, {}));
    EXPECT_FALSE(half.eddsa_verify(message, ByteView(signature).first(signature.size() - 1)));
    EXPECT_EQ(ERR_peek_error(), 0u);
  });
}

TEST(EdwardsKey, BytesThatAreNoPointVerifyNothing) {
  PublicKey key = PublicKey::ec(Curve::kEd25519, from_hex("02" + std::string(62, '0')));  // y = 2: x^2 is no square
  EXPECT_FALSE(key.eddsa_verify(Bytes(3), Bytes(64)));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(MontgomeryKey, MatchesThePublishedVectors) {
  for_each_case("xdh.txt", [](const Case& c) {
    auto key = SoftwareKey::import_ec(c.curve(), c.bytes("private"));
    EXPECT_EQ(key->public_key().type(), KeyType::kMontgomery);
    EXPECT_EQ(to_hex(key->ec_scalar()), c.text("private")) << "not clamped";
    EXPECT_EQ(to_hex(key->ecdh(c.bytes("point"))), c.text("secret"));
  });
}

// RFC 7748, 5.2: k and u begin as the base point; each round k becomes the result and u what k was.
TEST(MontgomeryKey, MatchesTheThousandIterationsOfRfc7748) {
  auto rounds = [](Curve curve, uint8_t base) {
    SecretBytes k(curve_bytes(curve)), u;
    k[0] = base;
    u = k.clone();
    for (int i = 0; i < 1000; ++i) {
      SecretBytes result = SoftwareKey::import_ec(curve, k)->ecdh(u);
      u = std::move(k);
      k = std::move(result);
    }
    return to_hex(k);
  };
  EXPECT_EQ(rounds(Curve::kX25519, 9), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
  EXPECT_EQ(rounds(Curve::kX448, 5),
            "aa3b4749d55b9daf1e5b00288826c467274ce3ebbdd5c17b975e09d4af6c67cf10d087202db88286e2b79fceea3ec353ef54faa26e"
            "219f38");
}

TEST(MontgomeryKey, PointsOfSmallOrderAreRejected) {
  for (Curve curve : {Curve::kX25519, Curve::kX448}) {
    auto key = SoftwareKey::generate_ec(curve);
    Bytes point(curve_bytes(curve));
    EXPECT_EQ(error_of([&] { key->ecdh(point); }), ErrorCode::kInvalidArgument) << "zero";
    point[0] = 1;
    EXPECT_EQ(error_of([&] { key->ecdh(point); }), ErrorCode::kInvalidArgument) << "one";
    point.pop_back();
    EXPECT_EQ(error_of([&] { key->ecdh(point); }), ErrorCode::kInvalidArgument) << "too short";
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
}

TEST(RawKey, GeneratedKeysDifferAgreeAndCanBeImported) {
  for (Curve curve : {Curve::kEd25519, Curve::kEd448, Curve::kX25519, Curve::kX448}) {
    auto key = SoftwareKey::generate_ec(curve), other = SoftwareKey::generate_ec(curve);
    EXPECT_EQ(key->public_key().type(), curve_key_type(curve));
    EXPECT_EQ(key->public_key().point().size(), curve_point_bytes(curve));
    EXPECT_NE(key->public_key().point(), other->public_key().point());
    auto copy = SoftwareKey::import_ec(curve, key->ec_scalar());
    EXPECT_EQ(copy->public_key().point(), key->public_key().point());
    if (curve_key_type(curve) == KeyType::kMontgomery) {
      EXPECT_TRUE(equal(key->ecdh(other->public_key().point()), other->ecdh(key->public_key().point())));
      EXPECT_EQ(error_of([&] { key->eddsa_sign({}); }), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error_of([&] { key->public_key().eddsa_verify({}, {}); }), ErrorCode::kInvalidArgument);
    } else {
      EXPECT_EQ(error_of([&] { key->ecdh(other->public_key().point()); }), ErrorCode::kInvalidArgument);
    }
    EXPECT_EQ(error_of([&] { key->ecdsa_sign(Bytes(32)); }), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of([&] { key->dh(Bytes(32)); }), ErrorCode::kInvalidArgument);
    for (size_t size : {size_t{0}, curve_bytes(curve) - 1, curve_bytes(curve) + 1}) {
      EXPECT_EQ(error_of([&] { SoftwareKey::import_ec(curve, Bytes(size, 1)); }), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error_of([&] { PublicKey::ec(curve, Bytes(size, 1)); }), ErrorCode::kInvalidArgument);
    }
    EXPECT_EQ(ERR_peek_error(), 0u);
  }
}

}  // namespace
}  // namespace vtpm::crypto
