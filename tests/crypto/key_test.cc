// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/key.h"

#include <gtest/gtest.h>

#include "crypto/hash/digest.h"
#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(Curve, SizesAndIdentifiersOfTheNistCurves) {
  EXPECT_EQ(curve_bytes(Curve::kP256), 32u);
  EXPECT_EQ(curve_bytes(Curve::kP384), 48u);
  EXPECT_EQ(curve_bytes(Curve::kP521), 66u);
  // SEC 2 / RFC 5480: 1.2.840.10045.3.1.7, 1.3.132.0.34, 1.3.132.0.35
  EXPECT_EQ(to_hex(curve_oid(Curve::kP256)), "06082a8648ce3d030107");
  EXPECT_EQ(to_hex(curve_oid(Curve::kP384)), "06052b81040022");
  EXPECT_EQ(to_hex(curve_oid(Curve::kP521)), "06052b81040023");
  for (Curve curve :
       {Curve::kP256, Curve::kP384, Curve::kP521, Curve::kP224, Curve::kSecp256k1, Curve::kEd25519, Curve::kEd448,
        Curve::kX25519, Curve::kX448, Curve::kBrainpoolP256, Curve::kBrainpoolP384, Curve::kBrainpoolP512}) {
    EXPECT_EQ(curve_from_parameters(curve_oid(curve)), curve);
  }
}

TEST(Curve, EveryStandardNameFindsTheCurve) {
  auto named = [](std::string_view name) {
    Bytes der = {0x13, static_cast<uint8_t>(name.size())};
    append(der, as_bytes(name));
    return curve_from_parameters(der);
  };
  EXPECT_EQ(named("secp256r1"), Curve::kP256);
  EXPECT_EQ(named("prime256v1"), Curve::kP256);
  EXPECT_EQ(named("secp384r1"), Curve::kP384);
  EXPECT_EQ(named("P-521"), Curve::kP521);
  EXPECT_EQ(named("secp224r1"), Curve::kP224);
  EXPECT_EQ(named("secp256k1"), Curve::kSecp256k1);
  EXPECT_EQ(named("edwards25519"), Curve::kEd25519);
  EXPECT_EQ(named("edwards448"), Curve::kEd448);
  EXPECT_EQ(named("curve25519"), Curve::kX25519);
  EXPECT_EQ(named("curve448"), Curve::kX448);
  EXPECT_EQ(named("brainpoolP512r1"), Curve::kBrainpoolP512);
  EXPECT_FALSE(named("brainpoolP256t1")) << "the twisted curve is another one";
  EXPECT_FALSE(named("secp192r1"));
  EXPECT_FALSE(named(""));
}

// RFC 5639, 4.1: 1.3.36.3.3.2.8.1.1 with 7, 11 and 13
TEST(Curve, IdentifiersOfBrainpoolCurves) {
  EXPECT_EQ(to_hex(curve_oid(Curve::kBrainpoolP256)), "06092b2403030208010107");
  EXPECT_EQ(to_hex(curve_oid(Curve::kBrainpoolP384)), "06092b240303020801010b");
  EXPECT_EQ(to_hex(curve_oid(Curve::kBrainpoolP512)), "06092b240303020801010d");
  EXPECT_EQ(curve_bytes(Curve::kBrainpoolP512), 64u);
}

TEST(Curve, CompressedPointsAreExpandedAndOthersRejected) {
  for_each_case("ec_point.txt", [](const Case& c) {
    if (!c.good()) return;
    const Bytes point = c.bytes("point");
    Bytes compressed = to_bytes(ByteView(point).first(1 + curve_bytes(c.curve())));
    compressed[0] = static_cast<uint8_t>(2 + (point.back() & 1));
    EXPECT_EQ(to_hex(uncompressed_point(c.curve(), compressed)), to_hex(point));
    Bytes hybrid = compressed, other = compressed;
    hybrid[0] = static_cast<uint8_t>(6 + (point.back() & 1));
    other[0] ^= 1;
    EXPECT_NE(to_hex(uncompressed_point(c.curve(), other)), to_hex(point)) << "the other of two";
    for (const Bytes& refused : {point, hybrid, Bytes{2}, Bytes{}, Bytes(compressed.size(), 0)})
      EXPECT_EQ(error_of([&] { uncompressed_point(c.curve(), refused); }), ErrorCode::kInvalidArgument);
    EXPECT_EQ(ERR_peek_error(), 0u);
  });
  for_each_case("ecdh_compressed.txt", [](const Case& c) {
    if (c.good())
      EXPECT_EQ(uncompressed_point(c.curve(), c.bytes("point")).size(), curve_point_bytes(c.curve()));
    else
      EXPECT_EQ(error_of([&] { uncompressed_point(c.curve(), c.bytes("point")); }), ErrorCode::kInvalidArgument);
  });
  EXPECT_EQ(error_of([] { uncompressed_point(Curve::kX25519, Bytes(32, 9)); }), ErrorCode::kInvalidArgument);
}

