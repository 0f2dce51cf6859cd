// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/session.h"

#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {

Session::Session(CK_SESSION_HANDLE number, std::shared_ptr<Token> of, CK_SLOT_ID in, bool writes)
    : handle(number), token(std::move(of)), slot(in), read_write(writes) {}

CK_STATE Session::state() const {
  switch (token->login().who()) {
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
  refuse_if(private_object && token->login().who() != Who::kUser, CKR_USER_NOT_LOGGED_IN, "the object is private");
  refuse_if(token_object && token->login().who() == Who::kNobody && !token->config().public_writes,
            CKR_USER_NOT_LOGGED_IN, "public_writes = \"login\": token objects are written after login only");
}

void Session::require_login(const KeyUse& use) const {
  if (use.needs_login) token->login().refresh();
  refuse_if(use.needs_login && use.login != token->login().number(), CKR_USER_NOT_LOGGED_IN,
            "the user has logged out, or the store was re-keyed, since the operation was started");
  refuse_if(use.needs_authentication, CKR_USER_NOT_LOGGED_IN,
            "the key asks for the PIN at each use (C_Login with CKU_CONTEXT_SPECIFIC)");
}

}  // namespace vtpm::pkcs11
