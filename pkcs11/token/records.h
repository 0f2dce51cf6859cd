// SPDX-License-Identifier: Apache-2.0
// The names and types of a token's entries in its store (docs/format.md, "PKCS#11 objects"), and the functions that
// write its records.
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
// The prefix of clear records of the TPM's own public objects. The id in the name of such a record determines its
// contents.
inline constexpr std::string_view kTpmObjectPrefix = device::kFirstObjectPrefix;

/// Whether the entry is the record of an object: of the user's or of the TPM's.
bool is_object_entry(std::string_view entry);
/// The id of the object; nothing if the entry is not the record of an object.
std::optional<std::string> id_of(std::string_view entry);

/// The marks of trust (CKA_TRUSTED) of clear records that a login has authenticated, so that they stay valid in this
/// process after the logout: applications look for trusted certificates then. A mark is remembered by the bytes of its
/// record; another version, or a record with another name, must be authenticated again. Not thread-safe; the mutex of
/// the catalogue guards it.
class RememberedTrust {
 public:
  /// Whether the mark of trust of a record is authentic. Remembers that of a record whose MAC was checked. `entry`: the
  /// name of the record.
  bool holds(const std::string& entry, const store::Blob& record);
  /// Forgets a record that no longer has a mark of trust.
  void forget(const std::string& entry) { digests_.erase(entry); }

 private:
  std::map<std::string, Bytes> digests_;  // SHA-256, by the entry's name
};

/// The attributes of a record. Without a MAC that was checked (before login none is) CKA_TRUSTED becomes CK_FALSE,
/// because anyone could have written it and a later change would authenticate it. Throws Error kCorrupt.
Attributes authentic_attributes(const store::Blob& record);
/// Writes the records of an object: the attributes that it shows, sealed if it is private, with their index; and its
/// secret attributes, sealed, if it has any.
void put_object(store::Transaction& transaction, const std::string& id, const Attributes& shown,
                const SecretAttributes& secret);
/// The properties of a record that are indexed, for a re-key (store::Indexer).
std::vector<store::Property> record_properties(std::string_view entry, ByteView plain);
/// Writes the clear record of one of the TPM's own public objects.
void put_tpm_object(store::Transaction& transaction, const Attributes& object);

}  // namespace vtpm::pkcs11
