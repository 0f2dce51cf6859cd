// SPDX-License-Identifier: Apache-2.0
// The state of each kind of operation, and the constant by which a C function names the kind in Session::operations
// (pkcs11/session/operations.h). The state of a search is in pkcs11/api/object.cc.
//
// The session owns these structures; the mutex of the session guards them.
#pragma once

#include <memory>
#include <optional>

#include "crypto/hash/digest.h"
#include "pkcs11/operation/crypt.h"
#include "pkcs11/operation/message_crypt.h"
#include "pkcs11/operation/signature.h"
#include "pkcs11/operation/signer.h"

namespace vtpm::pkcs11 {

/// The mechanism, parameter and key with which an operation began, for C_GetOperationState.
struct Begun {
  const Mechanism* row = nullptr;
  Bytes parameter;
  ObjectPtr key;
};

struct DigestOperation {
  crypto::Digest digest;
  bool multi_part = false;
  Begun begun = {};  // without a key
};
inline constexpr Running<DigestOperation> kDigesting{OperationKind::kDigest};

struct CryptOperation {
  std::unique_ptr<Crypt> crypt;
  KeyUse use;
  bool multi_part = false;
  std::optional<SecretBytes> result;  // already computed; the caller's buffer was too small
  Begun begun = {};
};
inline constexpr Running<CryptOperation> kEncrypting{OperationKind::kEncrypt}, kDecrypting{OperationKind::kDecrypt};

struct SignOperation {
  std::unique_ptr<Signer> signer;
  KeyUse use;
  bool multi_part = false;
  Begun begun = {};
};
inline constexpr Running<SignOperation> kSigning{OperationKind::kSign}, kSigningRecover{OperationKind::kSignRecover};

struct VerifyOperation {
  std::unique_ptr<Verifier> verifier;
  KeyUse use;
  bool multi_part = false;
  Begun begun = {};
};
inline constexpr Running<VerifyOperation> kVerifying{OperationKind::kVerify};

struct VerifyRecoverOperation {
  std::shared_ptr<const SignatureScheme> scheme;
};
inline constexpr Running<VerifyRecoverOperation> kVerifyingRecover{OperationKind::kVerifyRecover};

/// C_VerifySignatureInit (PKCS#11 3.2, 5.15.5): the signature is given before the data.
struct VerifySignatureOperation {
  VerifyOperation verify;
  Bytes signature;
};
inline constexpr Running<VerifySignatureOperation> kVerifyingSignature{OperationKind::kVerifySignature};

// The message-based functions (PKCS#11 3.2, 5.9, 5.11, 5.14, 5.16): any number of messages between C_Message…Init and
// C_Message…Final.

struct MessageCryptOperation {
  const Mechanism* row;
  std::unique_ptr<MessageCrypt> crypt;
  KeyUse use;
};
inline constexpr Running<MessageCryptOperation> kEncryptingMessages{OperationKind::kMessageEncrypt},
    kDecryptingMessages{OperationKind::kMessageDecrypt};

struct MessageSignOperation {
  std::unique_ptr<Signer> fresh;    // copied at the beginning of each message
  std::unique_ptr<Signer> running;  // of the present message in parts
  KeyUse use;
  bool asks_each_time;  // CKA_ALWAYS_AUTHENTICATE
};
inline constexpr Running<MessageSignOperation> kSigningMessages{OperationKind::kMessageSign};

struct MessageVerifyOperation {
  std::unique_ptr<Verifier> fresh, running;
  KeyUse use;
  bool asks_each_time;
};
inline constexpr Running<MessageVerifyOperation> kVerifyingMessages{OperationKind::kMessageVerify};

}  // namespace vtpm::pkcs11
