// SPDX-License-Identifier: Apache-2.0
// Whether a token is a Public Certificates Token (PKCS #11 Profiles 3.2, 5.5). It is the only profile whose conditions
// depend on the objects of the token; therefore the object that claims it appears and disappears with them.
//
//   a. All certificates can be found without a login.
//   b. A certificate and the private key that matches it have the same CKA_ID.
//   c. That private key, or the public one, can be found by it without a login.
//
// The certificates of the TPM's own keys, which listings leave out, do not count: no application can use their keys.
//
// Before login the module cannot determine whether a sealed record is a certificate, or whose key it is. Therefore,
// while there is a sealed record, only the user sees the claim.
#include <algorithm>

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/token/catalogue.h"
#include "pkcs11/token/records.h"

namespace vtpm::pkcs11 {
namespace {

bool same(const Object& a, const Object& b, CK_ATTRIBUTE_TYPE type) {
  const ByteView value = a.shown.get(type);
  return !value.empty() && equal(value, b.shown.get(type));
}

bool is_open(const Object& object) { return object.is_token() && !object.is_private(); }

}  // namespace

std::vector<ObjectPtr> Catalogue::of_class_locked(CK_OBJECT_CLASS object_class) {
  const CK_ATTRIBUTE row = {CKA_CLASS, &object_class, sizeof object_class};
  std::vector<ObjectPtr> found = visible_locked(objects_.candidates(
      Template(&row, 1), [&](const store::Property& property) { return parts_.vault.tag(property); }));
  std::erase_if(found, [&](const ObjectPtr& object) {
    return object->object_class() != object_class || !object->is_token() || object->hidden;
  });
  return found;
}

bool Catalogue::any_sealed_record() const {
  const std::vector<store::EntryInfo> records = parts_.vault.list(kObjectPrefix);
  return std::any_of(records.begin(), records.end(), [](const store::EntryInfo& entry) {
    return entry.protection == store::Protection::kSealed || !entry.readable;
  });
}

bool Catalogue::certificates_are_public_locked() {
  if (who() != Who::kUser && any_sealed_record()) return false;
  const std::vector<ObjectPtr> certificates = of_class_locked(CKO_CERTIFICATE);
  if (certificates.empty()) return true;
  const std::vector<ObjectPtr> private_keys = of_class_locked(CKO_PRIVATE_KEY);
  const std::vector<ObjectPtr> public_keys = of_class_locked(CKO_PUBLIC_KEY);
  const auto can_be_found = [&](const ObjectPtr& certificate, const ObjectPtr& key) {
    if (!same(*certificate, *key, CKA_ID)) return false;
    return is_open(*key) || std::any_of(public_keys.begin(), public_keys.end(), [&](const ObjectPtr& half) {
             return is_open(*half) && same(*half, *key, CKA_PUBLIC_KEY_INFO) && same(*half, *certificate, CKA_ID);
           });
  };
  return std::all_of(certificates.begin(), certificates.end(), [&](const ObjectPtr& certificate) {
    return is_open(*certificate) && std::all_of(private_keys.begin(), private_keys.end(), [&](const ObjectPtr& key) {
             return !same(*certificate, *key, CKA_PUBLIC_KEY_INFO) || can_be_found(certificate, key);
           });
  });
}

bool Catalogue::has_profile_locked(const Object& profile) {
  if (profile.shown.number(CKA_PROFILE_ID) != CKP_PUBLIC_CERTIFICATES_TOKEN) return true;
  const std::pair<uint64_t, uint64_t> now(cursor_, parts_.login.number());
  if (claimed_at_ != now) {
    claim_ = false;
    claimed_at_ = now;  // set first, because the search for the answer reaches this object too
    try {
      claim_ = certificates_are_public_locked();
    } catch (...) {
      claimed_at_ = {UINT64_MAX, UINT64_MAX};
      throw;
    }
  }
  return claim_;
}

}  // namespace vtpm::pkcs11
