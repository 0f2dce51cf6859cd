// SPDX-License-Identifier: Apache-2.0
// The interface of key slots for programs: a desired state as a JSON object. The fields state, keyslot, secret,
// iter-time and old-secret have the names of the design (docs/requirements.md, R3.8); `role` is an addition.
#pragma once

#include <nlohmann/json.hpp>

#include "store/vault/vault.h"

namespace vtpm::tools {

/// Parses a desired state. Throws Error kInvalidArgument, which names the field that is wrong, unknown or missing and
/// never quotes `text`, because it may contain secrets.
store::DesiredState parse_desired_state(ByteView text);

nlohmann::json json_of(const std::vector<store::KeySlotInfo>& slots);

}  // namespace vtpm::tools
