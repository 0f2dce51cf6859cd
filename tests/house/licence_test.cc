// SPDX-License-Identifier: Apache-2.0
// Each file names its licence, so that a file that is copied from the tree still shows it.
#include <gtest/gtest.h>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

/// The line is the first one, or the second behind `#!`.
bool says_its_licence(const std::string& text) {
  const auto lines = lines_of(text);
  const size_t at = !lines.empty() && lines[0].rfind("#!", 0) == 0 ? 1 : 0;
  if (at >= lines.size()) return false;
  return lines[at] == "// SPDX-License-Identifier: Apache-2.0" || lines[at] == "# SPDX-License-Identifier: Apache-2.0";
}

TEST(Licence, IsNamedByEverySourceFile) {
  const std::vector<std::string> folders = {"base",  "crypto", "store", "tpm",     "pkcs11", "tools",
                                            "tests", "conf",   "cmake", "scripts", "debian", ".devcontainer"};
  std::vector<std::string> files = {"CMakeLists.txt", "quickstart", "check", ".ci/run"};
  for (const std::string& folder : folders) {
    for (const std::string& file : files_in(folder, {".cc", ".h", ".inc", ".sh", ".bash", ".cmake", ".awk"})) {
      files.push_back(file);
    }
    for (const std::string& file : files_in(folder, {".txt"})) {
      if (std::filesystem::path(file).filename() == "CMakeLists.txt") files.push_back(file);
    }
  }
  EXPECT_GT(files.size(), 700u) << "the tree was not found";
  for (const std::string& file : files) EXPECT_TRUE(says_its_licence(text_of(kRoot / file))) << file;
}

TEST(Licence, IsMissedWhereItIsNot) {
  EXPECT_TRUE(says_its_licence("#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n"));
  EXPECT_FALSE(says_its_licence("#!/bin/bash\n"));
  EXPECT_FALSE(says_its_licence("#pragma once\n// SPDX-License-Identifier: Apache-2.0\n"));
  EXPECT_FALSE(says_its_licence(""));
}

}  // namespace
}  // namespace vtpm::house
