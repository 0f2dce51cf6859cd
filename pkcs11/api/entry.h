// SPDX-License-Identifier: Apache-2.0
// The one door between C and us. Every C_ function is a lambda inside `call` or `call_session`, which answer once for
// all: is the module initialized, has the process forked, which session, who holds its lock, what does an exception
// mean, what goes into the log. Here too: how a caller's buffers are read and filled, and when an operation ends.
#pragma once

#include <exception>
#include <new>

#include "crypto/library/want_of_memory.h"
#include "pkcs11/cryptoki/limits.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/session/module.h"

namespace vtpm::pkcs11 {

/// One line in the log; faults always, refusals at "info", successes at "debug".
void log_result(const char* function, CK_RV rv, const char* reason) noexcept;
/// For an application that is linked with these functions and wants to say more than a CK_RV: from now on each call
/// that does not return CKR_OK puts the sentence of its log line into `to`; an empty one where there is none. Null: no
/// longer. Not thread-safe; the module itself never calls it.
void tell_reasons(std::string* to) noexcept;

/// `rv`, or CKR_HOST_MEMORY when it comes of an allocation that libcrypto was refused.
CK_RV unless_memory_was_wanted(CK_RV rv) noexcept;

/// Turns whatever `body` throws into its CK_RV. Not inlined, so that no frame outside of it has a landing pad
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
/// Nothing that happens in the thread before allow_cancellation cancels it. What was requested meanwhile acts at the
/// host's next cancellation point; where the host chose asynchronous cancellation, allow_cancellation does not return.
Cancellation forbid_cancellation();
void allow_cancellation(const Cancellation& before);

/// The frame of every C_ function. A call that were cancelled half-way would keep its locks, and unwinding through
/// `noexcept` ends the process. allow_cancellation may unwind: so nothing out here is noexcept or has a destructor.
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

/// Whether 3.2 lists CKR_PIN_EXPIRED for the function: those that begin something with an object or a key. What goes on
/// from there, and the way to C_SetPIN, stay open.
bool needs_a_lasting_pin(std::string_view function);

/// A call in a session, which is locked to its end: `body(Module&, Session&)`.
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
              "the PIN was set by the SO and is to be changed first (C_SetPIN)");
    return body(module, *session);
  });
}

/// A caller's data, which an operation goes through: of any length that memory can have. Throws CKR_ARGUMENTS_BAD for a
/// null pointer with a length and for longer ones.
ByteView input(const void* data, CK_ULONG length);
/// A caller's input of another kind. Throws CKR_ARGUMENTS_BAD for a length above the limit too.
ByteView input(const void* data, CK_ULONG length, const Limit& limit);

/// The PIN that a caller passes; for a null pointer the one of the protected authentication path, if the token has one.
/// Throws CKR_ARGUMENTS_BAD when it has none, CKR_FUNCTION_CANCELED when nothing can be read there, or when what is
/// read is empty and `may_be_empty` (for users' PINs the setting `pin.empty`) is false.
SecretBytes given_pin(const CK_BYTE* pin, CK_ULONG length, const PinSource& source, bool may_be_empty);

/// A caller's output buffer under the convention of PKCS#11 5.2: a null pointer asks for the size.
class Output {
 public:
  /// Throws CKR_ARGUMENTS_BAD when there is nowhere to put the length.
  Output(CK_BYTE_PTR buffer, CK_ULONG_PTR length);
  /// What the call answers when `size` bytes are to come: CKR_OK to a size query, CKR_BUFFER_TOO_SMALL, or nothing
  /// when they fit. The length is set in the first two cases.
  std::optional<CK_RV> early(size_t size);
  void put(ByteView result);

  bool asks_for_size() const { return !buffer_; }
  bool fits(size_t size) const { return buffer_ && *length_ >= size; }
  /// For results that are made in the caller's memory: `room`, which fits, and then how much of it was used.
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

/// The active operation of this kind. Throws Refusal CKR_OPERATION_NOT_INITIALIZED.
template <typename T>
T& require_operation(const Session& session, Running<T> running) {
  T* const operation = session.operations.find(running);
  refuse_if(!operation, CKR_OPERATION_NOT_INITIALIZED, "no such operation is active in this session");
  return *operation;
}

/// Throws Refusal CKR_OPERATION_ACTIVE.
template <typename T>
void require_none(const Session& session, Running<T> running) {
  refuse_if(session.operations.find(running), CKR_OPERATION_ACTIVE, "such an operation is active in this session");
}

/// A C_…Init function: `begin()` makes the operation. A null mechanism ends the operation that is active (3.2, 5.8 and
/// on); where none is, the null pointer is an error, which `begin` refuses. Throws Refusal CKR_OPERATION_ACTIVE.
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

/// Runs a step of the active operation. The operation ends unless the step says that it stays active; an exception
/// ends it too. Until then it stays in the session: while a step waits for a lock the process may be forked, and the
/// child goes on with it. Throws Refusal CKR_OPERATION_NOT_INITIALIZED.
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
