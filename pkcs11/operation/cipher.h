// SPDX-License-Identifier: Apache-2.0
// Encryption schemes of RSA keys: PKCS#1 v1.5, OAEP, raw.
#pragma once

#include "crypto/key/key.h"
#include "crypto/key/rsa_padding.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {

struct CipherMaker;  // cipher.cc: one for each family

class CipherScheme {
 public:
  /// Throws Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
  CipherScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const crypto::PublicKey& key);

  /// Bytes of the modulus: the size of every cipher text and the bound of every plain text.
  size_t block_bytes() const { return public_.modulus().size(); }
  /// Throws CKR_DATA_LEN_RANGE, CKR_DATA_INVALID.
  Bytes encrypt(ByteView message) const;
  /// Throws CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID (one code, whatever check of the padding failed).
  SecretBytes decrypt(crypto::PrivateKey& key, ByteView encrypted) const;

 private:
  crypto::PublicKey public_;
  const CipherMaker* by_;
  crypto::OaepParameters oaep_;
};

}  // namespace vtpm::pkcs11
