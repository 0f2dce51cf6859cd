// SPDX-License-Identifier: Apache-2.0
// C_WrapKey, C_UnwrapKey, C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated (PKCS#11 3.2, 5.18): keys that leave the
// token and come in under the protection of other keys.
//
// Wrapping is encryption of a key's bytes: the value of a secret key, PKCS #8 of a private one. wrap.cc decides which
// keys may leave, and under which, once for all mechanisms; kWrappers there names what a family does with the bytes.
#pragma once

#include "pkcs11/object/schema.h"
#include "pkcs11/operation/crypt.h"
#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

struct WrapCall {
  Session& session;
  const Mechanism& row;
  const CK_MECHANISM& mechanism;
  const Object& key;  // that wraps or unwraps
  /// C_…KeyAuthenticated: what the tag protects beside the key. The mechanism's parameter is then that of one message,
  /// in the caller's memory: the tag lies there, and so does a nonce that is made.
  std::optional<ByteView> associated = {};
};

/// The row for C_WrapKeyAuthenticated (CKF_WRAP) and C_UnwrapKeyAuthenticated (CKF_UNWRAP), an AEAD. Throws Refusal:
/// CKR_ARGUMENTS_BAD, CKR_MECHANISM_INVALID.
const Mechanism& require_authenticated_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use);

/// The key for C_WrapKey. Throws Refusal: CKR_WRAPPING_KEY_HANDLE_INVALID, CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
/// CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID.
ObjectPtr require_wrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);
/// The same for C_UnwrapKey, with CKR_UNWRAPPING_KEY_…, and for C_DecapsulateKey, which answers with the same codes.
ObjectPtr require_unwrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism,
                                 CK_ATTRIBUTE_TYPE use = CKA_UNWRAP);

/// A key that is going to be wrapped: how long that will be is known before it is done.
class Wrapping {
 public:
  /// Throws Refusal: CKR_KEY_NOT_WRAPPABLE, CKR_KEY_UNEXTRACTABLE, CKR_WRAPPING_KEY_SIZE_RANGE,
  /// CKR_MECHANISM_PARAM_INVALID.
  Wrapping(const WrapCall& call, const Object& key);
  size_t size() const { return bytes_; }
  /// Throws Refusal CKR_KEY_SIZE_RANGE.
  Bytes wrap();

 private:
  WrapCall call_;
  SecretBytes payload_;
  size_t bytes_;
};

/// The key in `wrapped`. Throws Refusal: the template's errors, CKR_WRAPPED_KEY_INVALID (one code, whatever was wrong
/// with the bytes), CKR_WRAPPED_KEY_LEN_RANGE (where a length tells nothing about a padding), CKR_TEMPLATE_INCOMPLETE
/// (the mechanism fills keys up, and nobody says how long this one is), CKR_UNWRAPPING_KEY_SIZE_RANGE.
Draft unwrap_key(const WrapCall& call, ByteView wrapped, Template wanted);

/// The half of it for secret keys, after the key that unwraps has had its say. CKA_KEY_TYPE defaults to
/// CKK_GENERIC_SECRET.
Draft unwrap_secret(const WrapCall& call, ByteView wrapped, const Template& wanted);

// --- authenticated encryption (pkcs11/keys/wrap/aead.cc) ---
/// The key's bytes as one message. Throws Refusal CKR_MECHANISM_PARAM_INVALID.
std::unique_ptr<Crypt> make_aead_wrap(const WrapCall& call, crypto::Direction direction);

// --- mechanisms that are two in one (pkcs11/keys/wrap/composed.cc) ---
// A fresh AES key wraps with KWP, and travels along: under OAEP (CKM_RSA_AES_KEY_WRAP), or as the public half of a
// fresh key pair that agrees on it (CKM_ECDH_AES_KEY_WRAP and those that are like it). Sizes are in bytes.
size_t rsa_aes_bytes(const WrapCall& call, size_t payload);
Bytes wrap_by_rsa_aes(const WrapCall& call, ByteView payload);
SecretBytes unwrap_by_rsa_aes(const WrapCall& call, ByteView wrapped);
size_t ecdh_aes_bytes(const WrapCall& call, size_t payload);
Bytes wrap_by_ecdh_aes(const WrapCall& call, ByteView payload);
SecretBytes unwrap_by_ecdh_aes(const WrapCall& call, ByteView wrapped);

}  // namespace vtpm::pkcs11
