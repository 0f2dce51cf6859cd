// SPDX-License-Identifier: Apache-2.0
// A command line that means nothing: an option, a command or a name that there is not. The tool answers with the name,
// with what there is, and with exit status 2.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vtpm::tools {

constexpr int kUsageStatus = 2;

/// Ends the tool with kUsageStatus.
class UsageError : public Error {
 public:
  explicit UsageError(std::string sentence) : Error(ErrorCode::kInvalidArgument, std::move(sentence)) {}
};

/// " (did you mean list?)" for the one of `names` that is nearly `name`; else nothing.
std::string nearly(const std::string& name, const std::vector<std::string>& names);

/// "a, b and c".
std::string enumerated(const std::vector<std::string>& names);

}  // namespace vtpm::tools
