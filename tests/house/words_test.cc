// SPDX-License-Identifier: Apache-2.0
// The words of docs/glossary.md: pages, comments, texts and test scripts say "bytes", "cannot" and "initialize".
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <regex>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

/// Words that the project's prose does not use, as `plain` writes them, and what it uses instead.
struct Replaced {
  const char* words;  // with a space where a word begins or ends
  const char* instead;
};
constexpr Replaced kReplaced[] = {
    {" octet ", "byte"},           {" octets ", "bytes"},
    {" can not ", "cannot"},       {" absurd", "out of range, with the limit"},
    {"initialis", "initialize"},   {"recognis", "recognize"},
    {"authoris", "authorize"},     {"normalis", "normalize"},
    {"optimis", "optimize"},       {"randomis", "randomize"},
    {"synchronis", "synchronize"},
};
/// Riddles: words that do not name who acts, or what is meant.
constexpr Replaced kRiddles[] = {
    {" whoever ", "who acts: the reader, the owner, another process"},
    {"body s business ", "who acts, and what it does"},
    {" no such thing", "what is missing"},
};
/// Where these words are right: in names of standards, in what a golden store holds, in a name of the configuration,
/// and in "not only … but".
constexpr const char* kAllowed[] = {" octet string ",   " octet strings ", " end of contents octets ",
                                    " sixteen octets ", " reinitialise ",  " can not only "};

/// The sentences of docs/glossary.md's table and of this file quote what is replaced; docs/clients.md quotes programs.
const std::vector<std::string> kQuoting = {"docs/glossary.md", "docs/clients.md", "tests/house/words_test.cc"};

bool quotes(const std::string& file) { return std::find(kQuoting.begin(), kQuoting.end(), file) != kQuoting.end(); }

/// `text` without what stands between backquotes on a line.
std::string without_code(const std::string& text) {
  std::string rest;
  for (size_t at = 0; at < text.size(); ++at) {
    const size_t end = text[at] == '`' ? text.find_first_of("`\n", at + 1) : std::string::npos;
    if (end != std::string::npos && text[end] == '`') at = end;
    rest += text[at];
  }
  return rest;
}

/// The words of `text` in lower case with one space between them, and before the first and behind the last.
std::string plain(const std::string& text) {
  std::string words = " ";
  for (const char c : without_code(text)) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) != 0 || c == '_') {
      words += static_cast<char>(std::tolower(letter));
    } else if (words.back() != ' ') {
      words += ' ';
    }
  }
  return words + " ";
}

/// The words of `table` that `text` contains. `code` is not looked at.
template <size_t N>
std::vector<std::string> words_in(const std::string& text, const Replaced (&table)[N]) {
  std::string words = plain(text);
  for (const std::string allowed : kAllowed) {
    for (size_t at = 0; (at = words.find(allowed, at)) != std::string::npos;) words.replace(at, allowed.size(), " ");
  }
  std::vector<std::string> found;
  for (const auto& [replaced, instead] : table) {
    for (size_t at = 0; (at = words.find(replaced, at)) != std::string::npos; ++at) {
      const size_t begin = words.rfind(' ', at + 1) + 1;
      found.push_back('"' + words.substr(begin, words.find(' ', at + std::strlen(replaced) - 1) - begin) +
                      "\" (write " + instead + ")");
    }
  }
  return found;
}

std::vector<std::string> replaced_words(const std::string& text) { return words_in(text, kReplaced); }

void expect_words_of_the_glossary(const std::string& file, const std::string& prose) {
  std::vector<std::string> found = replaced_words(prose);
  for (const std::string& riddle : words_in(prose, kRiddles)) found.push_back(riddle);
  for (const std::string& words : found) ADD_FAILURE() << file << " says " << words;
}

/// A literal of C++ without its escape sequences.
std::string without_escapes(const std::string& literal) {
  std::string rest;
  for (size_t at = 0; at < literal.size(); ++at) {
    const bool escape = literal[at] == '\\';
    if (escape) ++at;
    rest += escape ? ' ' : literal[at];
  }
  return rest;
}

