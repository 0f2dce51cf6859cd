#include "tools/find_key.h"

#include <p11-kit/uri.h>

#include <algorithm>
#include <memory>

#include "crypto/error.h"
#include "tools/usage.h"

namespace vtpm::tools {
namespace {

using Uri = std::unique_ptr<P11KitUri, decltype(&p11_kit_uri_free)>;

bool matches(const pkcs11::Object& object, const CK_ATTRIBUTE* rows, CK_ULONG count) {
  return std::all_of(rows, rows + count, [&](const CK_ATTRIBUTE& row) {
    if (row.type == CKA_CLASS) return true;  // type=public means the same pair
    return equal(object.shown.get(row.type), {static_cast<const uint8_t*>(row.pValue), row.ulValueLen});
  });
}

std::string private_keys_of(pkcs11::Token& token) {
  std::vector<std::string> keys;
  for (const pkcs11::ObjectPtr& object : token.objects()) {
    if (object->object_class() != CKO_PRIVATE_KEY) continue;
    keys.push_back("\"" + std::string(as_text(object->shown.get(CKA_LABEL))) + "\" with the id " +
                   to_hex(object->shown.get(CKA_ID)));
  }
  return keys.empty() ? "it has none" : "it has " + enumerated(keys);
}

}  // namespace

pkcs11::ObjectPtr find_private_key(pkcs11::Token& token, const std::string& text) {
  const Uri uri(p11_kit_uri_new(), p11_kit_uri_free);
  if (!uri) throw std::bad_alloc();
  if (p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_OBJECT_ON_TOKEN, uri.get()) != P11_KIT_URI_OK)
    throw Error(ErrorCode::kInvalidArgument, "\"" + text + "\" is not a pkcs11: URI");
  CK_ULONG count = 0;
  const CK_ATTRIBUTE* rows = p11_kit_uri_get_attributes(uri.get(), &count);
  std::vector<pkcs11::ObjectPtr> found;
  for (const pkcs11::ObjectPtr& object : token.objects()) {
    if (object->object_class() == CKO_PRIVATE_KEY && matches(*object, rows, count)) found.push_back(object);
  }
  if (found.empty()) throw UsageError("the token has no private key \"" + text + "\": " + private_keys_of(token));
  if (found.size() > 1)
    throw Error(ErrorCode::kInvalidArgument, "several private keys match \"" + text + "\": name one by its id=");
  return found.front();
}

}  // namespace vtpm::tools
