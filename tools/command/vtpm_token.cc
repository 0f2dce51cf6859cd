// SPDX-License-Identifier: Apache-2.0
// vtpm-token: makes and inspects tokens of vtpm-pkcs11 (docs/man/vtpm-token.1).
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>

#include "base/descriptor.h"
#include "base/waiting.h"
#include "tools/command/commands.h"
#include "tools/command_line.h"
#include "tools/configuration.h"
#include "tools/generated_text.h"
#include "tools/standard_output.h"
#include "tools/usage.h"

namespace {

/// The tool waits for locks without limit, until the user interrupts it, and prints what it waits for.
class UntilInterrupted : public vtpm::WaitPolicy {
 public:
  UntilInterrupted() : WaitPolicy(std::nullopt) {}

 private:
  void announce(const std::string& sentence) override {
    std::cerr << "vtpm-token: waiting: " << vtpm::tools::shown(sentence) << '\n';
  }
};

/// The help for "help …", or for names of commands of which the last one is a group.
std::optional<std::string> help_asked_for(const CLI::App& app, const std::vector<std::string>& arguments) {
  const auto is_option = [](const std::string& argument) { return argument.starts_with("-"); };
  const auto options = std::find_if(arguments.begin(), arguments.end(), is_option);
  if (options != arguments.end() && arguments.front() != "help") return std::nullopt;
  return vtpm::tools::help_for(app, {arguments.begin(), options});
}

vtpm::tools::ExitStatus run(CLI::App& app, int argc, char** argv) {
  vtpm::tools::ExitStatus status = 0;
  vtpm::tools::add_commands(app, status);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  auto text = vtpm::tools::generated_text(app, arguments);
  if (!text) text = help_asked_for(app, arguments);
  if (text) {
    std::cout << *text;
    return 0;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    app.exit(asked, std::cout, std::cerr);
    return 0;
  } catch (const CLI::ParseError& error) {
    throw vtpm::tools::UsageError(vtpm::tools::explain(app, error));
  }
  return status;
}

/// Prints one line, whatever characters labels and paths contain.
int fail(const std::exception& error, int status) {
  std::cerr << "vtpm-token: " << vtpm::tools::shown(error.what()) << '\n';
  return status;
}

int run_and_tell(int argc, char** argv) {
  vtpm::tools::StandardStreams streams;
  CLI::App app("Make and inspect tokens of vtpm-pkcs11: emulated TPMs behind PKCS#11.", "vtpm-token");
  app.set_version_flag("--version", std::string("vtpm-token ") + VTPM_VERSION);
  app.require_subcommand(0, 1);  // without a command, the help is printed
  app.footer(
      "The tool uses the module's configuration: see vtpm-pkcs11.toml(5). COMMAND --help, or help COMMAND, explains a "
      "command.");
  vtpm::tools::ExitStatus status = 0;
  try {
    status = run(app, argc, argv);
  } catch (const vtpm::tools::UsageError& error) {
    return fail(error, vtpm::tools::kUsageStatus);
  } catch (const vtpm::tools::BrokenConfiguration& broken) {
    broken.print(std::cerr);
    return vtpm::tools::kBrokenConfigurationStatus;
  } catch (const std::bad_alloc&) {
    return fail(vtpm::Error(vtpm::ErrorCode::kNoMemory, "there is not enough memory"), 1);
  } catch (const std::exception& error) {
    return fail(error, 1);
  }
  try {
    streams.finish();
  } catch (const std::exception& error) {
    std::cerr << "vtpm-token: the command has done its work, but it " << vtpm::tools::shown(error.what()) << '\n';
    return status == 0 ? 1 : status;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  vtpm::occupy_standard_streams();  // otherwise a file that a library opens could get the number of a standard stream
  const UntilInterrupted policy;
  return run_and_tell(argc, argv);
}
