// SPDX-License-Identifier: Apache-2.0
// New and changed objects from templates, for C_CreateObject, C_SetAttributeValue and C_CopyObject (PKCS#11 3.2, 5.7).
// The functions change nothing but their results.
#pragma once

#include "pkcs11/object/key_factory.h"
#include "pkcs11/session/session.h"

namespace vtpm::pkcs11 {

/// Where keys that this session makes may live, and the user that makes them.
KeyMaking key_making(const Session& session);

/// C_CreateObject: checks a template, completes what it implies, and imports keys. Throws Refusal with the template's
/// error.
Draft create_draft(const Session& session, const Template& object);
/// Checks what C_SetAttributeValue or C_CopyObject made of an object, beyond the rules of single attributes
/// (ObjectClass::check). Throws Refusal: CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT, CKR_USER_NOT_LOGGED_IN
/// …
void check_changed(const Session& session, const Attributes& shown);
/// C_CopyObject: a copy with changes. Throws Refusal: CKR_ACTION_PROHIBITED, CKR_ATTRIBUTE_READ_ONLY,
/// CKR_TEMPLATE_INCONSISTENT.
Draft copy_draft(Session& session, const Object& object, const Template& changes);

}  // namespace vtpm::pkcs11
