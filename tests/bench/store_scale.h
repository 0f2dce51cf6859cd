// SPDX-License-Identifier: Apache-2.0
// Measures a store with many entries in comparison with a store with few.
#pragma once

#include <string>

namespace vtpm::bench {

struct ScaleResult {
  size_t entries = 0;
  double file_bytes = 0;
  double open_ms = 0;      // of the processor; warm: the file is in the page cache
  double commit_us = 0;    // of one sealed entry as large as the others
  double lookup_us = 0;    // of a name, at random
  double entry_bytes = 0;  // of memory, for each entry
};

/// Makes two stores in `directory`, and measures both in turn. Throws Error.
struct ScalePair {
  ScaleResult few, many;
};
ScalePair measure_scale(const std::string& directory, size_t few, size_t many, unsigned rounds, unsigned commits);

}  // namespace vtpm::bench
