// SPDX-License-Identifier: Apache-2.0
// The active operations of a session, from C_…Init to their end: one aggregate for all kinds of operations (PKCS#11
// 3.2, 5.6 and 5.8 to 5.17).
//
// kOperationKinds is the only list of the kinds. C_SessionCancel, C_GetOperationState, C_SetOperationState and C_Login
// with CKU_CONTEXT_SPECIFIC walk it. A new kind is one enumerator, one row below it, and one constant of type Running
// beside the type that holds its state (pkcs11/operation/kinds.h).
//
// The session does not know the types of its operations, which belong to the room above. An operation that is not
// active takes the memory of a pointer; an active one takes one allocation.
//
// The class is not thread-safe. The mutex of the session guards it.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

/// C_Login with CKU_CONTEXT_SPECIFIC looks for the operation that waits for a PIN in this order, from the end.
enum class OperationKind : uint8_t {
  kFind,
  kDigest,
  kEncrypt,
  kVerify,
  kVerifyRecover,
  kVerifySignature,
  kMessageEncrypt,
  kMessageDecrypt,
  kMessageVerify,
  kSign,
  kSignRecover,
  kDecrypt,
  kMessageSign,
  kCount  // how many there are
};
inline constexpr size_t kOperationKindCount = static_cast<size_t>(OperationKind::kCount);

/// What C_GetOperationState does if an operation of the kind is active (PKCS#11 3.2, 5.6).
enum class Saving : uint8_t {
  kIgnored,     // it ignores the operation, and saves the state of the others
  kImpossible,  // it returns CKR_STATE_UNSAVEABLE
  kPossible,    // it saves the state (pkcs11/operation/operation_state.cc), where the mechanism has one
};

struct OperationKindRow {
  OperationKind kind;
  CK_FLAGS flag;  // that names the kind in C_SessionCancel
  Saving saving;
};
inline constexpr OperationKindRow kOperationKinds[] = {
    {OperationKind::kFind, CKF_FIND_OBJECTS, Saving::kIgnored},
    {OperationKind::kDigest, CKF_DIGEST, Saving::kPossible},
    {OperationKind::kEncrypt, CKF_ENCRYPT, Saving::kPossible},
    {OperationKind::kVerify, CKF_VERIFY, Saving::kPossible},
    {OperationKind::kVerifyRecover, CKF_VERIFY_RECOVER, Saving::kImpossible},
    {OperationKind::kVerifySignature, CKF_VERIFY, Saving::kPossible},
    {OperationKind::kMessageEncrypt, CKF_MESSAGE_ENCRYPT, Saving::kImpossible},
    {OperationKind::kMessageDecrypt, CKF_MESSAGE_DECRYPT, Saving::kImpossible},
    {OperationKind::kMessageVerify, CKF_MESSAGE_VERIFY, Saving::kImpossible},
    {OperationKind::kSign, CKF_SIGN, Saving::kPossible},
    {OperationKind::kSignRecover, CKF_SIGN_RECOVER, Saving::kImpossible},
    {OperationKind::kDecrypt, CKF_DECRYPT, Saving::kPossible},
    {OperationKind::kMessageSign, CKF_MESSAGE_SIGN, Saving::kImpossible},
};
static_assert(std::size(kOperationKinds) == kOperationKindCount, "every OperationKind has one row in kOperationKinds");
constexpr bool operation_kinds_are_in_order() {
  for (size_t i = 0; i < std::size(kOperationKinds); ++i) {
    if (static_cast<size_t>(kOperationKinds[i].kind) != i) return false;
  }
  return true;
}
static_assert(operation_kinds_are_in_order(), "the rows of kOperationKinds are in the order of their enumerators");

/// What an operation remembers of the login under which it was begun.
struct KeyUse {
  bool needs_login = false;           // the key object is private
  uint64_t login = 0;                 // LoginState::number() at the begin
  bool needs_authentication = false;  // CKA_ALWAYS_AUTHENTICATE: the context-specific login is still to come
};

/// A kind with the type that holds the state of its operations.
template <typename T>
struct Running {
  OperationKind kind;
};

class Operations {
 public:
  /// The active operation of this kind, which the session owns; null if there is none.
  template <typename T>
  T* find(Running<T> running) const {
    const std::unique_ptr<Any>& any = at(running.kind);
    return any ? &static_cast<Holder<T>&>(*any).operation : nullptr;
  }
  /// Makes the operation the active one of its kind, and ends the one that was active before. Throws std::bad_alloc;
  /// then nothing has changed.
  template <typename T>
  void start(Running<T> running, T operation) {
    at(running.kind) = std::make_unique<Holder<T>>(std::move(operation));
  }
  /// Ends the active operation of this kind, if there is one.
  void end(OperationKind kind) noexcept { at(kind).reset(); }
  /// Ends the operations of the kinds whose flags are set in `kinds` (flags of CK_MECHANISM_INFO).
  void cancel(CK_FLAGS kinds) noexcept;

  /// Whether an operation is active whose kind has this value of `saving`.
  bool any(Saving saving) const noexcept;
  /// The key use of the operation that waits for a PIN; null if there is none.
  KeyUse* waiting_for_pin() const noexcept;

 private:
  struct Any {
    virtual ~Any() = default;
    virtual KeyUse* use() noexcept { return nullptr; }
  };
  template <typename T>
  struct Holder final : Any {
    explicit Holder(T its) : operation(std::move(its)) {}
    KeyUse* use() noexcept override {
      if constexpr (requires { operation.use; }) return &operation.use;
      return nullptr;
    }
    T operation;
  };

  std::unique_ptr<Any>& at(OperationKind kind) { return active_[static_cast<size_t>(kind)]; }
  const std::unique_ptr<Any>& at(OperationKind kind) const { return active_[static_cast<size_t>(kind)]; }

  std::array<std::unique_ptr<Any>, kOperationKindCount> active_;
};

}  // namespace vtpm::pkcs11
