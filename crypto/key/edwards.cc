// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/edwards.h"

#include <array>

#include "crypto/key/big_number.h"

namespace vtpm::crypto {
namespace {

/// Numbers modulo a prime, so that a formula fits into one line. For public values only: secret multiples of the base
/// point are points by then, and are published.
class Field {
 public:
  explicit Field(const BIGNUM* prime) : prime_(prime), context_(BN_CTX_new()) {
    require_openssl(context_ != nullptr, "computing in a field");
  }
  BigNumber number(long value) const {
    BigNumber result(BN_new());
    require_openssl(
        result != nullptr && BN_set_word(result.get(), static_cast<BN_ULONG>(value < 0 ? -value : value)) == 1,
        "computing in a field");
    if (value < 0) require_openssl(BN_sub(result.get(), prime_, result.get()) == 1, "computing in a field");
    return result;
  }
  BigNumber add(const BigNumber& x, const BigNumber& y) const { return apply(BN_mod_add, x, y); }
  BigNumber subtract(const BigNumber& x, const BigNumber& y) const { return apply(BN_mod_sub, x, y); }
  BigNumber multiply(const BigNumber& x, const BigNumber& y) const { return apply(BN_mod_mul, x, y); }
  BigNumber divide(const BigNumber& x, const BigNumber& y) const {
    BigNumber inverse(BN_mod_inverse(nullptr, y.get(), prime_, context_.get()));
    require_openssl(inverse != nullptr, "computing in a field");
    return multiply(x, inverse);
  }
  /// Null when there is none.
  BigNumber root(const BigNumber& x) const {
    BigNumber root(BN_mod_sqrt(nullptr, x.get(), prime_, context_.get()));
    if (!root) ERR_clear_error();
    return root;
  }
  BN_CTX* context() const { return context_.get(); }

 private:
  using Operation = int (*)(BIGNUM*, const BIGNUM*, const BIGNUM*, const BIGNUM*, BN_CTX*);
  BigNumber apply(Operation operation, const BigNumber& x, const BigNumber& y) const {
    BigNumber result(BN_new());
    require_openssl(result != nullptr && operation(result.get(), x.get(), y.get(), prime_, context_.get()) == 1,
                    "computing in a field");
    return result;
  }

