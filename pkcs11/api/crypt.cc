// SPDX-License-Identifier: Apache-2.0
// Encryption and decryption (PKCS#11 3.2, 5.8 and 5.10), which differ in the direction only.
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/begin.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

using Side = Running<CryptOperation>;

CK_RV begin(Session& session, Side side, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  const auto direction =
      side.kind == OperationKind::kEncrypt ? crypto::Direction::kEncrypt : crypto::Direction::kDecrypt;
  return begin_operation(session, side, mechanism, [&] { return begin_crypt(session, direction, mechanism, key); });
}

/// A caller's arguments. They are checked while the operation runs, because an error in them ends the operation.
struct In {
  const CK_BYTE* data;
  CK_ULONG length;
};
struct Out {
  CK_BYTE* data;
  CK_ULONG* length;
};

CK_RV whole(Session& session, Side side, In from, Out to) {
  return run_operation(session, side, [&](CryptOperation& operation) -> Step {
    const ByteView in = input(from.data, from.length);
    Output out(to.data, to.length);
    refuse_if(operation.multi_part, CKR_OPERATION_NOT_INITIALIZED,
              "a multi-part operation is active; it ends with its Final function");
    session.require_login(operation.use);
    if (!operation.result) {
      const size_t most = operation.crypt->message_bytes(in.size());
      if (out.fits(most)) {
        out.put_in_place(operation.crypt->message(in, out.room(most)));
        return {};
      }
      if (operation.crypt->exact() || out.asks_for_size()) return {*out.early(most), true};
      // The length of the output is known after the decryption only. If the buffer may be too small, the result is kept
      // until the caller provides one that is large enough.
      SecretBytes result(most);
      result.resize(operation.crypt->message(in, result.span()));
      operation.result = std::move(result);
    }
    if (auto early = out.early(operation.result->size())) return {*early, true};
    out.put(*operation.result);
    return {};
  });
}

CK_RV part(Session& session, Side side, In from, Out to) {
  return run_operation(session, side, [&](CryptOperation& operation) -> Step {
    const ByteView in = input(from.data, from.length);
    Output out(to.data, to.length);
    require_parts(*operation.crypt);
    session.require_login(operation.use);
    const size_t bytes = operation.crypt->update_bytes(in.size());
    if (auto early = out.early(bytes)) return {*early, true};
    operation.multi_part = true;
    operation.crypt->update(in, out.room(bytes));
    out.put_in_place(bytes);
    return {CKR_OK, true};
  });
}

CK_RV last(Session& session, Side side, Out to) {
  return run_operation(session, side, [&](CryptOperation& operation) -> Step {
    Output out(to.data, to.length);
    require_parts(*operation.crypt);
    session.require_login(operation.use);
    const size_t bytes = operation.crypt->finish_bytes();
    if (auto early = out.early(bytes)) return {*early, true};
    operation.crypt->finish(out.room(bytes));
    out.put_in_place(bytes);
    return {};
  });
}

}  // namespace

CK_RV C_EncryptInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_EncryptInit", handle,
                      [&](Module&, Session& session) { return begin(session, kEncrypting, mechanism, key); });
}

CK_RV C_Encrypt(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* encrypted,
                CK_ULONG* encrypted_length) {
  return call_session("C_Encrypt", handle, [&](Module&, Session& session) {
    return whole(session, kEncrypting, {data, length}, {encrypted, encrypted_length});
  });
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* encrypted,
                      CK_ULONG* encrypted_length) {
  return call_session("C_EncryptUpdate", handle, [&](Module&, Session& session) {
    return part(session, kEncrypting, {data, length}, {encrypted, encrypted_length});
  });
}

CK_RV C_EncryptFinal(CK_SESSION_HANDLE handle, CK_BYTE* encrypted, CK_ULONG* encrypted_length) {
  return call_session("C_EncryptFinal", handle, [&](Module&, Session& session) {
    return last(session, kEncrypting, {encrypted, encrypted_length});
  });
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_DecryptInit", handle,
                      [&](Module&, Session& session) { return begin(session, kDecrypting, mechanism, key); });
}

CK_RV C_Decrypt(CK_SESSION_HANDLE handle, CK_BYTE* encrypted, CK_ULONG length, CK_BYTE* data, CK_ULONG* data_length) {
  return call_session("C_Decrypt", handle, [&](Module&, Session& session) {
    return whole(session, kDecrypting, {encrypted, length}, {data, data_length});
  });
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE handle, CK_BYTE* encrypted, CK_ULONG length, CK_BYTE* data,
                      CK_ULONG* data_length) {
  return call_session("C_DecryptUpdate", handle, [&](Module&, Session& session) {
    return part(session, kDecrypting, {encrypted, length}, {data, data_length});
  });
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG* data_length) {
  return call_session("C_DecryptFinal", handle, [&](Module&, Session& session) {
    return last(session, kDecrypting, {data, data_length});
  });
}
