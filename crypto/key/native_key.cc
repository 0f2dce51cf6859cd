// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/native_key.h"

#include <openssl/rsa.h>

namespace vtpm::crypto {
namespace {

bool prepare(EVP_PKEY_CTX* context, NativeKey::Operation operation) {
  auto raw = [&](int initialized) {
    return initialized == 1 && EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1;
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
    for (auto& slot : slots) delete slot.load(std::memory_order_acquire);
  }
}

std::unique_ptr<NativeKey::Ready> NativeKey::take(Operation operation) {
  for (auto& slot : ready_[static_cast<size_t>(operation)]) {
    if (Ready* ready = slot.exchange(nullptr, std::memory_order_acquire)) return std::unique_ptr<Ready>(ready);
  }
  auto ready = std::make_unique<Ready>();
  ready->context.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  require_openssl(ready->context != nullptr && prepare(ready->context.get(), operation), "preparing a key operation");
  if (operation == Operation::kDerive) {
    ready->peer.reset(EVP_PKEY_new());
    require_openssl(ready->peer != nullptr && EVP_PKEY_copy_parameters(ready->peer.get(), key_.get()) == 1,
                    "preparing a peer's key");
  }
  return ready;
}

void NativeKey::give(Operation operation, std::unique_ptr<Ready> ready) noexcept {
  for (auto& slot : ready_[static_cast<size_t>(operation)]) {
    Ready* empty = nullptr;
    if (slot.compare_exchange_strong(empty, ready.get(), std::memory_order_release, std::memory_order_relaxed)) {
      static_cast<void>(ready.release());
      return;
    }
  }
}

}  // namespace vtpm::crypto
