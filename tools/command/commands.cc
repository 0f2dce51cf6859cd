// SPDX-License-Identifier: Apache-2.0
#include "tools/command/commands.h"

namespace vtpm::tools {
namespace {

struct Row {
  const char* group;  // "": of the tool itself
  const char* name;
  const char* summary;
  void (*add)(CLI::App& command, ExitStatus& status);  // null: the row of a group
};

constexpr Row kRows[] = {
#define COMMAND(group, name, function, summary) {group, name, summary, function},
#define GROUP(name, summary) {"", name, summary, nullptr},
#include "tools/command/commands.inc"
#undef COMMAND
#undef GROUP
};

}  // namespace

void add_commands(CLI::App& app, ExitStatus& status) {
  for (const Row& row : kRows) {
    CLI::App& parent = *row.group == '\0' ? app : *app.get_subcommand(row.group);
    CLI::App& command = *parent.add_subcommand(row.name, row.summary);
    if (row.add) {
      row.add(command, status);
    } else {
      command.require_subcommand(1);
    }
  }
}

}  // namespace vtpm::tools