  const BIGNUM* prime_;
  BigNumberContext context_;
};

BigNumber copy_of(const BIGNUM* number) {
  BigNumber copy(BN_dup(number));
  require_openssl(copy != nullptr, "copying a number");
  return copy;
}

BigNumber from_hex(const char* hex) {
  BIGNUM* number = nullptr;
  require_openssl(BN_hex2bn(&number, hex) != 0, "reading a number");
  return BigNumber(number);
}

}  // namespace

/// RFC 8032, 5.1 and 5.2. d is d_over / d_under.
struct EdwardsCurve::Numbers {
  size_t bytes;
  const char* prime;
  const char* order;
  int cofactor;
  long a, d_over, d_under;
  const char *base_x, *base_y;
};

const EdwardsCurve& EdwardsCurve::of(Curve curve) {
  static constexpr Numbers k25519 = {32,
                                     "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
                                     "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed",
                                     8,
                                     -1,
                                     -121665,
                                     121666,
                                     "216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51a",
                                     "6666666666666666666666666666666666666666666666666666666666666658"};
  static constexpr Numbers k448 = {57,
                                   "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffffffffffffffffffffffff"
                                   "fffffffffffffffffffffffffffff",
                                   "3fffffffffffffffffffffffffffffffffffffffffffffffffffffff7cca23e9c44edb49aed63690216"
                                   "cc2728dc58f552378c292ab5844f3",
                                   4,
                                   1,
                                   -39081,
                                   1,
                                   "4f1970c66bed0ded221d15a622bf36da9e146570470f1767ea6de324a3d3a46412ae1af72ab66511433"
                                   "b80e18b00938e2626a82bc70cc05e",
                                   "693f46716eb6bc248876203756c9c7624bea73736ca3984087789c1e05a0c2d73ad3ff1ce67c39c4fdb"
                                   "d132c4ed7c8ad9808795bf230fa14"};
  ensure_openssl();
  if (curve == Curve::kEd448) {
    static const EdwardsCurve& large = *new EdwardsCurve(k448);
    return large;
  }
  static const EdwardsCurve& small = *new EdwardsCurve(k25519);
  return small;
}

EdwardsCurve::EdwardsCurve(const Numbers& numbers)
    : bytes_(numbers.bytes), prime_(from_hex(numbers.prime)), order_(from_hex(numbers.order)) {
  const Field f(prime_.get());
  a_ = f.number(numbers.a);
  d_ = f.divide(f.number(numbers.d_over), f.number(numbers.d_under));
  const BigNumber difference = f.subtract(a_, d_), sum = f.add(a_, d_);
  scale_ = f.divide(f.number(4), difference);
  const BigNumber montgomery = f.divide(f.add(sum, sum), difference), square = f.multiply(montgomery, montgomery);
  third_ = f.divide(montgomery, f.number(3));
  // Y^2 = X^3 + (3 - A^2) / (3 B^2) X + (2 A^3 - 9 A) / (27 B^3)
  const BigNumber scales = f.multiply(scale_, scale_);
  const BigNumber p = f.divide(f.subtract(f.number(3), square), f.multiply(f.number(3), scales));
  const BigNumber q = f.divide(f.multiply(montgomery, f.subtract(f.add(square, square), f.number(9))),
                               f.multiply(f.number(27), f.multiply(scales, scale_)));
  group_.reset(EC_GROUP_new_curve_GFp(prime_.get(), p.get(), q.get(), f.context()));
  require_openssl(group_ != nullptr, "making an Edwards curve");
  const Point base = to_group(from_hex(numbers.base_x).get(), from_hex(numbers.base_y).get());
  const BigNumber cofactor = f.number(numbers.cofactor);
  // With order and cofactor known, libcrypto multiplies the generator by its ladder.
  require_openssl(EC_GROUP_set_generator(group_.get(), base.get(), order_.get(), cofactor.get()) == 1,
                  "making an Edwards curve");
}

Point EdwardsCurve::to_group(const BIGNUM* x, const BIGNUM* y) const {
  const Field f(prime_.get());
  Point point(EC_POINT_new(group_.get()));
  require_openssl(point != nullptr, "making a point");
  if (BN_is_one(y)) {
    require_openssl(EC_POINT_set_to_infinity(group_.get(), point.get()) == 1, "making a point");
    return point;
  }
  const BigNumber one = f.number(1), height = copy_of(y);
  const BigNumber u = f.divide(f.add(one, height), f.subtract(one, height));
  const BigNumber v = BN_is_zero(x) ? f.number(0) : f.divide(u, copy_of(x));
  const BigNumber first = f.divide(f.add(u, third_), scale_), second = f.divide(v, scale_);
  require_openssl(
      EC_POINT_set_affine_coordinates(group_.get(), point.get(), first.get(), second.get(), f.context()) == 1,
      "making a point");
  return point;
}

Bytes EdwardsCurve::encode(const EC_POINT* point) const {
  const Field f(prime_.get());
  BigNumber x = f.number(0), y = f.number(1);
  if (EC_POINT_is_at_infinity(group_.get(), point) != 1) {
    BigNumber first(BN_new()), second(BN_new());
    require_openssl(
        first != nullptr && second != nullptr &&
            EC_POINT_get_affine_coordinates(group_.get(), point, first.get(), second.get(), f.context()) == 1,
        "reading a point");
    const BigNumber one = f.number(1), u = f.subtract(f.multiply(first, scale_), third_);
    y = f.divide(f.subtract(u, one), f.add(u, one));
    if (!BN_is_zero(second.get())) x = f.divide(u, f.multiply(second, scale_));
  }
  Bytes bytes(bytes_);
  require_openssl(BN_bn2lebinpad(y.get(), bytes.data(), static_cast<int>(bytes.size())) > 0, "writing a point");
  if (BN_is_odd(x.get())) bytes.back() |= 0x80;
  return bytes;
}

Point EdwardsCurve::decode(ByteView bytes) const {
  if (bytes.size() != bytes_) return nullptr;
  const Field f(prime_.get());
  const bool odd = (bytes.back() & 0x80) != 0;
  Bytes without_sign = to_bytes(bytes);
  without_sign.back() &= 0x7f;
  BigNumber y(BN_lebin2bn(without_sign.data(), static_cast<int>(without_sign.size()), nullptr));
  require_openssl(y != nullptr, "reading a point");
  if (BN_cmp(y.get(), prime_.get()) >= 0) return nullptr;
  const BigNumber square = f.multiply(y, y), one = f.number(1);
  BigNumber x = f.root(f.divide(f.subtract(square, one), f.subtract(f.multiply(d_, square), a_)));
  if (!x || (BN_is_zero(x.get()) && odd)) return nullptr;
  if ((BN_is_odd(x.get()) != 0) != odd) x = f.subtract(f.number(0), x);
  return to_group(x.get(), y.get());
}

Bytes EdwardsCurve::base_multiple(const BIGNUM* scalar) const {
  const BigNumberContext context(BN_CTX_secure_new());
  const Point product(EC_POINT_new(group_.get()));
  require_openssl(context != nullptr && product != nullptr &&
                      EC_POINT_mul(group_.get(), product.get(), scalar, nullptr, nullptr, context.get()) == 1,
                  "multiplying a point");
  return encode(product.get());
}

std::optional<Bytes> EdwardsCurve::verification_multiple(const BIGNUM* scalar, ByteView point,
                                                         const BIGNUM* other) const {
  const Point decoded = decode(point);
  if (!decoded) return std::nullopt;
  const BigNumberContext context(BN_CTX_new());
  const Point result(EC_POINT_new(group_.get()));
  require_openssl(context != nullptr && result != nullptr &&
                      EC_POINT_invert(group_.get(), decoded.get(), context.get()) == 1 &&
                      EC_POINT_mul(group_.get(), result.get(), scalar, decoded.get(), other, context.get()) == 1,
                  "multiplying a point");
  return encode(result.get());
}

}  // namespace vtpm::crypto
