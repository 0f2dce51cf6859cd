#include "pkcs11/config.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <vector>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "crypto/descriptor.h"
#include "crypto/error.h"
#include "pkcs11/effective_user.h"

namespace vtpm::pkcs11 {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostOctets = 1 << 20;

std::string environment(const char* name) {
  const char* value = secure_getenv(name);
  return value ? value : "";
}

std::string xdg_directory(const char* variable, const char* below_home) {
  if (std::string set = environment(variable); !set.empty() && set.front() == '/') return set;
  const std::string home = effective_user().home;
  return home.empty() ? "" : home + "/" + below_home;
}

std::string find_file() {
  std::vector<std::string> candidates{environment("VTPM_PKCS11_CONF")};
  if (std::string user = xdg_directory("XDG_CONFIG_HOME", ".config"); !user.empty()) {
    candidates.push_back(user + "/vtpm-pkcs11/vtpm-pkcs11.toml");
  }
  candidates.push_back("/etc/vtpm-pkcs11/vtpm-pkcs11.toml");
  for (const std::string& candidate : candidates) {
    std::error_code ignored;
    if (!candidate.empty() && fs::exists(candidate, ignored)) return candidate;
  }
  return "";
}

std::string default_store_dir() {
  if (geteuid() == 0) return "/var/lib/vtpm-pkcs11";
  std::string data = xdg_directory("XDG_DATA_HOME", ".local/share");
  return data.empty() ? "" : data + "/vtpm-pkcs11";
}

/// Reads a table key by key and notes the first thing that is wrong; unknown keys are wrong too (a typing error must
/// not silently mean the default).
class Reader {
 public:
  Reader(const toml::table& table, std::string prefix, std::string& problem)
      : table_(table), prefix_(std::move(prefix)), problem_(problem) {}
  ~Reader() {
    for (const auto& [key, value] : table_) {
      bool known = false;
      for (const std::string& name : seen_) known = known || name == key.str();
      if (!known) complain(std::string(key.str()), "is not a setting");
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void text(const char* key, std::string& value) {
    read<std::string>(key, "must be a string", [&](const std::string& found) { value = found; });
  }
  void destination(const char* key, std::string& value) {
    read<std::string>(key, "must be a string", [&](const std::string& found) {
      const char* fault = log_destination_fault(found);
      if (fault) return complain(key, fault);
      value = found;
    });
  }
  void flag(const char* key, bool& value) {
    read<bool>(key, "must be true or false", [&](bool found) { value = found; });
  }
  void number(const char* key, uint32_t& value, uint32_t low, uint32_t high) {
    read<int64_t>(key, "must be a whole number", [&](int64_t found) {
      if (found < low || found > high) {
        complain(key, "must be between " + std::to_string(low) + " and " + std::to_string(high));
      } else {
        value = static_cast<uint32_t>(found);
      }
    });
  }
  template <typename T>
  void choice(const char* key, T& value, std::initializer_list<std::pair<const char*, T>> words) {
    read<std::string>(key, "must be a string", [&](const std::string& found) {
      std::string all;
      for (const auto& [word, meaning] : words) {
        if (found == word) {
          value = meaning;
          return;
        }
        all += (all.empty() ? "\"" : ", \"") + std::string(word) + "\"";
      }
      complain(key, "must be one of " + all);
    });
  }
  const toml::table* table(const char* key) {
    seen_.push_back(key);
    const toml::node* node = table_.get(key);
    if (node && !node->is_table()) complain(key, "must be a table");
    return node ? node->as_table() : nullptr;
  }
  void source(const char* key, PinSource& value) {
    read<std::string>(key, "must be a string", [&](const std::string& found) {
      if (!PinSource::well_formed(found)) complain(key, "must be an absolute path or the name of a credential");
      if (PinSource::well_formed(found)) value = PinSource(found);
    });
  }
  /// Each table of an array of them (`[[key]]`).
  template <typename Use>
  void each_table(const char* key, Use&& use) {
    seen_.push_back(key);
    const toml::node* node = table_.get(key);
    if (!node) return;
    const toml::array* array = node->as_array();
    if (!array || !array->is_homogeneous(toml::node_type::table)) return complain(key, "must be tables: [[...]]");
    for (const toml::node& one : *array) use(*one.as_table());
  }
  void complain(const std::string& key, const std::string& what) {
    if (problem_.empty()) problem_ = "setting " + prefix_ + key + " " + what;
  }

 private:
  template <typename T, typename Use>
  void read(const char* key, const char* wrong, Use&& use) {
    seen_.push_back(key);
    const toml::node* node = table_.get(key);
    if (!node) return;
    if (auto value = node->value_exact<T>()) {
      use(*value);
    } else {
      complain(key, wrong);
    }
  }

  const toml::table& table_;
  std::string prefix_;
  std::string& problem_;
  std::vector<std::string> seen_;
};

void read_token(const toml::table& table, Config& config) {
  Reader reader(table, "token.", config.problem);
  TokenSettings settings;
  reader.text("name", settings.name);
  reader.source("user_pin", settings.user_pin);
  reader.source("so_pin", settings.so_pin);
  reader.source("new_user_pin", settings.new_user_pin);
  reader.source("new_so_pin", settings.new_so_pin);
  reader.flag("automatic_login", settings.automatic_login);
  if (settings.automatic_login && !settings.user_pin.configured())
    reader.complain("automatic_login", "needs a user_pin");
  config.tokens.push_back(std::move(settings));
}

void read_settings(const toml::table& root, Config& config) {
  constexpr uint32_t kMost = std::numeric_limits<int32_t>::max();
  Reader top(root, "", config.problem);
  top.text("store_dir", config.store_dir);
  top.destination("log", config.log);
  top.choice<LogLevel>("log_level", config.log_level,
                       {{"error", LogLevel::kError},
                        {"warning", LogLevel::kWarning},
                        {"info", LogLevel::kInfo},
                        {"debug", LogLevel::kDebug}});
  top.choice<Placement>(
      "placement", config.placement,
      {{"auto", Placement::kAuto}, {"tpm-only", Placement::kTpmOnly}, {"software", Placement::kSoftware}});
  top.choice<bool>("public_writes", config.public_writes, {{"allow", true}, {"login", false}});
  top.flag("free_slot", config.free_slot);
  top.number("max_sessions", config.max_sessions, 1, kMost);
  top.number("tpm_instances", config.tpm_instances, 1, 64);
  top.number("lock_timeout", config.lock_timeout, 1, kMost);
  if (const toml::table* table = top.table("identity")) {
    Reader identity(*table, "identity.", config.problem);
    identity.flag("endorse", config.endorse);
    identity.text("authority", config.authority);
    identity.choice<bool>("reinitialise", config.keep_identity, {{"keep", true}, {"renew", false}});
  }
  if (const toml::table* table = top.table("kdf")) {
    Reader kdf(*table, "kdf.", config.problem);
    std::string algorithm = "argon2id";
    kdf.choice<std::string>("algorithm", algorithm, {{"argon2id", "argon2id"}});
    kdf.number("memory_kib", config.kdf.memory_kib, 8 * 1024, 1024 * 1024);
    kdf.number("passes", config.kdf.passes, 1, 64);
    kdf.number("lanes", config.kdf.lanes, 1, 16);
  }
  top.each_table("token", [&](const toml::table& table) { read_token(table, config); });
  if (const toml::table* table = top.table("pin")) {
    Reader pin(*table, "pin.", config.problem);
    pin.number("user_limit", config.user_limit, 0, kMost);
    pin.number("so_limit", config.so_limit, 0, kMost);
    pin.flag("empty", config.empty_pin);
    pin.flag("change_initial", config.change_initial_pin);
  }
}

}  // namespace

Config load_config() {
  Config config;
  config.file = find_file();
  if (!config.file.empty()) {
    try {
      const SecretBytes text = read_regular_file(config.file, kMostOctets);
      // Without the file's name, which toml++ copies where an exception ends the process.
      read_settings(toml::parse(as_text(text)), config);
    } catch (const Error& error) {
      config.problem = error.sentence();
    } catch (const toml::parse_error& error) {
      config.problem = std::string(error.description()) + " (line " + std::to_string(error.source().begin.line) + ")";
    }
  }
  if (std::string set = environment("VTPM_PKCS11_STORE"); !set.empty()) config.store_dir = set;
  if (config.store_dir.empty()) config.store_dir = default_store_dir();
  if (!config.store_dir.empty() && config.store_dir.front() != '/') {
    if (config.problem.empty()) config.problem = "store_dir must be an absolute path, not " + config.store_dir;
    config.store_dir.clear();
  }
  if (!config.authority.empty() && config.authority.front() != '/' && config.problem.empty())
    config.problem = "identity.authority must be an absolute path, not " + config.authority;
  return config;
}

}  // namespace vtpm::pkcs11
