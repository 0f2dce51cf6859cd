// SPDX-License-Identifier: Apache-2.0
// Where private keys come to be: C_GenerateKeyPair, C_CreateObject and C_UnwrapKey (PKCS#11 3.2, 5.7 and 5.18). No
// other place asks "in the TPM or in software?".
//
// The rule: a private key lives in the TPM when the TPM can honour its template (RSA of 1024, 2048 or 3072 bits, P-256,
// P-384 or P-521, CKA_SENSITIVE CK_TRUE and CKA_EXTRACTABLE CK_FALSE). Otherwise it is a software key, sealed in the
// store. The setting `placement`, and CKA_VTPM_RESIDENT in a template, may insist on one or the other.
//
// The functions change nothing but the drafts that they return or are given; Catalogue::add publishes these. They may
// run in any thread.
#pragma once

#include <memory>

#include "base/settings/config.h"
#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/object/object.h"
#include "tpm/use/resident_key.h"

namespace vtpm::pkcs11 {

struct KeyMaking {
  Placement placement = Placement::kAuto;
  std::shared_ptr<tpm::Engine> engine;  // nothing when no user is logged in: then keys are software keys
  Who who = Who::kNobody;               // is logged in (CKA_TRUSTED, CKA_PRIVATE)
};

struct KeyPairDraft {
  Draft public_key, private_key;
};

/// C_GenerateKeyPair. Throws Refusal: the template's errors, CKR_DOMAIN_PARAMS_INVALID, CKR_ATTRIBUTE_VALUE_INVALID,
/// CKR_CURVE_NOT_SUPPORTED, CKR_TEMPLATE_INCONSISTENT (placement that cannot be honoured).
KeyPairDraft generate_key_pair(const Mechanism& mechanism, const Template& public_key, const Template& private_key,
                               const KeyMaking& making);

/// CKM_DSA_PARAMETER_GEN, CKM_DH_PKCS_PARAMETER_GEN: domain parameters as an object. DH answers with the group of RFC
/// 7919 of that size: a safe prime of one's own would take minutes and be no safer. Throws Refusal: the template's
/// errors, CKR_ATTRIBUTE_VALUE_INVALID.
Draft generate_domain(const Mechanism& mechanism, const Template& wanted, Who who);
void complete_domain(Draft& draft);

/// C_CreateObject with a public or private key: completes what the template implies, imports private keys.
void complete_public_key(Draft& draft);
void import_private_key(Draft& draft, const KeyMaking& making);
bool is_of_type(const crypto::SoftwareKey& key, CK_KEY_TYPE type);
/// Puts a key that came in (C_CreateObject, C_UnwrapKey) where the rule wants it, and completes the draft.
void place_private_key(Draft& draft, const crypto::SoftwareKey& key, const KeyMaking& making);

/// CKM_PUB_KEY_FROM_PRIV_KEY: the public half of a private key, as an object of its own. Throws Refusal with the
/// template's error.
Draft public_half_of(const Object& private_key, const Template& wanted, Who who);

/// The wrapped key in the sealed part of a key that lives in the TPM.
void keep_blob(const tpm::KeyBlob& blob, SecretAttributes& secret);
tpm::KeyBlob blob_of(const SecretAttributes& secret);

/// The key behind a private key object; `secret` is its sealed part.
std::shared_ptr<crypto::PrivateKey> open_private_key(const Object& object, const SecretAttributes& secret,
                                                     const std::shared_ptr<tpm::Engine>& engine);

/// Numbers, default uses and CKA_ID, as far as the object does not have them; an empty CKA_ID is one.
void describe_public_key(const crypto::PublicKey& key, Attributes& object);
void describe_private_key(const crypto::PublicKey& key, Attributes& object);

/// CKA_ID when the caller gives none: SHA-1 of the public key (the BIT STRING of its SubjectPublicKeyInfo, RFC 5280
/// 4.2.1.2), so that certificate, public and private key meet.
Bytes default_key_id(const crypto::PublicKey& key);

}  // namespace vtpm::pkcs11
