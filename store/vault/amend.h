// SPDX-License-Identifier: Apache-2.0
// Key slots by desired state: say what should be, and the store finds the way there.
//
// One desired state speaks of one slot, or of all slots that hold one secret (docs/requirements.md, R3). `plan_amend`
// is the whole table as a pure function: what is, what should be, what is to be done. Never done: overwriting a slot
// that holds another secret (an interrupted write would lose both), leaving no slot that opens the store, leaving a
// store that had a security officer's slot without one (nobody could ever set the user's PIN again), making somebody
// the officer, or an officer's secret useless, without a secret of the officer's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/vault/key_slot_kdf.h"
#include "store/vault/role.h"

namespace vtpm::store {

constexpr unsigned kMaxSlots = 32;  // keyslot/1 .. keyslot/32

struct DesiredState {
  enum class State { kActive, kInactive } state = State::kActive;
  std::optional<unsigned> keyslot;        // 1..32; absent: the system picks
  std::optional<SecretBytes> secret;      // kActive: what the slot is to hold; required
  std::optional<SecretBytes> old_secret;  // kInactive: what the slots hold that are to go
  std::optional<uint32_t> iter_time;      // kActive: milliseconds that stretching is to take here
  // Not the thread's, and only for kActive:
  std::optional<Role> role;  // of a slot that becomes active; absent: kUser, or what the slot is that holds the secret
  std::optional<KdfCost> cost;  // absent: as the other slots cost
  // Of both: whose secret opened the store. Absent: whoever asks may do everything.
  std::optional<Role> by;
};

/// What a plan needs to know of a slot.
struct KeySlotSituation {
  unsigned number = 0;
  bool active = false;  // something stands there
  bool usable = false;  // and it is neither damaged nor of a newer kind: it can open the store
  bool holds = false;   // the secret that the desired state names
  std::string role;     // by its name; empty: it is not known
  bool officer() const { return role == role_name(Role::kSo); }
};

struct AmendPlan {
  std::optional<unsigned> activate;
  std::vector<unsigned> deactivate;
  bool nothing_to_do() const { return !activate && deactivate.empty(); }
};

/// `slots`: all of them, by number. Throws Error: kInvalidArgument (no such slot; a state that does not hold together),
/// kNoSpace (no slot is free), kExists (the slot holds another secret, or this one for another role), kAuthFailed (an
/// officer's secret is needed), kNotFound (no slot, or not that one, holds the
/// secret), kUnsupported (no slot, or none for the security officer, would be left).
AmendPlan plan_amend(const DesiredState& desired, const std::vector<KeySlotSituation>& slots);

/// The slots whose `holds` the plan asks for, of those that are active.
std::vector<unsigned> slots_to_test(const DesiredState& desired, const std::vector<unsigned>& active);

}  // namespace vtpm::store
