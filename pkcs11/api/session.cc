// SPDX-License-Identifier: Apache-2.0
// Session functions (PKCS#11 3.2, 5.6) and the legacy parallel ones (5.20).
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

/// Gives the user's PIN to the operation of this session that waits for it (CKA_ALWAYS_AUTHENTICATE).
void login_for_operation(Session& session, ByteView pin) {
  KeyUse* const waiting = session.operations.waiting_for_pin();
  refuse_if(!waiting, CKR_OPERATION_NOT_INITIALIZED, "no operation of this session waits for a PIN");
  session.token->login().authenticate(pin);
  waiting->needs_authentication = false;
}

}  // namespace

CK_RV C_OpenSession(CK_SLOT_ID id, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* handle) {
  return call("C_OpenSession", [&](Module& module) {
    CK_SESSION_HANDLE& out = require(handle);
    refuse_if(!(flags & CKF_SERIAL_SESSION), CKR_SESSION_PARALLEL_NOT_SUPPORTED, "CKF_SERIAL_SESSION must be set");
    refuse_if(flags & CKF_ASYNC_SESSION, CKR_SESSION_ASYNC_NOT_SUPPORTED, "the token has no asynchronous sessions");
    std::shared_ptr<Token> token = module.slots.token(id);
    refuse_if(!token, CKR_TOKEN_NOT_RECOGNIZED, "the token in this slot is not initialized (C_InitToken)");
    const bool read_write = flags & CKF_RW_SESSION;
    refuse_if(read_write && token->read_only(), CKR_TOKEN_WRITE_PROTECTED, "the store is read-only");
    out = module.sessions.open(token, id, read_write)->handle;
    token->login().log_in_by_itself();
    return CKR_OK;
  });
}

CK_RV C_CloseSession(CK_SESSION_HANDLE handle) {
  return call("C_CloseSession", [&](Module& module) {
    module.sessions.close(handle);
    return CKR_OK;
  });
}

CK_RV C_CloseAllSessions(CK_SLOT_ID id) {
  return call("C_CloseAllSessions", [&](Module& module) {
    // Sessions with a token whose store was removed no longer have a slot, but can be closed.
    if (!module.sessions.close_all(id)) module.slots.require(id);
    return CKR_OK;
  });
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE handle, CK_SESSION_INFO* info) {
  return call_session("C_GetSessionInfo", handle, [&](Module&, Session& session) {
    session.token->login().refresh();
    require(info) = {session.slot, session.state(), CKF_SERIAL_SESSION | (session.read_write ? CKF_RW_SESSION : 0), 0};
    return CKR_OK;
  });
}

CK_RV C_Login(CK_SESSION_HANDLE handle, CK_USER_TYPE user, CK_BYTE* pin, CK_ULONG pin_length) {
  return call_session("C_Login", handle, [&](Module&, Session& session) {
    refuse_if(user != CKU_USER && user != CKU_SO && user != CKU_CONTEXT_SPECIFIC, CKR_USER_TYPE_INVALID,
              "the user type must be CKU_USER, CKU_SO or CKU_CONTEXT_SPECIFIC");
    const Token& token = *session.token;
    const bool as_so = user == CKU_SO || (user == CKU_CONTEXT_SPECIFIC && token.login().who() == Who::kSo);
    const Who who = as_so ? Who::kSo : Who::kUser;
    const PinSource& source = who == Who::kSo ? token.settings().so_pin : token.settings().user_pin;
    const SecretBytes secret = given_pin(pin, pin_length, source, who == Who::kUser && token.config().empty_pin);
    if (user == CKU_CONTEXT_SPECIFIC) {
      login_for_operation(session, secret);
      return CKR_OK;
    }
    session.token->login().log_in(who, secret);
    return CKR_OK;
  });
}

CK_RV C_LoginUser(CK_SESSION_HANDLE handle, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG pin_length,
                  CK_UTF8CHAR* user_name, CK_ULONG user_name_length) {
  const CK_RV named = call_session("C_LoginUser", handle, [&](Module&, Session&) {
    refuse_if(!input(user_name, user_name_length).empty(), CKR_ARGUMENTS_BAD,
              "users of this token have no names: the user name must be empty");
    return CKR_OK;
  });
  return named == CKR_OK ? C_Login(handle, user, pin, pin_length) : named;
}

CK_RV C_Logout(CK_SESSION_HANDLE handle) {
  return call_session("C_Logout", handle, [&](Module&, Session& session) {
    refuse_if(session.token->login().who() == Who::kNobody, CKR_USER_NOT_LOGGED_IN, "no user is logged in");
    session.token->login().log_out();
    return CKR_OK;
  });
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE handle, CK_FLAGS flags) {
  return call_session("C_SessionCancel", handle, [&](Module&, Session& session) {
    session.operations.cancel(flags);
    return CKR_OK;
  });
}

CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE handle, CK_SESSION_VALIDATION_FLAGS_TYPE type, CK_FLAGS* flags) {
  return call_session("C_GetSessionValidationFlags", handle, [&](Module&, Session&) {
    CK_FLAGS& out = require(flags);
    refuse_if(type != CKS_LAST_VALIDATION_OK, CKR_ARGUMENTS_BAD, "there are no validation flags of this type");
    out = 0;  // the module was not validated, so that no operation complies with the rules of a validation
    return CKR_OK;
  });
}

// Legacy functions (PKCS#11 3.2, 5.20): "simply return the value CKR_FUNCTION_NOT_PARALLEL", for any handle.

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE) {
  return run_guarded("C_GetFunctionStatus", [] { return CKR_FUNCTION_NOT_PARALLEL; });
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE) {
  return run_guarded("C_CancelFunction", [] { return CKR_FUNCTION_NOT_PARALLEL; });
}
