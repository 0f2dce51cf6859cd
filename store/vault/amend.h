// SPDX-License-Identifier: Apache-2.0
// Changing key slots by desired state: the caller says what should be, and a plan says what is to be done.
//
// A desired state describes one key slot, or all key slots that hold one secret (docs/requirements.md, R3).
// `plan_amend` is the whole table as a pure function of what is and what should be. A plan never
//   - overwrites a key slot that holds another secret (an interrupted write would lose both),
//   - leaves no key slot that opens the store,
//   - removes the last key slot of the security officer (the user's PIN could never be set again), or
//   - makes or removes a key slot of the security officer, unless a secret of the officer has opened the store.
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
  std::optional<unsigned> keyslot;        // 1..32; absent: the plan chooses
  std::optional<SecretBytes> secret;      // kActive: the secret that the key slot is to hold; required
  std::optional<SecretBytes> old_secret;  // kInactive: the secret of the key slots that are to be removed
  std::optional<uint32_t> iter_time;      // kActive: milliseconds that stretching is to take on this host
  std::optional<Role> role;     // kActive: of the key slot; absent: kUser, or that of the key slot with this secret
  std::optional<KdfCost> cost;  // kActive; absent: that of the other key slots
  std::optional<Role> by;       // the role whose secret has opened the store; absent: everything is allowed
};

/// What a plan needs to know of a key slot.
struct KeySlotSituation {
  unsigned number = 0;
  bool active = false;  // it is in use
  bool usable = false;  // it is in use, and neither damaged nor of a newer kind: it can open the store
  bool holds = false;   // it holds the secret that the desired state names
  std::string role;     // the name of its role; empty if it has none
  bool officer() const { return role == role_name(Role::kSo); }
};

/// The key slots to be changed, by number.
struct AmendPlan {
  std::optional<unsigned> activate;
  std::vector<unsigned> deactivate;
  bool nothing_to_do() const { return !activate && deactivate.empty(); }
};

/// Returns the plan for a desired state. `slots`: all 32 key slots, by number. Throws kInvalidArgument (no such key
/// slot, or a desired state that contradicts itself), kNoSpace (no key slot is free), kExists (the key slot holds
/// another secret, or this one for another role), kAuthFailed (a secret of the security officer is needed), kNotFound
/// (no key slot, or not the named one, holds the secret), kUnsupported (no key slot, or none of the security officer,
/// would be left).
AmendPlan plan_amend(const DesiredState& desired, const std::vector<KeySlotSituation>& slots);

/// Returns those of the `active` key slots whose `holds` the plan needs.
std::vector<unsigned> slots_to_test(const DesiredState& desired, const std::vector<unsigned>& active);

}  // namespace vtpm::store
