// SPDX-License-Identifier: Apache-2.0
// The log contains names of return values, not numbers.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>

#include "pkcs11/cryptoki/refusal.h"

namespace vtpm::pkcs11 {
namespace {

size_t compare_with(const std::string& header) {
  static const std::regex definition(R"(#\s*define\s+(CKR_\w+)\s+\(?((0x)?[0-9A-Fa-f]+)UL\)?.*)");
  std::ifstream lines(header);
  EXPECT_TRUE(lines.is_open()) << header;
  size_t compared = 0;
  std::smatch found;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_match(line, found, definition) || found[1] == "CKR_VENDOR_DEFINED") continue;
    EXPECT_EQ(rv_name(std::stoul(found[2], nullptr, 0)), found[1]);
    ++compared;
  }
  return compared;
}

TEST(LogNames, EveryReturnValueOfTheHeaderHasOne) {
  EXPECT_GE(compare_with(VTPM_SOURCE "/pkcs11/cryptoki/numbers.h"), 100u);
  EXPECT_EQ(rv_name(CKR_VENDOR_DEFINED + 7), "CKR 0x80000007");
}

}  // namespace
}  // namespace vtpm::pkcs11
