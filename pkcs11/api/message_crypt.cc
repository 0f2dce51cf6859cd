// SPDX-License-Identifier: Apache-2.0
// Message-based encryption and decryption (PKCS#11 3.2, 5.9 and 5.11), which differ in the direction only.
//
// An error ends the present message in parts, but not the operation, which C_Message…Final ends.
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/kinds.h"
#include "pkcs11/session/lookup.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

struct Side {
  Running<MessageCryptOperation> running;
  CK_FLAGS flag;
  CK_ATTRIBUTE_TYPE use;
  crypto::Direction direction;
};
constexpr Side kEncryption = {kEncryptingMessages, CKF_MESSAGE_ENCRYPT, CKA_ENCRYPT, crypto::Direction::kEncrypt};
constexpr Side kDecryption = {kDecryptingMessages, CKF_MESSAGE_DECRYPT, CKA_DECRYPT, crypto::Direction::kDecrypt};

// The arguments of these functions, in groups.
struct MessageArgument {
  void* data;
  CK_ULONG length;
};
struct In {
  const void* data;
  CK_ULONG length;
  ByteView view() const { return input(data, length); }
  ByteView beside() const { return input(data, length, kAssociatedLimit); }
};
struct Out {
  CK_BYTE* data;
  CK_ULONG* length;
};

CK_RV begin_process(Session& session, const Side& side, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return begin_operation(session, side.running, mechanism, [&] {
    const Mechanism& row = require_mechanism(mechanism, side.flag);
    const ObjectPtr object = require_key_for(session, key, CKO_SECRET_KEY, side.use, row);
    require_message_mechanism(row, *mechanism);
    const SecretAttributes secret = session.token->catalogue().secret_of(*object);
    return MessageCryptOperation{&row, make_message_crypt(row, secret.get(CKA_VALUE), side.direction),
                                 use_key(session, *object)};
  });
}

MessageCryptOperation& require_between_messages(Session& session, const Side& side) {
  MessageCryptOperation& operation = require_operation(session, side.running);
  refuse_if(operation.crypt->in_message(), CKR_OPERATION_ACTIVE, "a message in parts is active and must end first");
  return operation;
}

CK_RV whole(Session& session, const Side& side, MessageArgument parameter, In associated, In from, Out to) {
  MessageCryptOperation& operation = require_between_messages(session, side);
  session.require_login(operation.use);
  const MessageParameter message = message_parameter(*operation.row, parameter.data, parameter.length, side.direction);
  message.tag();
  const ByteView in = from.view(), beside = associated.beside();
  Output out(to.data, to.length);
  if (auto early = out.early(in.size())) return *early;
  operation.crypt->message(message, beside, in, out.room(in.size()));
  out.put_in_place(in.size());
  return CKR_OK;
}

CK_RV begin_message(Session& session, const Side& side, MessageArgument parameter, In associated) {
  MessageCryptOperation& operation = require_between_messages(session, side);
  session.require_login(operation.use);
  operation.crypt->begin(message_parameter(*operation.row, parameter.data, parameter.length, side.direction),
                         associated.beside());
  return CKR_OK;
}

CK_RV run_part(Session& session, MessageCryptOperation& operation, crypto::Direction direction,
               MessageArgument parameter, In from, Out to, bool last) {
  session.require_login(operation.use);
  std::optional<MessageParameter> message;
  if (last || parameter.data) {
    message = message_parameter(*operation.row, parameter.data, parameter.length, direction);
  }
  const ByteView in = from.view();
  Output out(to.data, to.length);
  const size_t bytes = operation.crypt->next_bytes(in.size(), last);
  if (auto early = out.early(bytes)) return *early;
  operation.crypt->next(message ? &*message : nullptr, in, out.room(bytes), last);
  out.put_in_place(bytes);
  return CKR_OK;
}

CK_RV part(Session& session, const Side& side, MessageArgument parameter, In from, Out to, CK_FLAGS flags) {
  MessageCryptOperation& operation = require_operation(session, side.running);
  refuse_if(!operation.crypt->in_message(), CKR_OPERATION_NOT_INITIALIZED, "no message in parts was begun");
  try {
    return run_part(session, operation, side.direction, parameter, from, to, flags & CKF_END_OF_MESSAGE);
  } catch (...) {
    operation.crypt->drop();
    throw;
  }
}

CK_RV end_process(Session& session, const Side& side) {
  require_between_messages(session, side);
  session.operations.end(side.running.kind);
  return CKR_OK;
}

}  // namespace

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_MessageEncryptInit", handle,
                      [&](Module&, Session& session) { return begin_process(session, kEncryption, mechanism, key); });
}

CK_RV C_EncryptMessage(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                       CK_ULONG associated_length, CK_BYTE* data, CK_ULONG length, CK_BYTE* encrypted,
                       CK_ULONG* encrypted_length) {
  return call_session("C_EncryptMessage", handle, [&](Module&, Session& session) {
    return whole(session, kEncryption, {parameter, parameter_length}, {associated, associated_length}, {data, length},
                 {encrypted, encrypted_length});
  });
}

CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                            CK_ULONG associated_length) {
  return call_session("C_EncryptMessageBegin", handle, [&](Module&, Session& session) {
    return begin_message(session, kEncryption, {parameter, parameter_length}, {associated, associated_length});
  });
}

CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* data,
                           CK_ULONG length, CK_BYTE* encrypted, CK_ULONG* encrypted_length, CK_FLAGS flags) {
  return call_session("C_EncryptMessageNext", handle, [&](Module&, Session& session) {
    return part(session, kEncryption, {parameter, parameter_length}, {data, length}, {encrypted, encrypted_length},
                flags);
  });
}

CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE handle) {
  return call_session("C_MessageEncryptFinal", handle,
                      [&](Module&, Session& session) { return end_process(session, kEncryption); });
}

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_MessageDecryptInit", handle,
                      [&](Module&, Session& session) { return begin_process(session, kDecryption, mechanism, key); });
}

CK_RV C_DecryptMessage(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                       CK_ULONG associated_length, CK_BYTE* encrypted, CK_ULONG length, CK_BYTE* data,
                       CK_ULONG* data_length) {
  return call_session("C_DecryptMessage", handle, [&](Module&, Session& session) {
    return whole(session, kDecryption, {parameter, parameter_length}, {associated, associated_length},
                 {encrypted, length}, {data, data_length});
  });
}

CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                            CK_ULONG associated_length) {
  return call_session("C_DecryptMessageBegin", handle, [&](Module&, Session& session) {
    return begin_message(session, kDecryption, {parameter, parameter_length}, {associated, associated_length});
  });
}

CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE handle, void* parameter, CK_ULONG parameter_length, CK_BYTE* encrypted,
                           CK_ULONG length, CK_BYTE* data, CK_ULONG* data_length, CK_FLAGS flags) {
  return call_session("C_DecryptMessageNext", handle, [&](Module&, Session& session) {
    return part(session, kDecryption, {parameter, parameter_length}, {encrypted, length}, {data, data_length}, flags);
  });
}

CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE handle) {
  return call_session("C_MessageDecryptFinal", handle,
                      [&](Module&, Session& session) { return end_process(session, kDecryption); });
}
