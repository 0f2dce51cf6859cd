// SPDX-License-Identifier: Apache-2.0
#include "tools/configuration.h"

#include "pkcs11/mechanism/mechanism.h"
#include "tools/standard_output.h"

namespace vtpm::tools {

BrokenConfiguration::BrokenConfiguration(std::vector<ConfigProblem> problems)
    : Error(ErrorCode::kInvalidArgument, problems.front().sentence()), problems_(std::move(problems)) {}

void BrokenConfiguration::print(std::ostream& out) const {
  for (const ConfigProblem& problem : problems_) out << "vtpm-token: " << shown(problem.sentence()) << '\n';
}

const Config& configuration() {
  static const Config config = [] {
    Config loaded = load_config(pkcs11::is_mechanism);
    if (loaded.broken()) throw BrokenConfiguration(std::move(loaded.problems));
    return loaded;
  }();
  return config;
}

}  // namespace vtpm::tools
