#include "tools/configuration.h"

#include "tools/standard_output.h"

namespace vtpm::tools {

BrokenConfiguration::BrokenConfiguration(std::vector<pkcs11::ConfigProblem> problems)
    : Error(ErrorCode::kInvalidArgument, problems.front().sentence()), problems_(std::move(problems)) {}

void BrokenConfiguration::print(std::ostream& out) const {
  for (const pkcs11::ConfigProblem& problem : problems_) out << "vtpm-token: " << shown(problem.sentence()) << '\n';
}

const pkcs11::Config& configuration() {
  static const pkcs11::Config config = [] {
    pkcs11::Config loaded = pkcs11::load_config();
    if (loaded.broken()) throw BrokenConfiguration(std::move(loaded.problems));
    return loaded;
  }();
  return config;
}

}  // namespace vtpm::tools
