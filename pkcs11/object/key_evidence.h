// SPDX-License-Identifier: Apache-2.0
// The evidence that a private key lives in the TPM (tpm/use/attestation.h), as attributes of the private key object.
#pragma once

#include "pkcs11/cryptoki/cryptoki.h"
#include "tpm/use/attestation.h"

namespace vtpm::pkcs11 {

/// Whether the attribute is one of CKA_VTPM_PUBLIC … CKA_VTPM_ENDORSEMENT_CERTIFICATE.
bool is_evidence(CK_ATTRIBUTE_TYPE type);
/// The value of such an attribute; empty if the evidence does not contain it (the creation of an imported key,
/// certificates of a TPM without an identity).
Bytes evidence_part(const tpm::KeyEvidence& evidence, CK_ATTRIBUTE_TYPE type);

}  // namespace vtpm::pkcs11
