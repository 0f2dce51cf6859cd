// SPDX-License-Identifier: Apache-2.0
// The form in which the tool prints JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vtpm::tools {

/// Returns indented JSON without a line end. Labels and paths may not be UTF-8, which JSON must be: other bytes become
/// U+FFFD.
inline std::string json_text(const nlohmann::json& json) {
  return json.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

}  // namespace vtpm::tools
