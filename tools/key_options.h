// SPDX-License-Identifier: Apache-2.0
// Options that several commands have: where a secret comes from, which token is meant, and --key-file, --key-fd and
// --key-format: a key that is not typed.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "store/vault/raw_key.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

/// `--NAME-file` and `--NAME-fd`, which take `what` ("the user PIN") into `source`. `source` must outlive the command
/// line, like every other variable that an option is added for.
void add_secret(CLI::App& command, SecretSource& source, const std::string& name, const std::string& what);

/// `--token`, into `token`. Returns the option, which may be made a required one.
CLI::Option* add_token(CLI::App& command, std::string& token);

struct KeyOptions {
  std::string file;
  int descriptor = -1;
  std::string format = "hex";

  /// `what`: "key" makes --key-file, --key-fd and --key-format.
  void add_to(CLI::App& command, const std::string& what, const std::string& description, bool with_format);
  bool given() const { return !file.empty() || descriptor >= 0; }
  /// For a raw-key store. Throws Error: kInvalidArgument when it is not a key in this format.
  store::RawKey raw_key() const;
  /// For a key file's slot: 1 byte to 1 MiB, as they are.
  SecretBytes bytes() const;

 private:
  std::string name() const;
};

}  // namespace vtpm::tools
