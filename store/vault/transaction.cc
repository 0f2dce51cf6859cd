// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/der.h"
#include "store/vault/vault_impl.h"

namespace vtpm::store {
namespace {

constexpr uint64_t kEntryOverhead = 1024;             // more than the bytes around the data of one of our entries
constexpr std::string_view kUnknownType = "unknown";  // of a deletion of what is too damaged to show its type

void check(std::string_view name, std::string_view type) {
  if (!valid_name(name)) {
    throw Error(ErrorCode::kInvalidArgument,
                "name not valid: it must be 1 to 255 bytes of UTF-8 without control characters");
  }
  if (!valid_type(type))
    throw Error(ErrorCode::kInvalidArgument, "type not valid: it must be 1 to 64 printable ASCII characters");
  bool reserved = type == type::kHeader || type == type::kKeySlot || type == type::kAttempt || type == type::kMoved ||
                  type == type::kFree;
  auto begins = [&](std::string_view prefix) { return name.substr(0, prefix.size()) == prefix; };
  if (reserved || begins(kSlotPrefix) || begins(kAttemptPrefix)) {
    throw Error(ErrorCode::kInvalidArgument,
                "'" + std::string(name) + "' (" + std::string(type) + ") is reserved for the store");
  }
}

// A writer without the key does not replace an entry that is sealed or has a MAC: it could make neither.
void check_bound(const Transaction::State& state, std::string_view name, const std::optional<EntryRecord>& current) {
  if (state.key || !current || current->deleted) return;
  if (RecordView(*current).bound() || current->state != NameStatus::kCurrent) {
    throw Error(ErrorCode::kLocked, "'" + std::string(name) + "' is protected, and the store's key was not given");
  }
}

void add_mac(Draft& draft, const std::shared_ptr<const MasterKey>& key) {
  if (!key) return;
  draft.entry.optional.push_back(bytes_attribute(attribute::kMac, Bytes(kMacBytes)));
  draft.finish = [key](MutableByteView bytes, const EntryView& layout) { key->write_mac(bytes, layout); };
}

Draft sealed(Entry entry, Cipher cipher, const std::shared_ptr<const MasterKey>& key, ByteView data, size_t bytes) {
  Draft draft;
  draft.entry = std::move(entry);
  draft.entry.mandatory.push_back(key->encryption(cipher));
  draft.entry.data.resize(MasterKey::sealed_bytes(cipher, bytes));
  auto plain = std::make_shared<const SecretBytes>(data);
  draft.finish = [key, plain](MutableByteView entry_bytes, const EntryView& layout) {
    key->seal(entry_bytes, layout, *plain);
  };
  return draft;
}

bool is_sealed(const Entry& entry) {
  return std::any_of(entry.mandatory.begin(), entry.mandatory.end(),
                     [](const Attribute& attribute) { return attribute.name == attribute::kEncryption; });
}

// Returns nothing if the name is not registered.
std::optional<uint64_t> capacity_of(const std::vector<Attribute>& optional) {
  for (const Attribute& attribute : optional) {
    if (attribute.name != attribute::kCapacity) continue;
    auto value = DerReader(attribute.values).next(DerTag::kInteger);
    const auto bytes = value ? read_der_unsigned(*value) : std::nullopt;
    return bytes && *bytes <= kMaxEntryBytes ? bytes : std::nullopt;
  }
  return std::nullopt;
}

// Returns for how many bytes of plain text the entry has space.
size_t room_for(std::string_view name, const std::vector<Attribute>& optional, ByteView data,
                const EntryLog::Limits& limits) {
  const size_t capacity = capacity_of(optional).value_or(0);
  if (capacity != 0 && data.size() > capacity) {
    throw Error(ErrorCode::kInvalidArgument, "'" + std::string(name) + "' was registered with room for " +
                                                 std::to_string(capacity) + " bytes; " + std::to_string(data.size()) +
                                                 " do not fit: register it anew");
  }
  const size_t bytes = std::max(data.size(), capacity);
  if (bytes + kEntryOverhead > limits.entry_bytes) refuse_length(name, bytes + kEntryOverhead);
  return bytes;
}

}  // namespace

Transaction::Transaction(std::unique_ptr<State> state) : state_(std::move(state)) {}
Transaction::~Transaction() = default;

// A transaction holds each name once: the last call about it counts.
void Transaction::State::add(std::string_view name, std::optional<Draft> draft) {
  auto place = places.find(name);
  if (place != places.end()) {
    size_t at = place->second;
    drafts.erase(drafts.begin() + static_cast<ptrdiff_t>(at));
    places.erase(place);
    for (auto& [other, index] : places) index -= index > at;
  }
  if (!draft) return;
  places.emplace(name, drafts.size());
  drafts.push_back(std::move(*draft));
}

std::vector<Attribute> Transaction::State::inheritance(std::string_view name,
                                                       const std::optional<EntryRecord>& current) const {
  std::vector<Attribute> optional;
  if (auto place = places.find(name); place != places.end()) {
    optional = drafts[place->second].entry.optional;
  } else if (current && !current->deleted && current->state == NameStatus::kCurrent &&
             (current->facts.capacity != 0 || current->facts.born != 0 || current->facts.has_extras)) {
    auto stored = vault.store->examine(name);
    auto view = stored ? parse_entry(stored->bytes) : std::nullopt;
    const bool forged = view && key && view->mac_at != 0 && !key->mac_matches(*view);
    if (view && !forged) optional = to_entry(*view).optional;
  }
  // It has no value that would have to be read, so it is inherited even if the rest of the entry cannot be read.
  const auto is_no_rollback = [](const Attribute& attribute) { return attribute.name == attribute::kNoRollback; };
  if (current && !current->deleted && current->facts.no_rollback && !erased.contains(name) &&
      std::none_of(optional.begin(), optional.end(), is_no_rollback)) {
    optional.push_back(no_rollback_attribute());
  }
  optional.erase(
      std::remove_if(optional.begin(), optional.end(), [](const Attribute& a) { return !is_inherited(a.name); }),
      optional.end());
  return optional;
}

void Transaction::State::put(Entry entry, Protection protection, ByteView data) {
  const std::string name = entry.name;
  const size_t bytes = room_for(name, entry.optional, data, vault.store->limits());
  if (protection == Protection::kSealed) {
    add(name, sealed(std::move(entry), vault.store->cipher(), key, data, bytes));
    return;
  }
  Draft draft;
  draft.entry = std::move(entry);
  draft.entry.data = to_bytes(data);
  draft.entry.data.resize(std::max<size_t>(bytes, 1));
  add_mac(draft, key);
  add(name, std::move(draft));
}

namespace {

Entry begin_entry(const Transaction::State& state, std::string_view name, std::string_view type, Protection protection,
                  size_t size) {
  check(name, type);
  if (protection == Protection::kSealed && state.vault.store->cipher() == Cipher::kNone) {
    throw Error(ErrorCode::kUnsupported,
                "'" + std::string(name) + "' cannot be sealed: " + state.vault.store->path() + " is not encrypted");
  }
  if (protection == Protection::kSealed && !state.key) {
    throw Error(ErrorCode::kLocked, "'" + std::string(name) + "' cannot be sealed: the store's key was not given");
  }
  const auto current = state.change.peek(name);
  check_bound(state, name, current);
  return {std::string(type), std::string(name), {realsize_attribute(size)}, state.inheritance(name, current), {}};
}

}  // namespace

void Transaction::put(std::string_view name, std::string_view type, Protection protection, ByteView data) {
  state_->put(begin_entry(*state_, name, type, protection, data.size()), protection, data);
}

void Transaction::put_registered(std::string_view name, std::string_view type, Protection protection, size_t capacity,
                                 ByteView data) {
  if (capacity == 0) {
    throw Error(ErrorCode::kInvalidArgument, "'" + std::string(name) + "' must have room for at least one byte");
  }
  if (capacity > kMaxEntryBytes) refuse_length(name, capacity);
  Entry entry = begin_entry(*state_, name, type, protection, data.size());
  auto& optional = entry.optional;
  optional.erase(std::remove_if(optional.begin(), optional.end(),
                                [](const Attribute& a) { return a.name == attribute::kCapacity; }),
                 optional.end());
  optional.push_back(capacity_attribute(capacity));
  state_->put(std::move(entry), protection, data);
}

void Transaction::index(std::string_view name, const std::vector<Property>& properties) {
  State& state = *state_;
  const auto place = state.places.find(name);
  if (place == state.places.end() || properties.size() > kMaxTags) {
    throw Error(ErrorCode::kInternal,
                "a transaction can index only an entry that it has put, by at most 32 properties");
  }
  Entry& entry = state.drafts[place->second].entry;
  const bool sealed = is_sealed(entry);
  std::vector<BlindTag> tags;
  for (const Property& property : properties) {
    tags.push_back(sealed ? state.key->tag(property.kind, property.value) : clear_tag(property));
  }
  std::vector<Attribute>& optional = entry.optional;
  std::erase_if(optional, [](const Attribute& attribute) { return attribute.name == attribute::kIndex; });
  if (!tags.empty()) optional.push_back(bytes_attribute(attribute::kIndex, write_tags(std::move(tags))));
}

void Transaction::keep_birth(std::string_view name) {
  State& state = *state_;
  const auto place = state.places.find(name);
  if (place == state.places.end()) {
    throw Error(ErrorCode::kInternal, "a transaction can keep the birth only of an entry that it has put");
  }
  const auto current = state.change.peek(name);
  if (!current || current->deleted || current->facts.sequence.number == 0) return;  // this version is the first
  if (state.erased.contains(name)) return;
  std::vector<Attribute>& optional = state.drafts[place->second].entry.optional;
  const auto is_birth = [](const Attribute& attribute) { return attribute.name == attribute::kBorn; };
  if (std::any_of(optional.begin(), optional.end(), is_birth)) return;
  optional.push_back(born_attribute(current->facts.birth()));
}

void Transaction::forbid_rollback(std::string_view name) {
  State& state = *state_;
  const auto place = state.places.find(name);
  if (place == state.places.end()) {
    throw Error(ErrorCode::kInternal, "a transaction can forbid a rollback only of an entry that it has put");
  }
  std::vector<Attribute>& optional = state.drafts[place->second].entry.optional;
  std::erase_if(optional, [](const Attribute& attribute) { return attribute.name == attribute::kNoRollback; });
  optional.push_back(no_rollback_attribute());
}

void Transaction::erase(std::string_view name) {
  State& state = *state_;
  auto current = state.change.peek(name);
  if (!current || current->deleted) {
    state.add(name, std::nullopt);
    return;
  }
  std::string_view type = current->facts.type.empty() ? kUnknownType : std::string_view(current->facts.type);
  check(name, type);
  check_bound(state, name, current);
  state.erased.emplace(name);
  Draft draft;
  draft.entry = {std::string(type),
                 std::string(name),
                 {{std::string(attribute::kDeleted), {}}, realsize_attribute(0)},
                 {},
                 Bytes(1)};
  add_mac(draft, state.key);
  state.add(name, std::move(draft));
}

void Transaction::reserve(size_t bytes, size_t entries) {
  for (const Draft& draft : state_->drafts) bytes += draft.entry.data.size();
  entries += state_->drafts.size();
  state_->change.reserve(bytes + entries * kEntryOverhead, entries);
}

EntryLog::Body Transaction::Run::body() {
  return [this](EntryLog::Change& running) -> EntryLog::Proposal {
    vault.authenticate_new(&running);
    Transaction transaction(std::make_unique<State>(vault, running));
    change(transaction);
    places = std::move(transaction.state_->places);
    const auto own = [this](uint64_t before, uint64_t after) { vault.authenticated_up_to(before, after); };
    return {std::move(transaction.state_->drafts), {}, own};
  };
}

Committed Transaction::Run::committed(const EntryLog::Appended& appended) && {
  Committed committed;
  if (appended.first == 0) return committed;
  committed.first_ = appended.first;
  committed.places_ = std::move(places);
  return committed;
}

}  // namespace vtpm::store
