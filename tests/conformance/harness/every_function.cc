// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/every_function.h"

namespace vtpm::conformance {
namespace {

const ReturnValues kArguments = {CKR_ARGUMENTS_BAD};
const ReturnValues kNoOperation = {CKR_OPERATION_NOT_INITIALIZED, CKR_ARGUMENTS_BAD};
const ReturnValues kNotLoggedIn = {CKR_USER_NOT_LOGGED_IN, CKR_ARGUMENTS_BAD};
const ReturnValues kBadObject = {CKR_OBJECT_HANDLE_INVALID, CKR_ARGUMENTS_BAD};
const ReturnValues kNoEvent = {CKR_NO_EVENT, CKR_ARGUMENTS_BAD};
const ReturnValues kNotAsynchronous = {CKR_SESSION_ASYNC_NOT_SUPPORTED};
const ReturnValues kFine = {CKR_OK, CKR_ARGUMENTS_BAD};

#define WITHOUT_SESSION(name, expected, ...)                                                             \
  {                                                                                                      \
#name, [](CK_SESSION_HANDLE) { return static_cast<CK_RV>(p11->name(__VA_ARGS__)); }, false, expected \
  }
#define WITH_SESSION(name, expected, ...)                                                                 \
  {                                                                                                       \
#name, [](CK_SESSION_HANDLE s) { return static_cast<CK_RV>(p11->name(__VA_ARGS__)); }, true, expected \
  }
#define WITH_SESSION_3(name, expected, ...)                                                                  \
  {                                                                                                          \
#name, [](CK_SESSION_HANDLE s) { return static_cast<CK_RV>(p11_3().name(__VA_ARGS__)); }, true, expected \
  }

}  // namespace

const std::vector<Function>& every_function() {
  static const std::vector<Function> all = {
      WITHOUT_SESSION(C_GetInfo, kArguments, nullptr),
      WITHOUT_SESSION(C_GetSlotList, kArguments, CK_FALSE, nullptr, nullptr),
      WITHOUT_SESSION(C_GetSlotInfo, kArguments, slots().at(0), nullptr),
      WITHOUT_SESSION(C_GetTokenInfo, kArguments, slots().at(0), nullptr),
      WITHOUT_SESSION(C_WaitForSlotEvent, kNoEvent, CKF_DONT_BLOCK, nullptr, nullptr),
      WITHOUT_SESSION(C_GetMechanismList, kArguments, slots().at(0), nullptr, nullptr),
      WITHOUT_SESSION(C_GetMechanismInfo, kArguments, slots().at(0), CKM_SHA256, nullptr),
      WITHOUT_SESSION(C_InitToken, kArguments, free_slot(), nullptr, 0, nullptr),
      WITHOUT_SESSION(C_OpenSession, kArguments, slots().at(0), CKF_SERIAL_SESSION, nullptr, nullptr, nullptr),

      WITH_SESSION(C_InitPIN, kNotLoggedIn, s, nullptr, 0),
      WITH_SESSION(C_SetPIN, kArguments, s, nullptr, 0, nullptr, 0),
      WITH_SESSION(C_GetSessionInfo, kArguments, s, nullptr),
      WITH_SESSION(C_Login, kArguments, s, CKU_USER, nullptr, 0),
      WITH_SESSION(C_Logout, kNotLoggedIn, s),
      WITH_SESSION(C_CreateObject, kArguments, s, nullptr, 0, nullptr),
      WITH_SESSION(C_CopyObject, kBadObject, s, 0, nullptr, 0, nullptr),
      WITH_SESSION(C_DestroyObject, kBadObject, s, 0),
      WITH_SESSION(C_GetObjectSize, kBadObject, s, 0, nullptr),
      WITH_SESSION(C_GetAttributeValue, kBadObject, s, 0, nullptr, 0),
      WITH_SESSION(C_SetAttributeValue, kBadObject, s, 0, nullptr, 0),
      WITH_SESSION(C_FindObjects, kNoOperation, s, nullptr, 0, nullptr),
      WITH_SESSION(C_FindObjectsFinal, kNoOperation, s),
      WITH_SESSION(C_EncryptInit, kArguments, s, nullptr, 0),
      WITH_SESSION(C_Encrypt, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_EncryptUpdate, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_EncryptFinal, kNoOperation, s, nullptr, nullptr),
      WITH_SESSION(C_DecryptInit, kArguments, s, nullptr, 0),
      WITH_SESSION(C_Decrypt, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_DecryptUpdate, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_DecryptFinal, kNoOperation, s, nullptr, nullptr),
      WITH_SESSION(C_DigestInit, kArguments, s, nullptr),
      WITH_SESSION(C_Digest, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_DigestUpdate, kNoOperation, s, nullptr, 0),
      WITH_SESSION(C_DigestKey, kNoOperation, s, 0),
      WITH_SESSION(C_DigestFinal, kNoOperation, s, nullptr, nullptr),
      WITH_SESSION(C_SignInit, kArguments, s, nullptr, 0),
      WITH_SESSION(C_Sign, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_SignUpdate, kNoOperation, s, nullptr, 0),
      WITH_SESSION(C_SignFinal, kNoOperation, s, nullptr, nullptr),
      WITH_SESSION(C_SignRecoverInit, kArguments, s, nullptr, 0),
      WITH_SESSION(C_SignRecover, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_VerifyRecoverInit, kArguments, s, nullptr, 0),
      WITH_SESSION(C_VerifyRecover, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_VerifyInit, kArguments, s, nullptr, 0),
      WITH_SESSION(C_Verify, kNoOperation, s, nullptr, 0, nullptr, 0),
      WITH_SESSION(C_VerifyUpdate, kNoOperation, s, nullptr, 0),
      WITH_SESSION(C_VerifyFinal, kNoOperation, s, nullptr, 0),
      WITH_SESSION(C_GenerateKey, kArguments, s, nullptr, nullptr, 0, nullptr),
      WITH_SESSION(C_GenerateKeyPair, kArguments, s, nullptr, nullptr, 0, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_WrapKey, kArguments, s, nullptr, 0, 0, nullptr, nullptr),
      WITH_SESSION(C_UnwrapKey, kArguments, s, nullptr, 0, nullptr, 0, nullptr, 0, nullptr),
      WITH_SESSION(C_DeriveKey, kArguments, s, nullptr, 0, nullptr, 0, nullptr),
      WITH_SESSION(C_SeedRandom, kFine, s, nullptr, 0),
      WITH_SESSION(C_GenerateRandom, kFine, s, nullptr, 0),

      WITH_SESSION(C_GetOperationState, kNoOperation, s, nullptr, nullptr),
      WITH_SESSION(C_SetOperationState, kArguments, s, nullptr, 0, 0, 0),
      WITH_SESSION(C_DigestEncryptUpdate, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_DecryptDigestUpdate, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_SignEncryptUpdate, kNoOperation, s, nullptr, 0, nullptr, nullptr),
      WITH_SESSION(C_DecryptVerifyUpdate, kNoOperation, s, nullptr, 0, nullptr, nullptr),

      WITH_SESSION_3(C_LoginUser, kArguments, s, CKU_USER, nullptr, 0, nullptr, 0),
      WITH_SESSION_3(C_SessionCancel, (ReturnValues{CKR_OK}), s, 0),
      WITH_SESSION_3(C_GetSessionValidationFlags, kArguments, s, CKS_LAST_VALIDATION_OK, nullptr),
      WITH_SESSION_3(C_AsyncComplete, kNotAsynchronous, s, nullptr, nullptr),
      WITH_SESSION_3(C_AsyncGetID, kNoOperation, s, nullptr, nullptr),
      WITH_SESSION_3(C_AsyncJoin, kNotAsynchronous, s, nullptr, 0, nullptr, 0),
      WITH_SESSION_3(C_MessageEncryptInit, kArguments, s, nullptr, 0),
      WITH_SESSION_3(C_EncryptMessage, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, nullptr),
      WITH_SESSION_3(C_EncryptMessageBegin, kNoOperation, s, nullptr, 0, nullptr, 0),
      WITH_SESSION_3(C_EncryptMessageNext, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, nullptr, 0),
      WITH_SESSION_3(C_MessageEncryptFinal, kNoOperation, s),
      WITH_SESSION_3(C_MessageDecryptInit, kArguments, s, nullptr, 0),
      WITH_SESSION_3(C_DecryptMessage, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, nullptr),
      WITH_SESSION_3(C_DecryptMessageBegin, kNoOperation, s, nullptr, 0, nullptr, 0),
      WITH_SESSION_3(C_DecryptMessageNext, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, nullptr, 0),
      WITH_SESSION_3(C_MessageDecryptFinal, kNoOperation, s),
      WITH_SESSION_3(C_MessageSignInit, kArguments, s, nullptr, 0),
      WITH_SESSION_3(C_SignMessage, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, nullptr),
      WITH_SESSION_3(C_SignMessageBegin, kNoOperation, s, nullptr, 0),
      WITH_SESSION_3(C_SignMessageNext, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, nullptr),
      WITH_SESSION_3(C_MessageSignFinal, kNoOperation, s),
      WITH_SESSION_3(C_MessageVerifyInit, kArguments, s, nullptr, 0),
      WITH_SESSION_3(C_VerifyMessage, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, 0),
      WITH_SESSION_3(C_VerifyMessageBegin, kNoOperation, s, nullptr, 0),
      WITH_SESSION_3(C_VerifyMessageNext, kNoOperation, s, nullptr, 0, nullptr, 0, nullptr, 0),
      WITH_SESSION_3(C_MessageVerifyFinal, kNoOperation, s),
      WITH_SESSION_3(C_EncapsulateKey, kArguments, s, nullptr, 0, nullptr, 0, nullptr, nullptr, nullptr),
      WITH_SESSION_3(C_DecapsulateKey, kArguments, s, nullptr, 0, nullptr, 0, nullptr, 0, nullptr),
      WITH_SESSION_3(C_VerifySignatureInit, kArguments, s, nullptr, 0, nullptr, 0),
      WITH_SESSION_3(C_VerifySignature, kNoOperation, s, nullptr, 0),
      WITH_SESSION_3(C_VerifySignatureUpdate, kNoOperation, s, nullptr, 0),
      WITH_SESSION_3(C_VerifySignatureFinal, kNoOperation, s),
      WITH_SESSION_3(C_WrapKeyAuthenticated, kArguments, s, nullptr, 0, 0, nullptr, 0, nullptr, nullptr),
      WITH_SESSION_3(C_UnwrapKeyAuthenticated, kArguments, s, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, 0, nullptr),

      // These two functions close sessions. They come last, so that a test that calls every row keeps its session until
      // here.
      WITH_SESSION(C_FindObjectsInit, kFine, s, nullptr, 0),
      WITH_SESSION(C_CloseSession, (ReturnValues{CKR_OK}), s),
      WITHOUT_SESSION(C_CloseAllSessions, (ReturnValues{CKR_OK}), slots().at(0)),
  };
  return all;
}

}  // namespace vtpm::conformance
