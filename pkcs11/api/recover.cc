// SPDX-License-Identifier: Apache-2.0
// Signatures that carry their data (PKCS#11 3.2, 5.13 and 5.15): CKM_RSA_PKCS and CKM_RSA_X_509.
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/kinds.h"
#include "pkcs11/session/lookup.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

CK_RV C_SignRecoverInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_SignRecoverInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kSigningRecover, mechanism, [&] {
      const Mechanism& row = require_mechanism(mechanism, CKF_SIGN_RECOVER);
      const ObjectPtr object = require_key_for(session, key, CKO_PRIVATE_KEY, CKA_SIGN_RECOVER, row);
      return SignOperation{make_signer(session, row, *mechanism, *object), use_key(session, *object), false};
    });
  });
}

CK_RV C_SignRecover(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* signature,
                    CK_ULONG* signature_length) {
  return call_session("C_SignRecover", handle, [&](Module&, Session& session) {
    return run_operation(session, kSigningRecover, [&](SignOperation& operation) -> Step {
      const ByteView in = input(data, length);
      Output out(signature, signature_length);
      session.require_login(operation.use);
      if (auto early = out.early(operation.signer->size())) return {*early, true};
      operation.signer->update(in);
      out.put(operation.signer->finish());
      return {};
    });
  });
}

CK_RV C_VerifyRecoverInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_VerifyRecoverInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kVerifyingRecover, mechanism, [&] {
      const Mechanism& row = require_mechanism(mechanism, CKF_VERIFY_RECOVER);
      const ObjectPtr object = require_key_for(session, key, CKO_PUBLIC_KEY, CKA_VERIFY_RECOVER, row);
      return VerifyRecoverOperation{std::make_shared<const SignatureScheme>(row, *mechanism, *public_key_of(*object))};
    });
  });
}

CK_RV C_VerifyRecover(CK_SESSION_HANDLE handle, CK_BYTE* signature, CK_ULONG length, CK_BYTE* data,
                      CK_ULONG* data_length) {
  return call_session("C_VerifyRecover", handle, [&](Module&, Session& session) {
    return run_operation(session, kVerifyingRecover, [&](VerifyRecoverOperation& operation) -> Step {
      const ByteView in = input(signature, length);
      Output out(data, data_length);
      // What is wrong with the signature comes before what is wrong with the buffer (5.15).
      refuse_if(in.size() != operation.scheme->signature_bytes(), CKR_SIGNATURE_LEN_RANGE,
                "the signature has a wrong length for this key");
      const std::optional<Bytes> recovered = operation.scheme->recover(in);
      refuse_if(!recovered, CKR_SIGNATURE_INVALID, "the signature is wrong");
      if (auto early = out.early(recovered->size())) return {*early, true};
      out.put(*recovered);
      return {};
    });
  });
}
