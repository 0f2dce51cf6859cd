// SPDX-License-Identifier: Apache-2.0
// The project, the changelog, the Debian package and the README name the same version.
#include <gtest/gtest.h>

#include <regex>

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

TEST(Version, IsTheOneThatTheReadmeInstalls) {
  EXPECT_EQ(first_match("README.md", R"(vtpm-pkcs11_([0-9.]+)_amd64\.deb)"), kVersion);
}

TEST(Version, IsListedAsSupported) {
  const std::string series = kVersion.substr(0, kVersion.rfind('.'));
  EXPECT_EQ(first_match("SECURITY.md", R"(\n\| ([0-9.]+)\.x \| yes \|)"), series);
}

}  // namespace
}  // namespace vtpm::house
