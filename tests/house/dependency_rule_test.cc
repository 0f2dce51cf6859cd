// SPDX-License-Identifier: Apache-2.0
// The dependency rule of docs/architecture.md, read from the #include lines: which rooms there are, from the ground up,
// and what each may include; and one door per library. A header and its source count as one: what a source includes,
// its room includes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

// A folder, the folders that its rooms may include, and its rooms from the ground up: each may include those before it.
struct Folder {
  std::string name;
  std::set<std::string> below;
  std::vector<std::string> rooms;
};
const std::vector<Folder> kHouse = {
    {"base", {}, {"base", "base/settings"}},
    {"crypto",
     {"base"},
     {"crypto/library", "crypto/hash", "crypto/symmetric", "crypto/kdf", "crypto/key", "crypto/certificate"}},
    {"store",
     {"base", "crypto"},
     {"store/file", "store/format", "store/log", "store/vault", "store/care", "store/directory"}},
    {"tpm", {"base", "crypto"}, {"tpm/host", "tpm/command", "tpm/engine", "tpm/use"}},
    {"device", {"base", "crypto", "store", "tpm"}, {"device"}},
    {"pkcs11",
     {"base", "crypto", "store", "tpm", "device"},
     {"pkcs11/cryptoki", "pkcs11/mechanism", "pkcs11/object", "pkcs11/token", "pkcs11/session", "pkcs11/operation",
      "pkcs11/keys/generate", "pkcs11/keys/derive", "pkcs11/keys/wrap", "pkcs11/keys/encapsulate", "pkcs11/api"}},
    {"tools", {"base", "crypto", "store", "tpm", "device", "pkcs11"}, {"tools", "tools/command"}},
};

// A library's headers (by how their path begins) and the places (path prefixes) that may include them.
struct Door {
  std::string library;
  std::vector<std::string> places;
};
const std::vector<Door> kDoors = {
    {"openssl/", {"crypto/", "tpm/host/acceleration", "tpm/host/libcrypto"}},
    {"argon2.h", {"crypto/kdf/"}},
    {"libtpms/", {"tpm/host/"}},
    {"tss2/", {"tpm/"}},
    {"p11-kit/", {"tools/pkcs11_uri.cc"}},  // the names of PKCS#11 are our own: pkcs11/cryptoki/cryptoki.h
    {"pkcs11.h", {}},
    {"toml++/", {"base/settings/"}},
    {"CLI/", {"tools/"}},
    {"nlohmann/", {"tools/"}},
};

bool begins_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

/// What CMake generates for one folder has no folder in its name.
bool is_generated(const std::string& included) {
  return included.find('/') == std::string::npos && std::filesystem::path(included).extension() == ".inc";
}

std::string folder_of(const std::string& file) { return file.substr(0, file.find('/')); }
std::string room_of(const std::string& file) { return std::filesystem::path(file).parent_path().string(); }
/// A header and its source are one unit.
std::string unit_of(const std::string& file) { return std::filesystem::path(file).replace_extension().string(); }

/// Whether a file of the room `from` may include one of the room `to`.
bool may_include(const std::string& from, const std::string& to) {
  for (const Folder& folder : kHouse) {
    if (folder.name != folder_of(from)) continue;
    if (folder_of(to) != folder.name) return folder.below.count(folder_of(to)) != 0;
    const auto& rooms = folder.rooms;
    const auto here = std::find(rooms.begin(), rooms.end(), from), there = std::find(rooms.begin(), rooms.end(), to);
    return here != rooms.end() && there <= here;
  }
  return false;
}

/// One sentence for each include line of `file` (path relative to the root) that breaks the rule.
std::vector<std::string> violations(const std::string& file, const std::string& text) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::vector<std::string> found;
  for (const std::string& line : lines_of(text)) {
    std::smatch match;
    if (!std::regex_search(line, match, kInclude)) continue;
    const std::string included = match[2];
    if (included.find("..") != std::string::npos) found.push_back(file + " includes upwards: " + included);
    if (is_generated(included)) continue;
    if (match[1] == "\"") {
      if (!may_include(room_of(file), room_of(included))) found.push_back(file + " must not know " + included);
      continue;
    }
    for (const Door& door : kDoors) {
      if (!begins_with(included, door.library)) continue;
      bool allowed = false;
      for (const std::string& place : door.places) allowed |= begins_with(file, place);
      if (!allowed) found.push_back(file + " opens a second door to " + included);
      break;
    }
  }
  return found;
}

