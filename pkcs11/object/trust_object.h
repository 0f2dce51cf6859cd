// SPDX-License-Identifier: Apache-2.0
// Trust objects (CKO_TRUST; PKCS#11 3.2, 4.7): the checks beyond the rules of single attributes.
#pragma once

#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

/// Checks the hash of the certificate and the levels of trust. A trust object that trusts a certificate must identify
/// it by CKA_HASH_OF_CERTIFICATE; one that distrusts all certificates of an issuer and serial number need not. `unsaid`
/// is the code for a missing identification. Throws Refusal: `unsaid`, CKR_ATTRIBUTE_VALUE_INVALID.
void check_trust(const Attributes& shown, CK_RV unsaid);

}  // namespace vtpm::pkcs11
