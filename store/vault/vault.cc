// SPDX-License-Identifier: Apache-2.0
#include "store/vault/vault.h"

#include <algorithm>
#include <ctime>
#include <new>
#include <shared_mutex>

#include "base/locks_after_fork.h"
#include "crypto/library/random.h"
#include "store/log/log_at_path.h"
#include "store/vault/vault_impl.h"

namespace vtpm::store {
namespace {

[[noreturn]] void tampered(std::string_view name, const std::string& path) {
  throw Error(ErrorCode::kTampered, "'" + std::string(name) + "' in " + path +
                                        " was tampered with: its checksum is right, its seal or MAC is wrong");
}

}  // namespace

EntryInfo to_info(const std::string& name, const RecordView& record) {
  EntryInfo info;
  info.name = name;
  info.type = record.facts.type;
  info.sequence = record.facts.sequence.number;
  info.born = record.facts.birth();
  info.protection = record.facts.sealed ? Protection::kSealed : Protection::kClear;
  info.size = record.facts.size;
  info.capacity = record.facts.capacity;
  info.deleted = record.deleted;
  info.readable = record.state == NameStatus::kCurrent;
  info.tags = record.facts.tags;
  return info;
}

// --- opening ---

Vault::Vault(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Vault::~Vault() = default;

std::unique_ptr<Vault> Vault::open(const std::string& path, const OpenOptions& options) {
  auto log = open_log(path, {options.read_only, options.any_ending, options.file_system});
  return std::unique_ptr<Vault>(new Vault(std::make_unique<Impl>(std::move(log))));
}

namespace {

void require_secrets(const CreateOptions& options, size_t slots) {
  auto require = [](bool ok, const char* sentence) {
    if (!ok) throw Error(ErrorCode::kInvalidArgument, sentence);
  };
  const bool encrypted = options.cipher != Cipher::kNone;
  require(slots <= kMaxSlots, "a store has at most 32 key slots");
  require(encrypted || (slots == 0 && !options.raw_key), "a key was given, but the store is to be clear text");
  require(!encrypted || (slots != 0) != (options.raw_key != nullptr),
          "an encrypted store needs a secret that opens it, or else a raw key");
}

Uuid fresh_uuid() {
  Uuid uuid;
  crypto::random_fill(uuid);
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0F) | 0x40);  // RFC 4122: version 4,
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3F) | 0x80);  // variant 1
  return uuid;
}

std::shared_ptr<const MasterKey> first_master(const CreateOptions& options, const Uuid& uuid) {
  if (options.cipher == Cipher::kNone) return nullptr;
  return std::make_shared<const MasterKey>(
      options.raw_key ? SecretBytes(options.raw_key->bytes()) : crypto::random_secret(kMasterKeyBytes), uuid, 1);
}

}  // namespace

std::unique_ptr<Vault> Vault::create(const std::string& path, const CreateOptions& options,
                                     const std::vector<std::pair<Role, ByteView>>& slots,
                                     const std::function<void(Transaction&)>& populate) {
  require_secrets(options, slots.size());
  if (!options.replace && log_exists(path, options.file_system)) {
    throw Error(ErrorCode::kExists, path + " exists already");
  }
  const Uuid uuid = fresh_uuid();
  Salt salt;
  crypto::random_fill(salt);
  auto master = first_master(options, uuid);
  std::vector<Draft> first;
  unsigned number = 0;
  if (options.raw_key) first.push_back(raw_slot_draft(slot_name(++number), *master));
  for (const auto& [role, secret] : slots) {
    KeySlotKdf kdf = fresh_kdf(options.kdf);
    auto stretched = std::make_shared<const StretchedSecret>(stretch(secret, kdf));
    first.push_back(slot_draft(slot_name(++number), role_name(role), kdf, std::move(stretched), master, uuid));
  }
  for (const auto& [role, limit] : options.attempt_limits) first.push_back(attempt_draft(role, {0, limit}));
  NewLog fresh{uuid, salt, options.cipher, options.created, std::move(first), options.replace, options.file_system};
  if (fresh.created == 0) fresh.created = static_cast<uint64_t>(std::time(nullptr));
  auto impl = std::make_unique<Impl>(make_log(path, std::move(fresh)));
  impl->default_kdf = options.kdf;
  impl->install(std::move(master));
  std::unique_ptr<Vault> vault(new Vault(std::move(impl)));
  if (populate) vault->change(populate);
  vault->impl_->store->place();
  return vault;
}

