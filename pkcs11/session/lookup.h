// SPDX-License-Identifier: Apache-2.0
// Finding objects and reading their attributes as a session may.
#pragma once

#include <optional>

#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/session/session.h"

namespace vtpm::pkcs11 {

/// The object or key with this handle. An object that the session may not see does not exist for it. Throws Refusal
/// CKR_OBJECT_HANDLE_INVALID; require_key throws CKR_KEY_HANDLE_INVALID.
ObjectPtr require_object(Session& session, CK_OBJECT_HANDLE handle);
ObjectPtr require_key(Session& session, CK_OBJECT_HANDLE handle);

/// The key for an operation: of this class (a secret key, where the mechanism works with those), with this use allowed
/// (CKA_SIGN …), and with this mechanism among its CKA_ALLOWED_MECHANISMS. Throws CKR_KEY_HANDLE_INVALID,
/// CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_MECHANISM_INVALID.
ObjectPtr require_key_for(Session& session, CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS object_class,
                          CK_ATTRIBUTE_TYPE use, const Mechanism& mechanism);
/// The parts of these checks: require_fit checks class and type and throws `refusal` if they do not fit; require_use
/// and require_allowed check what the key itself allows.
void require_fit(const Object& key, CK_OBJECT_CLASS object_class, const Mechanism& mechanism, CK_RV refusal);
void require_use(const Object& key, CK_ATTRIBUTE_TYPE use, const Mechanism& mechanism);
void require_allowed(const Object& key, const Mechanism& mechanism, CK_RV refusal = CKR_MECHANISM_INVALID);
/// Whether the key has an empty list of CKA_ALLOWED_MECHANISMS, which older versions stored if a template had one.
bool allows_nothing(const Object& key);
/// What an operation with this key must remember of the login. Throws Refusal CKR_USER_NOT_LOGGED_IN when the key is
/// private and the user has logged out since it was found.
KeyUse use_key(Session& session, const Object& object);

/// One attribute as C_GetAttributeValue sees it.
struct Reading {
  CK_RV rv = CKR_OK;  // or CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID
  ByteView value;     // a view of the object or of `kept`: valid as long as both exist
  SecretBytes kept;
};
Reading read_attribute(Session& session, const Object& object, CK_ATTRIBUTE_TYPE type);
/// Whether the session may see that the attribute has this value (same_value).
bool has_value(Session& session, const Object& object, CK_ATTRIBUTE_TYPE type, ByteView value);
/// read_attribute for a caller with a buffer of `room` bytes. The value of a counter rises when it is fetched (4.5.2),
/// but not when its size is queried or when objects are searched.
Reading fetch_attribute(Session& session, const Object& object, CK_ATTRIBUTE_TYPE type, size_t room);

}  // namespace vtpm::pkcs11
