// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"

#include <algorithm>

#include "tools/usage.h"

namespace vtpm::tools {
namespace {

constexpr const char* kHelp = "help";

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_lnames().empty()) names.push_back("--" + option->get_lnames().front());
  }
  return names;
}

const CLI::App* command_of(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : commands_of(app)) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

/// "vtpm-token keyslot list".
std::string full_name(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return (parent ? full_name(*parent) + " " : "") + app.get_name();
}

std::string help_of(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return app.help(parent ? full_name(*parent) : "");
}

std::string unknown_command(const CLI::App& app, const std::string& name) {
  const auto names = command_names(app);
  if (names.empty()) return full_name(app) + " has no commands, so there is no \"" + name + "\"";
  return "there is no command \"" + name + "\" of " + full_name(app) + nearly(name, names) + ": there are " +
         enumerated(names);
}

/// An option without its value, which may be a secret.
std::string option_name(const std::string& argument) {
  return argument.starts_with("--") ? argument.substr(0, argument.find('=')) : argument.substr(0, 2);
}

/// The command that the command line names, as far as it is known.
const CLI::App& chosen(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : chosen(*commands.front());
}

}  // namespace

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::optional<std::string> help_for(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* about = &app;
  bool asked = words.empty();
  for (const std::string& word : words) {
    if (word == kHelp) {
      asked = true;
      continue;
    }
    const CLI::App* command = command_of(*about, word);
    if (!command && asked) throw UsageError(unknown_command(*about, word));
    if (!command) return std::nullopt;
    about = command;
    if (!asked && commands_of(*about).empty()) return std::nullopt;  // the other words are its arguments
  }
  return help_of(*about);
}

std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = chosen(app);
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  if (unknown.empty()) return std::string(error.what()) + " (" + full_name(command) + " --help)";
  const std::string& first = unknown.front();
  if (first.size() > 1 && first.front() == '-') {
    const std::string name = option_name(first);
    const auto names = option_names(command);
    return full_name(command) + " has no option " + name + nearly(name, names) + ": there are " + enumerated(names);
  }
  if (!commands_of(command).empty()) return unknown_command(command, first);
  return full_name(command) + " takes no argument \"" + first + "\" (" + full_name(command) + " --help)";
}

}  // namespace vtpm::tools
