// SPDX-License-Identifier: Apache-2.0
// Re-key: a new master key for all entries.
//
// The log writes a new file beside the old one, entry by entry, and replaces the old one by one rename, so neither a
// crash nor another process can meet an intermediate state. The new key is random and never wrapped under the old one:
// it cannot be learned from the old key.
#include <algorithm>

#include "crypto/library/random.h"
#include "store/vault/vault_impl.h"

namespace vtpm::store {
namespace {

[[noreturn]] void refuse(ErrorCode code, const EntryView& entry, const char* why) {
  throw Error(code, "'" + std::string(entry.name) + "' " + why + ": the store was not re-keyed");
}

// Tags depend on the key and must be computed again.
void index_again(Entry& entry, const MasterKey& fresh, ByteView plain, const Indexer& indexer) {
  std::erase_if(entry.optional, [](const Attribute& attribute) { return attribute.name == attribute::kIndex; });
  std::vector<BlindTag> tags;
  for (const Property& one : indexer ? indexer(entry.name, plain) : std::vector<Property>()) {
    tags.push_back(fresh.tag(one.kind, one.value));
  }
  if (!tags.empty()) entry.optional.push_back(bytes_attribute(attribute::kIndex, write_tags(std::move(tags))));
}

Bytes reseal(const EntryView& entry, const MasterKey& old, const MasterKey& fresh, const Salt& salt,
             const Indexer& indexer) {
  const auto cipher = cipher_of(entry.cipher);
  if (!cipher) refuse(ErrorCode::kTooNew, entry, "is sealed in a way that this version does not know");
  auto plain = entry.epoch == old.epoch() ? old.unseal(entry) : std::nullopt;
  if (!plain) refuse(ErrorCode::kTampered, entry, "was tampered with, its seal is wrong");
  Entry copy = to_entry(entry);
  for (Attribute& attribute : copy.mandatory) {
    if (attribute.name == attribute::kEncryption) attribute = fresh.encryption(*cipher);
  }
  index_again(copy, fresh, *plain, indexer);
  Bytes bytes = encode(copy);
  const EntryView layout = parse_entry(bytes).value();
  fresh.seal(bytes, layout, *plain);
  store_crc(salt, bytes, layout.crc_at);
  return bytes;
}

Bytes bind_again(const EntryView& entry, const MasterKey& old, const MasterKey& fresh, const Salt& salt) {
  if (!old.mac_matches(entry)) refuse(ErrorCode::kTampered, entry, "was tampered with, its MAC is wrong");
  Bytes bytes = to_bytes(entry.bytes);
  fresh.write_mac(bytes, parse_entry(bytes).value());
  store_crc(salt, bytes, entry.crc_at);
  return bytes;
}

const UsedKeySlot& slot_of(const std::vector<UsedKeySlot>& used, unsigned number, const std::string& path) {
  for (const UsedKeySlot& slot : used) {
    if (slot.number != number) continue;
    if (slot.problem) throw *slot.problem;
    return slot;
  }
  throw Error(ErrorCode::kNotFound, "key slot " + std::to_string(number) + " of " + path + " is not active");
}

void require_so(const std::vector<UsedKeySlot>& used, const std::vector<KeptKeySlot>& kept) {
  auto is_kept = [&](const UsedKeySlot& slot) {
    return std::any_of(kept.begin(), kept.end(), [&](const KeptKeySlot& one) { return one.number == slot.number; });
  };
  bool before = false, after = false;
  for (const UsedKeySlot& slot : used) {
    const bool officer = slot.role == role_name(Role::kSo);
    before = before || officer;
    after = after || (officer && is_kept(slot));
  }
  if (!before || after) return;
  throw Error(
      ErrorCode::kUnsupported,
      "a key slot of the security officer must be kept, or the user PIN could never be set again: give its secret");
}

// A kept slot, and what its secret becomes for the new one.
struct Renewal {
  std::string name, role;
  KeySlotKdf kdf;
  std::shared_ptr<const StretchedSecret> after;
  SecretNotes notes;
};

std::vector<Renewal> stretch_kept(const std::vector<UsedKeySlot>& used, const std::vector<KeptKeySlot>& kept,
                                  const std::string& path) {
  std::vector<Renewal> renewals;
  for (const KeptKeySlot& one : kept) {
    const KeySlot& slot = *slot_of(used, one.number, path).slot;
    const SecretBytes secret = canonical_secret(slot.role(), one.secret);
    KeySlotKdf kdf = fresh_kdf(slot.kdf().stretching());
    if (!slot.opens_with(stretch(secret, slot.kdf()))) {
      throw Error(ErrorCode::kAuthFailed, "the secret that was given for key slot " + std::to_string(one.number) +
                                              " does not open it: nothing was changed");
    }
    auto after = std::make_shared<const StretchedSecret>(stretch(secret, kdf));
    renewals.push_back({slot.name(), slot.role(), std::move(kdf), std::move(after), slot.notes()});
  }
  return renewals;
}

}  // namespace

bool Vault::Impl::rekey(const Claim& login, const Rekeying& rekeying, const Progress& progress,
                        const Indexer& indexer) {
  const auto &old = rekeying.old, &fresh = rekeying.fresh;
  const Salt salt = store->salt();
  const auto write_anew = [&](const EntryView& entry) {
    if (entry.type == type::kKeySlot) return Bytes();
    if (entry.sealed) return reseal(entry, *old, *fresh, salt, indexer);
    return entry.mac_at != 0 ? bind_again(entry, *old, *fresh, salt) : to_bytes(entry.bytes);
  };
  return store->rewrite(login, [&](EntryLog::Change&) -> std::optional<EntryLog::Rewriting> {
    const auto used = used_slots();
    if (!same_slots(rekeying.seen, used) || is_outdated(old->epoch(), used)) return std::nullopt;
    return EntryLog::Rewriting{write_anew, rekeying.slots, progress, [&] { install(fresh); }};
  });
}

void Vault::rekey(const std::vector<KeptKeySlot>& kept, const Progress& progress, const Indexer& indexer) {
  for (;;) {
    refresh();
    impl_->master_or_locked();
    const auto used = impl_->used_slots();
    if (kept.empty()) throw Error(ErrorCode::kUnsupported, "at least one key slot must be kept: give its secret");
    for (const KeptKeySlot& one : kept) {
      if (slot_of(used, one.number, path()).slot->kdf().is_raw()) {
        throw Error(ErrorCode::kUnsupported, path() + " is opened by a raw key: give the new one");
      }
    }
    require_so(used, kept);
    std::vector<Renewal> renewals = stretch_kept(used, kept, path());

    const auto login = impl_->store->claim(EntryLog::Role::kLogin);
    auto old = impl_->current_master();
    auto fresh =
        std::make_shared<const MasterKey>(crypto::random_secret(kMasterKeyBytes), impl_->uuid, old->epoch() + 1);
    std::vector<Draft> slots;
    for (Renewal& one : renewals) {
      slots.push_back(slot_draft(one.name, one.role, one.kdf, std::move(one.after), fresh, impl_->uuid, one.notes));
    }
    // Otherwise another process has changed a key slot.
    if (impl_->rekey(*login, {old, fresh, used, std::move(slots)}, progress, indexer)) return;
  }
}

void Vault::rekey_raw(const RawKey& key, const Progress& progress, const Indexer& indexer) {
  for (;;) {
    const auto login = impl_->store->claim(EntryLog::Role::kLogin);
    auto old = impl_->current_master();
    const auto used = impl_->used_slots();
    for (const UsedKeySlot& one : used) {
      if (one.slot && one.slot->kdf().is_raw()) continue;
      throw Error(ErrorCode::kUnsupported, path() + " is not opened by a raw key: re-key it with its secrets");
    }
    auto fresh = std::make_shared<const MasterKey>(SecretBytes(key.bytes()), impl_->uuid, old->epoch() + 1);
    std::vector<Draft> slots;
    slots.push_back(raw_slot_draft(slot_name(1), *fresh));
    if (impl_->rekey(*login, {old, fresh, used, std::move(slots)}, progress, indexer)) return;
  }
}

}  // namespace vtpm::store
