// SPDX-License-Identifier: Apache-2.0
// The machine interface of key slots: one desired state as a JSON object, with the field names of its design discussion
// (docs/requirements.md, R3.8): state, keyslot, secret, iter-time, old-secret; and `role`, of ours.
#pragma once

#include <nlohmann/json.hpp>

#include "store/vault/vault.h"

namespace vtpm::tools {

/// Throws Error kInvalidArgument, naming the field that is wrong, unknown or missing. `text` may hold secrets.
store::DesiredState parse_desired_state(ByteView text);

nlohmann::json json_of(const std::vector<store::KeySlotInfo>& slots);

}  // namespace vtpm::tools
