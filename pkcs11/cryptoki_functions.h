// The functions that PKCS#11 3.0 and 3.2 add to p11-kit's 2.40 header, by their names and parameters in the standard
// (OASIS pkcs11f.h of 3.2, base specification 3.2, section 5), and the lists in which an application gets them.
//
// The order of a list is its binary interface. It stands here once, in three steps: the lists, their tables in
// function_list.cc and the test that finds no hole in them are all written from these rows.
#pragma once

#include <p11-kit/pkcs11.h>

#include "pkcs11/cryptoki_3.h"

// clang-format off
#define VTPM_FUNCTIONS_2_40(F)                                                                      \
  F(C_Initialize) F(C_Finalize) F(C_GetInfo) F(C_GetFunctionList) F(C_GetSlotList) F(C_GetSlotInfo) \
  F(C_GetTokenInfo) F(C_GetMechanismList) F(C_GetMechanismInfo) F(C_InitToken) F(C_InitPIN)         \
  F(C_SetPIN) F(C_OpenSession) F(C_CloseSession) F(C_CloseAllSessions) F(C_GetSessionInfo)          \
  F(C_GetOperationState) F(C_SetOperationState) F(C_Login) F(C_Logout) F(C_CreateObject)            \
  F(C_CopyObject) F(C_DestroyObject) F(C_GetObjectSize) F(C_GetAttributeValue)                      \
  F(C_SetAttributeValue) F(C_FindObjectsInit) F(C_FindObjects) F(C_FindObjectsFinal)                \
  F(C_EncryptInit) F(C_Encrypt) F(C_EncryptUpdate) F(C_EncryptFinal) F(C_DecryptInit) F(C_Decrypt)  \
  F(C_DecryptUpdate) F(C_DecryptFinal) F(C_DigestInit) F(C_Digest) F(C_DigestUpdate) F(C_DigestKey) \
  F(C_DigestFinal) F(C_SignInit) F(C_Sign) F(C_SignUpdate) F(C_SignFinal) F(C_SignRecoverInit)      \
  F(C_SignRecover) F(C_VerifyInit) F(C_Verify) F(C_VerifyUpdate) F(C_VerifyFinal)                   \
  F(C_VerifyRecoverInit) F(C_VerifyRecover) F(C_DigestEncryptUpdate) F(C_DecryptDigestUpdate)       \
  F(C_SignEncryptUpdate) F(C_DecryptVerifyUpdate) F(C_GenerateKey) F(C_GenerateKeyPair)             \
  F(C_WrapKey) F(C_UnwrapKey) F(C_DeriveKey) F(C_SeedRandom) F(C_GenerateRandom)                    \
  F(C_GetFunctionStatus) F(C_CancelFunction) F(C_WaitForSlotEvent)

#define VTPM_FUNCTIONS_3_0(F)                                                                       \
  F(C_GetInterfaceList) F(C_GetInterface) F(C_LoginUser) F(C_SessionCancel) F(C_MessageEncryptInit) \
  F(C_EncryptMessage) F(C_EncryptMessageBegin) F(C_EncryptMessageNext) F(C_MessageEncryptFinal)     \
  F(C_MessageDecryptInit) F(C_DecryptMessage) F(C_DecryptMessageBegin) F(C_DecryptMessageNext)      \
  F(C_MessageDecryptFinal) F(C_MessageSignInit) F(C_SignMessage) F(C_SignMessageBegin)              \
  F(C_SignMessageNext) F(C_MessageSignFinal) F(C_MessageVerifyInit) F(C_VerifyMessage)              \
  F(C_VerifyMessageBegin) F(C_VerifyMessageNext) F(C_MessageVerifyFinal)

#define VTPM_FUNCTIONS_3_2(F)                                                                       \
  F(C_EncapsulateKey) F(C_DecapsulateKey) F(C_VerifySignatureInit) F(C_VerifySignature)             \
  F(C_VerifySignatureUpdate) F(C_VerifySignatureFinal) F(C_GetSessionValidationFlags)               \
  F(C_AsyncComplete) F(C_AsyncGetID) F(C_AsyncJoin) F(C_WrapKeyAuthenticated)                       \
  F(C_UnwrapKeyAuthenticated)
// clang-format on

struct CK_INTERFACE {
  CK_UTF8CHAR_PTR pInterfaceName;
  void* pFunctionList;
  CK_FLAGS flags;
};
struct CK_ASYNC_DATA {
  CK_ULONG ulVersion;
  CK_BYTE_PTR pValue;
  CK_ULONG ulValue;
  CK_OBJECT_HANDLE hObject;
  CK_OBJECT_HANDLE hAdditionalObject;
};

