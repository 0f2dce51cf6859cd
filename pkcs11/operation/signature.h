// SPDX-License-Identifier: Apache-2.0
// The signature schemes of key pairs (PKCS#11 3.2, 6.1 to 6.3), and the input that a signature or verification
// collects.
//
// Every scheme is: message -> (hash) -> encoding -> raw operation of the key. The raw operation belongs to the key,
// wherever the key lives; the encodings are here.
#pragma once

#include <memory>
#include <optional>

#include "crypto/hash/digest.h"
#include "crypto/key/key.h"
#include "crypto/key/rsa_padding.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {

struct SchemeMaker;  // one for each family, in signature.cc

/// A mechanism with its parameter, for one public key. Immutable.
class SignatureScheme {
 public:
  struct Data {
    const Mechanism* row;
    crypto::PublicKey key;
    crypto::PssParameters pss = {};
    crypto::EddsaMode eddsa = {};
  };
  /// Copies what the parameter points to. Throws Refusal: CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
  SignatureScheme(const Mechanism& row, const CK_MECHANISM& mechanism, const crypto::PublicKey& key);

  /// The length of a signature, in bytes: that of the modulus, or of two numbers of the curve or the subgroup.
  size_t signature_bytes() const;
  /// The maximum length of the data for `sign`, in bytes, if the mechanism does not hash.
  size_t most_input() const;
  /// A new digest, if the mechanism hashes the message; nothing otherwise.
  std::optional<crypto::Digest> start_digest() const;

  /// `input` is the digest, if the mechanism hashes, or the caller's data. `signature` has a length that
  /// takes_signature accepts. Throw Refusal: CKR_DATA_LEN_RANGE, CKR_DATA_INVALID.
  Bytes sign(crypto::PrivateKey& key, ByteView input) const;
  bool verify(ByteView input, ByteView signature) const;
  /// Whether a signature may have this length: signature_bytes(), and for ECDSA also any smaller even number, because
  /// both halves may come without their leading zeros (PKCS#11 3.2, 6.3).
  bool takes_signature(size_t bytes) const;
  /// The data in a signature of signature_bytes() bytes (CKM_RSA_PKCS, CKM_RSA_X_509); nothing if the signature is
  /// wrong.
  std::optional<Bytes> recover(ByteView signature) const;

 private:
  Data data_;
  const SchemeMaker* by_;
};

/// What C_SignUpdate and C_VerifyUpdate collect: a digest, or the data themselves up to the limit of the scheme.
class SignatureInput {
 public:
  explicit SignatureInput(const SignatureScheme& scheme);
  /// Throws Refusal CKR_DATA_LEN_RANGE if the data exceed the limit.
  void update(ByteView part);
  Bytes finish();
  /// The collected state; nothing if libcrypto cannot save that of the hash.
  std::optional<SecretBytes> save() const;
  void load(ByteView saved);

 private:
  std::optional<crypto::Digest> digest_;
  Bytes gathered_;
  size_t limit_;
};

}  // namespace vtpm::pkcs11
