// SPDX-License-Identifier: Apache-2.0
// The names and types of a token's entries in its store (docs/format.md, "PKCS#11 objects"), and how its records get
// there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "device/entries.h"
#include "pkcs11/object/object.h"
#include "store/vault/vault.h"

namespace vtpm::pkcs11 {

inline constexpr const char* kTokenInfo = "token/info";
inline constexpr const char* kTokenInfoType = "token";
inline constexpr const char* kObjectType = "p11-object";

inline constexpr std::string_view kObjectPrefix = "obj/";
// Clear records of the TPM's own public objects, named by their ids, which say everything about their contents.
inline constexpr std::string_view kTpmObjectPrefix = device::kFirstObjectPrefix;

bool is_object_entry(std::string_view entry);
/// The object's id, when the entry is an object's.
std::optional<std::string> id_of(std::string_view entry);

/// The marks of trust of clear records that a login has authenticated, so that they hold for this process after it: an
/// application may look for whom it trusts when it has logged out again. By the bytes of the record: another version,
/// or a record of another name, has to be authenticated anew.
class RememberedTrust {
 public:
  /// Whether the record, which says so, is to be trusted; remembers that of one that was authenticated. `entry`: its
  /// name.
  bool holds(const std::string& entry, const store::Blob& record);
  /// The record has no mark of trust any more.
  void forget(const std::string& entry) { digests_.erase(entry); }

 private:
  std::map<std::string, Bytes> digests_;  // SHA-256, by the entry's name
};

/// The attributes of a record. A mark of trust that anyone could have written (a clear record without a MAC that was
/// checked, and so every one before login) is no mark of trust, and must not become one when the record is written
/// anew.
Attributes authentic_attributes(const store::Blob& record);
void put_object(store::Transaction& transaction, const std::string& id, const Attributes& shown,
                const SecretAttributes& secret);
/// The blind index of a record, for a re-key (store::Indexer).
std::vector<store::Property> record_properties(std::string_view entry, ByteView plain);
void put_tpm_object(store::Transaction& transaction, const Attributes& object);

}  // namespace vtpm::pkcs11
