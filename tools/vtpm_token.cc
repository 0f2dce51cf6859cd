// vtpm-token: makes and inspects tokens of vtpm-pkcs11 (docs/man/vtpm-token.1).
#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "crypto/descriptor.h"
#include "crypto/waiting.h"
#include "tools/commands.h"

namespace {

/// Whoever types a command decides how long to wait, and is told for what.
class UntilInterrupted : public vtpm::WaitPolicy {
 public:
  UntilInterrupted() : WaitPolicy(std::nullopt) {}

 private:
  void announce(const std::string& sentence) override { std::cerr << "vtpm-token: waiting: " << sentence << '\n'; }
};

}  // namespace

int main(int argc, char** argv) {
  vtpm::occupy_standard_streams();  // a file that a library opens would be printed into
  const UntilInterrupted policy;
  CLI::App app("Make and inspect tokens of vtpm-pkcs11: emulated TPMs behind PKCS#11.", "vtpm-token");
  app.set_version_flag("--version", std::string("vtpm-token ") + VTPM_VERSION);
  // Not `require_subcommand(1)`: that would answer an unknown word with "a subcommand is required" and not name it.
  app.require_subcommand(0, 1);
  app.callback([&app] {
    if (app.get_subcommands().empty()) throw CLI::RequiredError("A command");
  });
  app.footer("The configuration is the module's own: see vtpm-pkcs11.toml(5). COMMAND --help explains a command.");
  vtpm::tools::ExitStatus status = 0;
  vtpm::tools::add_init(app, status);
  vtpm::tools::add_list(app, status);
  vtpm::tools::add_rename(app, status);
  vtpm::tools::add_reinit(app, status);
  vtpm::tools::add_delete(app, status);
  vtpm::tools::add_mechanisms(app, status);
  vtpm::tools::add_store(app, status);
  vtpm::tools::add_keyslot(app, status);
  vtpm::tools::add_ca(app, status);
  vtpm::tools::add_key(app, status);
  vtpm::tools::add_attest(app, status);
  vtpm::tools::add_swtpm(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    std::cerr << "vtpm-token: " << error.what() << '\n';
    return 1;
  }
  return status;
}
