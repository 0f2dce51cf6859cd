// SPDX-License-Identifier: Apache-2.0
// Message-based signing and verifying (PKCS#11 3.2, 5.14 and 5.16): one key, any number of messages.
//
// An error ends the present message in parts, but not the operation, which C_Message…Final ends. No mechanism of this
// token has a parameter for single messages.
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/kinds.h"
#include "pkcs11/session/lookup.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

/// A caller's parameter for one message.
struct MessageArgument {
  const void* data;
  CK_ULONG length;
};
void require_no_parameter(MessageArgument parameter) {
  refuse_parameter_if(parameter.length != 0, "the mechanism has no parameter for a message");
}

template <typename Operation>
Operation& require_between_messages(const Session& session, Running<Operation> running) {
  Operation& operation = require_operation(session, running);
  refuse_if(operation.running != nullptr, CKR_OPERATION_ACTIVE, "a message in parts is active and must end first");
  return operation;
}

/// Ends a message. A key with CKA_ALWAYS_AUTHENTICATE needs the PIN again for the next one.
template <typename Operation>
void end_message(Operation& operation) {
  operation.running.reset();
  operation.use.needs_authentication = operation.asks_each_time;
}

/// Runs a step of a message. An exception ends the message "unsuccessfully" (PKCS#11 3.2, 4.10), and the authentication
/// with it.
template <typename Operation, typename F>
CK_RV run_step(Session& session, Operation& operation, MessageArgument parameter, F&& step) {
  try {
    session.require_login(operation.use);
    require_no_parameter(parameter);
    return step(operation);
  } catch (...) {
    end_message(operation);
    throw;
  }
}

template <typename Operation, typename F>
CK_RV run_whole(Session& session, Running<Operation> running, MessageArgument parameter, F&& step) {
  return run_step(session, require_between_messages(session, running), parameter, step);
}

template <typename Operation>
CK_RV begin_message(Session& session, Running<Operation> running, MessageArgument parameter) {
  return run_whole(session, running, parameter, [](Operation& operation) {
    operation.running = operation.fresh->clone();
    return CKR_OK;
  });
}

/// The active message in parts.
template <typename Operation, typename F>
CK_RV run_message(Session& session, Running<Operation> running, MessageArgument parameter, F&& step) {
  Operation& operation = require_operation(session, running);
  refuse_if(operation.running == nullptr, CKR_OPERATION_NOT_INITIALIZED, "no message in parts was begun");
  return run_step(session, operation, parameter, step);
}

template <typename Operation>
CK_RV end_process(Session& session, Running<Operation> running) {
  require_between_messages(session, running);
  session.operations.end(running.kind);
  return CKR_OK;
}

CK_RV sign(MessageSignOperation& operation, Signer& signer, ByteView last, Output out) {
  if (auto early = out.early(signer.size())) return *early;
  signer.update(last);
  out.put(signer.finish());
  end_message(operation);
  return CKR_OK;
}

CK_RV verify(MessageVerifyOperation& operation, Verifier& verifier, ByteView last, ByteView signature) {
  verifier.update(last);
  refuse_if(!verifier.takes(signature.size()), CKR_SIGNATURE_LEN_RANGE,
            "the signature has a wrong length for this key");
  refuse_if(!verifier.finish(signature), CKR_SIGNATURE_INVALID, "the signature is wrong");
  end_message(operation);
  return CKR_OK;
}

}  // namespace

CK_RV C_MessageSignInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_MessageSignInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kSigningMessages, mechanism, [&] {
      const Mechanism& row = require_mechanism(mechanism, CKF_MESSAGE_SIGN);
      const ObjectPtr object = require_key_for(session, key, CKO_PRIVATE_KEY, CKA_SIGN, row);
      const KeyUse use = use_key(session, *object);
      return MessageSignOperation{make_signer(session, row, *mechanism, *object), nullptr, use,
                                  use.needs_authentication};
    });
  });
}

CK_RV C_SignMessage(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* data,
                    CK_ULONG length, CK_BYTE* signature, CK_ULONG* signature_length) {
  return call_session("C_SignMessage", handle, [&](Module&, Session& session) {
    return run_whole(session, kSigningMessages, {parameter, parameter_length}, [&](MessageSignOperation& operation) {
      const std::unique_ptr<Signer> signer = operation.fresh->clone();
      return sign(operation, *signer, input(data, length), {signature, signature_length});
    });
  });
}

CK_RV C_SignMessageBegin(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length) {
  return call_session("C_SignMessageBegin", handle, [&](Module&, Session& session) {
    return begin_message(session, kSigningMessages, {parameter, parameter_length});
  });
}

CK_RV C_SignMessageNext(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* part,
                        CK_ULONG length, CK_BYTE* signature, CK_ULONG* signature_length) {
  return call_session("C_SignMessageNext", handle, [&](Module&, Session& session) {
    return run_message(session, kSigningMessages, {parameter, parameter_length},
                       [&](MessageSignOperation& operation) -> CK_RV {
                         const ByteView data = input(part, length);
                         if (signature_length)
                           return sign(operation, *operation.running, data, {signature, signature_length});
                         operation.running->update(data);
                         return CKR_OK;
                       });
  });
}

CK_RV C_MessageSignFinal(CK_SESSION_HANDLE handle) {
  return call_session("C_MessageSignFinal", handle,
                      [&](Module&, Session& session) { return end_process(session, kSigningMessages); });
}

CK_RV C_MessageVerifyInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_MessageVerifyInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kVerifyingMessages, mechanism, [&] {
      const Mechanism& row = require_mechanism(mechanism, CKF_MESSAGE_VERIFY);
      const ObjectPtr object = require_key_for(session, key, CKO_PUBLIC_KEY, CKA_VERIFY, row);
      return MessageVerifyOperation{make_verifier(session, row, *mechanism, *object), nullptr,
                                    row.works_with_secret_keys() ? use_key(session, *object) : KeyUse{}, false};
    });
  });
}

CK_RV C_VerifyMessage(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* data,
                      CK_ULONG length, CK_BYTE* signature, CK_ULONG signature_length) {
  return call_session("C_VerifyMessage", handle, [&](Module&, Session& session) {
    return run_whole(session, kVerifyingMessages, {parameter, parameter_length},
                     [&](MessageVerifyOperation& operation) {
                       require(signature);
                       const std::unique_ptr<Verifier> verifier = operation.fresh->clone();
                       return verify(operation, *verifier, input(data, length), input(signature, signature_length));
                     });
  });
}

CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length) {
  return call_session("C_VerifyMessageBegin", handle, [&](Module&, Session& session) {
    return begin_message(session, kVerifyingMessages, {parameter, parameter_length});
  });
}

CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* part,
                          CK_ULONG length, CK_BYTE* signature, CK_ULONG signature_length) {
  return call_session("C_VerifyMessageNext", handle, [&](Module&, Session& session) {
    return run_message(session, kVerifyingMessages, {parameter, parameter_length},
                       [&](MessageVerifyOperation& operation) -> CK_RV {
                         const ByteView data = input(part, length);
                         if (signature)
                           return verify(operation, *operation.running, data, input(signature, signature_length));
                         operation.running->update(data);
                         return CKR_OK;
                       });
  });
}

CK_RV C_MessageVerifyFinal(CK_SESSION_HANDLE handle) {
  return call_session("C_MessageVerifyFinal", handle,
                      [&](Module&, Session& session) { return end_process(session, kVerifyingMessages); });
}
