// SPDX-License-Identifier: Apache-2.0
// Key slots: a secret opens one of them and finds the master key in it.
//
//   KDF(secret, salt) -> 64 bytes: the first 32 are the key encryption key, the others the commitment key.
//   `commit` = HMAC-SHA-256(commitment key, the slot's bytes with CRC, commitment and data zero), checked first: SIV
//   alone lets a crafted slot open under two secrets. data     = the master key, wrapped with AES-256-SIV under
//   HKDF(key encryption key, UUID, "wrap"), the slot's bytes as associated data, as in any sealed entry.
// So a wrong secret (commitment wrong) is told from damage (CRC wrong) and from a slot of another store (commitment
// right, unwrapping or the key's digest wrong). docs/format.md, "Key slots".
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

std::string slot_name(unsigned number);
/// 0: the name is none of theirs.
unsigned number_of_slot(std::string_view name);

/// A slot as it stands in the store.
class KeySlot {
 public:
  /// `bytes`: of an entry whose CRC is right. Throws kCorrupt, kUnsupported (a KDF that this build does not have, or
  /// out of bounds).
  explicit KeySlot(Bytes bytes);
  KeySlot(KeySlot&&) noexcept = default;
  KeySlot& operator=(KeySlot&&) noexcept = default;

  const std::string& name() const { return name_; }
  const std::string& role() const { return role_; }
  uint64_t sequence() const { return sequence_; }
  const KeySlotKdf& kdf() const { return kdf_; }
  uint64_t epoch() const { return epoch_; }
  const SecretNotes& notes() const { return notes_; }
  /// Whether the slot is for this key; all that a raw key's slot can say.
  bool is_slot_of(const MasterKey& key) const;

  bool opens_with(const StretchedSecret& secret) const;
  /// Throws kCorrupt when a slot that opens does not hold this store's master key.
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

/// The role of a slot's entry; empty when it shows none.
std::string role_of_slot(ByteView bytes);

/// The slot of a raw key: its size and its digest, nothing that could be opened.
Draft raw_slot_draft(const std::string& name, const MasterKey& master);
/// The slot's entry, to be written twice.
Draft slot_draft(const std::string& name, std::string_view role, const KeySlotKdf& kdf,
                 std::shared_ptr<const StretchedSecret> secret, std::shared_ptr<const MasterKey> master,
                 const Uuid& uuid, const SecretNotes& notes = {});

}  // namespace vtpm::store
