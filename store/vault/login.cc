// SPDX-License-Identifier: Apache-2.0
// Logging in: key slots and the retry counter.
//
// The steps: reject the attempt if the role is locked out; stretch the secret without a lock and without a charge;
// then, under the login lock: charge, sync, check, reset, sync. The result is unknown until the check, and the charge
// is durable by then, so killing the process gains nothing. A charge before the stretching would lock out a server
// whose many workers log in at once. Key slots of unexpected cost may have been planted: they are stretched after the
// charge, and only if no other key slot has opened.
//
// Where a user is locked out, the security officer is delayed, under a lock for which only officers wait.
//
// A user who is locked out can log in with a recovery phrase, which cannot be guessed. Such an attempt tries the
// recovery key slots and is charged to a counter of their own.
#include <algorithm>
#include <chrono>

#include "base/numbers.h"
#include "base/waiting.h"
#include "store/vault/recovery_phrase.h"
#include "store/vault/vault_impl.h"

namespace vtpm::store {
namespace {

constexpr uint32_t kDefaultLimit = 10, kRecoveryLimit = 100;
// A role without limit is delayed instead (the security officer, whom no other role could unlock).
constexpr uint32_t kFailuresBeforeDelay = 10;
constexpr std::chrono::milliseconds kDelayStep{100}, kLongestDelay{3000};

uint32_t default_limit(Role role) {
  return role == Role::kSo ? 0 : role == Role::kRecovery ? kRecoveryLimit : kDefaultLimit;
}

std::string attempt_name(Role role) { return std::string(kAttemptPrefix) + std::string(role_name(role)); }

bool locked_out(const Attempts& attempts) { return attempts.limit != 0 && attempts.failures >= attempts.limit; }

bool is_delayed(const Attempts& attempts) { return attempts.limit == 0 && attempts.failures >= kFailuresBeforeDelay; }

std::chrono::milliseconds delay_of(const Attempts& attempts) {
  uint32_t steps = std::min<uint32_t>(attempts.failures - kFailuresBeforeDelay + 1, 100);
  return std::min(kDelayStep * steps, kLongestDelay);
}

// Returns the key slots of expected cost or, if there are none or `all` is set, all of them.
std::vector<const KeySlot*> slots_to_try(const std::vector<KeySlot>& slots, bool all, const KdfCost& configured) {
  std::vector<KdfCost> costs;
  for (const KeySlot& slot : slots) costs.push_back(slot.kdf().stretching());
  const std::vector<bool> dear = unexpected(costs, configured);
  all = all || std::find(dear.begin(), dear.end(), false) == dear.end();
  std::vector<const KeySlot*> tried;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (all || !dear[i]) tried.push_back(&slots[i]);
  }
  return tried;
}

std::vector<Draft> drafts_of(Draft draft) {
  std::vector<Draft> drafts;
  drafts.push_back(std::move(draft));
  return drafts;
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

Attempts Vault::Impl::attempts(Role role) const { return counter(role).attempts; }

Vault::Impl::Counter Vault::Impl::counter(Role role) const {
  if (store->inherited()) {
    const std::lock_guard guard(noting_);
    if (const auto here = counted_here_.find(role); here != counted_here_.end()) return here->second;
  }
  Counter counter;
  counter.attempts.limit = default_limit(role);
  auto stored = store->read(attempt_name(role));
  if (!stored) return counter;
  auto entry = parse_entry(stored->bytes);
  if (!entry || entry->type != type::kAttempt || entry->size != 4) {
    throw Error(ErrorCode::kCorrupt,
                "the retry counter '" + attempt_name(role) + "' in " + store->path() + " is not well-formed");
  }
  counter.entry = stored->number;
  counter.attempts.failures = static_cast<uint32_t>(read_be(entry->data().first(4)));
  counter.attempts.limit =
      static_cast<uint32_t>(entry->find_integer(entry->optional, attribute::kLimit).value_or(counter.attempts.limit));
  return counter;
}

uint64_t Vault::Impl::count_here(Role role, const Attempts& attempts) {
  const std::lock_guard guard(noting_);
  Counter& here = counted_here_[role];
  // Above all that are in the store.
  here = {attempts, std::max(here.entry, kMaxSequence) + 1};
  return here.entry;
}

void Vault::Impl::require_inherited_login() const {
  if (!store->inherited() || had_key_) return;
  throw Error(
      ErrorCode::kIo,
      store->path() + " cannot be unlocked in this process: it may not open the store, and no user was logged " +
          "in when its parent forked it (log in before the fork, or let this process read and write the store)");
}

std::vector<UsedKeySlot> Vault::Impl::used_slots() const {
  std::vector<UsedKeySlot> used;
  for (unsigned number = 1; number <= kMaxSlots; ++number) {
    auto record = store->find(slot_name(number));
    if (!record) continue;
    UsedKeySlot slot{number, record->facts.sequence.number, {}, {}, {}};
    try {
      auto bytes = slot_bytes(number, slot.sequence);
      if (!bytes) continue;
      slot.role = role_of_slot(*bytes);
      slot.slot.emplace(std::move(*bytes));
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

// A key slot that was wiped in place reads as one that no secret opens, hence the copies of an inherited store.
std::optional<Bytes> Vault::Impl::slot_bytes(unsigned number, uint64_t sequence) const {
  if (store->inherited()) {
    const std::lock_guard guard(noting_);
    const auto seen = seen_slots_.find(number);
    if (seen != seen_slots_.end() && seen->second.sequence == sequence) return seen->second.bytes;
  }
  auto stored = store->read(slot_name(number));
  if (!stored) return std::nullopt;
  const std::lock_guard guard(noting_);
  SeenKeySlot& seen = seen_slots_[number];
  if (seen.sequence != stored->number) seen = {stored->number, stored->bytes};
  return std::move(stored->bytes);
}

void Vault::Impl::remember_slots() const noexcept {
  try {
    (void)used_slots();
  } catch (const std::exception&) {  // the next login reads them
  }
}

// Returns the key slots that a login of this role tries, in order. A damaged one is an error only if it is the last.
std::vector<KeySlot> Vault::Impl::slots_of(Role role) const {
  std::vector<KeySlot> own, recovery;
  std::optional<Error> problem;
  for (UsedKeySlot& used : used_slots()) {
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

// The limit (or the delay, for a role without limit) is checked under the store's lock, under which the charge is made:
// even if the login lock was lost, no secret is checked that was not charged below the limit.
Vault::Impl::Charged Vault::Impl::charge(Attempt& attempt, const Claim& login, const Claim* officer,
                                         const std::vector<KeySlot>& slots) {
  Charged answer = Charged::kStartAnew;
  Counter now;
  const auto count = [&] {
    answer = Charged::kStartAnew;
    if (!same_slots(slots, slots_of(attempt.role))) return false;
    now = counter(attempt.role);
    if (attempt.charged == now.entry) answer = Charged::kYes;
    if (attempt.charged != now.entry && locked_out(now.attempts)) answer = Charged::kLockedOut;
    if (answer != Charged::kStartAnew || (is_delayed(now.attempts) && attempt.waited_for != now.entry)) return false;
    now.attempts.failures += now.attempts.failures < UINT32_MAX;
    answer = Charged::kYes;
    return true;
  };
  if (store->inherited()) {
    if (count()) attempt.charged = count_here(attempt.role, now.attempts);
    return answer;
  }
  std::vector<const Claim*> claims = {&login};
  if (officer) claims.push_back(officer);
  const auto appended = store->change_under(claims, [&](EntryLog::Change&) -> EntryLog::Proposal {
    if (!count()) return {};
    return {drafts_of(attempt_draft(attempt.role, now.attempts)), {}, {}};
  });
  if (!appended) return Charged::kStartAnew;
  if (appended->first != 0) attempt.charged = appended->first;
  return answer;
}

// A secret of the user, of either kind, resets both counters.
std::vector<Draft> Vault::Impl::counter_resets(Role role) const {
  std::vector<Draft> drafts;
  const auto reset = [&](Role counted) {
    Attempts now = attempts(counted);
    if (now.failures == 0) return;
    now.failures = 0;
    drafts.push_back(attempt_draft(counted, now));
  };
  reset(role);
  if (role == Role::kRecovery) reset(Role::kUser);
  try {
    if (role == Role::kUser) reset(Role::kRecovery);
  } catch (const Error& error) {  // a PIN does not need that counter
    if (error.code() != ErrorCode::kCorrupt) throw;
  }
  return drafts;
}

bool Vault::Impl::reset_counters(Role role, const Claim& login, const std::vector<KeySlot>& slots) {
  if (store->inherited()) {
    for (const Role counted : {role, Role::kUser, Role::kRecovery}) {
      if (counted != role && role == Role::kSo) continue;
      Attempts now = attempts(counted);
      if (std::exchange(now.failures, 0) != 0) count_here(counted, now);
    }
    return true;
  }
  bool same = false;
  const auto appended = store->change_under({&login}, [&](EntryLog::Change&) -> EntryLog::Proposal {
    same = same_slots(slots, slots_of(role));
    if (!same) return {};
    return {counter_resets(role), {}, {}};
  });
  return appended && same;
}

// The charge of a login in progress counts only once that has failed, so this waits for the login lock.
bool Vault::Impl::locked_out_between_logins(Role role) {
  if (!locked_out(attempts(role))) return false;
  const auto login = store->claim(EntryLog::Role::kLogin);
  store->refresh_now();
  return locked_out(attempts(role));
}

// Returns the role whose key slots an attempt tries and whose counter it charges, or nothing if it is rejected.
std::optional<Role> Vault::Impl::counted_as(Role role, ByteView secret) {
  if (!locked_out_between_logins(role)) return role;
  const bool recovers = role == Role::kUser && read_recovery_phrase(secret).verdict == PhraseReading::Verdict::kRight;
  if (!recovers || locked_out_between_logins(Role::kRecovery)) return std::nullopt;
  return Role::kRecovery;
}

// A delay belongs to the failures at its beginning. If other attempts have failed meanwhile, there is another delay.
std::optional<uint64_t> Vault::Impl::wait_out(Role role, std::optional<uint64_t> charged,
                                              std::optional<uint64_t> waited_for) {
  store->refresh_now();
  const Counter now = counter(role);
  if (!is_delayed(now.attempts) || charged == now.entry || waited_for == now.entry) return waited_for;
  pause_for(delay_of(now.attempts));
  return now.entry;
}

Vault::Turn Vault::take_turn(Role role) {
  if (role != Role::kSo || impl_->this_thread_has_turn()) return Turn(nullptr);
  Impl::SoTurn turn{impl_->store->claim(EntryLog::Role::kSo), {}};
  turn.waited_for = impl_->wait_out(role, {}, {});
  impl_->turn_.emplace(std::move(turn));
  impl_->turn_owner_ = std::this_thread::get_id();
  return Turn(impl_.get());
}

Vault::Turn::~Turn() {
  if (!impl_ || !impl_->this_thread_has_turn()) return;  // the child of a fork has none
  impl_->turn_owner_ = std::thread::id{};
  impl_->turn_.reset();
}

UnlockResult Vault::Impl::attempt(Role role, ByteView secret, const Then& then) {
  StretchedSecrets stretched;
  Attempt self{role, {}, {}};
  const auto is_counted = [&] { return store->inherited() || !store->read_only(); };
  std::optional<SoTurn> own;
  std::optional<SoTurn>& turn = this_thread_has_turn() ? turn_ : own;
  for (bool dear_ones_too = false;; turn.reset()) {
    store->refresh_now();
    require_inherited_login();
    if (!self.charged) {
      const std::optional<Role> counted = counted_as(role, secret);
      if (!counted) return UnlockResult::kLockedOut;
      self.role = *counted;
    }
    const std::vector<KeySlot> slots = slots_of(self.role);
    if (slots.empty()) return self.role == role ? UnlockResult::kNoSlot : UnlockResult::kLockedOut;
    const std::vector<const KeySlot*> tried = slots_to_try(slots, dear_ones_too, default_kdf);
    for (const KeySlot* slot : tried) stretched.of(*slot, secret);

    if (role == Role::kSo && !turn) turn.emplace(SoTurn{store->claim(EntryLog::Role::kSo), self.waited_for});
    self.waited_for = wait_out(self.role, self.charged, turn ? turn->waited_for : self.waited_for);
    const auto login = store->claim(EntryLog::Role::kLogin);
    require_inherited_login();
    if (is_counted()) {
      const Charged answer = charge(self, *login, turn ? turn->claim.get() : nullptr, slots);
      // If the role is locked out, the next round decides what may still be tried: a phrase, with its own counter.
      if (answer == Charged::kLockedOut) self.charged.reset();
      if (answer != Charged::kYes) continue;  // another process has changed a PIN or replaced the file
    }
    const auto opened = std::find_if(
        tried.begin(), tried.end(), [&](const KeySlot* slot) { return slot->opens_with(stretched.of(*slot, secret)); });
    if (opened == tried.end()) {
      if (tried.size() == slots.size()) return UnlockResult::kWrongSecret;
      dear_ones_too = true;  // under the same charge, unless another attempt was charged meanwhile
      continue;
    }
    const KeySlot& slot = **opened;
    auto master = slot.master_key(stretched.of(slot, secret), uuid);
    if (is_outdated(slot.epoch(), used_slots())) {
      throw Error(ErrorCode::kCorrupt, "the secret is right, but key slot '" + slot.name() + "' of " + store->path() +
                                           " holds the master key of an earlier epoch, which opens nothing since the " +
                                           "store was re-keyed: set this secret anew with another one's help");
    }
    if (is_counted() && !reset_counters(self.role, *login, slots)) continue;
    const OpenedKeySlot found{slot.name(),       slot.role(), slot.sequence(), slot.kdf().stretching(),
                              std::move(master), slot.notes()};
    if (then(found, *login)) return UnlockResult::kUnlocked;
  }
}

}  // namespace vtpm::store
