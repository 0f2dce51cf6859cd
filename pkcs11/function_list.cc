#include "pkcs11/function_list.h"

#include "pkcs11/entry.h"

namespace vtpm::pkcs11 {
namespace {

/// Stands in the table where the token does not offer a function.
template <typename... Arguments>
CK_RV unsupported(Arguments...) {
  return call("unsupported function", [](Module&) { return CKR_FUNCTION_NOT_SUPPORTED; });
}

CK_FUNCTION_LIST table = {
    .version = {2, 40},
    .C_Initialize = ::C_Initialize,
    .C_Finalize = ::C_Finalize,
    .C_GetInfo = ::C_GetInfo,
    .C_GetFunctionList = ::C_GetFunctionList,
    .C_GetSlotList = ::C_GetSlotList,
    .C_GetSlotInfo = ::C_GetSlotInfo,
    .C_GetTokenInfo = ::C_GetTokenInfo,
    .C_GetMechanismList = ::C_GetMechanismList,
    .C_GetMechanismInfo = ::C_GetMechanismInfo,
    .C_InitToken = ::C_InitToken,
    .C_InitPIN = ::C_InitPIN,
    .C_SetPIN = ::C_SetPIN,
    .C_OpenSession = ::C_OpenSession,
    .C_CloseSession = ::C_CloseSession,
    .C_CloseAllSessions = ::C_CloseAllSessions,
    .C_GetSessionInfo = ::C_GetSessionInfo,
    .C_GetOperationState = unsupported,
    .C_SetOperationState = unsupported,
    .C_Login = ::C_Login,
    .C_Logout = ::C_Logout,
    .C_CreateObject = ::C_CreateObject,
    .C_CopyObject = ::C_CopyObject,
    .C_DestroyObject = ::C_DestroyObject,
    .C_GetObjectSize = ::C_GetObjectSize,
    .C_GetAttributeValue = ::C_GetAttributeValue,
    .C_SetAttributeValue = ::C_SetAttributeValue,
    .C_FindObjectsInit = ::C_FindObjectsInit,
    .C_FindObjects = ::C_FindObjects,
    .C_FindObjectsFinal = ::C_FindObjectsFinal,
    .C_EncryptInit = ::C_EncryptInit,
    .C_Encrypt = ::C_Encrypt,
    .C_EncryptUpdate = ::C_EncryptUpdate,
    .C_EncryptFinal = ::C_EncryptFinal,
    .C_DecryptInit = ::C_DecryptInit,
    .C_Decrypt = ::C_Decrypt,
    .C_DecryptUpdate = ::C_DecryptUpdate,
    .C_DecryptFinal = ::C_DecryptFinal,
    .C_DigestInit = ::C_DigestInit,
    .C_Digest = ::C_Digest,
    .C_DigestUpdate = ::C_DigestUpdate,
    .C_DigestKey = ::C_DigestKey,
    .C_DigestFinal = ::C_DigestFinal,
    .C_SignInit = ::C_SignInit,
    .C_Sign = ::C_Sign,
    .C_SignUpdate = ::C_SignUpdate,
    .C_SignFinal = ::C_SignFinal,
    .C_SignRecoverInit = ::C_SignRecoverInit,
    .C_SignRecover = ::C_SignRecover,
    .C_VerifyInit = ::C_VerifyInit,
    .C_Verify = ::C_Verify,
    .C_VerifyUpdate = ::C_VerifyUpdate,
    .C_VerifyFinal = ::C_VerifyFinal,
    .C_VerifyRecoverInit = ::C_VerifyRecoverInit,
    .C_VerifyRecover = ::C_VerifyRecover,
    .C_DigestEncryptUpdate = unsupported,
    .C_DecryptDigestUpdate = unsupported,
    .C_SignEncryptUpdate = unsupported,
    .C_DecryptVerifyUpdate = unsupported,
    .C_GenerateKey = ::C_GenerateKey,
    .C_GenerateKeyPair = ::C_GenerateKeyPair,
    .C_WrapKey = ::C_WrapKey,
    .C_UnwrapKey = ::C_UnwrapKey,
    .C_DeriveKey = ::C_DeriveKey,
    .C_SeedRandom = ::C_SeedRandom,
    .C_GenerateRandom = ::C_GenerateRandom,
    .C_GetFunctionStatus = ::C_GetFunctionStatus,
    .C_CancelFunction = ::C_CancelFunction,
    .C_WaitForSlotEvent = ::C_WaitForSlotEvent,
};

}  // namespace

CK_FUNCTION_LIST* function_list_2_40() { return &table; }

}  // namespace vtpm::pkcs11
