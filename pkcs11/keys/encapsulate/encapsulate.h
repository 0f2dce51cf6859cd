// SPDX-License-Identifier: Apache-2.0
// C_EncapsulateKey and C_DecapsulateKey (PKCS#11 3.2, 5.18): a fresh secret key for the holder of a private key.
//
// RSA (6.1): a random secret travels under the public key, as C_WrapKey would have it; CKM_RSA_X_509 is RSASVE, a
// random number below the modulus (SP 800-56B). ECDH (6.3) and Diffie-Hellman (6.4): the cipher text is the public half
// of a key pair that lives for one call, and the secret is what C_DeriveKey makes of the agreement.
#pragma once

#include "pkcs11/keys/wrap/wrap.h"

namespace vtpm::pkcs11 {

/// The public key for C_EncapsulateKey. Throws Refusal: CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT,
/// CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID.
ObjectPtr require_encapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);
/// The private key for C_DecapsulateKey: CKR_UNWRAPPING_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT …
ObjectPtr require_decapsulating_key(Session& session, CK_OBJECT_HANDLE handle, const Mechanism& mechanism);

/// How long the cipher text will be, in bytes; checks the parameter and the key's size. Throws Refusal:
/// CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE.
size_t encapsulated_bytes(const WrapCall& call);

struct Encapsulation {
  Bytes encrypted;
  Draft key;
};
/// Throws Refusal: the template's errors, CKR_TEMPLATE_INCOMPLETE when nobody says how long an RSA secret is,
/// CKR_KEY_SIZE_RANGE when it is too long; CKR_KEY_HANDLE_INVALID when CKA_ENCAPSULATE_TEMPLATE says otherwise (the
/// standard's choice).
Encapsulation encapsulate_key(const WrapCall& call, Template wanted);

/// Throws Refusal: the template's errors, CKR_WRAPPED_KEY_LEN_RANGE, CKR_WRAPPED_KEY_INVALID (one code, whatever was
/// wrong inside), CKR_UNWRAPPING_KEY_SIZE_RANGE.
Draft decapsulate_key(const WrapCall& call, ByteView encrypted, Template wanted);

}  // namespace vtpm::pkcs11
