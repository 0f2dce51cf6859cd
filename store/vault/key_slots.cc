// SPDX-License-Identifier: Apache-2.0
// Changing key slots: new secrets in the place of old ones, and desired states (store/vault/amend.h).
//
// A key slot that is replaced or removed is overwritten in place and synced, and the store is compacted, before the
// call returns. Each change is made under the login lock, so that it never runs at the same time as a login that is
// being counted or a re-key.
#include <algorithm>

#include "store/vault/recovery_phrase.h"
#include "store/vault/vault_impl.h"

namespace vtpm::store {
namespace {

ByteView named_secret(const DesiredState& desired) {
  const auto& secret = desired.state == DesiredState::State::kActive ? desired.secret : desired.old_secret;
  return secret ? secret->view() : ByteView();
}

std::vector<unsigned> numbers_of(const std::vector<UsedKeySlot>& used) {
  std::vector<unsigned> numbers;
  for (const UsedKeySlot& slot : used) numbers.push_back(slot.number);
  return numbers;
}

std::vector<KeySlotSituation> situations(const std::vector<UsedKeySlot>& used, const DesiredState& desired,
                                         StretchedSecrets& stretched) {
  std::vector<KeySlotSituation> slots(kMaxSlots);
  for (unsigned number = 1; number <= kMaxSlots; ++number) slots[number - 1].number = number;
  const std::vector<unsigned> tested = slots_to_test(desired, numbers_of(used));
  for (const UsedKeySlot& one : used) {
    KeySlotSituation& slot = slots[one.number - 1];
    slot.active = true;
    slot.usable = one.slot.has_value();
    slot.role = one.role;
    const bool asked = std::find(tested.begin(), tested.end(), one.number) != tested.end();
    slot.holds = asked && one.slot && !one.slot->kdf().is_raw() &&
                 one.slot->opens_with(stretched.of(*one.slot, named_secret(desired)));
  }
  return slots;
}

bool holds_still(const std::vector<UsedKeySlot>& used, const OpenedKeySlot& opened) {
  return std::any_of(used.begin(), used.end(), [&](const UsedKeySlot& one) {
    return one.slot && one.slot->name() == opened.name && one.slot->sequence() == opened.sequence;
  });
}

// A raw key opens its store by being the key; there is nothing of its kind to wrap.
void require_secrets(const std::vector<UsedKeySlot>& used, const std::string& path) {
  for (const UsedKeySlot& slot : used) {
    if (!slot.slot || !slot.slot->kdf().is_raw()) continue;
    throw Error(ErrorCode::kUnsupported, path + " is opened by a raw key and has no other key slots");
  }
}

}  // namespace

Draft slot_deletion(const std::string& name) {
  Draft gone;
  gone.entry = {
      std::string(type::kKeySlot), name, {{std::string(attribute::kDeleted), {}}, realsize_attribute(0)}, {}, Bytes(1)};
  return gone;
}

bool same_slots(const std::vector<UsedKeySlot>& a, const std::vector<UsedKeySlot>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const UsedKeySlot& x, const UsedKeySlot& y) {
    return x.number == y.number && x.sequence == y.sequence && x.slot.has_value() == y.slot.has_value();
  });
}

std::string Vault::Impl::free_slot() const {
  for (unsigned number = 1; number <= kMaxSlots; ++number) {
    if (!store->find(slot_name(number))) return slot_name(number);
  }
  throw Error(ErrorCode::kNoSpace, "all 32 key slots of " + store->path() + " are in use");
}

// New slots cost what the old ones do: a store keeps the cost that it was made with. But not that of a slot that may
// have been planted.
KdfCost Vault::Impl::cost_of_slots() const {
  std::optional<KdfCost> dear;
  for (Role role : {Role::kUser, Role::kSo, Role::kRecovery, Role::kKeyfile}) {
    for (const KeySlot& slot : slots_of(role)) {
      if (slot.notes().empty) continue;
      const KdfCost cost = slot.kdf().stretching();
      if (!unexpected({cost}, default_kdf)[0]) return cost;
      if (!dear) dear = cost;
    }
  }
  return dear.value_or(default_kdf);
}

KeySlotKdf Vault::Impl::kdf_for(ByteView secret) const {
  // Nothing can be guessed where there is nothing to know, and every process that uses such a store pays for it.
  constexpr crypto::Argon2Parameters kLeast{8 * 1024, 1, 1};
  return fresh_kdf(secret.empty() ? KdfCost(kLeast) : cost_of_slots());
}

bool Vault::Impl::write_slots(const Claim& login, const MasterKey& key, const std::vector<UsedKeySlot>& seen,
                              const std::vector<Draft>& drafts, const std::vector<std::string>& superseded) {
  bool same = false;
  const auto appended = store->change_under({&login}, [&](EntryLog::Change&) -> EntryLog::Proposal {
    const auto used = used_slots();
    same = same_slots(seen, used) && !is_outdated(key.epoch(), used);
    if (!same) return {};
    return {drafts, superseded, {}};
  });
  if (!appended || !same) return false;
  remember_slots();
  return true;
}

