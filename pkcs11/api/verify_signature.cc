// SPDX-License-Identifier: Apache-2.0
// Verification of a signature that is known before its data (PKCS#11 3.2, 5.15).
#include <algorithm>

#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/begin.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

Step finish(Session& session, VerifySignatureOperation& operation, ByteView last) {
  VerifyOperation& verify = operation.verify;
  session.require_login(verify.use);
  verify.verifier->update(last);
  refuse_if(!verify.verifier->takes(operation.signature.size()), CKR_SIGNATURE_LEN_RANGE,
            "the signature has a wrong length for this key");
  refuse_if(!verify.verifier->finish(operation.signature), CKR_SIGNATURE_INVALID, "the signature is wrong");
  return {};
}

}  // namespace

CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key, CK_BYTE* signature,
                            CK_ULONG signature_length) {
  return call_session("C_VerifySignatureInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kVerifyingSignature, mechanism, [&] {
      require_mechanism(mechanism, CKF_VERIFY);
      require(signature);
      const ByteView bytes = input(signature, signature_length, kSignatureLimit);
      VerifyOperation verify = begin_verification(session, mechanism, key);
      // A signature of another length cannot be right, so that no more of it is kept than shows this.
      const size_t kept = std::min(bytes.size(), verify.verifier->size() + 1);
      return VerifySignatureOperation{std::move(verify), to_bytes(bytes.first(kept))};
    });
  });
}

CK_RV C_VerifySignature(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length) {
  return call_session("C_VerifySignature", handle, [&](Module&, Session& session) {
    return run_operation(session, kVerifyingSignature, [&](VerifySignatureOperation& operation) {
      refuse_if(operation.verify.multi_part, CKR_OPERATION_NOT_INITIALIZED,
                "a multi-part operation is active; it ends with its Final function");
      return finish(session, operation, input(data, length));
    });
  });
}

CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length) {
  return call_session("C_VerifySignatureUpdate", handle, [&](Module&, Session& session) {
    return run_operation(session, kVerifyingSignature, [&](VerifySignatureOperation& operation) -> Step {
      session.require_login(operation.verify.use);
      operation.verify.verifier->update(input(part, length));
      operation.verify.multi_part = true;
      return {CKR_OK, true};
    });
  });
}

CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE handle) {
  return call_session("C_VerifySignatureFinal", handle, [&](Module&, Session& session) {
    return run_operation(session, kVerifyingSignature,
                         [&](VerifySignatureOperation& operation) { return finish(session, operation, {}); });
  });
}
