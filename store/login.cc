// Logging in: key slots and the retry counter.
//
// Refuse if locked out; stretch the secret without any lock or charge; then, holding the login lock: charge, sync,
// check, reset, sync. The result is unknown until it is checked, and the charge is on the disk by then, so killing the
// process earns nothing. Charging before the stretching would lock out a server whose many workers log in at once.
#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "store/vault_impl.h"

namespace vtpm::store {
namespace {

constexpr uint32_t kDefaultLimit = 10;
// A role without limit (the security officer: nobody could unlock that one) is slowed instead.
constexpr uint32_t kFailuresBeforeDelay = 10;
constexpr std::chrono::milliseconds kDelayStep{100}, kLongestDelay{3000};

std::string attempt_name(Role role) { return std::string(kAttemptPrefix) + std::string(role_name(role)); }

bool locked_out(const Attempts& attempts) { return attempts.limit != 0 && attempts.failures >= attempts.limit; }

void slow_down(const Attempts& attempts) {
  if (attempts.limit != 0 || attempts.failures < kFailuresBeforeDelay) return;
  uint32_t steps = std::min<uint32_t>(attempts.failures - kFailuresBeforeDelay + 1, 100);
  std::this_thread::sleep_for(std::min(kDelayStep * steps, kLongestDelay));
}

bool same_slots(const std::vector<KeySlot>& a, const std::vector<KeySlot>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const KeySlot& x, const KeySlot& y) {
    return x.name() == y.name() && x.sequence() == y.sequence();
  });
}

}  // namespace

Draft attempt_draft(Role role, const Attempts& attempts) {
  Draft draft;
  draft.entry.type = type::kAttempt;
  draft.entry.name = attempt_name(role);
  draft.entry.mandatory = {realsize_attribute(4)};
  draft.entry.optional = {integer_attribute(attribute::kLimit, attempts.limit)};
  write_be(draft.entry.data, attempts.failures, 4);
  return draft;
}

Attempts Vault::Impl::attempts(Role role) const {
  Attempts attempts{0, role == Role::kSo ? 0 : kDefaultLimit};
  auto stored = store->read(attempt_name(role));
  if (!stored) return attempts;
  auto entry = parse_entry(stored->octets);
  if (!entry || entry->type != type::kAttempt || entry->size != 4) {
    throw Error(ErrorCode::kCorrupt,
                "the retry counter '" + attempt_name(role) + "' in " + store->path() + " is not one");
  }
  attempts.failures = static_cast<uint32_t>(read_be(entry->data().first(4)));
  attempts.limit =
      static_cast<uint32_t>(entry->find_integer(entry->optional, attribute::kLimit).value_or(attempts.limit));
  return attempts;
}

// The slots that a login of this role tries, in order. What is wrong with a slot matters only when no other is left.
std::vector<KeySlot> Vault::Impl::slots_of(Role role) const {
  std::vector<KeySlot> own, recovery;
  std::optional<Error> problem;
  for (unsigned number = 1; number <= kMaxSlots; ++number) {
    try {
      auto stored = store->read(slot_name(number));
      if (!stored) continue;
      std::string slot_role = role_of_slot(stored->octets);
      if (slot_role == role_name(role)) {
        own.emplace_back(std::move(stored->octets));
      } else if (role == Role::kUser && slot_role == role_name(Role::kRecovery)) {
        recovery.emplace_back(std::move(stored->octets));
      }
    } catch (const Error& error) {
      bool of_the_slot = error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported ||
                         error.code() == ErrorCode::kTooNew;
      if (!of_the_slot) throw;
      problem = error;
    }
  }
  if (own.empty() && problem) throw *problem;
  for (KeySlot& slot : recovery) own.push_back(std::move(slot));
  return own;
}

// One more failure, or none any longer. On the disk when it returns.
void Vault::Impl::charge(Role role, bool success) {
  auto writer = store->begin();
  Attempts now = attempts(role);
  if (success && now.failures == 0) return;
  now.failures = success ? 0 : now.failures + (now.failures < UINT32_MAX);
  writer.append({attempt_draft(role, now)}, true);
  writer.release_and_sync();
}

