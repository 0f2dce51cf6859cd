// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/builtin_objects.h"

#include <cstdio>

#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {
namespace {

// PKCS #11 Profiles 3.2: 5.1, 5.3 and 5.4 are true of every token at any time. 5.5 (public certificates) is true of
// some tokens, which show its object only while it is true (Catalogue::has_profile_locked).
constexpr CK_PROFILE_ID kProfiles[] = {CKP_BASELINE_PROVIDER, CKP_EXTENDED_PROVIDER, CKP_AUTHENTICATION_TOKEN,
                                       CKP_PUBLIC_CERTIFICATES_TOKEN};

Attributes describe(CK_OBJECT_CLASS object_class, const char* kind, CK_ULONG number) {
  char id[48];
  std::snprintf(id, sizeof id, "%s-%08lx", kind, number);
  Attributes object;
  object.set_number(CKA_CLASS, object_class);
  object.set_flag(CKA_TOKEN, true);
  for (const CK_ATTRIBUTE_TYPE no : {CKA_PRIVATE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE}) {
    object.set_flag(no, false);
  }
  object.set(CKA_LABEL, {});
  object.set(CKA_UNIQUE_ID, as_bytes(id));
  return object;
}

Attributes profile(CK_PROFILE_ID id) {
  Attributes object = describe(CKO_PROFILE, "profile", id);
  object.set_number(CKA_PROFILE_ID, id);
  return object;
}

Attributes mechanism(const Mechanism& row) {
  Attributes object = describe(CKO_MECHANISM, "mechanism", row.type);
  object.set_number(CKA_MECHANISM_TYPE, row.type);
  object.set(CKA_LABEL, as_bytes(row.name));
  return object;
}

/// The module as software that was not validated. Its flag is never set in C_GetSessionValidationFlags.
Attributes validation() {
  Attributes object = describe(CKO_VALIDATION, "validation", 1);
  object.set(CKA_LABEL, as_bytes("software, not validated"));
  object.set_number(CKA_VALIDATION_TYPE, CKV_TYPE_SOFTWARE);
  object.set_number(CKA_VALIDATION_AUTHORITY_TYPE, CKV_AUTHORITY_TYPE_UNSPECIFIED);
  object.set_number(CKA_VALIDATION_LEVEL, 0);
  object.set_number(CKA_VALIDATION_FLAG, 0);
  const CK_VERSION none = {0, 0};
  object.set(CKA_VALIDATION_VERSION, value_view(none));
  object.set(CKA_VALIDATION_MODULE_ID, as_bytes("vtpm-pkcs11"));
  for (const CK_ATTRIBUTE_TYPE empty :
       {CKA_VALIDATION_COUNTRY, CKA_VALIDATION_CERTIFICATE_IDENTIFIER, CKA_VALIDATION_CERTIFICATE_URI,
        CKA_VALIDATION_VENDOR_URI, CKA_VALIDATION_PROFILE}) {
    object.set(empty, {});
  }
  return object;
}

}  // namespace

std::vector<Attributes> builtin_objects() {
  std::vector<Attributes> objects;
  for (const CK_PROFILE_ID id : kProfiles) objects.push_back(profile(id));
  for (const Mechanism& row : mechanisms()) {
    if (is_offered(row)) objects.push_back(mechanism(row));
  }
  objects.push_back(validation());
  return objects;
}

}  // namespace vtpm::pkcs11