void Vault::remove() { impl_->store->remove(); }

void Vault::report_to(Reporter reporter) { impl_->store->report_to(std::move(reporter)); }

const std::string& Vault::path() const { return impl_->store->path(); }
ByteView Vault::uuid() const { return impl_->uuid; }
uint64_t Vault::created() const { return impl_->store->created(); }
void Vault::make_durable() { impl_->store->make_durable(); }
std::vector<std::string> Vault::findings() const { return impl_->store->findings(); }
bool Vault::truncated() const { return impl_->store->truncated(); }
uint64_t Vault::rollbacks() const { return impl_->store->rollbacks(); }
std::string Vault::rolled_back_name() const { return impl_->store->rolled_back_name(); }
bool Vault::read_only() const { return impl_->store->read_only(); }
bool Vault::inherited() const { return impl_->store->inherited(); }

// --- freshness ---

bool Vault::refresh() {
  const bool changed = impl_->store->refresh();
  impl_->authenticate_new();
  return changed;
}

bool Vault::refresh_now() {
  const bool changed = impl_->store->refresh_now();
  impl_->authenticate_new();
  return changed;
}

uint64_t Vault::cursor() const { return impl_->store->cursor(); }

Vault::Changes Vault::changes(uint64_t cursor, Wanted wanted) const {
  Changes out;
  if (cursor == 0) out.entries.reserve(impl_->store->names());
  out.whole = impl_->store->visit_changes(cursor, [&](const std::string& name, const RecordView& record) {
    const Protection protection = record.facts.sealed ? Protection::kSealed : Protection::kClear;
    if (!wanted || wanted({name, protection, !record.facts.tags.empty()})) {
      out.entries.push_back(to_info(name, record));
    }
  });
  return out;
}

SecretBytes Vault::derive_key(std::string_view purpose, size_t bytes) const {
  return impl_->master_or_locked()->derive(purpose, bytes);
}

BlindTag Vault::tag(const Property& property) const {
  return impl_->master_or_locked()->tag(property.kind, property.value);
}

// --- reading ---

std::optional<EntryInfo> Vault::find(std::string_view name) const {
  auto record = impl_->store->find(name);
  if (!record) return std::nullopt;
  return to_info(std::string(name), *record);
}

std::vector<EntryInfo> Vault::list(std::string_view prefix) const {
  std::vector<EntryInfo> out;
  for (const auto& [name, record] : impl_->store->list(prefix)) out.push_back(to_info(name, record));
  return out;
}

std::optional<Blob> Vault::read(std::string_view name) const {
  auto stored = impl_->store->read(name);
  if (!stored) return std::nullopt;
  auto entry = parse_entry(stored->bytes);
  if (!entry) throw Error(ErrorCode::kInternal, "an entry that was read is not well-formed");
  auto key = impl_->master();
  Blob blob;
  blob.type = entry->type;
  blob.sequence = entry->sequence.number;
  blob.born = entry->born != 0 ? entry->born : blob.sequence;
  blob.protection = entry->sealed ? Protection::kSealed : Protection::kClear;
  if (entry->sealed) {
    if (!key)
      throw Error(ErrorCode::kLocked, "'" + std::string(name) + "' is sealed and the store's key was not given");
    auto plain = entry->epoch == key->epoch() ? key->unseal(*entry) : std::nullopt;
    if (!plain && impl_->drop_outdated_key()) return read(name);
    if (!plain) tampered(name, path());
    blob.data = std::move(*plain);
    blob.bound = true;
    return blob;
  }
  if (key && entry->mac_at != 0) {
    if (!key->mac_matches(*entry)) {
      if (impl_->drop_outdated_key()) return read(name);
      impl_->store->mark_tampered(std::string(name), blob.sequence);
      tampered(name, path());
    }
    blob.bound = true;
  }
  blob.data = SecretBytes(entry->data().first(entry->size));
  return blob;
}