void Vault::set_secret(Role role, ByteView secret, bool to_be_changed) {
  impl_->master_or_locked();
  require_secrets(impl_->used_slots(), path());
  KeySlotKdf kdf = impl_->kdf_for(secret);
  const auto stretched =
      std::make_shared<const StretchedSecret>(stretch(canonical_secret(role_name(role), secret), kdf));

  for (;;) {
    const auto login = impl_->store->claim(EntryLog::Role::kLogin);
    auto key = impl_->current_master();
    const auto used = impl_->used_slots();
    std::vector<std::string> names;
    for (const KeySlot& slot : impl_->slots_of(role)) {
      if (slot.role() == role_name(role)) names.push_back(slot.name());
    }
    const std::string name = names.empty() ? impl_->free_slot() : names.front();
    std::vector<Draft> drafts;
    drafts.push_back(
        slot_draft(name, role_name(role), kdf, stretched, key, impl_->uuid, {secret.empty(), to_be_changed}));
    for (size_t i = 1; i < names.size(); ++i) drafts.push_back(slot_deletion(names[i]));
    for (Draft& reset : impl_->counter_resets(role)) drafts.push_back(std::move(reset));
    if (impl_->write_slots(*login, *key, used, drafts, names)) return;
  }
}

UnlockResult Vault::change_secret(Role role, ByteView old, ByteView fresh) {
  struct Prepared {
    Prepared(SecretBytes typed, KeySlotKdf cost)
        : secret(std::move(typed)),
          kdf(std::move(cost)),
          stretched(std::make_shared<const StretchedSecret>(stretch(secret, kdf))) {}
    SecretBytes secret;
    KeySlotKdf kdf;
    std::shared_ptr<const StretchedSecret> stretched;
  };
  std::optional<Prepared> prepared;
  prepared.emplace(SecretBytes(fresh), impl_->kdf_for(fresh));
  for (;;) {
    bool done = false;
    std::optional<std::pair<SecretBytes, KdfCost>> wanted;
    const UnlockResult result = impl_->attempt(role, old, [&](const OpenedKeySlot& slot, const auto& login) {
      const auto used = impl_->used_slots();
      if (!holds_still(used, slot)) return false;
      // A recovery key slot that has logged a user in remains one, and its new phrase may be typed in any way. A key
      // slot with a high cost keeps it. Nothing is stretched while other processes wait for the login lock.
      SecretBytes canonical = canonical_secret(slot.role, fresh);
      const KdfCost cost = prepared->kdf.stretching();
      const bool cheaper = !fresh.empty() && !slot.notes.empty && effort_of(cost).work < effort_of(slot.cost).work;
      if (cheaper || !equal(canonical, prepared->secret)) {
        wanted.emplace(std::move(canonical), cheaper ? slot.cost : cost);
        return true;
      }
      std::vector<Draft> drafts;
      drafts.push_back(slot_draft(slot.name, slot.role, prepared->kdf, prepared->stretched, slot.master, impl_->uuid,
                                  {fresh.empty(), /*to_be_changed=*/false}));
      for (Draft& reset : impl_->counter_resets(role)) drafts.push_back(std::move(reset));
      return done = impl_->write_slots(login, *slot.master, used, drafts, {slot.name});
    });
    if (result != UnlockResult::kUnlocked || done) return result;
    prepared.emplace(std::move(wanted->first), fresh_kdf(wanted->second));
  }
}

std::optional<unsigned> Vault::find_slot(Role role, ByteView secret, UnlockResult& result) {
  std::optional<unsigned> number;
  result = impl_->attempt(role, secret, [&](const OpenedKeySlot& slot, const auto&) {
    number = number_of_slot(slot.name);
    return true;
  });
  return number;
}

std::vector<KeySlotInfo> Vault::slots() const {
  std::vector<KeySlotInfo> out;
  for (const UsedKeySlot& used : impl_->used_slots()) {
    KeySlotInfo info;
    info.number = used.number;
    info.role = role_of(used.role);
    if (used.slot) {
      info.kdf = describe(used.slot->kdf());
      info.epoch = used.slot->epoch();
      info.notes = used.slot->notes();
    }
    if (used.problem) info.finding = used.problem->sentence();
    out.push_back(std::move(info));
  }
  return out;
}

AmendPlan Vault::amend(const DesiredState& desired) {
  const std::string role(role_name(desired.role.value_or(Role::kUser)));
  StretchedSecrets stretched;
  std::optional<std::pair<KeySlotKdf, std::shared_ptr<const StretchedSecret>>> fresh;
  for (;;) {
    refresh();
    impl_->master_or_locked();
    auto used = impl_->used_slots();
    require_secrets(used, path());
    AmendPlan plan = plan_amend(desired, situations(used, desired, stretched));
    if (plan.nothing_to_do()) return plan;
    if (plan.activate && !fresh) {
      KdfCost cost = desired.cost ? *desired.cost : impl_->cost_of_slots();
      if (desired.iter_time) cost = cost_taking(*desired.iter_time, cost);
      KeySlotKdf kdf = fresh_kdf(cost);
      auto key = std::make_shared<const StretchedSecret>(stretch(canonical_secret(role, *desired.secret), kdf));
      fresh.emplace(std::move(kdf), std::move(key));
    }

    const auto login = impl_->store->claim(EntryLog::Role::kLogin);
    auto key = impl_->current_master();
    std::vector<Draft> drafts;
    std::vector<std::string> superseded;
    if (plan.activate) {
      drafts.push_back(slot_draft(slot_name(*plan.activate), role, fresh->first, fresh->second, key, impl_->uuid));
    }
    for (unsigned number : plan.deactivate) {
      superseded.push_back(slot_name(number));
      drafts.push_back(slot_deletion(superseded.back()));
    }
    // Otherwise another process has changed a key slot.
    if (impl_->write_slots(*login, *key, used, drafts, superseded)) return plan;
  }
}

}  // namespace vtpm::store