// RFC 8410, 3, and the older ones of GnuPG
TEST(Curve, IdentifiersOfEdwardsAndMontgomeryCurves) {
  EXPECT_EQ(to_hex(curve_oid(Curve::kX25519)), "06032b656e");
  EXPECT_EQ(to_hex(curve_oid(Curve::kEd448)), "06032b6571");
  EXPECT_EQ(curve_from_parameters(from_hex("06092b06010401da470f01")), Curve::kEd25519);
  EXPECT_EQ(curve_from_parameters(from_hex("060a2b060104019755010501")), Curve::kX25519);
}

TEST(Curve, OtherParametersNameNoCurve) {
  EXPECT_FALSE(curve_from_parameters({}));
  EXPECT_FALSE(curve_from_parameters(from_hex("06052b81040001"))) << "sect163k1";
  EXPECT_FALSE(curve_from_parameters(from_hex("06032b656d"))) << "1.3.101.109";
  EXPECT_FALSE(curve_from_parameters(from_hex("06082a8648ce3d03010700"))) << "something follows";
  EXPECT_FALSE(curve_from_parameters(from_hex("06082a8648ce3d0301"))) << "cut off";
  EXPECT_FALSE(curve_from_parameters(from_hex("0500"))) << "implicitlyCA";
  EXPECT_FALSE(curve_from_parameters(from_hex("13097365637032353672"))) << "name cut off";
  EXPECT_FALSE(curve_from_parameters(from_hex("0c09736563703235367231"))) << "UTF8String";
}

TEST(PublicKey, RejectsPointsThatAreNotOnTheCurve) {
  for_each_case("ec_point.txt", [](const Case& c) {
    if (c.good()) {
      PublicKey key = PublicKey::ec(c.curve(), c.bytes("point"));
      EXPECT_EQ(key.point(), c.bytes("point"));
      EXPECT_EQ(key.curve(), c.curve());
    } else {
      EXPECT_EQ(error_of([&] { PublicKey::ec(c.curve(), c.bytes("point")); }), ErrorCode::kInvalidArgument);
    }
    EXPECT_EQ(ERR_peek_error(), 0u);
  });
}

TEST(PublicKey, RejectsPointsInOtherForms) {
  for_each_case("ec_key.txt", [](const Case& c) {
    Bytes point = c.bytes("point");
    Bytes compressed = to_bytes(ByteView(point).first(1 + curve_bytes(c.curve())));
    compressed[0] = static_cast<uint8_t>(2 + (point.back() & 1));
    Bytes hybrid = point;
    hybrid[0] = static_cast<uint8_t>(6 + (point.back() & 1));
    for (const Bytes& refused : {compressed, hybrid, Bytes{0}, Bytes{}, Bytes(point.size(), 0)}) {
      EXPECT_EQ(error_of([&] { PublicKey::ec(c.curve(), refused); }), ErrorCode::kInvalidArgument);
    }
  });
}

TEST(PublicKey, VerifiesTheEcdsaVectors) {
  for_each_case("ecdsa.txt", [](const Case& c) {
    PublicKey key = PublicKey::ec(c.curve(), c.bytes("point"));
    Bytes hash = digest(c.hash(), c.bytes("message")), signature = c.bytes("signature");
    EXPECT_EQ(key.ecdsa_verify(hash, signature), c.good());
    EXPECT_EQ(ERR_peek_error(), 0u);
    if (!c.good()) return;
    EXPECT_TRUE(key.ecdsa_verify(hash, signature)) << "a second time";
    signature.back() ^= 1;
    EXPECT_FALSE(key.ecdsa_verify(hash, signature));
    size_t half = signature.size() / 2;
    EXPECT_FALSE(key.ecdsa_verify(hash, Bytes(2 * half, 0)));
    EXPECT_FALSE(key.ecdsa_verify(hash, Bytes(2 * half, 0xff)));
    EXPECT_FALSE(key.ecdsa_verify(hash, ByteView(signature).first(half)));
    EXPECT_FALSE(key.ecdsa_verify(hash, {}));
    EXPECT_EQ(ERR_peek_error(), 0u);
  });
}

TEST(PublicKey, RsaNumbersAreChecked) {
  const Bytes e = {1, 0, 1};
  Bytes n(128, 0xd7);
  auto refused = [](ByteView modulus, ByteView exponent) {
    return error_of([&] { PublicKey::rsa(modulus, exponent); }) == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({}, e));
  EXPECT_TRUE(refused(n, {}));
  EXPECT_TRUE(refused(n, Bytes{1}));
  EXPECT_TRUE(refused(n, Bytes{4}));
  EXPECT_TRUE(refused(Bytes(16, 0xd7), e)) << "tiny";
  EXPECT_TRUE(refused(Bytes(4096, 0xd7), e)) << "beyond what libcrypto computes";
  EXPECT_TRUE(refused(Bytes(512, 0xd7), Bytes(9, 0xd7))) << "an exponent that only costs time";
  Bytes even = n;
  even.back() = 0xd6;
  EXPECT_TRUE(refused(even, e));
}

