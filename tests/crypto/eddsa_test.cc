// SPDX-License-Identifier: Apache-2.0
// EdDSA with a context or prehashed, computed over libcrypto's curve arithmetic.
#include "crypto/key/eddsa.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/key/software_key.h"
#include "crypto/library/random.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

EddsaMode mode_of(const Case& c) {
  return {c.text("form") == "prehashed" ? EddsaMode::Form::kPrehashed : EddsaMode::Form::kContext,
          c.has("context") ? c.bytes("context") : Bytes()};
}

TEST(Eddsa, MatchesThePublishedVectorsWithContextOrPrehashed) {
  for_each_case("eddsa_context.txt", [](const Case& c) {
    const auto key = SoftwareKey::import_ec(c.curve(), c.bytes("private"));
    const EddsaMode mode = mode_of(c);
    Bytes message = c.bytes("message");
    if (mode.form == EddsaMode::Form::kPrehashed) message = EddsaMode::digest(c.curve()).update(message).finish();
    const Bytes expected = c.bytes("signature");
    EXPECT_EQ(to_hex(key->eddsa_sign(message, mode)), to_hex(expected));
    const PublicKey half = PublicKey::ec(c.curve(), c.bytes("point"));
    EXPECT_TRUE(half.eddsa_verify(message, expected, mode));
    EXPECT_FALSE(half.eddsa_verify(message, expected)) << "as a pure signature";
    EddsaMode other = mode;
    other.context.push_back(0);
    EXPECT_FALSE(half.eddsa_verify(message, expected, other));
    for (size_t i = 0; i < expected.size(); i += 5) {
      Bytes changed = expected;
      changed[i] ^= 1;
      EXPECT_FALSE(half.eddsa_verify(message, changed, mode)) << i;
    }
  });
}

// The same arithmetic in the pure forms, which libcrypto has too.
TEST(Eddsa, ByCurveAgreesWithLibcrypto) {
  for (const Curve curve : {Curve::kEd25519, Curve::kEd448}) {
    for (size_t size = 0; size < 40; ++size) {
      const auto key = SoftwareKey::generate_ec(curve);
      const Bytes message = random_bytes(size), &point = key->public_key().point();
      const Bytes signature = key->eddsa_sign(message);
      ASSERT_EQ(to_hex(eddsa_sign_by_curve(curve, key->ec_scalar(), point, message, {})), to_hex(signature));
      ASSERT_TRUE(eddsa_verify_by_curve(curve, point, message, signature, {}));
      Bytes changed = signature;
      changed[size] ^= 0x10;
      ASSERT_FALSE(eddsa_verify_by_curve(curve, point, message, changed, {}));
      ASSERT_FALSE(key->public_key().eddsa_verify(message, changed));
    }
  }
}

// RFC 8032, 5.1.7: S must be below the order; otherwise every signature would have a second form (8.4).
TEST(Eddsa, RejectsAnSThatIsNotBelowTheOrder) {
  const Bytes orders[] = {from_hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"),
                          from_hex("f34458ab92c27823558fc58d72c26c219036d6ae49db4ec4e923ca7cfffffffffffffffffffffffffff"
                                   "fffffffffffffffffff3f00")};
  for (const Curve curve : {Curve::kEd25519, Curve::kEd448}) {
    const Bytes& order = orders[curve == Curve::kEd448];
    const auto key = SoftwareKey::generate_ec(curve);
    const EddsaMode mode = {EddsaMode::Form::kContext, Bytes(3, 1)};
    Bytes signature = key->eddsa_sign(Bytes(3), mode);
    ASSERT_TRUE(key->public_key().eddsa_verify(Bytes(3), signature, mode));
    unsigned carry = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      carry += signature[order.size() + i] + order[i];
      signature[order.size() + i] = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
    EXPECT_FALSE(key->public_key().eddsa_verify(Bytes(3), signature, mode));
    EXPECT_FALSE(key->public_key().eddsa_verify(Bytes(3), Bytes(signature.size() - 1), mode));
  }
}

/// The encoding of a y coordinate in hexadecimal digits, most significant first.
Bytes encoded(std::string_view y, size_t bytes, bool odd) {
  Bytes point = from_hex(y);
  std::reverse(point.begin(), point.end());
  point.resize(bytes);
  if (odd) point.back() |= 0x80;
  return point;
}

// RFC 8032, 5.1.3 and 5.2.3: a y that is not below the prime, an odd x = 0 and a y without an x do not encode points.
// Points of small order verify exactly the signatures that the equation allows.
TEST(Eddsa, DecodesPointsAsRfc8032Does) {
  const EddsaMode mode = {EddsaMode::Form::kContext, Bytes(3, 1)};
  struct Field {
    Curve curve;
    size_t bytes;
    const char *prime, *prime_plus_one, *minus_one;
  };
  const Field fields[] = {{Curve::kEd25519, 32, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
                           "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffee",
                           "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec"},
                          {Curve::kEd448, 57,
                           "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffffffffffffffffffffffffffffffff"
                           "fffffffffffffffffffff",
                           "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000000000000000000000000000000000"
                           "000000000000000000000",
                           "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffffffffffffffffffffffffffffffff"
                           "ffffffffffffffffffffe"}};
  for (const Field& f : fields) {
    // With R the neutral element and S = 0, [0]B = R + [k]A holds for a point of which k is a multiple of the order.
    Bytes signature = encoded("01", f.bytes, false);
    signature.resize(2 * f.bytes);
    const auto verifies = [&](const Bytes& point, ByteView message) {
      return eddsa_verify_by_curve(f.curve, point, message, signature, mode);
    };
    const Bytes neutral = encoded("01", f.bytes, false);
    EXPECT_TRUE(verifies(neutral, {})) << "order 1";
    EXPECT_FALSE(verifies(encoded("01", f.bytes, true), {})) << "x = 0 is not odd";
    EXPECT_FALSE(verifies(encoded(f.prime_plus_one, f.bytes, false), {})) << "1 in another way";
    EXPECT_FALSE(verifies(encoded(f.prime, f.bytes, false), {})) << "0 in another way";
    int twice = 0;
    for (uint8_t i = 0; i < 40; ++i) twice += verifies(encoded(f.minus_one, f.bytes, false), Bytes{i});
    EXPECT_GT(twice, 5) << "order 2: every other k";
    EXPECT_LT(twice, 35);
    EXPECT_FALSE(verifies(Bytes(f.bytes - 1), {}));
  }
}

}  // namespace
}  // namespace vtpm::crypto