// --- the key ---

std::shared_ptr<const MasterKey> Vault::Impl::master() const {
  std::shared_lock<RwLock> gate(key_gate_);
  return master_;
}

std::shared_ptr<const MasterKey> Vault::Impl::master_or_locked() const {
  auto key = master();
  if (!key) throw Error(ErrorCode::kLocked, store->path() + " is locked: its key was not given");
  return key;
}

void Vault::Impl::install(std::shared_ptr<const MasterKey> key) {
  {
    std::unique_lock<RwLock> gate(key_gate_);
    had_key_ = key != nullptr;
    master_ = std::move(key);
    authenticated_ = 0;
  }
  authenticate_new();
}

void Vault::Impl::authenticate_new(const EntryLog::Change* change) {
  if (store->cursor() == authenticated_) return;
  auto key = master();
  if (!key) return;
  std::lock_guard<std::mutex> one(authenticating_);
  uint64_t now = store->cursor();
  bool slots_changed = false;
  std::vector<std::string> names;
  const auto look = [&](const std::string& name, const RecordView& record) {
    slots_changed = slots_changed || record.facts.type == type::kKeySlot;
    if (record.is_checked_when_read()) return;
    if (record.facts.has_mac && record.state == NameStatus::kCurrent) names.push_back(name);
  };
  change ? change->visit_changes(authenticated_, look) : store->visit_changes(authenticated_, look);
  // This comes before any verdict: under another master key every MAC is different.
  if (slots_changed && drop_outdated_key()) return;
  for (const std::string& name : names) {
    auto stored = store->examine(name);
    const auto entry = stored ? parse_entry(stored->bytes) : std::nullopt;
    if (!entry || entry->mac_at == 0) continue;  // it changed meanwhile, and will come again
    if (!key->mac_matches(*entry)) store->mark_tampered(name, stored->number);
  }
  authenticated_ = now;
  store->looked_at(now);
}

// True if another process has re-keyed the store, or a copy from before a re-key was put back.
bool is_outdated(uint64_t epoch, const std::vector<UsedKeySlot>& used) {
  const auto any = [&](auto&& matches) {
    return std::any_of(used.begin(), used.end(),
                       [&](const UsedKeySlot& one) { return one.slot && matches(one.slot->epoch()); });
  };
  if (any([&](uint64_t other) { return other > epoch; })) return true;
  return any([&](uint64_t other) { return other < epoch; }) && !any([&](uint64_t other) { return other == epoch; });
}

bool Vault::Impl::drop_outdated_key() {
  auto key = master();
  if (!key || !is_outdated(key->epoch(), used_slots())) return false;
  std::unique_lock<RwLock> gate(key_gate_);
  if (master_ == key) master_.reset();
  return true;
}

std::shared_ptr<const MasterKey> Vault::Impl::current_master() {
  store->refresh_now();
  authenticate_new();
  drop_outdated_key();
  return master_or_locked();
}

void Vault::Impl::authenticated_up_to(uint64_t before, uint64_t now) {
  if (authenticated_.compare_exchange_strong(before, now)) store->looked_at(now);
}

std::shared_ptr<const MasterKey> Vault::master_key() const { return impl_->master(); }

bool Vault::unlocked() const { return impl_->master() != nullptr; }

