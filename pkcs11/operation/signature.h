// SPDX-License-Identifier: Apache-2.0
// Signature schemes and the running C_Sign / C_Verify operation.
//
// Every scheme is: message -> (hash) -> encoding -> raw key operation. The raw operation belongs to the key, wherever
// it lives; the encodings exist once, here.
#pragma once

#include <memory>
#include <optional>

#include "crypto/hash/digest.h"
#include "crypto/key/key.h"
#include "crypto/key/rsa_padding.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {

struct SchemeMaker;  // signature.cc: one for each family

/// A mechanism with its parameter, ready for a key of one size.
class SignatureScheme {
 public:
  struct Data {
    const Mechanism* row;
    crypto::PublicKey key;
    crypto::PssParameters pss = {};
    crypto::EddsaMode eddsa = {};
  };
  /// Throws Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
  SignatureScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const crypto::PublicKey& key);

  /// Bytes of a signature: the modulus, or twice the curve's size.
  size_t signature_bytes() const;
  /// The most bytes that `sign` takes when nothing is hashed.
  size_t most_input() const;
  /// A fresh digest, when the message is hashed as it comes.
  std::optional<crypto::Digest> start_digest() const;

  /// `input` is the digest (hashing schemes) or the caller's data. Throw CKR_DATA_LEN_RANGE, CKR_DATA_INVALID.
  Bytes sign(crypto::PrivateKey& key, ByteView input) const;
  bool verify(ByteView input, ByteView signature) const;
  /// `signature_bytes`; of ECDSA any even number below it, too: two halves without their leading zeros (3.2, 6.3).
  bool takes_signature(size_t bytes) const;
  /// What a signature of `signature_bytes` carries (CKM_RSA_PKCS, CKM_RSA_X_509); nothing when it is wrong.
  std::optional<Bytes> recover(ByteView signature) const;

 private:
  Data data_;
  const SchemeMaker* by_;
};

/// What the update calls collect: a running digest, or the bytes themselves up to the scheme's limit.
class SignatureInput {
 public:
  explicit SignatureInput(const SignatureScheme& scheme);
  /// Throws CKR_DATA_LEN_RANGE beyond the limit.
  void update(ByteView part);
  Bytes finish();
  /// What was collected; nothing for a hash whose state cannot be had.
  std::optional<SecretBytes> save() const;
  void load(ByteView saved);

 private:
  std::optional<crypto::Digest> digest_;
  Bytes gathered_;
  size_t limit_;
};

}  // namespace vtpm::pkcs11
