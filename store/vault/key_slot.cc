// SPDX-License-Identifier: Apache-2.0
#include "store/vault/key_slot.h"

#include <algorithm>

#include "base/der.h"
#include "base/error.h"
#include "crypto/hash/digest.h"
#include "crypto/library/constant_time.h"

namespace vtpm::store {
namespace {

constexpr size_t kDigestBytes = 32;

crypto::Siv wrapping(const StretchedSecret& secret, const Uuid& uuid) {
  return crypto::Siv(crypto::hkdf(secret.wrapping_key(), uuid, as_bytes("wrap"), crypto::Siv::kKeyBytes));
}

Bytes commitment_of(const EntryView& slot, ByteView commitment, const StretchedSecret& secret) {
  auto at = static_cast<size_t>(commitment.data() - slot.bytes.data());
  Bytes bytes =
      with_zeros(slot.bytes, {{slot.crc_at, kCrcBytes}, {at, commitment.size()}, {slot.data_at, slot.data_bytes}});
  return crypto::hmac(crypto::Hash::kSha256, secret.commitment_key(), bytes);
}

Attribute epoch_attribute(const MasterKey& master) {
  Attribute epoch = integer_attribute(attribute::kEpoch, master.epoch());
  write_der(epoch.values, DerTag::kOctetString, master.digest());
  return epoch;
}

}  // namespace

std::string slot_name(unsigned number) { return std::string(kSlotPrefix) + std::to_string(number); }

KeySlot::KeySlot(Bytes bytes) : bytes_(std::move(bytes)) {
  EntryView slot = view();
  name_ = slot.name;
  sequence_ = slot.sequence.number;
  auto damaged = [&] { return Error(ErrorCode::kCorrupt, "key slot '" + name_ + "' is not well-formed"); };
  auto kdf = slot.find(slot.mandatory, attribute::kKdf);
  auto commitment = slot.find_bytes(slot.mandatory, attribute::kCommit, kCommitBytes);
  auto epoch = slot.find(slot.mandatory, attribute::kEpoch);
  if (slot.type != type::kKeySlot || !kdf || !epoch) throw damaged();

  kdf_ = read_kdf(name_, *kdf);
  if (!kdf_.is_raw()) {
    if (!commitment) throw damaged();
    commitment_ = to_bytes(*commitment);
  }
  DerReader reader(*epoch);
  auto number = reader.next(DerTag::kInteger);
  auto digest = reader.next(DerTag::kOctetString);
  auto value = number ? read_der_unsigned(*number) : std::nullopt;
  if (!value || !digest || digest->contents.size() != kDigestBytes) throw damaged();
  epoch_ = *value;
  digest_ = to_bytes(digest->contents);
  role_ = role_of_slot(bytes_);
  const auto has = [&](std::string_view flag) {
    const auto values = slot.find(slot.optional, flag);
    return values && values->empty();
  };
  notes_ = {has(attribute::kEmptySecret), has(attribute::kToBeChanged)};
}

EntryView KeySlot::view() const {
  auto view = parse_entry(bytes_);
  if (!view) throw Error(ErrorCode::kCorrupt, "a key slot is not an entry");
  return *view;
}

bool KeySlot::opens_with(const StretchedSecret& secret) const {
  EntryView slot = view();
  auto commitment = slot.find_bytes(slot.mandatory, attribute::kCommit, kCommitBytes);
  return commitment && crypto::constant_time_equal(commitment_of(slot, *commitment, secret), commitment_);
}

std::shared_ptr<const MasterKey> KeySlot::master_key(const StretchedSecret& secret, const Uuid& uuid) const {
  EntryView slot = view();
  SealedContext context = sealed_context(slot);
  auto key = wrapping(secret, uuid).open({uuid, context.before, context.after}, slot.data());
  std::shared_ptr<const MasterKey> master;
  if (key && key->size() == kMasterKeyBytes) master = std::make_shared<const MasterKey>(std::move(*key), uuid, epoch_);
  if (!master || !crypto::constant_time_equal(master->digest(), digest_)) {
    throw Error(ErrorCode::kCorrupt, "the secret is right, but key slot '" + name_ +
                                         "' does not hold this store's key: it is damaged, or of another store");
  }
  return master;
}

bool KeySlot::is_slot_of(const MasterKey& key) const {
  return epoch_ == key.epoch() && crypto::constant_time_equal(digest_, key.digest());
}

unsigned number_of_slot(std::string_view name) {
  for (unsigned number = 1; number <= kMaxSlots; ++number) {
    if (slot_name(number) == name) return number;
  }
  return 0;
}

std::string role_of_slot(ByteView bytes) {
  auto slot = parse_entry(bytes);
  auto role = slot ? slot->find(slot->optional, attribute::kRole) : std::nullopt;
  auto text = role ? DerReader(*role).next(DerTag::kIa5String) : std::nullopt;
  return text ? std::string(as_text(text->contents)) : std::string();
}

Draft raw_slot_draft(const std::string& name, const MasterKey& master) {
  Draft draft;
  draft.twice = true;
  draft.entry.type = type::kKeySlot;
  draft.entry.name = name;
  const KeySlotKdf kdf{RawKdf{static_cast<uint32_t>(master.key().size())}, {}};
  draft.entry.mandatory = {
      {std::string(attribute::kKdf), encode_kdf(kdf)}, epoch_attribute(master), realsize_attribute(0)};
  draft.entry.data = Bytes(1);
  return draft;
}

Draft slot_draft(const std::string& name, std::string_view role, const KeySlotKdf& kdf,
                 std::shared_ptr<const StretchedSecret> secret, std::shared_ptr<const MasterKey> master,
                 const Uuid& uuid, const SecretNotes& notes) {
  Draft draft;
  draft.twice = true;
  draft.entry.type = type::kKeySlot;
  draft.entry.name = name;
  draft.entry.mandatory = {{std::string(attribute::kKdf), encode_kdf(kdf)},
                           bytes_attribute(attribute::kCommit, Bytes(kCommitBytes)),
                           epoch_attribute(*master),
                           realsize_attribute(kMasterKeyBytes)};
  draft.entry.optional = {text_attribute(attribute::kRole, role)};
  if (notes.empty) draft.entry.optional.push_back({std::string(attribute::kEmptySecret), {}});
  if (notes.to_be_changed) draft.entry.optional.push_back({std::string(attribute::kToBeChanged), {}});
  draft.entry.data = Bytes(crypto::Siv::kTagBytes + kMasterKeyBytes);
  draft.finish = [secret, master, uuid](MutableByteView bytes, const EntryView& layout) {
    auto place = [&](ByteView where, ByteView what) {
      std::copy(what.begin(), what.end(), bytes.begin() + (where.data() - layout.bytes.data()));
    };
    ByteView commitment = layout.find_bytes(layout.mandatory, attribute::kCommit, kCommitBytes).value();
    place(commitment, commitment_of(layout, commitment, *secret));
    SealedContext context = sealed_context(layout);
    place(layout.data(), wrapping(*secret, uuid).seal({uuid, context.before, context.after}, master->key()));
  };
  return draft;
}

}  // namespace vtpm::store
