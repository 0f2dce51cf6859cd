// SPDX-License-Identifier: Apache-2.0
// What is generated of the command line, so that an option is written once: the synopsis of docs/man/vtpm-token.1 and
// the table of the bash completion. Two options print it that no help names, --print-synopsis and --print-completion:
// they are for the build and for the house's tests.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace vtpm::tools {

/// The text that `arguments`, all that stands on the command line, ask for; nothing for every other command line.
std::optional<std::string> generated_text(const CLI::App& app, const std::vector<std::string>& arguments);

/// mdoc(7): a paragraph for each command, with what must be given before what may be.
std::string synopsis(const CLI::App& app);

/// A bash function `_vtpm_token_command COMMAND` that sets `commands`, what may follow, and `arguments`, a NAME=KIND
/// for each option and argument (conf/vtpm-token.bash says which kinds there are).
std::string completion(const CLI::App& app);

}  // namespace vtpm::tools
