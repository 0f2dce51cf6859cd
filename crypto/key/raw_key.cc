// SPDX-License-Identifier: Apache-2.0
// Private keys whose bytes OpenSSL takes as they are: Ed25519, Ed448 (RFC 8032), X25519 and X448 (RFC 7748).
#include "crypto/key/curve_table.h"
#include "crypto/key/eddsa.h"
#include "crypto/key/native_key.h"
#include "crypto/key/software_key.h"

namespace vtpm::crypto {
namespace {

[[noreturn]] void refuse(const char* sentence) {
  ERR_clear_error();
  throw Error(ErrorCode::kInvalidArgument, sentence);
}

PublicKey public_half(Curve curve, const EVP_PKEY* key) {
  Bytes point(curve_point_bytes(curve));
  size_t size = point.size();
  require_openssl(EVP_PKEY_get_raw_public_key(key, point.data(), &size) == 1 && size == point.size(),
                  "reading a public key");
  return PublicKey::ec(curve, point);
}

}  // namespace

std::unique_ptr<SoftwareKey> SoftwareKey::generate_raw(Curve curve) {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, row_of(curve).native_name));
  require_openssl(key != nullptr, "generating a key");
  PublicKey half = public_half(curve, key.get());
  return std::unique_ptr<SoftwareKey>(new SoftwareKey(std::move(half), std::make_shared<NativeKey>(std::move(key))));
}

std::unique_ptr<SoftwareKey> SoftwareKey::import_raw(Curve curve, ByteView bytes) {
  if (bytes.size() != curve_bytes(curve)) refuse("the private value does not have the size of the curve");
  Key key(EVP_PKEY_new_raw_private_key_ex(nullptr, row_of(curve).native_name, nullptr, bytes.data(), bytes.size()));
  if (!key) refuse("the private value is not a key on this curve");
  PublicKey half = public_half(curve, key.get());
  return std::unique_ptr<SoftwareKey>(new SoftwareKey(std::move(half), std::make_shared<NativeKey>(std::move(key))));
}

Bytes SoftwareKey::eddsa_sign(ByteView message, const EddsaMode& mode) {
  if (public_.type() != KeyType::kEdwards) refuse("EdDSA needs a key on an Edwards curve");
  if (mode.form != EddsaMode::Form::kPure) {
    return eddsa_sign_by_curve(public_.curve(), ec_scalar(), public_.point(), message, mode);
  }
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  Bytes signature(2 * curve_bytes(public_.curve()));
  size_t size = signature.size();
  const uint8_t none = 0;
  require_openssl(
      context != nullptr &&
          EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, native_->get(), nullptr) == 1 &&
          EVP_DigestSign(context.get(), signature.data(), &size, message.empty() ? &none : message.data(),
                         message.size()) == 1 &&
          size == signature.size(),
      "signing with EdDSA");
  return signature;
}

// A key agreement without a kept context. The peer has been checked as far as its type can be.
SecretBytes SoftwareKey::derive(evp_pkey_st* peer, size_t bytes, const char* refusal) const {
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, native_->get(), nullptr));
  require_openssl(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1, "preparing a key agreement");
  SecretBytes secret(bytes);
  size_t size = secret.size();
  if (EVP_PKEY_derive_set_peer(context.get(), peer) != 1 || EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) {
    refuse(refusal);
  }
  require_openssl(size <= bytes, "a key agreement");
  if (size < bytes) {  // DH drops leading zeros
    SecretBytes padded(bytes - size);
    padded.append(secret.view().first(size));
    return padded;
  }
  return secret;
}

}  // namespace vtpm::crypto
