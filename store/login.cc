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

// The limit is asked for under the store's lock, in which the charge is made: whatever became of the login lock, no
// secret is checked that was not counted below the limit.
Vault::Impl::Charged Vault::Impl::charge(Role role, const LoginLock& login, const std::vector<KeySlot>& slots,
                                         std::optional<uint64_t>& own) {
  auto writer = store->begin(login);
  if (!writer || !same_slots(slots, slots_of(role))) return Charged::kStartAnew;
  const auto counter = writer->peek(attempt_name(role));
  if (own && counter && counter->entry.sequence.number == *own) return Charged::kYes;
  Attempts now = attempts(role);
  if (locked_out(now)) return Charged::kLockedOut;
  now.failures += now.failures < UINT32_MAX;
  own = writer->append({attempt_draft(role, now)}, true);
  writer->release_and_sync();
  return Charged::kYes;
}

bool Vault::Impl::reset_counter(Role role, const LoginLock& login, const std::vector<KeySlot>& slots) {
  auto writer = store->begin(login);
  if (!writer || !same_slots(slots, slots_of(role))) return false;
  Attempts now = attempts(role);
  if (now.failures == 0) return true;
  now.failures = 0;
  writer->append({attempt_draft(role, now)}, true);
  writer->release_and_sync();
  return true;
}

// The charge of a login that is going on counts only once it has failed.
bool Vault::Impl::locked_out_between_logins(Role role) {
  if (!locked_out(attempts(role))) return false;
  const LoginLock login = store->lock_login();
  store->refresh();
  return locked_out(attempts(role));
}

UnlockResult Vault::Impl::attempt(Role role, ByteView secret, const Then& then) {
  StretchedSecrets stretched;
  std::optional<uint64_t> charged;
  for (;;) {
    store->refresh();
    if (!charged && locked_out_between_logins(role)) return UnlockResult::kLockedOut;
    const std::vector<KeySlot> slots = slots_of(role);
    if (slots.empty()) return UnlockResult::kNoSlot;
    for (const KeySlot& slot : slots) stretched.of(slot, secret);

    const LoginLock login = store->lock_login();
    store->refresh();
    slow_down(attempts(role));
    if (!store->read_only()) {
      const Charged answer = charge(role, login, slots, charged);
      if (answer == Charged::kLockedOut) return UnlockResult::kLockedOut;
      if (answer == Charged::kStartAnew) continue;  // someone changed a PIN meanwhile, or replaced the file
    }
    const auto opened = std::find_if(slots.begin(), slots.end(),
                                     [&](const KeySlot& slot) { return slot.opens_with(stretched.of(slot, secret)); });
    if (opened == slots.end()) return UnlockResult::kWrongSecret;
    const KeySlot& slot = *opened;
    auto master = slot.master_key(stretched.of(slot, secret), uuid);
    if (is_outdated(slot.epoch(), used_slots())) {
      throw Error(ErrorCode::kCorrupt, "the secret is right, but key slot '" + slot.name() + "' of " + store->path() +
                                           " holds the master key of an earlier epoch, which opens nothing since the " +
                                           "store was re-keyed: set this secret anew with another one's help");
    }
    if (!store->read_only() && !reset_counter(role, login, slots)) continue;
    if (then({slot.name(), slot.role(), slot.sequence(), std::move(master), slot.notes()}, login))
      return UnlockResult::kUnlocked;
  }
}

}  // namespace vtpm::store
