// SPDX-License-Identifier: Apache-2.0
// What must hold, for the fuzzer to see when it does not.
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
