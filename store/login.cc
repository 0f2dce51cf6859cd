// Logging in: key slots and the retry counter.
//
// Refuse if locked out; stretch the secret without any lock or charge; then, holding the login lock: charge, sync,
// check, reset, sync. The result is unknown until it is checked, and the charge is on the disk by then, so killing the
// process earns nothing. Charging before the stretching would lock out a server whose many workers log in at once.
#include <algorithm>
#include <chrono>
#include <thread>

#include "store/recovery_phrase.h"
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

SecretBytes canonical_secret(std::string_view role, ByteView secret) {
  return role == role_name(Role::kRecovery) ? recovery_secret(secret) : SecretBytes(secret);
}

const StretchedSecret& StretchedSecrets::of(const KeySlot& slot, ByteView secret) {
  std::pair id(slot.name(), slot.sequence());
  auto known = known_.find(id);
  if (known != known_.end()) return known->second;
  return known_.emplace(id, stretch(canonical_secret(slot.role(), secret), slot.kdf())).first->second;
}

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

std::vector<UsedSlot> Vault::Impl::used_slots() const {
  std::vector<UsedSlot> used;
  for (unsigned number = 1; number <= kMaxSlots; ++number) {
    auto record = store->find(slot_name(number));
    if (!record) continue;
    UsedSlot slot{number, record->entry.sequence.number, {}, {}, {}};
    try {
      auto stored = store->read(slot_name(number));
      if (!stored) continue;
      slot.role = role_of_slot(stored->octets);
      slot.slot.emplace(std::move(stored->octets));
    } catch (const Error& error) {
      bool of_the_slot = error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported ||
                         error.code() == ErrorCode::kTooNew;
      if (!of_the_slot) throw;
      slot.problem = error;
    }
    used.push_back(std::move(slot));
  }
  return used;
}

// The slots that a login of this role tries, in order. What is wrong with a slot matters only when no other is left.
std::vector<KeySlot> Vault::Impl::slots_of(Role role) const {
  std::vector<KeySlot> own, recovery;
  std::optional<Error> problem;
  for (UsedSlot& used : used_slots()) {
    const bool is_recovery = role == Role::kUser && used.role == role_name(Role::kRecovery);
    if (used.slot && used.slot->kdf().is_raw()) continue;
    if (!used.slot) {
      if (used.role.empty() || used.role == role_name(role)) problem = used.problem;
    } else if (used.role == role_name(role)) {
      own.push_back(std::move(*used.slot));
    } else if (is_recovery) {
      recovery.push_back(std::move(*used.slot));
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
  StretchedSecrets stretched;
  for (;;) {
    store->refresh();
    if (locked_out(attempts(role))) return UnlockResult::kLockedOut;
    std::vector<KeySlot> slots = slots_of(role);
    if (slots.empty()) return UnlockResult::kNoSlot;
    for (const KeySlot& slot : slots) stretched.of(slot, secret);

    auto login = store->lock_login();
    store->refresh();
    Attempts before = attempts(role);
    if (locked_out(before)) return UnlockResult::kLockedOut;
    if (!same_slots(slots, slots_of(role))) continue;  // someone changed a PIN meanwhile
    slow_down(before);
    if (!store->read_only()) charge(role, false);
    for (const KeySlot& slot : slots) {
      const StretchedSecret& key = stretched.of(slot, secret);
      if (!slot.opens_with(key)) continue;
      auto master = slot.master_key(key, uuid);
      if (!store->read_only()) charge(role, true);
      then({slot.name(), slot.role(), std::move(master), slot.notes()});
      return UnlockResult::kUnlocked;
    }
    return UnlockResult::kWrongSecret;
  }
}

}  // namespace vtpm::store
