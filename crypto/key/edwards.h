// SPDX-License-Identifier: Apache-2.0
// Arithmetic on the curves of EdDSA, for what libcrypto's own Ed25519 and Ed448 do not do. Private to crypto/.
//
// A twisted Edwards curve a x^2 + y^2 = 1 + d x^2 y^2 is birationally equivalent to the Montgomery curve
// B v^2 = u^3 + A u^2 + u with A = 2 (a + d) / (a - d), B = 4 / (a - d), u = (1 + y) / (1 - y), v = u / x
// (Bernstein, Birkner, Joye, Lange, Peters: "Twisted Edwards Curves", theorem 3.2), and that by X = (u + A / 3) / B,
// Y = v / B to a Weierstrass curve. There libcrypto's EC_GROUP computes. Since d is not a square and a is one, only
// the two points with x = 0 are special: (0, 1) is the point at infinity, (0, -1) has u = v = 0.
//
// Multiples of the base point use libcrypto's ladder, whose time does not depend on the scalar; everything else is for
// public numbers only.
#pragma once

#include <openssl/ec.h>

#include <optional>

#include "crypto/key/key.h"
#include "crypto/library/openssl.h"

namespace vtpm::crypto {

using Group = Owned<EC_GROUP, EC_GROUP_free>;
using Point = Owned<EC_POINT, EC_POINT_clear_free>;

class EdwardsCurve {
 public:
  /// kEd25519 or kEd448. Constructed once and kept for the life of the process.
  static const EdwardsCurve& of(Curve curve);

  /// The order of the base point.
  const BIGNUM* order() const { return order_.get(); }
  /// Size of an encoded point in bytes: 32 or 57.
  size_t size() const { return bytes_; }

  /// base * scalar, encoded as RFC 8032, 5.1.2 and 5.2.2, say. `scalar`: secret, below the order.
  Bytes base_multiple(const BIGNUM* scalar) const;
  /// base * scalar - point * other, encoded; nothing if `point` is not an encoded point (5.1.3, 5.2.3: a coordinate
  /// must be below the prime). The time depends on all arguments.
  std::optional<Bytes> verification_multiple(const BIGNUM* scalar, ByteView point, const BIGNUM* other) const;

 private:
  struct Numbers;
  explicit EdwardsCurve(const Numbers& numbers);
  Point to_group(const BIGNUM* x, const BIGNUM* y) const;
  Bytes encode(const EC_POINT* point) const;
  Point decode(ByteView bytes) const;

  size_t bytes_;
  BigNumber prime_, a_, d_, order_;
  BigNumber third_, scale_;  // A / 3 and B
  Group group_;
};

}  // namespace vtpm::crypto