#pragma GCC visibility push(default)
extern "C" {

// --- 3.0 ---
CK_RV C_GetInterfaceList(CK_INTERFACE* list, CK_ULONG* count);
CK_RV C_GetInterface(CK_UTF8CHAR* name, CK_VERSION* version, CK_INTERFACE** found, CK_FLAGS flags);
CK_RV C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG pin_length,
                  CK_UTF8CHAR* user_name, CK_ULONG user_name_length);
CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags);

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key);
CK_RV C_EncryptMessage(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                       CK_ULONG associated_length, CK_BYTE* data, CK_ULONG length, CK_BYTE* encrypted,
                       CK_ULONG* encrypted_length);
CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                            CK_ULONG associated_length);
CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* part,
                           CK_ULONG length, CK_BYTE* encrypted, CK_ULONG* encrypted_length, CK_FLAGS flags);
CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE session);

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key);
CK_RV C_DecryptMessage(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                       CK_ULONG associated_length, CK_BYTE* encrypted, CK_ULONG length, CK_BYTE* data,
                       CK_ULONG* data_length);
CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* associated,
                            CK_ULONG associated_length);
CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* part,
                           CK_ULONG length, CK_BYTE* data, CK_ULONG* data_length, CK_FLAGS flags);
CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE session);

CK_RV C_MessageSignInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key);
CK_RV C_SignMessage(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* data,
                    CK_ULONG length, CK_BYTE* signature, CK_ULONG* signature_length);
CK_RV C_SignMessageBegin(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length);
CK_RV C_SignMessageNext(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* part,
                        CK_ULONG length, CK_BYTE* signature, CK_ULONG* signature_length);
CK_RV C_MessageSignFinal(CK_SESSION_HANDLE session);

CK_RV C_MessageVerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key);
CK_RV C_VerifyMessage(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* data,
                      CK_ULONG length, CK_BYTE* signature, CK_ULONG signature_length);
CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length);
CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE session, void* parameter, CK_ULONG parameter_length, CK_BYTE* part,
                          CK_ULONG length, CK_BYTE* signature, CK_ULONG signature_length);
CK_RV C_MessageVerifyFinal(CK_SESSION_HANDLE session);

// --- 3.2 ---
CK_RV C_EncapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE public_key,
                       CK_ATTRIBUTE* rows, CK_ULONG count, CK_BYTE* encrypted, CK_ULONG* encrypted_length,
                       CK_OBJECT_HANDLE* key);
CK_RV C_DecapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE private_key,
                       CK_ATTRIBUTE* rows, CK_ULONG count, CK_BYTE* encrypted, CK_ULONG length, CK_OBJECT_HANDLE* key);
CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key,
                            CK_BYTE* signature, CK_ULONG signature_length);
CK_RV C_VerifySignature(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG length);
CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE session, CK_BYTE* part, CK_ULONG length);
CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE session);
CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE session, CK_SESSION_VALIDATION_FLAGS_TYPE type, CK_FLAGS* flags);
CK_RV C_AsyncComplete(CK_SESSION_HANDLE session, CK_UTF8CHAR* function, CK_ASYNC_DATA* result);
CK_RV C_AsyncGetID(CK_SESSION_HANDLE session, CK_UTF8CHAR* function, CK_ULONG* id);
CK_RV C_AsyncJoin(CK_SESSION_HANDLE session, CK_UTF8CHAR* function, CK_ULONG id, CK_BYTE* data, CK_ULONG length);
CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE wrapping_key,
                             CK_OBJECT_HANDLE key, CK_BYTE* associated, CK_ULONG associated_length, CK_BYTE* wrapped,
                             CK_ULONG* wrapped_length);
CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE unwrapping_key,
                               CK_BYTE* wrapped, CK_ULONG wrapped_length, CK_ATTRIBUTE* rows, CK_ULONG count,
                               CK_BYTE* associated, CK_ULONG associated_length, CK_OBJECT_HANDLE* key);
}
#pragma GCC visibility pop

#define VTPM_MEMBER(name) decltype(&::name) name;
struct CK_FUNCTION_LIST_3_0 {
  CK_VERSION version;
  VTPM_FUNCTIONS_2_40(VTPM_MEMBER)
  VTPM_FUNCTIONS_3_0(VTPM_MEMBER)
};
struct CK_FUNCTION_LIST_3_2 {
  CK_VERSION version;
  VTPM_FUNCTIONS_2_40(VTPM_MEMBER)
  VTPM_FUNCTIONS_3_0(VTPM_MEMBER)
  VTPM_FUNCTIONS_3_2(VTPM_MEMBER)
};
#undef VTPM_MEMBER
