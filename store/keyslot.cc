#include "store/keyslot.h"

#include <algorithm>

#include "crypto/digest.h"
#include "crypto/error.h"
#include "crypto/random.h"
#include "store/der.h"

namespace vtpm::store {
namespace {

constexpr size_t kStretchedOctets = 64;
constexpr size_t kDigestOctets = 32;

crypto::Siv wrapping(const StretchedSecret& secret, const Uuid& uuid) {
  return crypto::Siv(crypto::hkdf(secret.wrapping_key(), uuid, as_bytes("wrap"), crypto::Siv::kKeyOctets));
}

Bytes commitment_of(const EntryView& slot, ByteView commitment, const StretchedSecret& secret) {
  auto at = static_cast<size_t>(commitment.data() - slot.octets.data());
  Bytes octets =
      with_zeros(slot.octets, {{slot.crc_at, kCrcOctets}, {at, commitment.size()}, {slot.data_at, slot.data_octets}});
  return crypto::hmac(crypto::Hash::kSha256, secret.commitment_key(), octets);
}

Attribute kdf_attribute(const SlotKdf& kdf) {
  Attribute attribute{std::string(attribute::kKdf), {}};
  write_der(attribute.values, Tag::kIa5String, as_bytes(kKdfArgon2id));
  write_der_unsigned(attribute.values, kdf.cost.memory_kib);
  write_der_unsigned(attribute.values, kdf.cost.passes);
  write_der_unsigned(attribute.values, kdf.cost.lanes);
  write_der(attribute.values, Tag::kOctetString, kdf.salt);
  return attribute;
}

// An INTEGER within bounds, or nothing. Hostile costs would otherwise take the host's memory or time.
std::optional<uint32_t> bounded(DerReader& reader, uint32_t low, uint32_t high) {
  auto element = reader.next(Tag::kInteger);
  auto value = element ? read_der_unsigned(*element) : std::nullopt;
  if (!value || *value < low || *value > high) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

SlotKdf read_kdf(const std::string& name, ByteView values) {
  DerReader reader(values);
  auto algorithm = reader.next(Tag::kIa5String);
  if (!algorithm || as_text(algorithm->contents) != kKdfArgon2id) {
    throw Error(ErrorCode::kUnsupported,
                "key slot '" + name + "' uses a key derivation that this version does not have");
  }
  auto memory = bounded(reader, 8192, 1 << 20);
  auto passes = bounded(reader, 1, 64);
  auto lanes = bounded(reader, 1, 16);
  auto salt = reader.next(Tag::kOctetString);
  if (!memory || !passes || !lanes || !salt || salt->contents.size() != kKdfSaltOctets || !reader.empty()) {
    throw Error(ErrorCode::kUnsupported, "key slot '" + name + "' asks for a key derivation out of bounds");
  }
  return {{*memory, *passes, *lanes}, to_bytes(salt->contents)};
}

}  // namespace

std::string slot_name(unsigned number) { return std::string(kSlotPrefix) + std::to_string(number); }

SlotKdf fresh_kdf(const crypto::Argon2Parameters& cost) { return {cost, crypto::random_bytes(kKdfSaltOctets)}; }

StretchedSecret stretch(ByteView secret, const SlotKdf& kdf) {
  return StretchedSecret(crypto::argon2id(secret, kdf.salt, kdf.cost, kStretchedOctets));
}

KeySlot::KeySlot(Bytes octets) : octets_(std::move(octets)) {
  EntryView slot = view();
  name_ = slot.name;
  sequence_ = slot.sequence.number;
  auto damaged = [&] { return Error(ErrorCode::kCorrupt, "key slot '" + name_ + "' is not well-formed"); };
  auto kdf = slot.find(slot.mandatory, attribute::kKdf);
  auto commitment = slot.find_octets(slot.mandatory, attribute::kCommit, kCommitOctets);
  auto epoch = slot.find(slot.mandatory, attribute::kEpoch);
  if (slot.type != type::kKeySlot || !kdf || !commitment || !epoch) throw damaged();

  kdf_ = read_kdf(name_, *kdf);
  commitment_ = to_bytes(*commitment);
  DerReader reader(*epoch);
  auto number = reader.next(Tag::kInteger);
  auto digest = reader.next(Tag::kOctetString);
  auto value = number ? read_der_unsigned(*number) : std::nullopt;
  if (!value || !digest || digest->contents.size() != kDigestOctets) throw damaged();
  epoch_ = *value;
  digest_ = to_bytes(digest->contents);
  role_ = role_of_slot(octets_);
}

EntryView KeySlot::view() const {
  auto view = parse_entry(octets_);
  if (!view) throw Error(ErrorCode::kCorrupt, "a key slot is not an entry");
  return *view;
}

bool KeySlot::opens_with(const StretchedSecret& secret) const {
  EntryView slot = view();
  auto commitment = slot.find_octets(slot.mandatory, attribute::kCommit, kCommitOctets);
  return commitment && constant_time_equal(commitment_of(slot, *commitment, secret), commitment_);
}

std::shared_ptr<const MasterKey> KeySlot::master_key(const StretchedSecret& secret, const Uuid& uuid) const {
  EntryView slot = view();
  SealedContext context = sealed_context(slot);
  auto key = wrapping(secret, uuid).open({uuid, context.before, context.after}, slot.data());
  std::shared_ptr<const MasterKey> master;
  if (key && key->size() == kMasterKeyOctets) master = std::make_shared<const MasterKey>(std::move(*key), uuid, epoch_);
  if (!master || !constant_time_equal(master->digest(), digest_)) {
    throw Error(ErrorCode::kCorrupt, "the secret is right, but key slot '" + name_ +
                                         "' does not hold this store's key: it is damaged, or of another store");
  }
  return master;
}

std::string role_of_slot(ByteView octets) {
  auto slot = parse_entry(octets);
  auto role = slot ? slot->find(slot->optional, attribute::kRole) : std::nullopt;
  auto text = role ? DerReader(*role).next(Tag::kIa5String) : std::nullopt;
  return text ? std::string(as_text(text->contents)) : std::string();
}

Draft slot_draft(const std::string& name, std::string_view role, const SlotKdf& kdf, StretchedSecret secret,
                 std::shared_ptr<const MasterKey> master, const Uuid& uuid) {
  Attribute epoch = integer_attribute(attribute::kEpoch, master->epoch());
  write_der(epoch.values, Tag::kOctetString, master->digest());
  Draft draft;
  draft.twice = true;
  draft.entry.type = type::kKeySlot;
  draft.entry.name = name;
  draft.entry.mandatory = {kdf_attribute(kdf), octets_attribute(attribute::kCommit, Bytes(kCommitOctets)),
                           std::move(epoch), realsize_attribute(kMasterKeyOctets)};
  draft.entry.optional = {text_attribute(attribute::kRole, role)};
  draft.entry.data = Bytes(MasterKey::sealed_octets(kMasterKeyOctets));
  auto shared = std::make_shared<const StretchedSecret>(std::move(secret));
  draft.finish = [shared, master, uuid](MutableByteView octets, const EntryView& layout) {
    auto place = [&](ByteView where, ByteView what) {
      std::copy(what.begin(), what.end(), octets.begin() + (where.data() - layout.octets.data()));
    };
    ByteView commitment = layout.find_octets(layout.mandatory, attribute::kCommit, kCommitOctets).value();
    place(commitment, commitment_of(layout, commitment, *shared));
    SealedContext context = sealed_context(layout);
    place(layout.data(), wrapping(*shared, uuid).seal({uuid, context.before, context.after}, master->key()));
  };
  return draft;
}

}  // namespace vtpm::store
