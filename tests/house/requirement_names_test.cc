// SPDX-License-Identifier: Apache-2.0
// Each number of docs/requirements.md up to R3 stands in the name of a test that shows it (`R0_7`), so that `ctest -R
// R0_7` runs the proof.
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

using Numbers = std::set<std::string>;

/// The numbers in a test's name: R0_16_And_R0_17_AWrongKey -> R0.16, R0.17.
void add_numbers(Numbers& numbers, const std::string& name) {
  static const std::regex kNumber(R"((?:^|_)R([0-9]+)_([0-9]+)(?![0-9]))");
  for (std::sregex_iterator at(name.begin(), name.end(), kNumber), end; at != end; ++at) {
    numbers.insert("R" + (*at)[1].str() + "." + (*at)[2].str());
  }
}

/// The numbers in the names that `pattern` finds as its first group.
Numbers numbers_in(const std::string& text, const std::regex& pattern) {
  Numbers numbers;
  for (std::sregex_iterator name(text.begin(), text.end(), pattern), end; name != end; ++name) {
    add_numbers(numbers, (*name)[1]);
  }
  return numbers;
}

/// Tests of GoogleTest by their names, and the lines of ctest for scripts.
Numbers shown() {
  static const std::regex kGoogle(R"(\bTEST(?:_F|_P)?\(\s*\w+\s*,\s*(\w+)\s*\))");
  static const std::regex kScript(R"((?:client_test\(|add_test\(NAME )\s*([\w.]+))");
  Numbers all;
  for (const std::string& file : files_in("tests", {".cc", ".txt"})) {
    const bool script = std::filesystem::path(file).extension() == ".txt";
    all.merge(numbers_in(text_of(kRoot / file), script ? kScript : kGoogle));
  }
  return all;
}

/// The numbers of R0, R1 and R3. (The page names the tests of R2 and R4.)
Numbers asked() {
  static const std::regex kRow(R"(\n\| (R[013]\.\d+) \|)");
  const std::string page = text_of(kRoot / "docs/requirements.md");
  Numbers all;
  for (std::sregex_iterator row(page.begin(), page.end(), kRow), end; row != end; ++row) all.insert((*row)[1]);
  return all;
}

TEST(RequirementNames, EveryNumberStandsInATestsName) {
  const Numbers tests = shown(), page = asked();
  EXPECT_GE(page.size(), 22u + 15u + 8u);
  for (const std::string& number : page) {
    EXPECT_TRUE(tests.count(number)) << number << " is in the name of no test";
  }
}

TEST(RequirementNames, AreReadAsWritten) {
  Numbers numbers;
  add_numbers(numbers, "R0_16_And_R0_17_AWrongKey");
  add_numbers(numbers, "keyslots_R3_8_R1_5");
  add_numbers(numbers, "PR1_2IsNone");
  EXPECT_EQ(numbers, (Numbers{"R0.16", "R0.17", "R1.5", "R3.8"}));
}

}  // namespace
}  // namespace vtpm::house
