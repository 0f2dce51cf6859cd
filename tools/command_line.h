// SPDX-License-Identifier: Apache-2.0
// The command line as a whole: `help`, and what is wrong with it.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace vtpm::tools {

/// The commands of the tool or of a group, in the order of --help; none of a command that is no group.
std::vector<const CLI::App*> commands_of(const CLI::App& app);

/// The help that `words` ask for: "help", "help keyslot add-key", "keyslot help"; of the tool for no words, and of a
/// group of commands for its name alone. Nothing when they ask for none. Throws UsageError for an unknown command
/// behind "help".
std::optional<std::string> help_for(const CLI::App& app, const std::vector<std::string>& words);

/// A sentence about a command line that does not parse: it names the option, command or argument, and what there is.
std::string explain(const CLI::App& app, const CLI::ParseError& error);

}  // namespace vtpm::tools
