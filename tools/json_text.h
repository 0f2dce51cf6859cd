// SPDX-License-Identifier: Apache-2.0
// JSON as the tool prints it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vtpm::tools {

/// Indented, without a line end. Labels and paths need not be UTF-8, JSON must: what is not becomes U+FFFD.
inline std::string json_text(const nlohmann::json& json) {
  return json.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

}  // namespace vtpm::tools
