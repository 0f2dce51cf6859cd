// SPDX-License-Identifier: Apache-2.0
// The options --key-file, --key-fd and --key-format: a key that is not typed. Whoever opens or makes stores takes them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "store/vault/raw_key.h"

namespace vtpm::tools {

struct KeyOptions {
  std::string file;
  int descriptor = -1;
  std::string format = "hex";

  /// `what`: "key" makes --key-file, --key-fd and --key-format.
  void add_to(CLI::App& command, const std::string& what, const std::string& description, bool with_format);
  bool given() const { return !file.empty() || descriptor >= 0; }
  /// For a raw-key store. Throws Error: kInvalidArgument when it is not a key in this format.
  store::RawKey raw_key() const;
  /// For a key file's slot: 1 octet to 1 MiB, as they are.
  SecretBytes octets() const;

 private:
  std::string name() const;
};

}  // namespace vtpm::tools
