// SPDX-License-Identifier: Apache-2.0
// X.509 certificate objects, of public keys and of attributes (PKCS#11 3.2, 4.6): what belongs together in one, beyond
// the rules of single attributes.
#pragma once

#include "pkcs11/object/schema.h"

namespace vtpm::pkcs11 {

/// What the certificate in CKA_VALUE itself says fills the gaps of the draft; where the draft speaks, it is left as it
/// is, except for CKA_CHECK_VALUE, which is of this certificate or refused (an empty one: the object has none). A
/// CKA_VALUE that is not the DER of such a certificate fills nothing. Throws Refusal: CKR_TEMPLATE_INCOMPLETE,
/// CKR_ATTRIBUTE_VALUE_INVALID, and what check_trusted_certificate throws.
void complete_certificate(Draft& draft);

/// Throws Refusal CKR_ATTRIBUTE_READ_ONLY when a certificate is trusted of which nobody can tell what it says.
void check_trusted_certificate(const Attributes& shown);

}  // namespace vtpm::pkcs11
