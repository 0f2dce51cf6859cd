// SPDX-License-Identifier: Apache-2.0
// The copies of libtpms import nothing but what tests/data/tpm_imports.txt allows.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::set<std::string> allowed() {
  std::ifstream file(VTPM_TEST_DATA "/tpm_imports.txt");
  std::set<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') names.insert(line);
  }
  return names;
}

std::vector<std::string> objects() {
  std::istringstream list(VTPM_TPM_COPY_OBJECTS);
  std::vector<std::string> paths;
  for (std::string path; std::getline(list, path, ':');) paths.push_back(path);
  return paths;
}

/// The last word of each line that `command` prints.
std::set<std::string> last_words(const std::string& command) {
  std::set<std::string> words;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return words;
  char line[1024];
  while (std::fgets(line, sizeof(line), pipe) != nullptr) {
    std::istringstream in(line);
    std::string word;
    while (in >> word) {
    }
    words.insert(word);
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return words;
}

TEST(TpmImports, AreOnTheAllowList) {
  const std::set<std::string> names = allowed();
  ASSERT_GT(names.size(), 100u);
  const std::vector<std::string> copies = objects();
  ASSERT_FALSE(copies.empty());
  for (const std::string& copy : copies) {
    const std::set<std::string> imports = last_words(VTPM_NM " -u '" + copy + "'");
    ASSERT_GT(imports.size(), 100u) << copy;
    for (const std::string& name : imports) EXPECT_TRUE(names.contains(name)) << name << " is imported by " << copy;
  }
}

TEST(TpmImports, ACopyExportsOnlyItsOwnEntryPoints) {
  for (const std::string& copy : objects()) {
    const std::string file = copy.substr(copy.rfind('/') + 1);
    const std::string prefix = file.substr(0, file.size() - 2) + "_TPMLIB_";
    const std::set<std::string> exports = last_words(VTPM_NM " -g --defined-only '" + copy + "'");
    EXPECT_FALSE(exports.empty());
    for (const std::string& name : exports) EXPECT_EQ(name.substr(0, prefix.size()), prefix) << copy;
  }
}

}  // namespace