TEST(PublicKey, RsaDropsLeadingZeros) {
  Bytes n(128, 0xd7), padded(10, 0);
  append(padded, n);
  PublicKey key = PublicKey::rsa(padded, Bytes{0, 0, 1, 0, 1});
  EXPECT_EQ(key.type(), KeyType::kRsa);
  EXPECT_EQ(key.modulus(), n);
  EXPECT_EQ(key.exponent(), (Bytes{1, 0, 1}));
  EXPECT_EQ(key.bits(), 1024u);
}

TEST(PublicKey, RsaBlocksAreModulusSizedAndBelowIt) {
  Bytes n(128, 0xd7);
  PublicKey key = PublicKey::rsa(n, Bytes{1, 0, 1});
  EXPECT_FALSE(key.rsa_public(n));
  EXPECT_FALSE(key.rsa_public(Bytes(128, 0xff)));
  EXPECT_FALSE(key.rsa_public(Bytes(127, 1)));
  EXPECT_FALSE(key.rsa_public(Bytes(129, 0)));
  EXPECT_EQ(key.rsa_public(Bytes(128, 0)), Bytes(128, 0));
  Bytes below = n;
  below.back() = 0xd6;  // (n-1)^e = -1 for odd e
  EXPECT_EQ(key.rsa_public(below), below);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(PublicKey, ReadsAndWritesSubjectPublicKeyInfo) {
  for_each_case("spki.txt", [](const Case& c) {
    std::optional<PublicKey> key = PublicKey::from_spki(c.bytes("spki"));
    EXPECT_EQ(ERR_peek_error(), 0u);
    if (c.text("kind") == "other") {
      EXPECT_FALSE(key) << c.text("what");
      return;
    }
    ASSERT_TRUE(key);
    EXPECT_EQ(to_hex(key->spki()), c.text("spki"));
    if (c.text("kind") == "rsa") {
      EXPECT_EQ(key->type(), KeyType::kRsa);
      EXPECT_EQ(key->modulus(), c.bytes("n"));
      EXPECT_EQ(to_hex(PublicKey::rsa(c.bytes("n"), c.bytes("e")).spki()), c.text("spki"));
    } else if (c.text("kind") == "dsa") {
      EXPECT_EQ(key->type(), KeyType::kDsa);
      EXPECT_EQ(key->value(), c.bytes("y"));
      EXPECT_EQ(to_hex(PublicKey::dsa({c.bytes("p"), c.bytes("q"), c.bytes("g")}, c.bytes("y")).spki()),
                c.text("spki"));
    } else {
      EXPECT_EQ(key->type(), curve_key_type(c.curve()));
      EXPECT_EQ(key->curve(), c.curve());
      EXPECT_EQ(key->point(), c.bytes("point"));
      EXPECT_EQ(to_hex(PublicKey::ec(c.curve(), c.bytes("point")).spki()), c.text("spki"));
    }
    Bytes longer = c.bytes("spki");
    longer.push_back(0);
    EXPECT_FALSE(PublicKey::from_spki(longer));
    EXPECT_FALSE(PublicKey::from_spki(ByteView(longer).first(longer.size() - 2)));
  });
  EXPECT_FALSE(PublicKey::from_spki({}));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

// For any change in one, the parser returns a key or nothing, and leaves no error in the queue.
TEST(PublicKey, DamagedSubjectPublicKeyInfoDoesNoHarm) {
  for_each_case("spki.txt", [](const Case& c) {
    const Bytes good = c.bytes("spki");
    size_t accepted = 0;
    for (size_t i = 0; i < good.size(); ++i) {
      Bytes damaged = good;
      damaged[i] ^= 0x81;
      if (std::optional<PublicKey> key = PublicKey::from_spki(damaged)) {
        ++accepted;
        EXPECT_FALSE(key->spki().empty());
      }
      ASSERT_EQ(ERR_peek_error(), 0u) << i;
    }
    EXPECT_LT(accepted, good.size());
  });
}

TEST(PublicKey, RejectsOperationsOfAnotherKeyType) {
  PublicKey rsa = PublicKey::rsa(Bytes(128, 0xd7), Bytes{1, 0, 1});
  EXPECT_EQ(error_of([&] { rsa.ecdsa_verify(Bytes(32), Bytes(64)); }), ErrorCode::kInvalidArgument);
  for_each_case("ec_key.txt", [](const Case& c) {
    PublicKey ec = PublicKey::ec(c.curve(), c.bytes("point"));
    EXPECT_EQ(error_of([&] { ec.rsa_public(Bytes(32)); }), ErrorCode::kInvalidArgument);
  });
}

}  // namespace
}  // namespace vtpm::crypto
