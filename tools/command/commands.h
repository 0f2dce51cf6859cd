// SPDX-License-Identifier: Apache-2.0
// The commands of vtpm-token. Each is a row of commands.inc and a function in a file of this folder.
#pragma once

#include <CLI/CLI.hpp>

namespace vtpm::tools {

/// The exit status of a command that has run: 0, or a status that the manual describes. A command that fails throws
/// instead.
using ExitStatus = int;

/// The function of a row: adds the options and arguments to `command`, which has its name and summary already, and sets
/// the callback that runs when it is chosen. The callback may set `status`, which outlives the command line.
#define COMMAND(group, name, function, summary) void function(CLI::App& command, ExitStatus& status);
#define GROUP(name, summary)
#include "tools/command/commands.inc"
#undef COMMAND
#undef GROUP

/// Adds every row of commands.inc, in its order.
void add_commands(CLI::App& app, ExitStatus& status);

}  // namespace vtpm::tools
