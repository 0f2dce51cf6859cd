// SPDX-License-Identifier: Apache-2.0
// The module's configuration as the tool uses it: whole, or not at all.
#pragma once

#include <ostream>
#include <vector>

#include "base/error.h"
#include "base/settings/config.h"

namespace vtpm::tools {

constexpr int kBrokenConfigurationStatus = 2;

/// Ends the tool with that status (vtpm_token.cc).
class BrokenConfiguration : public Error {
 public:
  explicit BrokenConfiguration(std::vector<ConfigProblem> problems);
  const std::vector<ConfigProblem>& problems() const { return problems_; }
  /// Everything that is wrong, a line each: "vtpm-token: FILE:LINE:COLUMN: reason".
  void print(std::ostream& out) const;

 private:
  std::vector<ConfigProblem> problems_;
};

/// Read at the first call. Throws BrokenConfiguration.
const Config& configuration();

}  // namespace vtpm::tools
