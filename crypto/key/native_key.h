// SPDX-License-Identifier: Apache-2.0
// An EVP_PKEY with prepared operation contexts. Private to crypto/.
//
// Preparing an EVP_PKEY_CTX (fetch, init, padding) costs a microsecond or more, a large part of a public RSA operation.
// A prepared context can be reused, but only by one thread at a time. Each key therefore keeps a few: an operation
// takes one with an atomic exchange, without a lock, and puts it back. Additional threads prepare their own. The same
// holds for the peer's key in ECDH: constructing one costs a third of the operation, so only its point is replaced.
#pragma once

#include <array>
#include <atomic>
#include <utility>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {

class NativeKey {
 public:
  enum class Operation { kRsaPublic, kRsaPrivate, kVerify, kSign, kDerive };

  explicit NativeKey(Key key) : key_(std::move(key)) {}
  ~NativeKey();
  NativeKey(const NativeKey&) = delete;
  NativeKey& operator=(const NativeKey&) = delete;

  EVP_PKEY* get() const { return key_.get(); }

  struct Ready {
    KeyContext context;
    Key peer;  // kDerive only: a key on the same curve, whose point may be set
  };
  /// A context that one operation uses; the destructor returns it to the key.
  class Lease {
   public:
    Lease(NativeKey& key, Operation operation) : key_(key), operation_(operation), ready_(key.take(operation)) {}
    ~Lease() { key_.give(operation_, std::move(ready_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    EVP_PKEY_CTX* get() const { return ready_->context.get(); }
    EVP_PKEY* peer() const { return ready_->peer.get(); }

   private:
    NativeKey& key_;
    Operation operation_;
    std::unique_ptr<Ready> ready_;
  };
  /// Throws kInternal if the key does not support the operation.
  Lease context(Operation operation) { return Lease(*this, operation); }

 private:
  static constexpr size_t kOperations = 5, kReady = 4;

  std::unique_ptr<Ready> take(Operation operation);
  void give(Operation operation, std::unique_ptr<Ready> ready) noexcept;

  Key key_;
  std::array<std::array<std::atomic<Ready*>, kReady>, kOperations> ready_{};
};

}  // namespace vtpm::crypto
