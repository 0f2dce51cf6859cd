// SPDX-License-Identifier: Apache-2.0
// No file is ever mapped into memory: if a mapped file is truncated or its server fails, SIGBUS ends the application.
#include <gtest/gtest.h>

#include "tests/house/tree.h"

namespace vtpm::house {
namespace {

TEST(NoMmap, R1_9_OnlyAnonymousMemoryIsMapped) {
  for (const std::string& folder : kProduct) {
    for (const std::string& file : files_in(folder, {".h", ".cc"})) {
      const std::string text = text_of(kRoot / file);
      for (const std::string name : {"mmap(", "mmap64(", "MAP_SHARED", "MAP_FILE"}) {
        for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
          if (name == "mmap(" && at > 0 && text[at - 1] == 'n') continue;  // munmap
          const std::string call = text.substr(at, text.find(';', at) - at);
          EXPECT_NE(call.find("MAP_ANONYMOUS"), std::string::npos) << file << ": " << call;
        }
      }
    }
  }
}

}  // namespace
}  // namespace vtpm::house
