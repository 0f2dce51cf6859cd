// An EVP_PKEY with operation contexts that are ready for use. Private to crypto/.
//
// Preparing an EVP_PKEY_CTX (fetch, init, padding) costs a microsecond or more, a good part of a public RSA operation;
// a prepared one can be used again and again, but by one thread at a time. So each key keeps a few: an operation takes
// one with an atomic exchange, without a lock, and puts it back. Threads beyond that make their own.
#pragma once

#include <array>
#include <atomic>
#include <utility>

#include "crypto/openssl.h"

namespace vtpm::crypto {

class NativeKey {
 public:
  enum class Operation { kRsaPublic, kRsaPrivate, kVerify, kSign, kDerive };

  explicit NativeKey(Key key) : key_(std::move(key)) {}
  ~NativeKey();
  NativeKey(const NativeKey&) = delete;
  NativeKey& operator=(const NativeKey&) = delete;

  EVP_PKEY* get() const { return key_.get(); }

  /// A context that is held by one operation; it goes back to its key afterwards.
  class Lease {
   public:
    Lease(NativeKey& key, Operation operation) : key_(key), operation_(operation), context_(key.take(operation)) {}
    ~Lease() { key_.give(operation_, context_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    EVP_PKEY_CTX* get() const { return context_; }

   private:
    NativeKey& key_;
    Operation operation_;
    EVP_PKEY_CTX* context_;
  };
  /// Throws kInternal when the key can not do the operation.
  Lease context(Operation operation) { return Lease(*this, operation); }

 private:
  static constexpr size_t kOperations = 5, kReady = 4;

  EVP_PKEY_CTX* take(Operation operation);
  void give(Operation operation, EVP_PKEY_CTX* context) noexcept;

  Key key_;
  std::array<std::array<std::atomic<EVP_PKEY_CTX*>, kReady>, kOperations> ready_{};
};

}  // namespace vtpm::crypto
