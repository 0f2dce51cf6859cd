// SPDX-License-Identifier: Apache-2.0
// Key slots: each holds the master key, wrapped under a secret (docs/format.md, "Key slots").
//
//     K      = KDF(secret, salt), 64 bytes
//     commit = HMAC-SHA-256(K[32..63], the key slot's entry with CRC, commitment and data zero)
//     data   = AES-256-SIV of the master key under HKDF-SHA-256(K[0..31], UUID, "wrap"); the associated data are the
//              bytes of the entry around its data, as in any sealed entry
//
// The commitment is checked first, because SIV alone does not commit to its key: a crafted key slot could open under
// two secrets. The order also distinguishes a wrong secret (the commitment is wrong) from damage (the CRC is wrong) and
// from a key slot of another store (the commitment is right; the unwrapping fails, or the key's digest is wrong).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "store/log/file_log.h"
#include "store/vault/amend.h"
#include "store/vault/key_slot_kdf.h"
#include "store/vault/role.h"
#include "store/vault/sealing.h"

namespace vtpm::store {

/// "keyslot/1" to "keyslot/32".
std::string slot_name(unsigned number);
/// The number in such a name; 0 for any other name.
unsigned number_of_slot(std::string_view name);

/// A key slot as it stands in the store. It owns a copy of the entry's bytes.
class KeySlot {
 public:
  /// `bytes`: an entry whose CRC is right. Throws kCorrupt if it is not a well-formed key slot, and kUnsupported if
  /// this build does not have its KDF or the cost is out of bounds.
  explicit KeySlot(Bytes bytes);
  KeySlot(KeySlot&&) noexcept = default;
  KeySlot& operator=(KeySlot&&) noexcept = default;

  const std::string& name() const { return name_; }
  const std::string& role() const { return role_; }
  uint64_t sequence() const { return sequence_; }
  const KeySlotKdf& kdf() const { return kdf_; }
  uint64_t epoch() const { return epoch_; }
  const SecretNotes& notes() const { return notes_; }
  /// Whether the key slot holds this key, by epoch and digest. Of a raw key's slot nothing else can be checked.
  bool is_slot_of(const MasterKey& key) const;

  /// Checks the commitment, in constant time.
  bool opens_with(const StretchedSecret& secret) const;
  /// Unwraps the master key, for a secret that `opens_with` has accepted. Throws kCorrupt if the key slot does not hold
  /// the master key of the store `uuid`.
  std::shared_ptr<const MasterKey> master_key(const StretchedSecret& secret, const Uuid& uuid) const;

 private:
  EntryView view() const;
  Bytes bytes_;
  std::string name_, role_;
  uint64_t sequence_ = 0, epoch_ = 0;
  KeySlotKdf kdf_;
  SecretNotes notes_;
  Bytes commitment_, digest_;
};

/// The role in a key slot's entry, by its name; empty if it has none.
std::string role_of_slot(ByteView bytes);

/// The key slot of a raw key. It holds the key's size and digest, and no wrapped key. It is written twice.
Draft raw_slot_draft(const std::string& name, const MasterKey& master);
/// A key slot in which `secret`, which `kdf` has stretched, opens `master`. It is written twice.
Draft slot_draft(const std::string& name, std::string_view role, const KeySlotKdf& kdf,
                 std::shared_ptr<const StretchedSecret> secret, std::shared_ptr<const MasterKey> master,
                 const Uuid& uuid, const SecretNotes& notes = {});

}  // namespace vtpm::store
