// SPDX-License-Identifier: Apache-2.0
// Trust objects (CKO_TRUST; PKCS#11 3.2, 4.7): what they must be beyond the rules of single attributes.
#pragma once

#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

/// A trust object that vouches for a certificate must say which one it is; one that distrusts all certificates of a
/// name and a number need not. `unsaid` is the code for one that does not say it. Throws Refusal: `unsaid`,
/// CKR_ATTRIBUTE_VALUE_INVALID.
void check_trust(const Attributes& shown, CK_RV unsaid);

}  // namespace vtpm::pkcs11
