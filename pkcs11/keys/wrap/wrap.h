// SPDX-License-Identifier: Apache-2.0
// C_WrapKey, C_UnwrapKey, C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated (PKCS#11 3.2, 5.18): keys that leave the
// token, or come in, under the protection of other keys.
//
// Wrapping encrypts the bytes of a key: the value of a secret key, or the PKCS #8 encoding of a private key. wrap.cc
// checks which keys may be wrapped, and with which keys, for all mechanisms; kWrappers there has a row for each family.
// unwrap.cc makes keys from wrapped bytes.
#pragma once

#include "pkcs11/object/schema.h"
#include "pkcs11/operation/crypt.h"
#include "pkcs11/session/lookup.h"

namespace vtpm::pkcs11 {

struct WrapCall {
  Session& session;
  const Mechanism& row;
  const CK_MECHANISM& mechanism;
  const Object& key;  // the wrapping or unwrapping key
  /// C_…KeyAuthenticated: the associated data. The mechanism's parameter is then that of one message, in the caller's
  /// memory, where the tag and a generated nonce are written.
  std::optional<ByteView> associated = {};
};

/// The row of the mechanism for C_WrapKeyAuthenticated (CKF_WRAP) or C_UnwrapKeyAuthenticated (CKF_UNWRAP), which is an
/// AEAD. Throws Refusal: CKR_ARGUMENTS_BAD, CKR_MECHANISM_INVALID.
const Mechanism& require_authenticated_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use);

/// The key for C_WrapKey. Throws Refusal: CKR_WRAPPING_KEY_HANDLE_INVALID, CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
/// CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID.
ObjectPtr require_wrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);
/// The key for C_UnwrapKey and C_DecapsulateKey, with the use that it must allow. Throws Refusal:
/// CKR_UNWRAPPING_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED,
/// CKR_MECHANISM_INVALID.
ObjectPtr require_unwrapping_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism,
                                 CK_ATTRIBUTE_TYPE use = CKA_UNWRAP);

/// A key that is to be wrapped. The length of the result is known before it is computed, for size queries.
class Wrapping {
 public:
  /// Checks that `key` may be wrapped, and copies its bytes. Throws Refusal: CKR_KEY_NOT_WRAPPABLE,
  /// CKR_KEY_UNEXTRACTABLE, CKR_KEY_HANDLE_INVALID (CKA_WRAP_TEMPLATE), CKR_WRAPPING_KEY_SIZE_RANGE,
  /// CKR_MECHANISM_PARAM_INVALID.
  Wrapping(const WrapCall& call, const Object& key);
  /// The length of the wrapped key, in bytes.
  size_t size() const { return bytes_; }
  /// The wrapped key. Throws Refusal CKR_KEY_SIZE_RANGE.
  Bytes wrap();

 private:
  WrapCall call_;
  SecretBytes payload_;
  size_t bytes_;
};

/// Makes the key in `wrapped`; it is not published yet. Throws Refusal: the template's errors; CKR_WRAPPED_KEY_INVALID
/// (one code for every error in the bytes); CKR_WRAPPED_KEY_LEN_RANGE (where a length reveals nothing about a padding);
/// CKR_TEMPLATE_INCOMPLETE (the mechanism fills keys up, and neither the template nor the key type determines the
/// length); CKR_UNWRAPPING_KEY_SIZE_RANGE.
Draft unwrap_key(const WrapCall& call, ByteView wrapped, Template wanted);

/// The part of it for secret keys, without the requirements of CKA_UNWRAP_TEMPLATE. The default of CKA_KEY_TYPE is
/// CKK_GENERIC_SECRET.
Draft unwrap_secret(const WrapCall& call, ByteView wrapped, const Template& wanted);

// --- authenticated encryption (pkcs11/keys/wrap/aead.cc) ---
/// The cipher for the bytes of a key as one message. Throws Refusal CKR_MECHANISM_PARAM_INVALID.
std::unique_ptr<Crypt> make_aead_wrap(const WrapCall& call, crypto::Direction direction);

// --- mechanisms that are two in one (pkcs11/keys/wrap/composed.cc) ---
// A new AES key wraps with KWP. The wrapped key begins with the AES key encrypted by OAEP (CKM_RSA_AES_KEY_WRAP), or
// with the public half of a new key pair that agrees on the AES key (CKM_ECDH_AES_KEY_WRAP and its variants). Sizes are
// in bytes. `wrap_by_` and `unwrap_by_` throw what encryption and decryption throw.
size_t rsa_aes_bytes(const WrapCall& call, size_t payload);
Bytes wrap_by_rsa_aes(const WrapCall& call, ByteView payload);
SecretBytes unwrap_by_rsa_aes(const WrapCall& call, ByteView wrapped);
size_t ecdh_aes_bytes(const WrapCall& call, size_t payload);
Bytes wrap_by_ecdh_aes(const WrapCall& call, ByteView payload);
SecretBytes unwrap_by_ecdh_aes(const WrapCall& call, ByteView wrapped);

}  // namespace vtpm::pkcs11
