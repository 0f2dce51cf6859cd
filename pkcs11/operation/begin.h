// SPDX-License-Identifier: Apache-2.0
// How operations with a key begin: for the C_…Init functions, and for C_SetOperationState, which begins them again.
#pragma once

#include "crypto/symmetric/cipher.h"
#include "pkcs11/operation/kinds.h"
#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

/// Throw Refusal: CKR_ARGUMENTS_BAD (no mechanism), CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,
/// CKR_KEY_SIZE_RANGE, and what require_key_for throws.
DigestOperation begin_digest(const CK_MECHANISM* mechanism);
CryptOperation begin_crypt(Session& session, crypto::Direction direction, const CK_MECHANISM* mechanism,
                           CK_OBJECT_HANDLE key);
SignOperation begin_signature(Session& session, const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key);
VerifyOperation begin_verification(Session& session, const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key);

/// The mechanism that an operation was begun with, as the functions above take it again. `parameter` comes from
/// Begun::parameter; bytes from elsewhere are refused by those functions. Points into itself.
class MechanismAgain {
 public:
  MechanismAgain(const Mechanism& row, Bytes parameter);
  MechanismAgain(const MechanismAgain&) = delete;
  MechanismAgain& operator=(const MechanismAgain&) = delete;
  const CK_MECHANISM* get() const { return &mechanism_; }

 private:
  Bytes bytes_;
  CK_CHACHA20_PARAMS chacha_{};
  CK_EDDSA_PARAMS eddsa_{};
  CK_MECHANISM mechanism_;
};

}  // namespace vtpm::pkcs11
