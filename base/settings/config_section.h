// SPDX-License-Identifier: Apache-2.0
// One table of the configuration, read key by key. Errors are recorded with line and column, and so are unknown keys: a
// spelling mistake must not mean the default.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "base/settings/config.h"
#include "base/settings/pin_source.h"

namespace vtpm {

/// The results of reading a file, apart from the values.
struct ConfigNotes {
  const std::string& file;
  std::vector<ConfigProblem>& problems;
  std::vector<Setting>* settings;  // null: not needed
};

class ConfigSection {
 public:
  /// `name`: as in the header of the table, "[token]" for `[[token]]`; "" for the keys before the first header. The
  /// table and `notes` outlive the section.
  ConfigSection(const toml::table& table, std::string name, ConfigNotes& notes)
      : table_(table), name_(std::move(name)), notes_(notes) {}
  ConfigSection(const ConfigSection&) = delete;
  ConfigSection& operator=(const ConfigSection&) = delete;

  // Each leaves `value`, the default, unchanged if the key is missing or wrong.

  void text(const char* key, std::string& value) {
    read_text(key, [&](const std::string& found, const toml::node&) { value = found; });
    record(key, value);
  }
  /// `fault_of` returns the end of a sentence that says why the text is not valid, or null if it is.
  template <typename FaultOf>
  void text(const char* key, std::string& value, FaultOf&& fault_of) {
    read_text(key, [&](const std::string& found, const toml::node& node) {
      const char* fault = fault_of(found);
      if (fault) return complain(key, fault, node.source());
      value = found;
    });
    record(key, value);
  }
  void flag(const char* key, bool& value) {
    read<bool>(key, "must be true or false", [&](bool found, const toml::node&) { value = found; });
    record(key, value);
  }
  /// A flag, or one word instead of it.
  template <typename T>
  void flag_or(const char* key, T& value, T no, T yes, const char* word, T meaning) {
    if (const toml::node* node = get(key)) {
      const auto flag = node->value_exact<bool>();
      const auto text = node->value_exact<std::string>();
      if (flag) {
        value = *flag ? yes : no;
      } else if (text == word) {
        value = meaning;
      } else {
        complain(key, "must be true, false or \"" + std::string(word) + "\"", node->source());
      }
    }
    value == meaning ? record(key, std::string(word)) : record(key, value == yes);
  }
  void number(const char* key, uint32_t& value, uint32_t low,
              uint32_t high = static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
    read<int64_t>(key, "must be a whole number", [&](int64_t found, const toml::node& node) {
      if (found < low || found > high) {
        complain(key, "must be between " + std::to_string(low) + " and " + std::to_string(high), node.source());
      } else {
        value = static_cast<uint32_t>(found);
      }
    });
    record(key, int64_t{value});
  }
  template <typename T>
  void choice(const char* key, T& value, std::initializer_list<std::pair<const char*, T>> words) {
    read_text(key, [&](const std::string& found, const toml::node& node) {
      std::string all;
      for (const auto& [word, meaning] : words) {
        if (found == word) {
          value = meaning;
          return;
        }
        all += (all.empty() ? "\"" : ", \"") + std::string(word) + "\"";
      }
      complain(key, "must be " + (words.size() == 1 ? "" : std::string("one of ")) + all, node.source());
    });
    for (const auto& [word, meaning] : words) {
      if (meaning == value) record(key, std::string(word));
    }
  }
  /// Calls `use` for each string of an array. It returns the end of a sentence that says why the string is not valid,
  /// or "".
  template <typename Use>
  void each_text(const char* key, Use&& use) {
    std::vector<std::string> all;
    const toml::node* node = get(key);
    if (const toml::array* array = node ? node->as_array() : nullptr) {
      for (const toml::node& one : *array) {
        const auto text = one.value_exact<std::string>();
        const std::string fault = text ? use(*text) : std::string("must contain only strings");
        if (!fault.empty()) complain(key, fault, one.source());
        if (text) all.push_back(*text);
      }
    } else if (node) {
      complain(key, "must be an array of strings", node->source());
    }
    record(key, all);
  }
  /// A source of PINs has no default, so it is recorded only if it is set.
  void source(const char* key, PinSource& value) {
    read_text(key, [&](const std::string& found, const toml::node& node) {
      if (!PinSource::well_formed(found))
        return complain(key, "must be an absolute path or the name of a credential", node.source());
      value = PinSource(found);
      record(key, found);
    });
  }

  /// The table of this name, or null.
  const toml::table* table(const char* key) {
    const toml::node* node = get(key);
    if (node && !node->is_table()) complain(key, "must be a table", node->source());
    return node ? node->as_table() : nullptr;
  }
  /// Calls `use` for each table of an array of tables (`[[key]]`).
  template <typename Use>
  void each_table(const char* key, Use&& use) {
    const toml::node* node = get(key);
    if (!node) return;
    const toml::array* array = node->as_array();
    if (!array || !array->is_homogeneous(toml::node_type::table))
      return complain(key, "must be tables: [[" + std::string(key) + "]]", node->source());
    for (const toml::node& one : *array) use(*one.as_table());
  }

  /// The position of a key's value; for a missing key, that of the table.
  toml::source_region place_of(const char* key) const {
    const toml::node* node = table_.get(key);
    return node ? node->source() : table_.source();
  }
  void complain(const char* key, const std::string& what, const toml::source_region& place) {
    note(full_name(key) + " " + what, place);
  }
  /// To be called after the last key: records the remaining keys of the table as unknown.
  void finish() {
    for (const auto& [key, value] : table_) {
      bool known = false;
      for (const std::string& name : seen_) known = known || name == key.str();
      if (!known) note(full_name(std::string(key.str())) + " is not a setting", key.source());
    }
  }

 private:
  const toml::node* get(const char* key) {
    seen_.push_back(key);
    return table_.get(key);
  }
  template <typename T, typename Use>
  void read(const char* key, const char* wrong, Use&& use) {
    const toml::node* node = get(key);
    if (!node) return;
    if (auto value = node->value_exact<T>()) {
      use(*value, *node);
    } else {
      complain(key, wrong, node->source());
    }
  }
  template <typename Use>
  void read_text(const char* key, Use&& use) {
    read<std::string>(key, "must be a string", [&](const std::string& found, const toml::node& node) {
      // The system's calls would see the part before it.
      if (found.find('\0') != std::string::npos) return complain(key, "must not contain a NUL byte", node.source());
      use(found, node);
    });
  }
  std::string full_name(const std::string& key) const {
    const std::string plain = name_.starts_with("[") ? name_.substr(1, name_.size() - 2) : name_;
    return plain.empty() ? key : plain + "." + key;
  }
  void note(std::string reason, const toml::source_region& place) {
    notes_.problems.push_back({notes_.file, place.begin.line, place.begin.column, std::move(reason)});
  }
  template <typename T>
  void record(const char* key, const T& value) {
    if (!notes_.settings) return;
    const toml::node* node = table_.get(key);
    const std::string origin = node ? notes_.file + ":" + std::to_string(node->source().begin.line) : "default";
    notes_.settings->push_back({name_, key, value, origin});
  }

  const toml::table& table_;
  const std::string name_;
  ConfigNotes& notes_;
  std::vector<std::string> seen_;
};

}  // namespace vtpm
