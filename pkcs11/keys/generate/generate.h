// SPDX-License-Identifier: Apache-2.0
// C_GenerateKey (PKCS#11 3.2, 5.18.1): a secret key, or domain parameters. C_GenerateKeyPair is in
// pkcs11/object/key_factory.h, with the other ways to make private keys.
#pragma once

#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/object/schema.h"

namespace vtpm::pkcs11 {

/// The default of CKA_PRIVATE for what the mechanism makes. `who`: the user that makes it.
bool makes_private(const Mechanism& row, bool on_token, Who who);

/// The new object, which is not published yet. Throws Refusal: the template's errors, CKR_MECHANISM_PARAM_INVALID,
/// CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCOMPLETE.
Draft generate(const Mechanism& row, const CK_MECHANISM& mechanism, const Template& wanted, Who who);

/// CKM_PKCS5_PBKD2 (PKCS#11 3.2, 6.26; password.cc). Throws Refusal: CKR_MECHANISM_PARAM_INVALID, the template's
/// errors.
Draft generate_from_password(const Mechanism& row, const CK_MECHANISM& mechanism, const Template& wanted, Who who);

}  // namespace vtpm::pkcs11
