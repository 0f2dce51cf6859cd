// SPDX-License-Identifier: Apache-2.0
// Runs record_surgeon on the only store of a test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {

inline std::string text_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

/// The output of record_surgeon.
inline std::string operate(const Scratch& scratch, const std::string& work) {
  std::string store;
  for (const auto& file : std::filesystem::directory_iterator(scratch.store())) store = file.path();
  const std::string output = scratch.path() + "/surgeon";
  const std::string command = std::string(VTPM_SURGEON) + " " + work + " " + store + " user-pin-1234 > " + output;
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command);
  return text_of(output);
}

}  // namespace vtpm::conformance
