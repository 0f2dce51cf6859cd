// SPDX-License-Identifier: Apache-2.0
// Descriptors are opened in one place, which keeps them off the standard streams' numbers (base/descriptor.h).
#include <gtest/gtest.h>

#include <regex>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

std::string without_comments(const std::string& text) {
  std::string out;
  for (const std::string& line : lines_of(text)) out += line.substr(0, line.find("//")) + "\n";
  return out;
}

TEST(Descriptors, AreOpenedInOnePlace) {
  // open(2) by its global name, or with one of its flags: others have functions of that name.
  const std::regex naked(
      "\\b(openat|openat2|open64|creat|fopen|freopen|fdopen|tmpfile|opendir|scandir|socket|socketpair|accept4?|pipe2?|"
      "dup[23]?|memfd_create|eventfd|epoll_create1?|signalfd|timerfd_create|inotify_init1?|mkstemps?|mkostemp|popen|"
      "openlog|syslog|getpwnam_r?|getgrgid_r?|getgrnam_r?)\\(|"
      "\\b(ifstream|ofstream|fstream|basic_filebuf|filebuf|random_device|directory_iterator|"
      "recursive_directory_iterator|parse_file|F_DUPFD\\w*)\\b|(^|[^\\w:>.])(::)?open\\([^;{]*\\bO_\\w+|"
      "(^|[^\\w:>.])::open\\(");
  for (const std::string& folder : kProduct) {
    for (const std::string& file : files_in(folder, {".h", ".cc"})) {
      if (file == "base/descriptor.cc") continue;
      const std::string text = without_comments(text_of(kRoot / file));
      for (auto at = std::sregex_iterator(text.begin(), text.end(), naked); at != std::sregex_iterator(); ++at) {
        ADD_FAILURE() << file << ": " << at->str() << " (use base/descriptor.h)";
      }
    }
  }
}

// The name service may keep a socket open.
TEST(Descriptors, StandardStreamsAreOccupiedWhileTheNameServiceIsAsked) {
  for (const std::string& folder : kProduct) {
    for (const std::string& file : files_in(folder, {".h", ".cc"})) {
      const std::string text = without_comments(text_of(kRoot / file));
      if (text.find("getpwuid") == std::string::npos) continue;
      EXPECT_NE(text.find("StandardStreamsOccupied"), std::string::npos) << file;
    }
  }
}

}  // namespace
}  // namespace vtpm::house
