// SPDX-License-Identifier: Apache-2.0
// The module's configuration, which the tool uses only if it has no error.
#pragma once

#include <ostream>
#include <vector>

#include "base/error.h"
#include "base/settings/config.h"

namespace vtpm::tools {

constexpr int kBrokenConfigurationStatus = 2;

/// The tool ends with this status (vtpm_token.cc).
class BrokenConfiguration : public Error {
 public:
  explicit BrokenConfiguration(std::vector<ConfigProblem> problems);
  const std::vector<ConfigProblem>& problems() const { return problems_; }
  /// Prints all errors, one a line: "vtpm-token: FILE:LINE:COLUMN: reason".
  void print(std::ostream& out) const;

 private:
  std::vector<ConfigProblem> problems_;
};

/// The configuration, which the first call reads. Throws BrokenConfiguration.
const Config& configuration();

}  // namespace vtpm::tools