/// The units that see the store and the TPM (those of the tool aside, which may), by what their headers and sources
/// include.
std::set<std::string> where_store_and_tpm_meet(const std::map<std::string, std::string>& texts) {
  static const std::regex kOwn(R"re(^\s*#\s*include\s*"([^"]+)")re");
  std::map<std::string, std::set<std::string>> seen;
  for (const auto& [file, text] : texts) {
    for (const std::string& line : lines_of(text)) {
      std::smatch match;
      if (std::regex_search(line, match, kOwn)) seen[unit_of(file)].insert(folder_of(match[1]));
    }
  }
  std::set<std::string> found;
  for (const auto& [unit, folders] : seen) {
    if (folders.count("store") && folders.count("tpm") && folder_of(unit) != "tools") found.insert(unit);
  }
  return found;
}

TEST(DependencyRule, R0_12_HoldsForEveryInclude) {
  size_t files = 0;
  for (const Folder& folder : kHouse) {
    for (const std::string& file : files_in(folder.name, {".cc", ".h", ".c"})) {
      ++files;
      for (const std::string& sentence : violations(file, text_of(kRoot / file))) ADD_FAILURE() << sentence;
    }
  }
  EXPECT_GT(files, 50u) << "the tree was not found";
}

TEST(DependencyRule, StoreAndTpmMeetInDeviceOnly) {
  std::map<std::string, std::string> texts;
  for (const Folder& folder : kHouse) {
    for (const std::string& file : files_in(folder.name, {".cc", ".h"})) texts[file] = text_of(kRoot / file);
  }
  EXPECT_EQ(where_store_and_tpm_meet(texts), std::set<std::string>{"device/machine"});
}

TEST(DependencyRule, OwnIncludesAreRootRelativeAndExist) {
  static const std::regex kOwn(R"re(^\s*#\s*include\s*"([^"]+)")re");
  for (const Folder& folder : kHouse) {
    for (const std::string& file : files_in(folder.name, {".cc", ".h", ".c"})) {
      for (const std::string& line : lines_of(text_of(kRoot / file))) {
        std::smatch match;
        if (!std::regex_search(line, match, kOwn) || is_generated(match[1])) continue;
        EXPECT_TRUE(std::filesystem::exists(kRoot / match[1].str())) << file << " includes " << match[1];
      }
    }
  }
}

/// Whether the text uses one of <algorithm>'s functions.
bool uses_algorithms(const std::string& text) {
  static const std::regex kAlgorithm(
      R"re(\bstd::(ranges::)?(sort|stable_sort|find|find_if|any_of|all_of|none_of|count|count_if|copy|copy_n|fill|)re"
      R"re(fill_n|equal|search|remove_if|reverse|unique|transform|max_element|min_element|min|max|clamp|generate|)re"
      R"re(for_each|replace|rotate|lower_bound|upper_bound|mismatch|lexicographical_compare|set_difference)[<(])re");
  for (const std::string& line : lines_of(text)) {
    if (line.find("std::") != std::string::npos && std::regex_search(line, kAlgorithm)) return true;
  }
  return false;
}

// g++ 12's <functional> and <memory> bring them along, g++ 14's do not.
TEST(DependencyRule, WhoUsesAnAlgorithmIncludesIt) {
  for (const std::string folder : {"base", "crypto", "store", "tpm", "device", "pkcs11", "tools", "tests"}) {
    for (const std::string& file : files_in(folder, {".cc", ".h"})) {
      std::string seen = text_of(kRoot / file);
      if (!uses_algorithms(seen)) continue;
      const std::filesystem::path header = (kRoot / file).replace_extension(".h");
      if (std::filesystem::exists(header)) seen += text_of(header);
      EXPECT_NE(seen.find("#include <algorithm>"), std::string::npos) << file << " uses one of its functions";
    }
  }
}

TEST(DependencyRule, FindsEachKindOfViolation) {
  EXPECT_EQ(violations("crypto/key/a.cc", "#include \"store/vault/vault.h\"\n").size(), 1u);
  EXPECT_EQ(violations("store/log/a.cc", "#include \"tpm/engine/engine.h\"\n").size(), 1u);
  EXPECT_EQ(violations("store/log/a.cc", "#include \"store/vault/vault.h\"\n").size(), 1u);
  EXPECT_EQ(violations("store/a.cc", "#include \"store/vault/vault.h\"\n").size(), 1u) << "it is in no room";
  EXPECT_EQ(violations("tpm/host/a.h", "  # include \"store/vault/vault.h\"\n").size(), 1u);
  EXPECT_EQ(violations("pkcs11/api/a.cc", "#include \"tools/main.h\"\n").size(), 1u);
  EXPECT_EQ(violations("pkcs11/session/a.cc", "#include \"pkcs11/operation/signer.h\"\n").size(), 1u);
  EXPECT_EQ(violations("store/log/a.cc", "#include <openssl/evp.h>\n").size(), 1u);
  EXPECT_EQ(violations("tpm/use/nv.cc", "#include <openssl/evp.h>\n").size(), 1u);
  EXPECT_EQ(violations("pkcs11/api/a.cc", "#include <tss2/tss2_sys.h>\n").size(), 1u);
  EXPECT_EQ(violations("pkcs11/api/a.cc", "#include <p11-kit/pkcs11.h>\n").size(), 1u);
  EXPECT_EQ(violations("store/log/a.cc", "#include \"../store/file.h\"\n").size(), 2u);
  // A header and its source are one unit.
  EXPECT_EQ(where_store_and_tpm_meet({{"pkcs11/token/a.h", "#include \"store/vault/vault.h\"\n"},
                                      {"pkcs11/token/a.cc", "#include \"tpm/engine/engine.h\"\n"},
                                      {"pkcs11/token/b.cc", "#include \"tpm/engine/engine.h\"\n"}}),
            std::set<std::string>{"pkcs11/token/a"});
}

TEST(DependencyRule, AllowsWhatTheHouseIsMadeOf) {
  EXPECT_TRUE(violations("pkcs11/token/token.cc", "#include \"store/vault/vault.h\"\n").empty());
  EXPECT_TRUE(violations("pkcs11/operation/a.cc", "#include \"pkcs11/session/session.h\"\n").empty());
  EXPECT_TRUE(violations("tpm/host/acceleration.cc", "#include <openssl/evp.h>\n").empty());
  EXPECT_TRUE(violations("tools/a.cc", "#include <CLI/CLI.hpp>\n#include \"store/vault/vault.h\"\n").empty());
  EXPECT_TRUE(violations("store/log/a.cc", "// #include is a word\n#include <vector>\n").empty());
}

}  // namespace
}  // namespace vtpm::house