UnlockResult Vault::unlock_raw(const RawKey& key) {
  impl_->store->refresh_now();
  for (const UsedKeySlot& used : impl_->used_slots()) {
    if (used.problem) throw *used.problem;
    if (!used.slot->kdf().is_raw()) continue;
    auto master = std::make_shared<const MasterKey>(SecretBytes(key.bytes()), impl_->uuid, used.slot->epoch());
    if (!used.slot->is_slot_of(*master)) return UnlockResult::kWrongSecret;
    const bool was_open = unlocked();
    impl_->install(std::move(master));
    if (!was_open) impl_->handlers_.call(*this);
    return UnlockResult::kUnlocked;
  }
  return UnlockResult::kNoSlot;
}

void Vault::require_raw(const RawKey* key) {
  if (cipher() == Cipher::kNone) {
    if (!key) return;
    throw Error(ErrorCode::kInvalidArgument, "a key was given, but " + path() + " is clear text: leave the key out");
  }
  if (!key) throw Error(ErrorCode::kLocked, path() + " is encrypted, and its key is missing: give the key");
  switch (unlock_raw(*key)) {
    case UnlockResult::kUnlocked:
      return;
    case UnlockResult::kNoSlot:
      throw Error(ErrorCode::kInvalidArgument, "a key was given, but " + path() + " is opened by a PIN: give that");
    default:
      throw Error(ErrorCode::kAuthFailed, "cannot read the data of " + path() + ": is this the wrong key?");
  }
}

Cipher Vault::cipher() const { return impl_->store->cipher(); }

void Vault::lock() {
  std::unique_lock<RwLock> gate(impl_->key_gate_);
  impl_->master_.reset();
}

UnlockResult Vault::unlock(Role role, ByteView secret, SecretNotes* opened) {
  const bool was_open = unlocked();
  const UnlockResult result = impl_->attempt(role, secret, [&](const OpenedKeySlot& slot, const auto&) {
    impl_->install(slot.master);
    if (opened) *opened = slot.notes;
    return true;
  });
  if (result == UnlockResult::kUnlocked && !was_open) impl_->handlers_.call(*this);
  return result;
}

UnlockResult Vault::verify(Role role, ByteView secret) {
  return impl_->attempt(role, secret, [](const OpenedKeySlot&, const auto&) { return true; });
}

void Vault::expect_cost(const KdfCost& configured) { impl_->default_kdf = configured; }

bool Vault::has_slot(Role role) const {
  for (const KeySlot& slot : impl_->slots_of(role)) {
    if (slot.role() == role_name(role)) return true;
  }
  return false;
}

SecretNotes Vault::notes(Role role) const {
  for (const KeySlot& slot : impl_->slots_of(role)) {
    if (slot.role() == role_name(role)) return slot.notes();
  }
  return {};
}

Attempts Vault::attempts(Role role) const { return impl_->attempts(role); }

// --- writing ---

Committed Vault::change(const std::function<void(Transaction&)>& body) {
  Transaction::Run run{*impl_, body};
  return std::move(run).committed(impl_->store->change(run.body()));
}

std::optional<Committed> Vault::try_change(const std::function<void(Transaction&)>& body) {
  Transaction::Run run{*impl_, body};
  const auto appended = impl_->store->try_change(run.body());
  if (!appended) return std::nullopt;
  return std::move(run).committed(*appended);
}

uint64_t Committed::sequence_of(std::string_view name) const {
  const auto place = places_.find(name);
  return place == places_.end() ? 0 : first_ + place->second;
}

void Vault::compact(const Progress& progress) { impl_->store->compact(progress); }

void Vault::after_fork_close() noexcept { impl_->store->close_after_fork(); }

void Vault::after_fork_reopen() {
  make_anew(impl_->key_gate_, impl_->authenticating_, impl_->noting_);
  impl_->handlers_.after_fork();
  impl_->turn_owner_ = std::thread::id{};
  impl_->turn_.reset();
  impl_->had_key_ = unlocked();
  impl_->store->reopen_after_fork();
}

}  // namespace vtpm::store
