// SPDX-License-Identifier: Apache-2.0
// The objects that describe the token: profiles, mechanisms, validations (PKCS#11 3.2, 4.13 to 4.15). They are not
// stored; every token has them from the start, and no application can make, change or destroy them.
#pragma once

#include <vector>

#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

/// The objects that describe the token, without the mechanisms that are hidden now. CKA_UNIQUE_ID is derived from what
/// an object describes, so that it never changes.
std::vector<Attributes> builtin_objects();

}  // namespace vtpm::pkcs11
