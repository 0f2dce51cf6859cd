// SPDX-License-Identifier: Apache-2.0
// The words of docs/glossary.md: texts say "bytes" and "cannot".
#include <gtest/gtest.h>

#include <regex>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

/// Folders whose comments and texts follow the glossary.
const std::vector<std::string> kFollowing = {"base", "crypto"};

/// The words of `text` that the glossary replaces. `byte` in OCTET STRING, in X.690's "end-of-contents bytes" and in
/// `code` is allowed.
std::vector<std::string> replaced_words(std::string text) {
  static const std::regex kCode("`[^`\n]*`");
  static const std::regex kAllowed("end-of-contents\\s+bytes|byte string");
  static const std::regex kWord("\\b(bytes?|cannot(?! only)|absurd)\\b");
  text = std::regex_replace(std::regex_replace(text, kCode, ""), kAllowed, "");
  std::vector<std::string> found;
  for (std::sregex_iterator word(text.begin(), text.end(), kWord), end; word != end; ++word)
    found.push_back((*word)[1]);
  return found;
}

/// The comments of a source file, without those behind code on the same line.
std::string comments_of(const std::string& text) {
  static const std::regex kComment(R"(^[ \t]*//.*)");
  std::string comments;
  for (const std::string& line : lines_of(text)) {
    if (std::regex_match(line, kComment)) comments += line + "\n";
  }
  return comments;
}

TEST(Words, OfPagesAreThoseOfTheGlossary) {
  std::vector<std::string> pages = files_in("docs", {".md"});
  pages.insert(pages.end(), {"README.md", "CONTRIBUTING.md"});
  for (const std::string& page : pages) {
    if (page == "docs/glossary.md" || page == "docs/clients.md")
      continue;  // says what is replaced; quotes other programs
    std::string text = text_of(kRoot / page);
    const size_t begin = text.find("\n<!-- mechanisms -->"), end = text.find("<!-- end of mechanisms -->");
    if (begin != std::string::npos && end != std::string::npos) text.erase(begin, end - begin);
    for (const std::string& word : replaced_words(text)) ADD_FAILURE() << page << " says \"" << word << "\"";
  }
}

TEST(Words, OfCommentsAreThoseOfTheGlossary) {
  for (const std::string& folder : kFollowing) {
    for (const std::string& file : files_in(folder, {".cc", ".h"})) {
      for (const std::string& word : replaced_words(comments_of(text_of(kRoot / file)))) {
        ADD_FAILURE() << file << " says \"" << word << "\"";
      }
    }
  }
}

TEST(Words, AreFoundAsWritten) {
  EXPECT_EQ(replaced_words("bytes that cannot be read").size(), 2u);
  EXPECT_TRUE(replaced_words("OCTET STRING, `bytes`, the end-of-contents bytes").empty());
  EXPECT_EQ(comments_of("int bytes;\n  // one\n"), "  // one\n");
}

}  // namespace
}  // namespace vtpm::house
