// SPDX-License-Identifier: Apache-2.0
// The door between C and C++. The body of every C function is a lambda inside `call` or `call_session`, which do what
// all functions have in common: check that the module is initialized, handle a fork, find and lock the session, turn
// exceptions into return values, write the diagnostic log. This file also has the conventions for a caller's buffers
// (PKCS#11 3.2, 5.2), and the rules for when an operation ends.
#pragma once

#include <exception>
#include <new>

#include "crypto/library/want_of_memory.h"
#include "pkcs11/cryptoki/limits.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/session/module.h"

namespace vtpm::pkcs11 {

/// Writes a line to the diagnostic log: for faults always, for refusals at the level "info", for successes at "debug".
void log_result(const char* function, CK_RV rv, const char* reason) noexcept;
/// For a program that is linked with these functions and wants to report more than a CK_RV: from now on, each call that
/// does not return CKR_OK writes the sentence of its log line to `to`, or an empty string if there is none. Null: no
/// longer. Not thread-safe; the module itself never calls it.
void tell_reasons(std::string* to) noexcept;

/// Returns CKR_HOST_MEMORY if the call failed because libcrypto could not allocate memory, and `rv` otherwise.
CK_RV unless_memory_was_wanted(CK_RV rv) noexcept;

/// Runs `body` and turns any exception into its CK_RV. Not inlined, so that no frame outside of it has a landing pad
/// (run_guarded).
template <typename F>
[[gnu::noinline]] CK_RV answer_of(const char* function, F&& body) noexcept {
  CK_RV rv = CKR_GENERAL_ERROR;
  crypto::forget_want_of_memory();
  try {
    try {
      rv = body();
      log_result(function, rv, "");
    } catch (const Refusal& refusal) {
      rv = refusal.rv();
      log_result(function, rv, refusal.what());
    } catch (const Superseded& superseded) {
      rv = superseded.rv();
      log_result(function, rv, superseded.what());
    } catch (const Error& error) {
      rv = rv_of(error.code());
      log_result(function, rv, error.what());
    } catch (const std::bad_alloc&) {
      rv = CKR_HOST_MEMORY;
      log_result(function, rv, "out of memory");
    } catch (const std::exception& error) {
      log_result(function, rv, error.what());
    }
  } catch (...) {  // not even the log line could be made
  }
  return unless_memory_was_wanted(rv);
}

/// Whether and how this thread can be cancelled (pthread_cancel).
struct Cancellation {
  int state, type;
};
/// Prevents the thread from being cancelled until allow_cancellation. A cancellation that is requested meanwhile acts
/// at the application's next cancellation point; if the application chose asynchronous cancellation, allow_cancellation
/// does not return.
Cancellation forbid_cancellation();
void allow_cancellation(const Cancellation& before);

/// The frame of every C function. A call that was cancelled half-way would keep its locks, and unwinding through
/// `noexcept` ends the process. Because allow_cancellation may unwind, nothing in this frame is noexcept or has a
/// destructor.
template <typename F>
CK_RV run_guarded(const char* function, F&& body) {
  const Cancellation before = forbid_cancellation();
  const CK_RV rv = answer_of(function, body);
  allow_cancellation(before);
  return rv;
}

/// A call that needs an initialized module: `body(Module&)`.
template <typename F>
CK_RV call(const char* function, F&& body) {
  return run_guarded(function, [&] {
    Passage passage;
    return body(passage.module());
  });
}

/// Whether PKCS#11 3.2 lists CKR_PIN_EXPIRED for the function: those that begin an operation with an object or a key.
/// Functions that continue an operation, and those needed to reach C_SetPIN, work with an expired PIN.
bool needs_a_lasting_pin(std::string_view function);

/// A call in a session, which stays locked until the call returns: `body(Module&, Session&)`.
template <typename F>
CK_RV call_session(const char* function, CK_SESSION_HANDLE handle, F&& body) {
  return run_guarded(function, [&] {
    Passage passage;
    Module& module = passage.module();
    std::shared_ptr<Session> session = module.sessions.get(handle);
    passage.stand_on(*session);
    const auto lock = lock_within_limit(session->mutex, "the session");
    refuse_if(session->closed(), CKR_SESSION_HANDLE_INVALID, "the session was closed by another thread");
    refuse_if(session->token->removed(), CKR_DEVICE_REMOVED, "the token was removed or initialized anew");
    refuse_if(session->token->login().pin_expired() && needs_a_lasting_pin(function), CKR_PIN_EXPIRED,
              "the PIN was set by the SO and must be changed first (C_SetPIN)");
    return body(module, *session);
  });
}

/// A caller's data for an operation, of any length that memory can have. Throws Refusal CKR_ARGUMENTS_BAD for a null
/// pointer with a length, and for a greater length.
ByteView input(const void* data, CK_ULONG length);
/// A caller's other input. Throws Refusal CKR_ARGUMENTS_BAD also for a length that exceeds the limit.
ByteView input(const void* data, CK_ULONG length, const Limit& limit);

/// The PIN that a caller passes; for a null pointer, that of the protected authentication path. Throws Refusal:
/// CKR_ARGUMENTS_BAD if the token has no such path; CKR_FUNCTION_CANCELED if no PIN can be read there, or if the PIN is
/// empty and `may_be_empty` (for users' PINs the setting `pin.empty`) is false.
SecretBytes given_pin(const CK_BYTE* pin, CK_ULONG length, const PinSource& source, bool may_be_empty);

/// A caller's output buffer (PKCS#11 3.2, 5.2): a null pointer requests the size.
class Output {
 public:
  /// Throws Refusal CKR_ARGUMENTS_BAD if the pointer to the length is null.
  Output(CK_BYTE_PTR buffer, CK_ULONG_PTR length);
  /// What the call returns before an output of `size` bytes: CKR_OK for a size query, CKR_BUFFER_TOO_SMALL, or nothing
  /// if the output fits. Sets the length in the first two cases.
  std::optional<CK_RV> early(size_t size);
  void put(ByteView result);

