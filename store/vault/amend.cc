// SPDX-License-Identifier: Apache-2.0
#include "store/vault/amend.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace vtpm::store {
namespace {

using Slots = std::vector<KeySlotSituation>;

std::string named(unsigned number) { return "key slot " + std::to_string(number); }

const KeySlotSituation& slot_of(const Slots& slots, unsigned number) {
  for (const KeySlotSituation& slot : slots) {
    if (slot.number == number) return slot;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "there is no " + named(number) + ": they are 1 to " + std::to_string(kMaxSlots));
}

// active, keyslot absent
AmendPlan activate_any(const Slots& slots) {
  auto free = std::find_if(slots.begin(), slots.end(), [](const KeySlotSituation& slot) { return !slot.active; });
  if (free == slots.end()) {
    throw Error(ErrorCode::kNoSpace, "all " + std::to_string(slots.size()) + " key slots are in use: deactivate one");
  }
  return {free->number, {}};
}

// active, keyslot N
AmendPlan activate_one(const KeySlotSituation& slot, std::optional<Role> role) {
  if (!slot.active) return {slot.number, {}};
  if (slot.holds && (!role || slot.role == role_name(*role))) return {};
  if (slot.holds) {
    throw Error(ErrorCode::kExists, named(slot.number) + " holds that secret for the role " + slot.role +
                                        ", not for the role " + std::string(role_name(*role)) +
                                        "; one secret may stand in several slots: take another one");
  }
  throw Error(ErrorCode::kExists, named(slot.number) +
                                      " is active and holds another secret; it is not overwritten, since an "
                                      "interruption could lose both: deactivate it first, or take another one");
}

// inactive, keyslot absent, old secret S
AmendPlan deactivate_holders(const Slots& slots) {
  AmendPlan plan;
  for (const KeySlotSituation& slot : slots) {
    if (slot.active && slot.holds) plan.deactivate.push_back(slot.number);
  }
  if (plan.deactivate.empty()) throw Error(ErrorCode::kNotFound, "no active key slot holds that old secret");
  return plan;
}

// inactive, keyslot N, old secret absent
AmendPlan deactivate_one(const KeySlotSituation& slot) {
  return slot.active ? AmendPlan{{}, {slot.number}} : AmendPlan{};
}

// inactive, keyslot N, old secret S
AmendPlan deactivate_holder(const KeySlotSituation& slot) {
  if (!slot.active) throw Error(ErrorCode::kNotFound, named(slot.number) + " is inactive: it holds no secret");
  if (!slot.holds) {
    throw Error(ErrorCode::kNotFound, named(slot.number) + " holds another secret than the old secret that was given");
  }
  return {{}, {slot.number}};
}

// inactive, keyslot absent, old secret absent
AmendPlan deactivate_all(const Slots& slots) {
  AmendPlan plan;
  for (const KeySlotSituation& slot : slots) {
    if (slot.active) plan.deactivate.push_back(slot.number);
  }
  return plan;
}

AmendPlan plan_inactive(const DesiredState& desired, const Slots& slots) {
  if (!desired.keyslot) return desired.old_secret ? deactivate_holders(slots) : deactivate_all(slots);
  const KeySlotSituation& slot = slot_of(slots, *desired.keyslot);
  return desired.old_secret ? deactivate_holder(slot) : deactivate_one(slot);
}

void require_remainder(const AmendPlan& plan, const Slots& slots) {
  if (plan.deactivate.empty()) return;
  bool any = false, so_before = false, so_after = false;
  for (const KeySlotSituation& slot : slots) {
    const bool goes = std::find(plan.deactivate.begin(), plan.deactivate.end(), slot.number) != plan.deactivate.end();
    const bool stays = slot.active && slot.usable && !goes;
    any = any || stays;
    so_before = so_before || (slot.officer() && slot.active);
    so_after = so_after || (slot.officer() && stays);
  }
  if (!any) {
    throw Error(ErrorCode::kUnsupported,
                "no key slot would be left that opens the store, and all in it would be lost: add one first");
  }
  if (so_before && !so_after) {
    throw Error(ErrorCode::kUnsupported,
                "the last key slot of the security officer cannot be removed: the user PIN could never be set again; "
                "its secret "
                "can be changed");
  }
}

void require_sense(const DesiredState& desired) {
  const bool active = desired.state == DesiredState::State::kActive;
  auto require = [](bool ok, const char* sentence) {
    if (!ok) throw Error(ErrorCode::kInvalidArgument, sentence);
  };
  require(!active || desired.secret, "an active key slot needs a secret");
  require(!active || !desired.old_secret, "'old-secret' belongs to state 'inactive'");
  require(active || !desired.secret,
          "'secret' belongs to state 'active'; 'old-secret' says what an inactive slot held");
  require(active || (!desired.iter_time && !desired.cost), "'iter-time' belongs to state 'active'");
}

// A caller that names a secret of the officer in order to remove it has one. If there is no officer, none is needed.
void require_so(const DesiredState& desired, const AmendPlan& plan, const Slots& slots) {
  if (!desired.by || desired.by == Role::kSo) return;
  const auto is_so_slot = [](const KeySlotSituation& slot) { return slot.active && slot.officer(); };
  if (plan.activate && desired.role == Role::kSo && std::any_of(slots.begin(), slots.end(), is_so_slot)) {
    throw Error(ErrorCode::kAuthFailed,
                "a key slot of the role so is made with the security officer's secret only, or every user could make "
                "himself the officer: open the store with that secret (--as so)");
  }
  for (const unsigned number : plan.deactivate) {
    if (desired.old_secret || !is_so_slot(slot_of(slots, number))) continue;
    throw Error(ErrorCode::kAuthFailed, named(number) +
                                            " is the security officer's: give its secret to have it removed, or open "
                                            "the store with the officer's (--as so)");
  }
}

}  // namespace

AmendPlan plan_amend(const DesiredState& desired, const std::vector<KeySlotSituation>& slots) {
  require_sense(desired);
  if (desired.state == DesiredState::State::kActive) {
    const AmendPlan plan =
        desired.keyslot ? activate_one(slot_of(slots, *desired.keyslot), desired.role) : activate_any(slots);
    require_so(desired, plan, slots);
    return plan;
  }
  AmendPlan plan = plan_inactive(desired, slots);
  require_remainder(plan, slots);
  require_so(desired, plan, slots);
  return plan;
}

std::vector<unsigned> slots_to_test(const DesiredState& desired, const std::vector<unsigned>& active) {
  const bool names_a_secret =
      desired.state == DesiredState::State::kActive ? desired.keyslot.has_value() : desired.old_secret.has_value();
  if (!names_a_secret) return {};
  std::vector<unsigned> tested;
  for (unsigned number : active) {
    if (!desired.keyslot || *desired.keyslot == number) tested.push_back(number);
  }
  return tested;
}

}  // namespace vtpm::store
