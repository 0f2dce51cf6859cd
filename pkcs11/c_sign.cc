// Signing and verifying (PKCS#11 2.40, 5.11 and 5.12).
#include "pkcs11/entry.h"
#include "pkcs11/function_list.h"
#include "pkcs11/lookup.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

Step finish_signature(Session& session, SignOperation& operation, ByteView last, Output out) {
  session.require_login(operation.use);
  if (auto early = out.early(operation.scheme.signature_octets())) return {*early, true};
  operation.input.update(last);
  out.put(operation.scheme.sign(*operation.use.key, operation.input.finish()));
  return {};
}

Step finish_verification(VerifyOperation& operation, ByteView last, ByteView signature) {
  operation.input.update(last);
  refuse_if(signature.size() != operation.scheme.signature_octets(), CKR_SIGNATURE_LEN_RANGE,
            "the signature has a wrong length for this key");
  refuse_if(!operation.scheme.verify(operation.input.finish(), signature), CKR_SIGNATURE_INVALID,
            "the signature is wrong");
  return {};
}

template <typename Operation>
void require_single_part(const Operation& operation) {
  refuse_if(operation.multi_part, CKR_OPERATION_NOT_INITIALIZED,
            "a multi-part operation is active; it ends with its Final function");
}

template <typename Operation>
Step update(Operation& operation, ByteView part) {
  operation.input.update(part);
  operation.multi_part = true;
  return {CKR_OK, true};
}

}  // namespace

CK_RV C_SignInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_SignInit", handle, [&](Module&, Session& session) {
    refuse_if(session.sign.has_value(), CKR_OPERATION_ACTIVE, "a signature is active in this session");
    const Mechanism& row = require_mechanism(mechanism, CKF_SIGN);
    const ObjectPtr object = require_key_for(session, key, CKO_PRIVATE_KEY, CKA_SIGN, row);
    SignatureScheme scheme(row, *mechanism, *public_key_of(*object));
    SignatureInput input(scheme);
    session.sign.emplace(SignOperation{std::move(scheme), std::move(input), use_private_key(session, *object)});
    return CKR_OK;
  });
}

CK_RV C_Sign(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* signature, CK_ULONG* signature_length) {
  return call_session("C_Sign", handle, [&](Module&, Session& session) {
    return run_operation(session.sign, [&](SignOperation& operation) {
      require_single_part(operation);
      return finish_signature(session, operation, input(data, length), {signature, signature_length});
    });
  });
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length) {
  return call_session("C_SignUpdate", handle, [&](Module&, Session& session) {
    return run_operation(session.sign, [&](SignOperation& operation) {
      session.require_login(operation.use);
      return update(operation, input(part, length));
    });
  });
}

CK_RV C_SignFinal(CK_SESSION_HANDLE handle, CK_BYTE* signature, CK_ULONG* signature_length) {
  return call_session("C_SignFinal", handle, [&](Module&, Session& session) {
    return run_operation(session.sign, [&](SignOperation& operation) {
      return finish_signature(session, operation, {}, {signature, signature_length});
    });
  });
}

CK_RV C_VerifyInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return call_session("C_VerifyInit", handle, [&](Module&, Session& session) {
    refuse_if(session.verify.has_value(), CKR_OPERATION_ACTIVE, "a verification is active in this session");
    const Mechanism& row = require_mechanism(mechanism, CKF_VERIFY);
    const ObjectPtr object = require_key_for(session, key, CKO_PUBLIC_KEY, CKA_VERIFY, row);
    SignatureScheme scheme(row, *mechanism, *public_key_of(*object));
    SignatureInput input(scheme);
    session.verify.emplace(VerifyOperation{std::move(scheme), std::move(input)});
    return CKR_OK;
  });
}

CK_RV C_Verify(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* signature,
               CK_ULONG signature_length) {
  return call_session("C_Verify", handle, [&](Module&, Session& session) {
    return run_operation(session.verify, [&](VerifyOperation& operation) {
      require_single_part(operation);
      require(signature);
      return finish_verification(operation, input(data, length), input(signature, signature_length));
    });
  });
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length) {
  return call_session("C_VerifyUpdate", handle, [&](Module&, Session& session) {
    return run_operation(session.verify,
                         [&](VerifyOperation& operation) { return update(operation, input(part, length)); });
  });
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE handle, CK_BYTE* signature, CK_ULONG signature_length) {
  return call_session("C_VerifyFinal", handle, [&](Module&, Session& session) {
    return run_operation(session.verify, [&](VerifyOperation& operation) {
      require(signature);
      return finish_verification(operation, {}, input(signature, signature_length));
    });
  });
}