  bool asks_for_size() const { return !buffer_; }
  bool fits(size_t size) const { return buffer_ && *length_ >= size; }
  /// For output that is computed in the caller's memory: `room` for a size that fits, then `put_in_place` with the
  /// length that was used.
  MutableByteView room(size_t size) { return {buffer_, size}; }
  void put_in_place(size_t size) { *length_ = size; }

 private:
  CK_BYTE_PTR buffer_;
  CK_ULONG_PTR length_;
};

/// How a step of an operation ended.
struct Step {
  CK_RV rv = CKR_OK;
  bool stays_active = false;
};

/// The active operation of this kind. Throws Refusal CKR_OPERATION_NOT_INITIALIZED if there is none.
template <typename T>
T& require_operation(const Session& session, Running<T> running) {
  T* const operation = session.operations.find(running);
  refuse_if(!operation, CKR_OPERATION_NOT_INITIALIZED, "no such operation is active in this session");
  return *operation;
}

/// Throws Refusal CKR_OPERATION_ACTIVE if an operation of this kind is active.
template <typename T>
void require_none(const Session& session, Running<T> running) {
  refuse_if(session.operations.find(running), CKR_OPERATION_ACTIVE, "such an operation is active in this session");
}

/// A C_…Init function: `begin()` makes the operation. A null mechanism ends the active operation (PKCS#11 3.2, 5.8 and
/// after); if none is active, `begin` throws CKR_ARGUMENTS_BAD for it. Throws Refusal CKR_OPERATION_ACTIVE.
template <typename T, typename F>
CK_RV begin_operation(Session& session, Running<T> running, const CK_MECHANISM* mechanism, F&& begin) {
  if (!mechanism && session.operations.find(running)) {
    session.operations.end(running.kind);
    return CKR_OK;
  }
  require_none(session, running);
  session.operations.start(running, begin());
  return CKR_OK;
}

/// Runs a step of the active operation. The operation ends unless the step says that it stays active; an exception ends
/// it too. The operation stays in the session during the step, because the process may fork while the step waits for a
/// lock, and then the child continues with it. Throws Refusal CKR_OPERATION_NOT_INITIALIZED.
template <typename T, typename F>
CK_RV run_operation(Session& session, Running<T> running, F&& step) {
  T& operation = require_operation(session, running);
  Step ended;
  struct End {
    Operations& operations;
    OperationKind kind;
    const Step& ended;
    ~End() {
      if (!ended.stays_active) operations.end(kind);
    }
  } end{session.operations, running.kind, ended};
  ended = step(operation);
  return ended.rv;
}

template <typename T>
T& require(T* pointer) {
  refuse_if(!pointer, CKR_ARGUMENTS_BAD, "a required pointer is null");
  return *pointer;
}

}  // namespace vtpm::pkcs11
