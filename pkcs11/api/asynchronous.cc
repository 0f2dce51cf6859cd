// SPDX-License-Identifier: Apache-2.0
// Functions of asynchronous sessions (PKCS#11 3.2, 5.21), which this token does not have.
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

/// An operation ends within the call that requests it, so that there is never an asynchronous operation.
CK_RV no_asynchronous_operation(const char* function, CK_SESSION_HANDLE handle) {
  return call_session(function, handle, [](Module&, Session&) {
    refuse(CKR_SESSION_ASYNC_NOT_SUPPORTED, "the session is not asynchronous");
    return CKR_OK;
  });
}

}  // namespace

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
