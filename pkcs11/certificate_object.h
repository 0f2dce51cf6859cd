// X.509 certificate objects, of public keys and of attributes (PKCS#11 3.2, 4.6): what belongs together in one, beyond
// the rules of single attributes.
#pragma once

#include "pkcs11/schema.h"

namespace vtpm::pkcs11 {

/// What the certificate in CKA_VALUE itself says fills the gaps of the draft; where the draft speaks, it is left as it
/// is, except for CKA_CHECK_VALUE, which is of this certificate or refused (an empty one: the object has none). Throws
/// Refusal: CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID.
void complete_certificate(Draft& draft);

}  // namespace vtpm::pkcs11
