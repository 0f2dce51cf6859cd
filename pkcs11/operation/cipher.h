// SPDX-License-Identifier: Apache-2.0
// The encryption schemes of RSA keys: PKCS #1 v1.5, OAEP, and raw (PKCS#11 3.2, 6.1).
#pragma once

#include "crypto/key/key.h"
#include "crypto/key/rsa_padding.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {

struct CipherMaker;  // one for each family, in cipher.cc

/// A mechanism with its parameter, for one public key. Immutable.
class CipherScheme {
 public:
  /// Copies what the parameter points to. Throws Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
  CipherScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const crypto::PublicKey& key);

  /// The length of the modulus, in bytes: that of every cipher text, and the bound of every plain text.
  size_t block_bytes() const { return public_.modulus().size(); }
  /// Throws Refusal: CKR_DATA_LEN_RANGE, CKR_DATA_INVALID.
  Bytes encrypt(ByteView message) const;
  /// Throws Refusal: CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_INVALID (one code for every failed check of the
  /// padding).
  SecretBytes decrypt(crypto::PrivateKey& key, ByteView encrypted) const;

 private:
  crypto::PublicKey public_;
  const CipherMaker* by_;
  crypto::OaepParameters oaep_;
};

}  // namespace vtpm::pkcs11
