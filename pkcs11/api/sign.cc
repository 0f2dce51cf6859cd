// SPDX-License-Identifier: Apache-2.0
// Signing and verifying (PKCS#11 3.2, 5.13 and 5.15).
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/begin.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

Step finish_signature(Session& session, SignOperation& operation, ByteView last, Output out) {
  session.require_login(operation.use);
  if (auto early = out.early(operation.signer->size())) return {*early, true};
  operation.signer->update(last);
  out.put(operation.signer->finish());
  return {};
}

Step finish_verification(Session& session, VerifyOperation& operation, ByteView last, ByteView signature) {
  session.require_login(operation.use);
  operation.verifier->update(last);
  refuse_if(!operation.verifier->takes(signature.size()), CKR_SIGNATURE_LEN_RANGE,
            "the signature has a wrong length for this key");
  refuse_if(!operation.verifier->finish(signature), CKR_SIGNATURE_INVALID, "the signature is wrong");
  return {};
}

template <typename Operation>
void require_single_part(const Operation& operation) {
  refuse_if(operation.multi_part, CKR_OPERATION_NOT_INITIALIZED,
            "a multi-part operation is active; it ends with its Final function");
}

}  // namespace

CK_RV C_SignInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_SignInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kSigning, mechanism, [&] { return begin_signature(session, mechanism, key); });
  });
}

CK_RV C_Sign(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* signature, CK_ULONG* signature_length) {
  return call_session("C_Sign", handle, [&](Module&, Session& session) {
    return run_operation(session, kSigning, [&](SignOperation& operation) {
      require_single_part(operation);
      return finish_signature(session, operation, input(data, length), {signature, signature_length});
    });
  });
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length) {
  return call_session("C_SignUpdate", handle, [&](Module&, Session& session) {
    return run_operation(session, kSigning, [&](SignOperation& operation) -> Step {
      session.require_login(operation.use);
      operation.signer->update(input(part, length));
      operation.multi_part = true;
      return {CKR_OK, true};
    });
  });
}

CK_RV C_SignFinal(CK_SESSION_HANDLE handle, CK_BYTE* signature, CK_ULONG* signature_length) {
  return call_session("C_SignFinal", handle, [&](Module&, Session& session) {
    return run_operation(session, kSigning, [&](SignOperation& operation) {
      return finish_signature(session, operation, {}, {signature, signature_length});
    });
  });
}

CK_RV C_VerifyInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_VerifyInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kVerifying, mechanism, [&] { return begin_verification(session, mechanism, key); });
  });
}

CK_RV C_Verify(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* signature,
               CK_ULONG signature_length) {
  return call_session("C_Verify", handle, [&](Module&, Session& session) {
    return run_operation(session, kVerifying, [&](VerifyOperation& operation) {
      require_single_part(operation);
      require(signature);
      return finish_verification(session, operation, input(data, length), input(signature, signature_length));
    });
  });
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length) {
  return call_session("C_VerifyUpdate", handle, [&](Module&, Session& session) {
    return run_operation(session, kVerifying, [&](VerifyOperation& operation) -> Step {
      session.require_login(operation.use);
      operation.verifier->update(input(part, length));
      operation.multi_part = true;
      return {CKR_OK, true};
    });
  });
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE handle, CK_BYTE* signature, CK_ULONG signature_length) {
  return call_session("C_VerifyFinal", handle, [&](Module&, Session& session) {
    return run_operation(session, kVerifying, [&](VerifyOperation& operation) {
      require(signature);
      return finish_verification(session, operation, {}, input(signature, signature_length));
    });
  });
}
