// SPDX-License-Identifier: Apache-2.0
// Errors of the command line: an option, a command or a name that does not exist. The tool prints the name and the
// valid ones, and ends with exit status 2.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vtpm::tools {

constexpr int kUsageStatus = 2;

/// The tool ends with kUsageStatus.
class UsageError : public Error {
 public:
  explicit UsageError(std::string sentence) : Error(ErrorCode::kInvalidArgument, std::move(sentence)) {}
};

/// Returns " (did you mean list?)" for the one of `names` that is similar to `name`, or an empty string.
std::string nearly(const std::string& name, const std::vector<std::string>& names);

/// Returns "a, b and c".
std::string enumerated(const std::vector<std::string>& names);

}  // namespace vtpm::tools
