// SPDX-License-Identifier: Apache-2.0
// The pages' relative links, and the files and folders that they name in `code`, exist; so do the sections of pages
// that comments name.
#include <gtest/gtest.h>

#include <regex>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

std::vector<std::string> pages() {
  std::vector<std::string> all = files_in("docs", {".md"});
  for (const char* page : {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"}) all.push_back(page);
  for (const std::string& page : files_in(".github", {".md"})) all.push_back(page);
  return all;
}

std::vector<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) {
    found.push_back((*match)[1]);
  }
  return found;
}

TEST(Pages, LinksLeadToFiles) {
  static const std::regex kLink(R"(\]\(([^)#]+)[^)]*\))");
  size_t links = 0;
  for (const std::string& page : pages()) {
    for (const std::string& target : matches(text_of(kRoot / page), kLink)) {
      if (target.find("://") != std::string::npos) continue;
      ++links;
      EXPECT_TRUE(std::filesystem::exists(kRoot / std::filesystem::path(page).parent_path() / target))
          << page << " links to " << target;
    }
  }
  EXPECT_GT(links, 5u);
}

TEST(Pages, NamedSourceFilesExist) {
  // `store/vault/vault.h`, `tests/client/`; a name without an extension (`pkcs11/token`) stands for its .h and .cc.
  static const std::regex kName(
      R"(`((?:base|crypto|store|tpm|pkcs11|tools|tests|conf|docs|scripts)/[A-Za-z0-9_./-]*)`)");
  size_t names = 0;
  for (const std::string& page : pages()) {
    for (const std::string& name : matches(text_of(kRoot / page), kName)) {
      ++names;
      EXPECT_TRUE(std::filesystem::exists(kRoot / name) || std::filesystem::exists(kRoot / (name + ".h")))
          << page << " names " << name;
    }
  }
  EXPECT_GT(names, 10u);
}

TEST(Pages, SectionsThatAreNamedExist) {
  // `docs/format.md, "Locks"` in a comment, which may be broken over two lines, names a heading or a bold beginning.
  static const std::regex kComment(R"(\n[ \t]*(?://+|#)[ \t]*)");
  static const std::regex kSection(R"re(docs/([a-z0-9-]+\.md), "([^"\n]+)")re");
  size_t sections = 0;
  std::vector<std::string> folders = kProduct;
  folders.push_back("tests");
  for (const std::string& folder : folders) {
    for (const std::string& file : files_in(folder, {".cc", ".h"})) {
      const std::string text = std::regex_replace(text_of(kRoot / file), kComment, " ");
      for (std::sregex_iterator match(text.begin(), text.end(), kSection), end; match != end; ++match) {
        const std::string page = text_of(kRoot / "docs" / (*match)[1].str()), title = (*match)[2];
        ++sections;
        EXPECT_TRUE(page.find("# " + title + "\n") != std::string::npos || page.find("**" + title) != std::string::npos)
            << file << " names a section that docs/" << (*match)[1] << " does not have: " << title;
      }
    }
  }
  EXPECT_GT(sections, 10u);
}

TEST(Pages, SettingsOfTheManualAreThoseOfTheSample) {
  // A setting is `key = ` at the start of a line of the sample (commented or not) and `.It Cm key` in the manual.
  static const std::regex kSample(R"((?:^|\n)#?([a-z_]+) = )");
  static const std::regex kManual(R"(\n\.It Cm (?:[a-z]+\.)?([a-z_]+))");
  auto sample = matches(text_of(kRoot / "conf/vtpm-pkcs11.toml"), kSample);
  auto manual = matches(text_of(kRoot / "docs/man/vtpm-pkcs11.toml.5"), kManual);
  EXPECT_EQ(sample, manual);
  EXPECT_GT(sample.size(), 10u);
}

}  // namespace
}  // namespace vtpm::house
