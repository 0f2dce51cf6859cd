// SPDX-License-Identifier: Apache-2.0
// docs/requirements.md: each number of the source documents has a row, and what a row names exists. A row is
//   | R0.15 | what is asked | `Suite.Test`, `client.name` or issue N |
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

/// How many requirements each source document has.
const std::map<std::string, int> kCounts = {{"R0", 22}, {"R1", 15}, {"R2", 3}, {"R3", 8}, {"R4", 5}};

struct Row {
  std::string number;
  std::vector<std::string> tests;
  bool later = false;  // names an issue, or a page that says why there is no test
};

std::vector<Row> rows_of(const std::string& page) {
  static const std::regex kRow(R"(^\| (R\d+\.\d+) \| .* \| (.+) \|$)");
  static const std::regex kTest(R"(`([A-Za-z0-9_/]+\.[A-Za-z0-9_/]+)`)");
  static const std::regex kLater(R"(issue \d|docs/[a-z0-9-]+\.md)");
  std::vector<Row> rows;
  for (const std::string& line : lines_of(page)) {
    std::smatch match;
    if (!std::regex_match(line, match, kRow)) continue;
    Row row{match[1], {}, false};
    std::string shown = match[2];
    for (std::sregex_iterator test(shown.begin(), shown.end(), kTest), end; test != end; ++test) {
      row.tests.push_back((*test)[1]);
    }
    row.later = std::regex_search(shown, kLater);
    rows.push_back(row);
  }
  return rows;
}

/// Every test that the tree defines: Suite.Name of GoogleTest, client.name and house.name of the scripts.
std::set<std::string> all_tests() {
  static const std::regex kGoogle(R"(\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\))");
  static const std::regex kClient(R"(client_test\(\s*(\w+))");
  std::set<std::string> names;
  for (const std::string& file : files_in("tests", {".cc"})) {
    std::string text = text_of(kRoot / file);
    for (std::sregex_iterator test(text.begin(), text.end(), kGoogle), end; test != end; ++test) {
      names.insert((*test)[1].str() + "." + (*test)[2].str());
    }
  }
  std::string scripts = text_of(kRoot / "tests/client/CMakeLists.txt");
  for (std::sregex_iterator test(scripts.begin(), scripts.end(), kClient), end; test != end; ++test) {
    names.insert("client." + (*test)[1].str());
  }
  for (const char* name : {"house.format", "house.shell", "house.manual", "house.mechanisms"}) names.insert(name);
  return names;
}

TEST(RequirementsPage, HasEveryNumberOnce) {
  std::map<std::string, int> seen;
  for (const Row& row : rows_of(text_of(kRoot / "docs/requirements.md"))) ++seen[row.number];
  size_t wanted = 0;
  for (const auto& [source, count] : kCounts) {
    for (int i = 1; i <= count; ++i, ++wanted) {
      EXPECT_EQ(seen[source + "." + std::to_string(i)], 1) << source << "." << i;
    }
  }
  EXPECT_EQ(seen.size(), wanted) << "a number that no source document has";
}

TEST(RequirementsPage, EveryRowNamesATestOrAnIssue) {
  for (const Row& row : rows_of(text_of(kRoot / "docs/requirements.md"))) {
    EXPECT_TRUE(row.later || !row.tests.empty()) << row.number << " names nothing";
  }
}

TEST(RequirementsPage, EveryNamedTestExists) {
  std::set<std::string> tests = all_tests();
  EXPECT_GT(tests.size(), 20u);
  for (const Row& row : rows_of(text_of(kRoot / "docs/requirements.md"))) {
    for (const std::string& name : row.tests) EXPECT_EQ(tests.count(name), 1u) << row.number << " names " << name;
  }
}

TEST(RequirementsPage, RowsAreReadAsWritten) {
  auto rows = rows_of("| R0.1 | a thing | `Suite.Test`, issue 3 |\n| no row |\n| R1.2 | other | words |\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].tests, std::vector<std::string>{"Suite.Test"});
  EXPECT_TRUE(rows[0].later);
  EXPECT_TRUE(rows[1].tests.empty() && !rows[1].later);
}

}  // namespace
}  // namespace vtpm::house
