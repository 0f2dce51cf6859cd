// SPDX-License-Identifier: Apache-2.0
// The tool's standard output and standard error, behind std::cout and std::cerr, with two rules that hold for every
// command:
//
//   - A command whose output could not be written has failed.
//   - Only text and line ends are written to a terminal. Labels and paths may come from other users: a control
//   character in them is written as \u001b, as in JSON, and a byte that is not UTF-8 as \xff.
//
// The bytes of a blob do not go through std::cout: see write_bytes.
#pragma once

#include <streambuf>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace vtpm::tools {

/// Returns a label, a path or a sentence without control characters and line ends, with which a label could add lines
/// to a table.
std::string shown(std::string_view text);

/// Makes std::cout and std::cerr obey the rules above while it lives. main creates the only one.
class StandardStreams {
 public:
  StandardStreams();
  ~StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;

  /// Writes buffered text and closes the standard output. Throws Error kIo or kNoSpace if anything that was printed
  /// could not be written.
  void finish();

 private:
  std::streambuf* const out_before_;
  std::streambuf* const err_before_;
};

/// Writes everything that was printed, and syncs it if the standard output is a file. A command calls it after it has
/// shown something that cannot be shown again, before it acts. Throws Error kIo or kNoSpace.
void require_shown();

/// Writes bytes to the standard output without any change, after the printed text. Throws Error kIo or kNoSpace.
void write_bytes(ByteView bytes);

}  // namespace vtpm::tools
