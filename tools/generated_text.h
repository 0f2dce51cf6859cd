// SPDX-License-Identifier: Apache-2.0
// Texts that are generated from the command line, so that each option is written once: the synopsis of
// docs/man/vtpm-token.1 and the table of the bash completion. --print-synopsis and --print-completion print them; these
// options are for the build and the tests in tests/house, and no help shows them.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace vtpm::tools {

/// The text that `arguments`, which are the whole command line, request; nothing for any other command line.
std::optional<std::string> generated_text(const CLI::App& app, const std::vector<std::string>& arguments);

/// The synopsis in mdoc(7): a paragraph for each command, with required options before optional ones.
std::string synopsis(const CLI::App& app);

/// A bash function `_vtpm_token_command COMMAND` that sets `commands`, the words that may follow, and `arguments`, with
/// NAME=KIND for each option and argument (conf/vtpm-token.bash lists the kinds).
std::string completion(const CLI::App& app);

}  // namespace vtpm::tools
