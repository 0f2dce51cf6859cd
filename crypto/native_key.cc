#include "crypto/native_key.h"

#include <openssl/rsa.h>

namespace vtpm::crypto {
namespace {

bool prepare(EVP_PKEY_CTX* context, NativeKey::Operation operation) {
  auto raw = [&](int initialised) {
    return initialised == 1 && EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1;
  };
  switch (operation) {
    case NativeKey::Operation::kRsaPublic:
      return raw(EVP_PKEY_encrypt_init(context));
    case NativeKey::Operation::kRsaPrivate:
      return raw(EVP_PKEY_decrypt_init(context));
    case NativeKey::Operation::kVerify:
      return EVP_PKEY_verify_init(context) == 1;
    case NativeKey::Operation::kSign:
      return EVP_PKEY_sign_init(context) == 1;
    case NativeKey::Operation::kDerive:
      return EVP_PKEY_derive_init(context) == 1;
  }
  return false;
}

}  // namespace

NativeKey::~NativeKey() {
  for (auto& slots : ready_) {
    for (auto& slot : slots) EVP_PKEY_CTX_free(slot.load(std::memory_order_acquire));
  }
}

EVP_PKEY_CTX* NativeKey::take(Operation operation) {
  for (auto& slot : ready_[static_cast<size_t>(operation)]) {
    if (EVP_PKEY_CTX* context = slot.exchange(nullptr, std::memory_order_acquire)) return context;
  }
  KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  require(context != nullptr && prepare(context.get(), operation), "preparing a key operation");
  return context.release();
}

void NativeKey::give(Operation operation, EVP_PKEY_CTX* context) noexcept {
  for (auto& slot : ready_[static_cast<size_t>(operation)]) {
    EVP_PKEY_CTX* empty = nullptr;
    if (slot.compare_exchange_strong(empty, context, std::memory_order_release, std::memory_order_relaxed)) return;
  }
  EVP_PKEY_CTX_free(context);
}

}  // namespace vtpm::crypto
