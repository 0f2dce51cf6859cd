// SPDX-License-Identifier: Apache-2.0
// The project, the changelog, the Debian package and the README name the same version.
#include <gtest/gtest.h>

#include <iterator>
#include <regex>
#include <vector>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

/// The first match of the pattern's group in a file.
std::string first_match(const std::string& file, const std::string& pattern) {
  const std::string text = text_of(kRoot / file);
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match[1].str() : "none in " + file;
}

const std::string kVersion = first_match("CMakeLists.txt", R"(project\(vtpm-pkcs11 VERSION ([0-9.]+))");

TEST(Version, IsTheNewestOfTheChangelog) {
  // Behind "## [Unreleased]", which has no number and no date.
  EXPECT_EQ(first_match("CHANGELOG.md", R"(\n## \[([0-9]+\.[0-9]+\.[0-9]+)\] - \d{4}-\d{2}-\d{2}\n)"), kVersion);
}

TEST(Version, IsTheNewestOfTheDebianPackage) {
  EXPECT_EQ(first_match("debian/changelog", R"(^vtpm-pkcs11 \(([^)]+)\))"), kVersion);
}

/// All matches of the pattern's groups in a file, each as "version day-month-year".
std::vector<std::string> releases(const std::string& file, const std::string& pattern, const std::string& form) {
  const std::string text = text_of(kRoot / file);
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    found.push_back(match->format(form));
  }
  return found;
}

// lintian rejects a package whose newest entry is not younger than the one before.
TEST(Version, HasTheSameDateInBothChangelogs) {
  std::vector<std::string> debian =
      releases("debian/changelog", R"(vtpm-pkcs11 \(([0-9.]+)\)[^>]*>  \w+, (\d+) (\w+) (\d+))", "$1 $4-$3-$2");
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (std::string& release : debian) {
    for (size_t i = 0; i < std::size(kMonths); ++i) {
      const std::string number = i < 9 ? "0" + std::to_string(i + 1) : std::to_string(i + 1);
      release = std::regex_replace(release, std::regex(kMonths[i]), number);
    }
  }
  EXPECT_FALSE(debian.empty());
  EXPECT_EQ(debian, releases("CHANGELOG.md", R"(\n## \[([0-9.]+)\] - ([0-9-]+))", "$1 $2"));
}

TEST(Version, IsTheOneThatTheReadmeInstalls) {
  EXPECT_EQ(first_match("README.md", R"(vtpm-pkcs11_([0-9.]+)_amd64\.deb)"), kVersion);
}

TEST(Version, IsListedAsSupported) {
  const std::string series = kVersion.substr(0, kVersion.rfind('.'));
  EXPECT_EQ(first_match("SECURITY.md", R"(\n\| ([0-9.]+)\.x \| yes \|)"), series);
}

}  // namespace
}  // namespace vtpm::house
