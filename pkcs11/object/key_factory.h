// SPDX-License-Identifier: Apache-2.0
// How private keys are made: C_GenerateKeyPair, C_CreateObject and C_UnwrapKey (PKCS#11 3.2, 5.7 and 5.18). No other
// file decides whether a key lives in the TPM or in software.
//
// The rule: a private key lives in the TPM if the TPM can honour its template (RSA of 1024, 2048 or 3072 bits, or
// P-256, P-384 or P-521; CKA_SENSITIVE is CK_TRUE and CKA_EXTRACTABLE is CK_FALSE). Otherwise it is a software key,
// sealed in the store. The setting `placement`, and CKA_VTPM_RESIDENT in a template, can demand one or the other.
//
// The functions change only the drafts that they return or are given; Catalogue::add publishes these. Any thread may
// call them.
#pragma once

#include <memory>

#include "base/settings/config.h"
#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/object/object.h"
#include "tpm/use/resident_key.h"

namespace vtpm::pkcs11 {

struct KeyMaking {
  Placement placement = Placement::kAuto;
  std::shared_ptr<tpm::Engine> engine;  // null while no user is logged in: then keys are software keys
  Who who = Who::kNobody;               // the user that is logged in (CKA_TRUSTED, CKA_PRIVATE)
};

struct KeyPairDraft {
  Draft public_key, private_key;
};

/// C_GenerateKeyPair (PKCS#11 3.2, 5.18.2). Throws Refusal: the template's errors, CKR_DOMAIN_PARAMS_INVALID,
/// CKR_ATTRIBUTE_VALUE_INVALID, CKR_CURVE_NOT_SUPPORTED, CKR_TEMPLATE_INCONSISTENT (also if the placement that is
/// demanded is impossible).
KeyPairDraft generate_key_pair(const Mechanism& mechanism, const Template& public_key, const Template& private_key,
                               const KeyMaking& making);

/// CKM_DSA_PARAMETER_GEN and CKM_DH_PKCS_PARAMETER_GEN: domain parameters as an object. For Diffie-Hellman they are the
/// group of RFC 7919 of that size, because generating a safe prime would take minutes and gain nothing. Throws Refusal:
/// the template's errors, CKR_ATTRIBUTE_VALUE_INVALID.
Draft generate_domain(const Mechanism& mechanism, const Template& wanted, Who who);
/// C_CreateObject with domain parameters: sets the lengths that they imply. Throws Refusal CKR_ATTRIBUTE_VALUE_INVALID.
void complete_domain(Draft& draft);

/// C_CreateObject with a public or private key: checks the numbers, completes what they imply, imports private keys.
/// Throws Refusal with the template's error.
void complete_public_key(Draft& draft);
void import_private_key(Draft& draft, const KeyMaking& making);
/// Whether a key is of a key type (CKK_…).
bool is_of_type(const crypto::SoftwareKey& key, CK_KEY_TYPE type);
/// Puts a key from outside (C_CreateObject, C_UnwrapKey) where the rule requires it, and completes the draft. Throws
/// Refusal: CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_VALUE_INVALID.
void place_private_key(Draft& draft, const crypto::SoftwareKey& key, const KeyMaking& making);

/// CKM_PUB_KEY_FROM_PRIV_KEY (PKCS#11 3.2, 6.43): the public half of a private key, as an object of its own. Throws
/// Refusal with the template's error.
Draft public_half_of(const Object& private_key, const Template& wanted, Who who);

/// Writes and reads the wrapped key in the secret part of an object whose key lives in the TPM.
void keep_blob(const tpm::KeyBlob& blob, SecretAttributes& secret);
tpm::KeyBlob blob_of(const SecretAttributes& secret);

/// The key of a private key object; `secret` is the secret part of the object. Throws Refusal: CKR_USER_NOT_LOGGED_IN
/// for a key in the TPM while `engine` is null, CKR_DEVICE_ERROR if the TPM no longer has the key.
std::shared_ptr<crypto::PrivateKey> open_private_key(const Object& object, const SecretAttributes& secret,
                                                     const std::shared_ptr<tpm::Engine>& engine);

/// Sets the numbers of the key, and the default uses and CKA_ID unless the object has them; an empty CKA_ID counts.
void describe_public_key(const crypto::PublicKey& key, Attributes& object);
void describe_private_key(const crypto::PublicKey& key, Attributes& object);

/// The default of CKA_ID: SHA-1 of the public key (the BIT STRING of its SubjectPublicKeyInfo; RFC 5280, 4.2.1.2), so
/// that a certificate and both halves of its key have the same one.
Bytes default_key_id(const crypto::PublicKey& key);

}  // namespace vtpm::pkcs11
