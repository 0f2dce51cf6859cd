// SPDX-License-Identifier: Apache-2.0
// Objects by which a token describes itself: profiles, mechanisms, validations (PKCS#11 3.2, 4.13 to 4.15). They are in
// no store; every token has them from the beginning, nobody makes, changes or destroys them.
#pragma once

#include <vector>

#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

/// CKA_UNIQUE_ID says what each is, so it is the same for ever.
std::vector<Attributes> builtin_objects();

}  // namespace vtpm::pkcs11
