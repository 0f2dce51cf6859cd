// SPDX-License-Identifier: Apache-2.0
// docs/architecture.md answers questions with a file and a name. The test checks that the file exists and contains the
// name.
#include <gtest/gtest.h>

#include <regex>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

struct Answer {
  std::string question, file, name;
};

/// The rows "| question | `file` | `name` |" of the page.
std::vector<Answer> answers_of(const std::string& page) {
  static const std::regex kRow(R"(^\| ([^|]+\?) \| `([^`|]+)` \| `([^`|]+)` \|$)");
  std::vector<Answer> found;
  for (const std::string& line : lines_of(page)) {
    std::smatch match;
    if (std::regex_match(line, match, kRow)) found.push_back({match[1], match[2], match[3]});
  }
  return found;
}

/// Whether `name` stands in the text as a whole word.
bool has_name(const std::string& text, const std::string& name) {
  return std::regex_search(text, std::regex("(^|[^A-Za-z0-9_])" + name + "([^A-Za-z0-9_]|$)"));
}

TEST(Questions, AreAnsweredByFilesAndNamesThatExist) {
  const std::vector<Answer> answers = answers_of(text_of(kRoot / "docs/architecture.md"));
  EXPECT_GE(answers.size(), 10u);
  for (const Answer& answer : answers) {
    ASSERT_TRUE(std::filesystem::exists(kRoot / answer.file)) << answer.question << " " << answer.file;
    EXPECT_TRUE(has_name(text_of(kRoot / answer.file), answer.name))
        << answer.question << " " << answer.file << " has no " << answer.name;
  }
}

TEST(Questions, ARowIsAQuestionAFileAndAName) {
  const std::vector<Answer> answers =
      answers_of("| Where is it? | `store/a.h` | `find_it` |\n| no question | `a` | `b` |\n");
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].file, "store/a.h");
  EXPECT_TRUE(has_name("void find_it();", "find_it"));
  EXPECT_FALSE(has_name("void find_item();", "find_it"));
}

}  // namespace
}  // namespace vtpm::house
