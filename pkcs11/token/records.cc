// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/records.h"

#include "crypto/hash/digest.h"
#include "pkcs11/object/object_index.h"

namespace vtpm::pkcs11 {

using store::Protection;

bool is_object_entry(std::string_view entry) {
  return entry.substr(0, kObjectPrefix.size()) == kObjectPrefix ||
         entry.substr(0, kTpmObjectPrefix.size()) == kTpmObjectPrefix;
}

std::optional<std::string> id_of(std::string_view entry) {
  for (std::string_view prefix : {kObjectPrefix, kTpmObjectPrefix}) {
    if (entry.substr(0, prefix.size()) == prefix) return std::string(entry.substr(prefix.size()));
  }
  return std::nullopt;
}

bool RememberedTrust::holds(const std::string& entry, const store::Blob& record) {
  if (record.protection == Protection::kSealed) return record.bound;
  crypto::Digest digest(crypto::Hash::kSha256);
  digest.update(as_bytes(entry)).update(value_view(record.sequence)).update(record.data);
  Bytes now = digest.finish();
  if (record.bound) {
    digests_[entry] = std::move(now);
    return true;
  }
  const auto remembered = digests_.find(entry);
  if (remembered == digests_.end()) return false;
  if (remembered->second == now) return true;
  digests_.erase(remembered);  // its mark must be authenticated again, whatever the record is later
  return false;
}

Attributes authentic_attributes(const store::Blob& record) {
  Attributes attributes = decode_attributes<Bytes>(record.data);
  if (!record.bound && attributes.has(CKA_TRUSTED)) attributes.set_flag(CKA_TRUSTED, false);
  return attributes;
}

void put_object(store::Transaction& transaction, const std::string& id, const Attributes& shown,
                const SecretAttributes& secret) {
  const Protection protection = shown.flag(CKA_PRIVATE) ? Protection::kSealed : Protection::kClear;
  transaction.put(object_entry(id), kObjectType, protection, encode_attributes(shown));
  transaction.index(object_entry(id), properties_of(shown));
  transaction.keep_birth(object_entry(id));
  if (!secret.empty()) transaction.put(secret_entry(id), kObjectType, Protection::kSealed, encode_attributes(secret));
}

std::vector<store::Property> record_properties(std::string_view entry, ByteView plain) {
  if (entry.substr(0, kObjectPrefix.size()) != kObjectPrefix) return {};
  try {
    return properties_of(decode_attributes<Bytes>(plain));
  } catch (const Error&) {
    return {};  // it is left out at login, as before
  }
}

void put_tpm_object(store::Transaction& transaction, const Attributes& object) {
  transaction.put(std::string(kTpmObjectPrefix).append(as_text(object.get(CKA_UNIQUE_ID))), kObjectType,
                  Protection::kClear, encode_attributes(object));
}

}  // namespace vtpm::pkcs11