/// The end of the literal that begins at `line[begin]` with a quotation mark: behind its other one.
size_t end_of_literal(const std::string& line, size_t begin) {
  size_t end = begin + 1;
  while (end < line.size() && line[end] != line[begin]) end += line[end] == '\\' ? 2 : 1;
  return std::min(end + 1, line.size());
}

/// Whether the ' at `line[at]` stands between the digits of a number.
bool separates_digits(const std::string& line, size_t at) {
  return at > 0 && std::isxdigit(static_cast<unsigned char>(line[at - 1])) != 0;
}

/// The comment of a line of C++, and its literals that have a space: without one they are keys and names.
std::string prose_of_line(const std::string& line) {
  std::string prose;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line.compare(at, 2, "//") == 0) return prose + line.substr(at);
    if (line[at] != '"' && (line[at] != '\'' || separates_digits(line, at))) continue;
    const size_t end = end_of_literal(line, at);
    const std::string literal = line.substr(at, end - at);
    if (line[at] == '"' && literal.find(' ') != std::string::npos) prose += without_escapes(literal) + " ";
    at = end - 1;
  }
  return prose;
}

/// The comments and texts of a C++ file.
std::string prose_of(const std::string& source) {
  std::string prose;
  for (const std::string& line : lines_of(source)) prose += prose_of_line(line) + "\n";
  return prose;
}

TEST(Words, OfPagesAreThoseOfTheGlossary) {
  std::vector<std::string> pages = files_in("docs", {".md"});
  pages.insert(pages.end(), {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"});
  for (const std::string& page : files_in("docs/man", {".1", ".5", ".7"})) pages.push_back(page);
  for (const std::string& page : pages) {
    if (quotes(page)) continue;
    std::string text = text_of(kRoot / page);
    const size_t begin = text.find("\n<!-- mechanisms -->"), end = text.find("<!-- end of mechanisms -->");
    if (begin != std::string::npos && end != std::string::npos) text.erase(begin, end - begin);
    expect_words_of_the_glossary(page, text);
  }
}

TEST(Words, OfCommentsAndTextsAreThoseOfTheGlossary) {
  std::vector<std::string> folders = kProduct;
  folders.push_back("tests");
  for (const std::string& folder : folders) {
    for (const std::string& file : files_in(folder, {".cc", ".h", ".inc"})) {
      if (!quotes(file)) expect_words_of_the_glossary(file, prose_of(text_of(kRoot / file)));
    }
  }
}

TEST(Words, OfScriptsAreThoseOfTheGlossary) {
  static const std::regex kJsonKey(R"(\b(blob_)?octets:|\.octets\b)");
  for (const std::string& file : files_in("tests", {".sh"}))
    expect_words_of_the_glossary(file, std::regex_replace(text_of(kRoot / file), kJsonKey, ""));
}

TEST(Words, AreFoundAsWritten) {
  EXPECT_EQ(replaced_words("Octets that can not be read").size(), 2u);
  EXPECT_EQ(replaced_words("an uninitialised token").size(), 1u);
  EXPECT_TRUE(replaced_words("OCTET STRING, `octets`, the end-of-contents octets, initialized").empty());
  EXPECT_TRUE(replaced_words("can not only read").empty());
  EXPECT_EQ(words_in("Whoever asks is told that it is nobody's business.", kRiddles).size(), 2u);
}

TEST(Words, AreFoundInCommentsAndInTextsButNotInNames) {
  EXPECT_TRUE(replaced_words(prose_of("int octets = json[\"octets\"];\n")).empty());
  EXPECT_EQ(replaced_words(prose_of("int size;  // in octets\n")).size(), 1u);
  EXPECT_EQ(replaced_words(prose_of("throw Error(\"it has \" + text + \" octets\");\n")).size(), 1u);
  EXPECT_EQ(replaced_words(prose_of("// It can\n// not be read.\n")).size(), 1u);
  EXPECT_EQ(replaced_words(prose_of("const char quote = '\"', many = 1'000;  // octets\n")).size(), 1u);
}

}  // namespace
}  // namespace vtpm::house
