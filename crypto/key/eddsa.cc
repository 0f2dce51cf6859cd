// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/eddsa.h"

#include "crypto/hash/digest.h"
#include "crypto/key/big_number.h"
#include "crypto/key/edwards.h"

namespace vtpm::crypto {
namespace {

/// RFC 8032, 5.1 and 5.2: what differs between the two curves.
struct Scheme {
  std::string_view domain;
  size_t key_digest;  // bytes of H
};
constexpr Scheme k25519 = {"SigEd25519 no Ed25519 collisions", 64}, k448 = {"SigEd448", 114};

const Scheme& scheme_of(Curve curve) { return curve == Curve::kEd448 ? k448 : k25519; }

Digest start(Curve curve) {
  return curve == Curve::kEd448 ? Digest::shake256(scheme_of(curve).key_digest) : Digest(Hash::kSha512);
}

/// dom2 and dom4; pure Ed25519 has none.
Digest start_in_domain(Curve curve, const EddsaMode& mode) {
  Digest digest = start(curve);
  if (mode.form == EddsaMode::Form::kPure && curve == Curve::kEd25519) return digest;
  const uint8_t flags[] = {mode.form == EddsaMode::Form::kPrehashed, static_cast<uint8_t>(mode.context.size())};
  digest.update(as_bytes(scheme_of(curve).domain)).update(flags).update(mode.context);
  return digest;
}

BigNumber secret_little_endian(ByteView bytes) {
  BigNumber number = secret_number();
  require_openssl(BN_lebin2bn(bytes.data(), static_cast<int>(bytes.size()), number.get()) != nullptr,
                  "reading a number");
  return number;
}

/// The digest as a number modulo the order.
BigNumber reduced(Digest& digest, const EdwardsCurve& on, BN_CTX* context) {
  SecretBytes bytes(digest.size());
  digest.finish(bytes.span());
  const BigNumber whole = secret_little_endian(bytes);
  BigNumber rest = secret_number();
  require_openssl(BN_mod(rest.get(), whole.get(), on.order(), context) == 1, "reducing a number");
  return rest;
}

/// 5.1.5 and 5.2.5: the bytes that become the scalar.
void prune(Curve curve, MutableByteView bytes) {
  if (curve == Curve::kEd448) {
    bytes[0] &= 0xfc;
    bytes[55] |= 0x80;
    bytes[56] = 0;
  } else {
    bytes[0] &= 0xf8;
    bytes[31] &= 0x7f;
    bytes[31] |= 0x40;
  }
}

}  // namespace

Digest EddsaMode::digest(Curve curve) { return curve == Curve::kEd448 ? Digest::shake256(64) : Digest(Hash::kSha512); }

Bytes eddsa_sign_by_curve(Curve curve, ByteView key, ByteView point, ByteView message, const EddsaMode& mode) {
  const EdwardsCurve& on = EdwardsCurve::of(curve);
  const BigNumberContext context(BN_CTX_secure_new());
  require_openssl(context != nullptr, "signing with EdDSA");
  SecretBytes halves(scheme_of(curve).key_digest);
  start(curve).update(key).finish(halves.span());
  prune(curve, halves.span().first(on.size()));
  const BigNumber scalar = secret_little_endian(halves.view().first(on.size()));

  Digest first = start_in_domain(curve, mode);
  first.update(halves.view().subspan(on.size())).update(message);
  const BigNumber nonce = reduced(first, on, context.get());
  Bytes signature = on.base_multiple(nonce.get());

  Digest second = start_in_domain(curve, mode);
  second.update(signature).update(point).update(message);
  const BigNumber challenge = reduced(second, on, context.get());
  BigNumber product = secret_number(), sum = secret_number();
  require_openssl(BN_mod_mul(product.get(), challenge.get(), scalar.get(), on.order(), context.get()) == 1 &&
                      BN_mod_add_quick(sum.get(), nonce.get(), product.get(), on.order()) == 1,
                  "signing with EdDSA");
  signature.resize(2 * on.size());
  require_openssl(BN_bn2lebinpad(sum.get(), signature.data() + on.size(), static_cast<int>(on.size())) > 0,
                  "signing with EdDSA");
  return signature;
}

bool eddsa_verify_by_curve(Curve curve, ByteView point, ByteView message, ByteView signature, const EddsaMode& mode) {
  const EdwardsCurve& on = EdwardsCurve::of(curve);
  if (signature.size() != 2 * on.size()) return false;
  const ByteView first = signature.first(on.size()), rest = signature.subspan(on.size());
  const BigNumber sum(BN_lebin2bn(rest.data(), static_cast<int>(rest.size()), nullptr));
  const BigNumberContext context(BN_CTX_new());
  require_openssl(sum != nullptr && context != nullptr, "verifying EdDSA");
  if (BN_cmp(sum.get(), on.order()) >= 0) return false;
  Digest digest = start_in_domain(curve, mode);
  digest.update(first).update(point).update(message);
  const BigNumber challenge = reduced(digest, on, context.get());
  const std::optional<Bytes> expected = on.verification_multiple(sum.get(), point, challenge.get());
  return expected && equal(*expected, first);
}

}  // namespace vtpm::crypto
