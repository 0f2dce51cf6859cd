// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/object_class.h"

#include <iterator>

#include "pkcs11/object/certificate_object.h"
#include "pkcs11/object/key_factory.h"
#include "pkcs11/object/secret_key.h"
#include "pkcs11/object/trust_object.h"

namespace vtpm::pkcs11 {
namespace {

/// The `complete` function of a class whose objects are not private keys, so that the place of keys does not matter.
template <void (*kComplete)(Draft&)>
void complete(Draft& draft, const KeyMaking&) {
  kComplete(draft);
}

void check_certificate(const Attributes& shown, CK_RV) { check_trusted_certificate(shown); }

// In the order of the classes' numbers as far as these have no gap, because object_class_row tries that position first.
constexpr ObjectClass kClasses[] = {
    {CKO_DATA, 0, KeyPart::kNone, kValueIsSealed | kMayBeInNv},
    {CKO_CERTIFICATE, CKA_CERTIFICATE_TYPE, KeyPart::kNone, kFixedByTrust, complete<complete_certificate>,
     check_certificate},
    {CKO_PUBLIC_KEY, CKA_KEY_TYPE, KeyPart::kPublic, 0, complete<complete_public_key>},
    {CKO_PRIVATE_KEY, CKA_KEY_TYPE, KeyPart::kPrivate, 0, import_private_key},
    {CKO_SECRET_KEY, CKA_KEY_TYPE, KeyPart::kSecret, 0, complete<import_secret_key>},
    {CKO_HW_FEATURE, CKA_HW_FEATURE_TYPE, KeyPart::kNone, kDescribesToken | kReadAtOnce | kMayBeInNv | kCounts},
    {CKO_DOMAIN_PARAMETERS, CKA_KEY_TYPE, KeyPart::kNone, 0, complete<complete_domain>},
    {CKO_MECHANISM, 0, KeyPart::kNone, kDescribesToken},
    {CKO_PROFILE, 0, KeyPart::kNone, kDescribesToken | kComesAndGoes},
    {CKO_VALIDATION, 0, KeyPart::kNone, kDescribesToken},
    {CKO_TRUST, 0, KeyPart::kNone, kOnlyAuthentic, nullptr, check_trust},
};
constexpr bool every_class_has_one_row() {
  for (size_t i = 0; i < std::size(kClasses); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (kClasses[i].type == kClasses[j].type) return false;
    }
  }
  return true;
}
static_assert(every_class_has_one_row(), "kClasses has two rows for one class");

constexpr ObjectClass kUnknown = {CKO_VENDOR_DEFINED};

}  // namespace

const ObjectClass& object_class_row(CK_OBJECT_CLASS object_class) {
  if (object_class < std::size(kClasses) && kClasses[object_class].type == object_class) return kClasses[object_class];
  for (const ObjectClass& row : kClasses) {
    if (row.type == object_class) return row;
  }
  return kUnknown;
}

const ObjectClass& object_class_row(const Attributes& object) {
  const auto object_class = object.number(CKA_CLASS);
  return object_class ? object_class_row(*object_class) : kUnknown;
}

}  // namespace vtpm::pkcs11
