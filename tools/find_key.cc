// SPDX-License-Identifier: Apache-2.0
#include "tools/find_key.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "pkcs11/session/lookup.h"
#include "tools/pkcs11_uri.h"
#include "tools/usage.h"

namespace vtpm::tools {
namespace {

bool matches(const pkcs11::Object& object, const std::vector<Pkcs11Uri::Attribute>& rows) {
  return std::all_of(rows.begin(), rows.end(), [&](const Pkcs11Uri::Attribute& row) {
    if (row.type == CKA_CLASS) return true;  // type=public names the same key pair
    return equal(object.shown.get(row.type), row.value);
  });
}

std::string private_keys_of(pkcs11::Token& token) {
  std::vector<std::string> keys;
  for (const pkcs11::ObjectPtr& object : token.catalogue().objects()) {
    if (object->object_class() != CKO_PRIVATE_KEY) continue;
    keys.push_back("\"" + std::string(as_text(object->shown.get(CKA_LABEL))) + "\" with the id " +
                   to_hex(object->shown.get(CKA_ID)) + allowance_of(*object));
  }
  return keys.empty() ? "it has none" : "it has " + enumerated(keys);
}

}  // namespace

std::string allowance_of(const pkcs11::Object& key) {
  return pkcs11::allows_nothing(key) ? " (allows no mechanism)" : "";
}

pkcs11::ObjectPtr find_private_key(pkcs11::Token& token, const std::string& text) {
  const std::vector<Pkcs11Uri::Attribute> rows = Pkcs11Uri(text).attributes();
  std::vector<pkcs11::ObjectPtr> found;
  for (const pkcs11::ObjectPtr& object : token.catalogue().objects()) {
    if (object->object_class() == CKO_PRIVATE_KEY && matches(*object, rows)) found.push_back(object);
  }
  if (found.empty()) throw UsageError("the token has no private key \"" + text + "\": " + private_keys_of(token));
  if (found.size() > 1)
    throw Error(ErrorCode::kInvalidArgument, "several private keys match \"" + text + "\": name one by its id=");
  return found.front();
}

}  // namespace vtpm::tools
