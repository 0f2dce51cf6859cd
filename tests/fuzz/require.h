// SPDX-License-Identifier: Apache-2.0
// A check whose failure the fuzzer detects.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace vtpm::fuzz {

/// Ends the process with the sentence.
inline void require(bool holds, const char* sentence) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", sentence);
  std::abort();
}

}  // namespace vtpm::fuzz
