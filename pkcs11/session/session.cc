// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/session.h"

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/operation/crypt.h"
#include "pkcs11/operation/message_crypt.h"
#include "pkcs11/operation/signature.h"
#include "pkcs11/operation/signer.h"

namespace vtpm::pkcs11 {
namespace {

template <auto kSlot>
void end(Session& session) {
  (session.*kSlot).reset();
}

/// Every kind of operation that a session can have running, by the flag that names it.
struct Kind {
  CK_FLAGS flag;
  void (*end)(Session&);
};
constexpr Kind kKinds[] = {
    {CKF_FIND_OBJECTS, end<&Session::find>},
    {CKF_ENCRYPT, end<&Session::encrypt>},
    {CKF_DECRYPT, end<&Session::decrypt>},
    {CKF_DIGEST, end<&Session::digest>},
    {CKF_SIGN, end<&Session::sign>},
    {CKF_VERIFY, end<&Session::verify>},
    {CKF_VERIFY, end<&Session::verify_signature>},
    {CKF_SIGN_RECOVER, end<&Session::sign_recover>},
    {CKF_VERIFY_RECOVER, end<&Session::verify_recover>},
    {CKF_MESSAGE_ENCRYPT, end<&Session::message_encrypt>},
    {CKF_MESSAGE_DECRYPT, end<&Session::message_decrypt>},
    {CKF_MESSAGE_SIGN, end<&Session::message_sign>},
    {CKF_MESSAGE_VERIFY, end<&Session::message_verify>},
};

}  // namespace

Session::Session(CK_SESSION_HANDLE number, std::shared_ptr<Token> of, CK_SLOT_ID in, bool writes)
    : handle(number), token(std::move(of)), slot(in), read_write(writes) {}

Session::~Session() = default;

void Session::cancel(CK_FLAGS kinds) {
  for (const Kind& kind : kKinds) {
    if (kinds & kind.flag) kind.end(*this);
  }
}

CK_STATE Session::state() const {
  switch (token->who()) {
    case Who::kUser:
      return read_write ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
    case Who::kSo:
      return CKS_RW_SO_FUNCTIONS;
    case Who::kNobody:
      break;
  }
  return read_write ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}

void Session::require_write(bool token_object, bool private_object) const {
  refuse_if(token_object && token->read_only(), CKR_TOKEN_WRITE_PROTECTED, "the store is read-only");
  refuse_if(token_object && !read_write, CKR_SESSION_READ_ONLY, "the session is read-only");
  refuse_if(private_object && token->who() != Who::kUser, CKR_USER_NOT_LOGGED_IN, "the object is private");
  refuse_if(token_object && token->who() == Who::kNobody && !token->config().public_writes, CKR_USER_NOT_LOGGED_IN,
            "public_writes = \"login\": token objects are written after login only");
}

void Session::require_login(const KeyUse& use) const {
  if (use.needs_login) token->refresh_login();
  refuse_if(use.needs_login && use.login != token->login_number(), CKR_USER_NOT_LOGGED_IN,
            "the user has logged out, or the store was re-keyed, since the operation was started");
  refuse_if(use.needs_authentication, CKR_USER_NOT_LOGGED_IN,
            "the key asks for the PIN at each use (C_Login with CKU_CONTEXT_SPECIFIC)");
}

}  // namespace vtpm::pkcs11
