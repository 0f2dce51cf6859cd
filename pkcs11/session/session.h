// SPDX-License-Identifier: Apache-2.0
// A session: the rights it gives and the operations that run in it.
//
// A call holds the session's mutex to its end: two threads on one session take turns, sessions do not meet each other.
// Whatever goes wrong in an operation ends it, as the standard wants.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "crypto/hash/digest.h"
#include "pkcs11/token/token.h"

namespace vtpm::pkcs11 {

class Crypt;            // crypt.h
class MessageCrypt;     // message_crypt.h
struct Mechanism;       // mechanism.h
class SignatureScheme;  // signature.h
class Signer;           // signer.h
class Verifier;         // signer.h

/// What an operation needs to remember about the login it was started under.
struct KeyUse {
  bool needs_login = false;           // the key object is private
  uint64_t login = 0;                 // the login it was started under
  bool needs_authentication = false;  // CKA_ALWAYS_AUTHENTICATE, context-specific login still to come
};

/// What it was begun with, for C_GetOperationState.
struct Begun {
  const Mechanism* row = nullptr;
  Bytes parameter;
  ObjectPtr key;
};

struct SignOperation {
  std::unique_ptr<Signer> signer;
  KeyUse use;
  bool multi_part = false;
  Begun begun = {};
};
struct VerifyOperation {
  std::unique_ptr<Verifier> verifier;
  KeyUse use;
  bool multi_part = false;
  Begun begun = {};
};
struct VerifyRecoverOperation {
  std::shared_ptr<const SignatureScheme> scheme;
};
/// C_VerifySignatureInit: the signature comes first.
struct VerifySignatureOperation {
  VerifyOperation verify;
  Bytes signature;
};
struct DigestOperation {
  crypto::Digest digest;
  bool multi_part = false;
  Begun begun = {};  // without a key
};
struct CryptOperation {
  std::unique_ptr<Crypt> crypt;
  KeyUse use;
  bool multi_part = false;
  std::optional<SecretBytes> result;  // made already, waiting for a buffer that is large enough
  Begun begun = {};
};
/// The message-based functions: any number of messages between C_Message…Init and C_Message…Final.
struct MessageCryptOperation {
  const Mechanism* row;
  std::unique_ptr<MessageCrypt> crypt;
  KeyUse use;
};
struct MessageSignOperation {
  std::unique_ptr<Signer> fresh;    // what every message begins with
  std::unique_ptr<Signer> running;  // the message in parts
  KeyUse use;
  bool asks_each_time;  // CKA_ALWAYS_AUTHENTICATE
};
struct MessageVerifyOperation {
  std::unique_ptr<Verifier> fresh, running;
  KeyUse use;
  bool asks_each_time;
};
struct FindOperation {
  std::deque<CK_OBJECT_HANDLE> found;
};

class Session {
 public:
  Session(CK_SESSION_HANDLE number, std::shared_ptr<Token> of, CK_SLOT_ID in, bool writes);
  ~Session();

  const CK_SESSION_HANDLE handle;
  const std::shared_ptr<Token> token;
  const CK_SLOT_ID slot;
  const bool read_write;

  std::mutex mutex;
  /// Closed, or being closed by a thread that waits for the call that runs here; calls that wait for locks end by it.
  bool closed() const { return closers != 0; }
  std::atomic<int> closers{0};
  std::optional<SignOperation> sign;
  std::optional<VerifyOperation> verify;
  std::optional<SignOperation> sign_recover;
  std::optional<VerifyRecoverOperation> verify_recover;
  std::optional<VerifySignatureOperation> verify_signature;
  std::optional<DigestOperation> digest;
  std::optional<CryptOperation> encrypt;
  std::optional<CryptOperation> decrypt;
  std::optional<MessageCryptOperation> message_encrypt;
  std::optional<MessageCryptOperation> message_decrypt;
  std::optional<MessageSignOperation> message_sign;
  std::optional<MessageVerifyOperation> message_verify;
  std::optional<FindOperation> find;

  /// Ends the operations that the flags of CK_MECHANISM_INFO name (C_SessionCancel); others are left alone.
  void cancel(CK_FLAGS kinds);

  CK_STATE state() const;
  /// May this session create, change or destroy such an object? Throws Refusal: CKR_SESSION_READ_ONLY,
  /// CKR_USER_NOT_LOGGED_IN, CKR_TOKEN_WRITE_PROTECTED.
  void require_write(bool token_object, bool private_object) const;
  /// Throws CKR_USER_NOT_LOGGED_IN when the login that the operation rests on is gone, or one is still to come.
  void require_login(const KeyUse& use) const;
};

}  // namespace vtpm::pkcs11
