// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/mac.h"

#include <openssl/core_names.h>

#include "crypto/symmetric/cbc_mac.h"
#include "crypto/symmetric/cipher_engine.h"

namespace vtpm::crypto {
namespace {

using MacContext = Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using NativeMac = Owned<EVP_MAC, EVP_MAC_free>;

constexpr size_t kGcmNonce = 128;  // the limit of libcrypto's GCM

class HmacState : public MacState {
 public:
  explicit HmacState(Hmac hmac) : hmac_(std::move(hmac)) {}
  std::unique_ptr<MacState> clone() const override { return std::make_unique<HmacState>(*this); }
  size_t size() const override { return hmac_.size(); }
  void update(ByteView data) override { hmac_.update(data); }
  void finish(MutableByteView out) override { hmac_.finish(out); }
  std::optional<SecretBytes> save() const override { return hmac_.save(); }
  void load(ByteView saved) override { hmac_.load(saved); }

 private:
  Hmac hmac_;
};

class GmacState : public MacState {
 public:
  GmacState(ByteView key, ByteView iv) {
    const std::string cipher = EVP_CIPHER_get0_name(native_aes(key.size(), "GCM").get());
    NativeMac mac(EVP_MAC_fetch(nullptr, "GMAC", nullptr));
    require_openssl(mac != nullptr, "fetching a MAC");
    context_.reset(EVP_MAC_CTX_new(mac.get()));
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, const_cast<char*>(cipher.c_str()), 0),
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, const_cast<uint8_t*>(iv.data()), iv.size()),
        OSSL_PARAM_construct_end()};
    require_openssl(context_ != nullptr && EVP_MAC_init(context_.get(), key.data(), key.size(), parameters) == 1,
                    "keying a MAC");
  }
  explicit GmacState(MacContext context) : context_(std::move(context)) {}
  std::unique_ptr<MacState> clone() const override {
    MacContext copy(EVP_MAC_CTX_dup(context_.get()));
    require_openssl(copy != nullptr, "copying a MAC");
    return std::make_unique<GmacState>(std::move(copy));
  }
  size_t size() const override { return 16; }
  void update(ByteView data) override {
    require_openssl(EVP_MAC_update(context_.get(), data.data(), data.size()) == 1, "a MAC");
  }
  void finish(MutableByteView out) override {
    size_t size = 0;
    require_openssl(EVP_MAC_final(context_.get(), out.data(), &size, out.size()) == 1 && size == out.size(),
                    "ending a MAC");
  }

 private:
  MacContext context_;
};

std::unique_ptr<MacState> start(const MacParameters& parameters, ByteView key) {
  switch (parameters.algorithm) {
    case MacAlgorithm::kHmac:
      return std::make_unique<HmacState>(
          Hmac(parameters.t ? Digest::sha512_t(parameters.t) : Digest(parameters.hash), key));
    case MacAlgorithm::kCmac:
      return CbcMac::cmac(key);
    case MacAlgorithm::kGmac:
      if (parameters.iv.empty() || parameters.iv.size() > kGcmNonce) {
        throw Error(ErrorCode::kInvalidArgument,
                    "length of the GMAC initialization vector out of range (1 to 128 bytes)");
      }
      return std::make_unique<GmacState>(key, parameters.iv);
    case MacAlgorithm::kXcbcMac:
      return CbcMac::xcbc(key);
  }
  throw Error(ErrorCode::kInternal, "an unknown MAC");
}

}  // namespace

void MacState::load(ByteView) {
  throw Error(ErrorCode::kInvalidArgument, "the state of this MAC cannot be saved or loaded");
}

Mac::Mac(const MacParameters& parameters, ByteView key) : state_(start(parameters, key)) {}

Mac& Mac::operator=(const Mac& other) {
  if (this != &other) *this = Mac(other);
  return *this;
}

Mac& Mac::update(ByteView data) {
  state_->update(data);
  return *this;
}

void Mac::finish(MutableByteView out) {
  if (out.size() != size()) throw Error(ErrorCode::kInvalidArgument, "the buffer does not have the size of the MAC");
  state_->finish(out);
}

Bytes Mac::finish() {
  Bytes result(size());
  state_->finish(result);
  return result;
}

}  // namespace vtpm::crypto
