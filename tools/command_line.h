// SPDX-License-Identifier: Apache-2.0
// The command line as a whole: `help`, and sentences about errors in it.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace vtpm::tools {

/// The commands of the tool or of a group, in the order of --help. A command that is not a group has none.
std::vector<const CLI::App*> commands_of(const CLI::App& app);

/// The help text that `words` request: "help", "help keyslot add-key", "keyslot help". No words request the help of the
/// tool, and the name of a group alone the help of the group. Returns nothing if no help is requested. Throws
/// UsageError for an unknown command after "help".
std::optional<std::string> help_for(const CLI::App& app, const std::vector<std::string>& words);

/// A sentence about a command line that cannot be parsed. It names the wrong option, command or argument, and the valid
/// ones.
std::string explain(const CLI::App& app, const CLI::ParseError& error);

}  // namespace vtpm::tools
