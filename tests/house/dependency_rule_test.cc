// The dependency rule of docs/architecture.md, read from the #include lines:
//   crypto <- store, crypto <- tpm, {crypto, store, tpm} <- pkcs11 <- tools
// and one door per library.
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"crypto", {"crypto"}},
    {"store", {"crypto", "store"}},
    {"tpm", {"crypto", "tpm"}},
    {"pkcs11", {"crypto", "store", "tpm", "pkcs11"}},
    {"tools", {"crypto", "store", "tpm", "pkcs11", "tools"}},
};

// A library's headers (by how their path begins) and the places (path prefixes) that may include them.
struct Door {
  std::string library;
  std::vector<std::string> places;
};
const std::vector<Door> kDoors = {
    {"openssl/", {"crypto/", "tpm/acceleration", "tpm/libcrypto"}},
    {"argon2.h", {"crypto/"}},
    {"libtpms/", {"tpm/"}},
    {"tss2/", {"tpm/"}},
    {"p11-kit/", {"tools/pkcs11_uri.cc"}},  // the names of PKCS#11 are our own: pkcs11/cryptoki/cryptoki.h
    {"pkcs11.h", {}},
    {"toml++/", {"pkcs11/"}},
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

/// One sentence for each include line of `file` (path relative to the root) that breaks the rule.
std::vector<std::string> violations(const std::string& file, const std::string& text) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*(["<])([^">]+)[">])re");
  std::vector<std::string> found;
  std::string folder = file.substr(0, file.find('/'));
  bool sees_store = false, sees_tpm = false;
  for (const std::string& line : lines_of(text)) {
    std::smatch match;
    if (!std::regex_search(line, match, kInclude)) continue;
    std::string included = match[2];
    if (included.find("..") != std::string::npos) found.push_back(file + " includes upwards: " + included);
    if (is_generated(included)) continue;
    if (match[1] == "\"") {
      std::string other = included.substr(0, included.find('/'));
      sees_store |= other == "store";
      sees_tpm |= other == "tpm";
      if (kMayInclude.at(folder).count(other) == 0) found.push_back(file + " must not know " + included);
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
  // The TPM writes its state through an interface that the token implements over the store.
  if (sees_store && sees_tpm && folder == "pkcs11" && !begins_with(file, "pkcs11/token")) {
    found.push_back(file + " lets store and tpm meet; only pkcs11/token may");
  }
  return found;
}

TEST(DependencyRule, R0_12_HoldsForEveryInclude) {
  size_t files = 0;
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const std::string& file : files_in(folder, {".cc", ".h", ".c"})) {
      ++files;
      for (const std::string& sentence : violations(file, text_of(kRoot / file))) ADD_FAILURE() << sentence;
    }
  }
  EXPECT_GT(files, 50u) << "the tree was not found";
}

TEST(DependencyRule, OwnIncludesAreRootRelativeAndExist) {
  static const std::regex kOwn(R"re(^\s*#\s*include\s*"([^"]+)")re");
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const std::string& file : files_in(folder, {".cc", ".h", ".c"})) {
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
  for (const char* folder : {"crypto", "store", "tpm", "pkcs11", "tools", "tests"}) {
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
  EXPECT_EQ(violations("crypto/a.cc", "#include \"store/vault/vault.h\"\n").size(), 1u);
  EXPECT_EQ(violations("store/a.cc", "#include \"tpm/engine/engine.h\"\n").size(), 1u);
  EXPECT_EQ(violations("tpm/a.h", "  # include \"store/vault/vault.h\"\n").size(), 1u);
  EXPECT_EQ(violations("pkcs11/a.cc", "#include \"tools/main.h\"\n").size(), 1u);
  EXPECT_EQ(violations("store/a.cc", "#include <openssl/evp.h>\n").size(), 1u);
  EXPECT_EQ(violations("tpm/use/nv.cc", "#include <openssl/evp.h>\n").size(), 1u);
  EXPECT_EQ(violations("pkcs11/a.cc", "#include <tss2/tss2_sys.h>\n").size(), 1u);
  EXPECT_EQ(violations("pkcs11/a.cc", "#include <p11-kit/pkcs11.h>\n").size(), 1u);
  EXPECT_EQ(violations("store/a.cc", "#include \"../store/file.h\"\n").size(), 2u);
  EXPECT_EQ(violations("pkcs11/slot.cc", "#include \"store/vault/vault.h\"\n#include \"tpm/engine/engine.h\"\n").size(),
            1u);
}

TEST(DependencyRule, AllowsWhatTheHouseIsMadeOf) {
  EXPECT_TRUE(
      violations("pkcs11/token/token.cc", "#include \"store/vault/vault.h\"\n#include \"tpm/engine/engine.h\"\n")
          .empty());
  EXPECT_TRUE(violations("tpm/host/acceleration.cc", "#include <openssl/evp.h>\n").empty());
  EXPECT_TRUE(violations("tools/a.cc", "#include <CLI/CLI.hpp>\n#include \"store/vault/vault.h\"\n").empty());
  EXPECT_TRUE(violations("store/a.cc", "// #include is a word\n#include <vector>\n").empty());
}

}  // namespace
}  // namespace vtpm::house
