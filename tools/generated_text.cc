// SPDX-License-Identifier: Apache-2.0
#include "tools/generated_text.h"

#include <algorithm>
#include <cctype>

#include "tools/command_line.h"

namespace vtpm::tools {
namespace {

using Options = std::vector<const CLI::Option*>;

/// "keyslot add-key"; "" for the tool itself.
std::string name_below_the_tool(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  if (!parent) return "";
  const std::string above = name_below_the_tool(*parent);
  return above + (above.empty() ? "" : " ") + app.get_name();
}

/// Calls `visit` for the tool, its commands and theirs, in the order of --help.
template <typename F>
void walk(const CLI::App& app, F&& visit) {
  visit(app);
  for (const CLI::App* command : commands_of(app)) walk(*command, visit);
}

Options options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option*) { return true; });
}

bool is_help(const CLI::Option& option) { return option.get_lnames() == std::vector<std::string>{"help"}; }
bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }
std::string long_name(const CLI::Option& option) { return "--" + option.get_lnames().front(); }

/// The name of an option's value, and the words that it may be. --help shows both as "ROLE:{user,so,keyfile}".
struct Value {
  std::string name, words;
};
Value value_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t end = type.find_first_of(" {");  // the end of the name, before the first word of a validator
  if (end == std::string::npos) return {type, ""};
  const std::string name = type.substr(0, type.rfind(':', end));
  return {name, type[end] == '{' ? type.substr(end + 1, type.find('}', end) - end - 1) : ""};
}

// --- the synopsis ---

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// "Fl -pin-file Ar file".
std::string macros_of(const CLI::Option& option) {
  return "Fl -" + option.get_lnames().front() + (takes_value(option) ? " Ar " + lower_case(value_of(option).name) : "");
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Whether two options are alternatives: --pin-file and --pin-fd, --json and --markdown.
bool is_alternative(const CLI::Option& first, const CLI::Option& second) {
  const std::string a = long_name(first), b = long_name(second);
  if (ends_with(a, "-file") && b == a.substr(0, a.size() - 4) + "fd") return true;
  return first.get_excludes().count(const_cast<CLI::Option*>(&second)) != 0;
}

/// Adjacent options that are alternatives form one entry: "a | b".
std::vector<Options> grouped(const Options& options) {
  std::vector<Options> groups;
  for (const CLI::Option* option : options) {
    if (!groups.empty() && is_alternative(*groups.back().back(), *option)) {
      groups.back().push_back(option);
    } else {
      groups.push_back({option});
    }
  }
  return groups;
}

std::string lines_of(const CLI::App& command) {
  std::string arguments;
  Options required, optional;
  for (const CLI::Option* option : options_of(command)) {
    if (is_help(*option)) continue;
    if (option->get_positional()) {
      arguments += " " + option->get_name(true);
    } else {
      (option->get_required() ? required : optional).push_back(option);
    }
  }
  std::string lines = ".Nm\n.Cm " + name_below_the_tool(command) + "\n";
  if (!arguments.empty()) lines += ".Ar" + arguments + "\n";
  for (const CLI::Option* option : required) lines += "." + macros_of(*option) + "\n";
  for (const Options& group : grouped(optional)) {
    lines += ".Op ";
    for (size_t i = 0; i < group.size(); ++i) lines += (i == 0 ? "" : " | ") + macros_of(*group[i]);
    lines += "\n";
  }
  return lines;
}

// --- the completion ---

std::string kind_of(const CLI::Option& option) {
  const Value value = value_of(option);
  if (!value.words.empty()) return value.words;
  return value.name == "FILE" || value.name == "TOKEN|FILE" || value.name == "DIRECTORY" ? value.name : "VALUE";
}

std::string argument_of(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true) + "=" + kind_of(option);
  return long_name(option) + (takes_value(option) ? "=" + kind_of(option) : "");
}

}  // namespace

std::string synopsis(const CLI::App& app) {
  std::string text = ".Nm\n.Cm help\n.Op Ar command\n";
  walk(app, [&](const CLI::App& command) {
    if (commands_of(command).empty()) text += lines_of(command);
  });
  return text;
}

std::string completion(const CLI::App& app) {
  std::string text =
      "# Printed by vtpm-token --print-completion.\n_vtpm_token_command() {\n  commands='' arguments=''\n  case $1 "
      "in\n";
  walk(app, [&](const CLI::App& command) {
    std::string commands = &command == &app ? "help" : "", arguments;
    for (const CLI::App* below : commands_of(command)) commands += (commands.empty() ? "" : " ") + below->get_name();
    for (const CLI::Option* option : options_of(command)) {
      if (!is_help(*option)) arguments += argument_of(*option) + " ";
    }
    text += "    '" + name_below_the_tool(command) + "') commands='" + commands + "' arguments='" + arguments +
            "--help' ;;\n";
  });
  return text + "  esac\n}\n";
}

std::optional<std::string> generated_text(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments == std::vector<std::string>{"--print-synopsis"}) return synopsis(app);
  if (arguments == std::vector<std::string>{"--print-completion"}) return completion(app);
  return std::nullopt;
}

}  // namespace vtpm::tools
