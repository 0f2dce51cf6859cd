// SPDX-License-Identifier: Apache-2.0
// Certificate objects of public keys and of attributes (X.509; PKCS#11 3.2, 4.6): the checks beyond the rules of single
// attributes.
#pragma once

#include "pkcs11/object/schema.h"

namespace vtpm::pkcs11 {

/// Completes the draft with what the certificate in CKA_VALUE contains. Attributes that the draft has are left as they
/// are, except CKA_CHECK_VALUE, which must be that of this certificate (an empty one means that the object has none). A
/// CKA_VALUE that is not the DER of such a certificate completes nothing. Throws Refusal: CKR_TEMPLATE_INCOMPLETE,
/// CKR_ATTRIBUTE_VALUE_INVALID, and what check_trusted_certificate throws.
void complete_certificate(Draft& draft);

/// Throws Refusal CKR_ATTRIBUTE_READ_ONLY if the certificate has CKA_TRUSTED and its CKA_VALUE cannot be read.
void check_trusted_certificate(const Attributes& shown);

}  // namespace vtpm::pkcs11
