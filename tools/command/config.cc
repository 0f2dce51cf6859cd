// SPDX-License-Identifier: Apache-2.0
// vtpm-token config: checks the configuration, or shows its settings.
#include <iostream>
#include <memory>

#include "pkcs11/mechanism/mechanism.h"
#include "tools/command/commands.h"
#include "tools/configuration.h"
#include "tools/json_text.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

nlohmann::json row_of(const ConfigProblem& problem) {
  nlohmann::json row{{"source", problem.source}, {"reason", problem.reason}};
  if (problem.line != 0) {
    row["line"] = problem.line;
    row["column"] = problem.column;
  }
  return row;
}

nlohmann::json file_of(const Config& config) {
  return config.file.empty() ? nlohmann::json() : nlohmann::json(config.file);
}

std::string file_sentence(const Config& config) {
  return config.file.empty() ? "There is no configuration file: every setting has its default."
                             : "The configuration file is " + config.file + ".";
}

void check_configuration(bool as_json, ExitStatus& status) {
  Config config = load_config(pkcs11::is_mechanism);
  if (as_json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const ConfigProblem& problem : config.problems) rows.push_back(row_of(problem));
    const nlohmann::json answer{{"file", file_of(config)}, {"valid", !config.broken()}, {"problems", rows}};
    std::cout << json_text(answer) << '\n';
    if (config.broken()) status = kBrokenConfigurationStatus;
    return;
  }
  if (config.broken()) throw BrokenConfiguration(std::move(config.problems));
  std::cout << file_sentence(config) << " Nothing is wrong with it.\n";
}

nlohmann::json value_of(const Setting& setting) {
  return std::visit([](const auto& value) { return nlohmann::json(value); }, setting.value);
}

/// "kdf.memory_kib", "token[0].user_pin".
std::string full_name(const Setting& setting, int token) {
  if (setting.table.empty()) return setting.key;
  return (setting.table == "[token]" ? "token[" + std::to_string(token) + "]" : setting.table) + "." + setting.key;
}

void show_configuration(bool as_json) {
  std::vector<Setting> settings;
  Config config = load_config(pkcs11::is_mechanism, &settings);
  if (config.broken()) throw BrokenConfiguration(std::move(config.problems));
  nlohmann::json rows = nlohmann::json::array();
  std::string table;
  int token = -1;
  if (!as_json) std::cout << "# " << shown(file_sentence(config)) << '\n';
  for (const Setting& setting : settings) {
    const bool begins_token = setting.table == "[token]" && setting.key == "name";
    if (begins_token) ++token;
    if (as_json) {
      rows.push_back({{"name", full_name(setting, token)}, {"value", value_of(setting)}, {"from", setting.origin}});
      continue;
    }
    if (begins_token || setting.table != table) std::cout << "\n[" << setting.table << "]\n";
    table = setting.table;
    // The JSON form of a text, a number or a truth value is TOML too.
    std::cout << setting.key << " = " << json_text(value_of(setting)) << "  # " << shown(setting.origin) << '\n';
  }
  if (as_json) std::cout << json_text({{"file", file_of(config)}, {"settings", rows}}) << '\n';
}

}  // namespace

void add_config_check(CLI::App& command, ExitStatus& status) {
  auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "Answer in JSON");
  command.callback([json, &status] { check_configuration(*json, status); });
}

void add_config_show(CLI::App& command, ExitStatus&) {
  auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "Answer in JSON");
  command.callback([json] { show_configuration(*json); });
}

}  // namespace vtpm::tools
