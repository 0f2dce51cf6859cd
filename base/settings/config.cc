// SPDX-License-Identifier: Apache-2.0
#include "base/settings/config.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <utility>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/settings/config_section.h"
#include "base/settings/places.h"

namespace vtpm {
namespace {

constexpr size_t kMostBytes = 1 << 20;

// --- what the settings are ---

/// Directories must be absolute: the programs that load the module have different working directories.
const char* not_absolute(const std::string& path) {
  return path.empty() || path.front() == '/' ? nullptr : "must be an absolute path";
}

void read_token(const toml::table& table, Config& config, ConfigNotes& notes) {
  ConfigSection section(table, "[token]", notes);
  TokenSettings settings;
  section.text("name", settings.name);
  section.source("user_pin", settings.user_pin);
  section.source("so_pin", settings.so_pin);
  section.source("new_user_pin", settings.new_user_pin);
  section.source("new_so_pin", settings.new_so_pin);
  section.flag("automatic_login", settings.automatic_login);
  if (settings.automatic_login && !table.contains("user_pin"))
    section.complain("automatic_login", "needs a user_pin", section.place_of("automatic_login"));
  const bool again = std::any_of(config.tokens.begin(), config.tokens.end(),
                                 [&](const TokenSettings& other) { return other.name == settings.name; });
  if (again) {
    section.complain("name", settings.name.empty() ? "is missing in two tables" : "is the same in two tables",
                     section.place_of("name"));
  }
  section.finish();
  config.tokens.push_back(std::move(settings));
}

void read_settings(const toml::table& root, MechanismNames is_mechanism, Config& config, ConfigNotes& notes) {
  const toml::table none;
  ConfigSection top(root, "", notes);
  const auto table = [&](const char* name) -> const toml::table& {
    const toml::table* found = top.table(name);
    return found ? *found : none;
  };
  top.text("store_dir", config.store_dir, not_absolute);
  top.text("log", config.log, log_destination_fault);
  top.choice<LogLevel>("log_level", config.log_level,
                       {{"error", LogLevel::kError},
                        {"warning", LogLevel::kWarning},
                        {"info", LogLevel::kInfo},
                        {"debug", LogLevel::kDebug}});
  top.choice<Placement>(
      "placement", config.placement,
      {{"auto", Placement::kAuto}, {"tpm-only", Placement::kTpmOnly}, {"software", Placement::kSoftware}});
  top.choice<bool>("public_writes", config.public_writes, {{"allow", true}, {"login", false}});
  top.flag_or<FreeSlot>("free_slot", config.free_slot, FreeSlot::kNever, FreeSlot::kUntilAStore, "always",
                        FreeSlot::kAlways);
  top.choice<bool>("tpm_objects", config.list_tpm_objects, {{"hidden", false}, {"listed", true}});
  top.number("max_sessions", config.max_sessions, 1);
  top.number("tpm_instances", config.tpm_instances, 1, 64);
  top.number("lock_timeout", config.lock_timeout, 1);

  ConfigSection identity(table("identity"), "identity", notes);
  identity.flag("endorse", config.endorse);
  identity.text("authority", config.authority, not_absolute);
  identity.choice<bool>("reinitialise", config.keep_identity, {{"keep", true}, {"renew", false}});
  identity.finish();

  ConfigSection kdf(table("kdf"), "kdf", notes);
  std::string algorithm = "argon2id";
  kdf.choice<std::string>("algorithm", algorithm, {{"argon2id", "argon2id"}});
  kdf.number("memory_kib", config.kdf.memory_kib, 8 * 1024, 1024 * 1024);
  kdf.number("passes", config.kdf.passes, 1, 64);
  kdf.number("lanes", config.kdf.lanes, 1, 16);
  kdf.finish();

  ConfigSection pin(table("pin"), "pin", notes);
  pin.number("user_limit", config.user_limit, 0);
  pin.number("so_limit", config.so_limit, 0);
  pin.flag("empty", config.empty_pin);
  pin.flag("change_initial", config.change_initial_pin);
  pin.finish();

  ConfigSection mechanisms(table("mechanisms"), "mechanisms", notes);
  mechanisms.each_text("hidden", [&](const std::string& name) -> std::string {
    if (is_mechanism && !is_mechanism(name))
      return "contains \"" + name + "\", which is not a mechanism of this module (see vtpm-token mechanisms)";
    config.hidden_mechanisms.push_back(name);
    return "";
  });
  mechanisms.finish();

  top.each_table("token", [&](const toml::table& one) { read_token(one, config, notes); });
  top.finish();
}

// --- where they come from ---

/// /dev/null means that there is no configuration.
bool is_null_device(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISCHR(about.st_mode) && about.st_rdev == makedev(1, 3);
}

SecretBytes contents_of(const std::string& path) {
  return is_null_device(path) ? SecretBytes() : read_regular_file(path, kMostBytes);
}

void read_file(MechanismNames is_mechanism, Config& config, ConfigNotes& notes) {
  try {
    const SecretBytes text = contents_of(config.file);
    // Without the file's name, which toml++ copies where an exception ends the process.
    read_settings(toml::parse(as_text(text)), is_mechanism, config, notes);
  } catch (const Error& error) {
    const std::string said = "cannot read " + config.file + ": ";
    const std::string& sentence = error.sentence();
    const std::string reason = sentence.starts_with(said) ? sentence.substr(said.size()) : sentence;
    config.problems.push_back({config.file, 0, 0, "cannot be read: " + reason});
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    config.problems.push_back({config.file, at.line, at.column, std::string(error.description())});
  }
}

/// The variable, the file, or the default, in this order.
void place_stores(Config& config, ConfigNotes& notes) {
  std::string origin;
  if (const std::string set = environment("VTPM_PKCS11_STORE"); !set.empty()) {
    config.store_dir = set;
    origin = "$VTPM_PKCS11_STORE";
    if (const char* fault = not_absolute(set))
      config.problems.push_back({origin, 0, 0, std::string(fault) + ", not " + set});
  } else if (config.store_dir.empty()) {
    StorePlace place = default_store_place();
    config.store_dir = std::move(place.directory);
    origin = std::move(place.origin);
  }
  if (!notes.settings || origin.empty()) return;
  for (Setting& setting : *notes.settings) {
    if (setting.table.empty() && setting.key == "store_dir") setting = {"", "store_dir", config.store_dir, origin};
  }
}

}  // namespace

std::string ConfigProblem::sentence() const {
  const std::string place = line == 0 ? "" : ":" + std::to_string(line) + ":" + std::to_string(column);
  return source + place + ": " + reason;
}

Config load_config(MechanismNames is_mechanism, std::vector<Setting>* settings) {
  Config config;
  ConfigPlace place = find_config();
  config.file = std::move(place.path);
  ConfigNotes notes{config.file, config.problems, settings};
  if (!place.problem.empty()) {
    config.problems.push_back({config.file, 0, 0, std::move(place.problem)});
  } else if (config.file.empty()) {
    read_settings(toml::table(), is_mechanism, config, notes);
  } else {
    read_file(is_mechanism, config, notes);
  }
  place_stores(config, notes);
  if (!config.broken()) return config;
  std::stable_sort(config.problems.begin(), config.problems.end(), [](const auto& a, const auto& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  // No part of it is used.
  Config nothing;
  nothing.file = std::move(config.file);
  nothing.problems = std::move(config.problems);
  return nothing;
}

}  // namespace vtpm
