// SPDX-License-Identifier: Apache-2.0
// The tool's standard output and standard error, behind std::cout and std::cerr, with two rules that hold for every
// command:
//
//   - What could not be written was not said. A command whose output did not arrive has failed.
//   - Nothing but text and line ends reaches a terminal. Labels and paths are made by others: a control character in
//   them
//     is written as \u001b, as JSON writes it, and a byte that is not UTF-8 as \xff.
//
// The bytes of a blob do not go through std::cout: see write_bytes.
#pragma once

#include <streambuf>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace vtpm::tools {

/// A label, a path or a sentence as one line: no control character, and no line end either, with which a label could
/// add lines to a table.
std::string shown(std::string_view text);

/// Makes std::cout and std::cerr obey the rules above, from its construction to its end. One at a time, in main.
class StandardStreams {
 public:
  StandardStreams();
  ~StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;

  /// Writes what is left and closes the standard output. Throws Error kIo or kNoSpace if anything that was printed
  /// since the beginning could not be written.
  void finish();

 private:
  std::streambuf* const out_before_;
  std::streambuf* const err_before_;
};

/// Returns when all that was printed has been written, and is on the disk if the standard output is a file: for what a
/// command shows before it acts, since it cannot be shown again. Throws Error kIo or kNoSpace.
void require_shown();

/// Writes bytes to the standard output as they are, behind what was printed. Throws Error kIo or kNoSpace.
void write_bytes(ByteView bytes);

}  // namespace vtpm::tools
