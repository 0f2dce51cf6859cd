// SPDX-License-Identifier: Apache-2.0
// Session functions of PKCS#11 3.0 and 3.2 (5.6 and 5.21 of 3.2).
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

/// Operations end within the call that asks for them, so there is never one to come back to.
CK_RV no_asynchronous_operation(const char* function, CK_SESSION_HANDLE handle) {
  return call_session(function, handle, [](Module&, Session&) {
    refuse(CKR_SESSION_ASYNC_NOT_SUPPORTED, "the session is not asynchronous");
    return CKR_OK;
  });
}

}  // namespace

CK_RV C_LoginUser(CK_SESSION_HANDLE handle, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG pin_length,
                  CK_UTF8CHAR* user_name, CK_ULONG user_name_length) {
  const CK_RV named = call_session("C_LoginUser", handle, [&](Module&, Session&) {
    refuse_if(!input(user_name, user_name_length).empty(), CKR_ARGUMENTS_BAD,
              "users of this token have no names: the user name must be empty");
    return CKR_OK;
  });
  return named == CKR_OK ? C_Login(handle, user, pin, pin_length) : named;
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE handle, CK_FLAGS flags) {
  return call_session("C_SessionCancel", handle, [&](Module&, Session& session) {
    session.cancel(flags);
    return CKR_OK;
  });
}

CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE handle, CK_SESSION_VALIDATION_FLAGS_TYPE type, CK_FLAGS* flags) {
  return call_session("C_GetSessionValidationFlags", handle, [&](Module&, Session&) {
    CK_FLAGS& out = require(flags);
    refuse_if(type != CKS_LAST_VALIDATION_OK, CKR_ARGUMENTS_BAD, "there are no validation flags of this type");
    out = 0;  // nobody has validated this module, so no operation ever met a validation's rules
    return CKR_OK;
  });
}

CK_RV C_AsyncComplete(CK_SESSION_HANDLE handle, CK_UTF8CHAR*, CK_ASYNC_DATA*) {
  return no_asynchronous_operation("C_AsyncComplete", handle);
}

CK_RV C_AsyncGetID(CK_SESSION_HANDLE handle, CK_UTF8CHAR*, CK_ULONG*) {
  return call_session("C_AsyncGetID", handle, [](Module&, Session&) {
    refuse(CKR_OPERATION_NOT_INITIALIZED, "the function performs no asynchronous operation");
    return CKR_OK;
  });
}

CK_RV C_AsyncJoin(CK_SESSION_HANDLE handle, CK_UTF8CHAR*, CK_ULONG, CK_BYTE*, CK_ULONG) {
  return no_asynchronous_operation("C_AsyncJoin", handle);
}