UnlockResult Vault::Impl::attempt(Role role, ByteView secret, const std::function<void(const OpenedSlot&)>& then) {
  std::map<std::pair<std::string, uint64_t>, StretchedSecret> stretched;
  for (;;) {
    store->refresh();
    if (locked_out(attempts(role))) return UnlockResult::kLockedOut;
    std::vector<KeySlot> slots = slots_of(role);
    if (slots.empty()) return UnlockResult::kNoSlot;
    for (const KeySlot& slot : slots) {
      std::pair id(slot.name(), slot.sequence());
      if (!stretched.count(id)) stretched.emplace(id, stretch(secret, slot.kdf()));
    }

    auto login = store->lock_login();
    store->refresh();
    Attempts before = attempts(role);
    if (locked_out(before)) return UnlockResult::kLockedOut;
    if (!same_slots(slots, slots_of(role))) continue;  // someone changed a PIN meanwhile
    slow_down(before);
    if (!store->read_only()) charge(role, false);
    for (const KeySlot& slot : slots) {
      const StretchedSecret& key = stretched.at({slot.name(), slot.sequence()});
      if (!slot.opens_with(key)) continue;
      auto master = slot.master_key(key, uuid);
      if (!store->read_only()) charge(role, true);
      then({slot.name(), std::move(master)});
      return UnlockResult::kUnlocked;
    }
    return UnlockResult::kWrongSecret;
  }
}

// --- changing secrets ---

std::string Vault::Impl::free_slot() const {
  for (unsigned number = 1; number <= kMaxSlots; ++number) {
    if (!store->find(slot_name(number))) return slot_name(number);
  }
  throw Error(ErrorCode::kNoSpace, "all 32 key slots of " + store->path() + " are in use");
}

// New slots cost what the old ones do: a store keeps the cost that it was made with.
crypto::Argon2Parameters Vault::Impl::cost_of_slots() const {
  for (Role role : {Role::kUser, Role::kSo, Role::kRecovery, Role::kKeyfile}) {
    auto slots = slots_of(role);
    if (!slots.empty()) return slots.front().kdf().cost;
  }
  return default_kdf;
}

void Vault::Impl::replace_slot(Role role, const std::string& name, const SlotKdf& kdf, StretchedSecret secret,
                               const std::shared_ptr<const MasterKey>& key, const std::vector<std::string>& others) {
  auto writer = store->begin();
  std::vector<Record> old;
  std::vector<Draft> drafts;
  auto remember = [&](const std::string& slot) {
    auto record = writer.peek(slot);
    if (record && !record->deleted && record->entry.length != 0) old.push_back(*record);
  };
  remember(name);
  std::string slot_role(role_name(role));
  for (const KeySlot& slot : slots_of(role)) {
    if (slot.name() == name) slot_role = slot.role();  // a recovery slot that logged a user in stays one
  }
  drafts.push_back(slot_draft(name, slot_role, kdf, std::move(secret), key, uuid));
  for (const std::string& other : others) {
    remember(other);
    Draft gone;
    gone.entry = {std::string(type::kKeySlot),
                  other,
                  {{std::string(attribute::kDeleted), {}}, realsize_attribute(0)},
                  {},
                  Bytes(1)};
    drafts.push_back(std::move(gone));
  }
  Attempts counter = attempts(role);
  counter.failures = 0;
  drafts.push_back(attempt_draft(role, counter));
  writer.append(std::move(drafts));
  writer.sync();
  for (const Record& record : old) writer.wipe_slot(record);
  try {
    writer.compact();
  } catch (const Error&) {
    // The old secrets are zeros on the disk already; what a damaged or full disk keeps us from dropping is harmless.
  }
  writer.release_and_sync();
}

void Vault::set_secret(Role role, ByteView secret) {
  auto key = impl_->master_or_locked();
  SlotKdf kdf = fresh_kdf(impl_->cost_of_slots());
  StretchedSecret stretched = stretch(secret, kdf);

  auto login = impl_->store->lock_login();
  impl_->store->refresh();
  std::vector<std::string> names;
  for (const KeySlot& slot : impl_->slots_of(role)) {
    if (slot.role() == role_name(role)) names.push_back(slot.name());
  }
  std::string name = names.empty() ? impl_->free_slot() : names.front();
  if (!names.empty()) names.erase(names.begin());
  impl_->replace_slot(role, name, kdf, std::move(stretched), key, names);
}

UnlockResult Vault::change_secret(Role role, ByteView old, ByteView fresh) {
  SlotKdf kdf = fresh_kdf(impl_->cost_of_slots());
  auto stretched = std::make_unique<StretchedSecret>(stretch(fresh, kdf));
  return impl_->attempt(role, old, [&](const OpenedSlot& slot) {
    impl_->replace_slot(role, slot.name, kdf, std::move(*stretched), slot.master, {});
  });
}

}  // namespace vtpm::store
