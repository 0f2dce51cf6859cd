// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/token/identity.h"

#include "pkcs11/object/attribute.h"
#include "pkcs11/token/records.h"

namespace vtpm::pkcs11 {

namespace {

Attributes read_record(const store::Vault& vault) {
  const auto blob = vault.read(kTokenInfo);
  if (!blob) {
    throw Error(ErrorCode::kNotAStore, vault.path() + " is a store but not a token (it has no entry token/info)");
  }
  return decode_attributes<Bytes>(blob->data);
}

void put(store::Transaction& transaction, const Attributes& record) {
  transaction.put(kTokenInfo, kTokenInfoType, store::Protection::kClear, encode_attributes(record));
}

}  // namespace

Identity read_identity(const store::Vault& vault) {
  const Attributes record = read_record(vault);
  Identity identity;
  identity.label = as_text(record.get(CKA_LABEL));
  identity.serial = as_text(record.get(kFieldSerial));
  identity.slot = record.number(kFieldSlotNumber).value_or(0);
  identity.created = vault.created();
  return identity;
}

void put_identity(store::Transaction& transaction, const Identity& identity) {
  Attributes record;
  record.set(CKA_LABEL, as_bytes(identity.label));
  record.set(kFieldSerial, as_bytes(identity.serial));
  record.set_number(kFieldSlotNumber, identity.slot);
  put(transaction, record);
}

void change_label(store::Vault& vault, const std::string& label) {
  vault.change([&](store::Transaction& transaction) {
    Attributes record = read_record(vault);
    record.set(CKA_LABEL, as_bytes(label));
    put(transaction, record);
  });
}

std::string trimmed(std::string label) { return label.erase(label.find_last_not_of(' ') + 1); }

}  // namespace vtpm::pkcs11
