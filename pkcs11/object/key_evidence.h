// SPDX-License-Identifier: Apache-2.0
// The evidence of tpm/use/attestation.h as attributes of a private key object.
#pragma once

#include "pkcs11/cryptoki/cryptoki.h"
#include "tpm/use/attestation.h"

namespace vtpm::pkcs11 {

/// Is it one of the attributes CKA_VTPM_PUBLIC … CKA_VTPM_ENDORSEMENT_CERTIFICATE?
bool is_evidence(CK_ATTRIBUTE_TYPE type);
/// Its value; empty where the evidence does not have it (the creation of an imported key, certificates of a TPM without
/// identity).
Bytes evidence_part(const tpm::KeyEvidence& evidence, CK_ATTRIBUTE_TYPE type);

}  // namespace vtpm::pkcs11
