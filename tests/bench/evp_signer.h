// SPDX-License-Identifier: Apache-2.0
// OpenSSL's own private-key operations at their best: a ready EVP context, used again and again.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>

#include "crypto/key/key.h"
#include "crypto/library/openssl.h"

namespace vtpm {

class EvpSigner {
 public:
  /// ECDSA over a 32-byte digest.
  static EvpSigner ec(crypto::Curve curve) {
    const char* name = curve == crypto::Curve::kP256 ? "P-256" : curve == crypto::Curve::kP384 ? "P-384" : "P-521";
    return EvpSigner(EVP_EC_gen(name));
  }
  /// EMSA-PKCS1-v1_5 of a ready DigestInfo.
  static EvpSigner rsa_pkcs1(unsigned bits) {
    EvpSigner signer(EVP_RSA_gen(bits));
    crypto::require_openssl(EVP_PKEY_CTX_set_rsa_padding(signer.context_.get(), RSA_PKCS1_PADDING) == 1, "padding");
    return signer;
  }
  /// ECDH with a key of its own curve.
  static EvpSigner ecdh(crypto::Curve curve) {
    EvpSigner signer = ec(curve);
    signer.context_.reset(EVP_PKEY_CTX_new(signer.key_.get(), nullptr));
    crypto::require_openssl(EVP_PKEY_derive_init(signer.context_.get()) == 1, "derive");
    crypto::require_openssl(EVP_PKEY_derive_set_peer(signer.context_.get(), signer.key_.get()) == 1, "peer");
    return signer;
  }

  void sign(ByteView input) {
    size_t size = sizeof(out_);
    crypto::require_openssl(EVP_PKEY_sign(context_.get(), out_, &size, input.data(), input.size()) == 1, "sign");
  }
  void derive() {
    size_t size = sizeof(out_);
    crypto::require_openssl(EVP_PKEY_derive(context_.get(), out_, &size) == 1, "derive");
  }

 private:
  explicit EvpSigner(EVP_PKEY* key) : key_(key), context_(EVP_PKEY_CTX_new(key, nullptr)) {
    crypto::require_openssl(EVP_PKEY_sign_init(context_.get()) == 1, "sign_init");
  }
  crypto::Key key_;
  crypto::KeyContext context_;
  unsigned char out_[512];
};

}  // namespace vtpm
