// SPDX-License-Identifier: Apache-2.0
// C_EncapsulateKey and C_DecapsulateKey (PKCS#11 3.2, 5.18): a new secret key that the holder of a private key shares.
//
// RSA (6.1): a random secret is encrypted with the public key, as C_WrapKey would encrypt it. CKM_RSA_X_509 is RSASVE:
// the secret is a random number below the modulus (SP 800-56B). ECDH (6.3) and Diffie-Hellman (6.4): the cipher text is
// the public half of a key pair that exists for one call, and the secret is what C_DeriveKey derives from the
// agreement.
#pragma once

#include "pkcs11/keys/wrap/wrap.h"

namespace vtpm::pkcs11 {

/// The public key for C_EncapsulateKey. Throws Refusal: CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT,
/// CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID.
ObjectPtr require_encapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);
/// The private key for C_DecapsulateKey. Throws Refusal: CKR_UNWRAPPING_KEY_HANDLE_INVALID,
/// CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID.
ObjectPtr require_decapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);

/// The length of the cipher text, in bytes. Checks the parameter and the key's size. Throws Refusal:
/// CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
size_t encapsulated_bytes(const WrapCall& call);

struct Encapsulation {
  Bytes encrypted;
  Draft key;
};
/// Makes a secret key and its cipher text. Throws Refusal: the template's errors; CKR_TEMPLATE_INCOMPLETE if neither
/// the template nor the key type determines the length of an RSA secret; CKR_KEY_SIZE_RANGE if it is too long;
/// CKR_KEY_HANDLE_INVALID if the template contradicts CKA_ENCAPSULATE_TEMPLATE (the standard's code).
Encapsulation encapsulate_key(const WrapCall& call, Template wanted);

/// Makes the secret key of a cipher text. Throws Refusal: the template's errors, CKR_WRAPPED_KEY_LEN_RANGE,
/// CKR_WRAPPED_KEY_INVALID (one code for every error in the contents), CKR_UNWRAPPING_KEY_SIZE_RANGE.
Draft decapsulate_key(const WrapCall& call, ByteView encrypted, Template wanted);

}  // namespace vtpm::pkcs11
