// SPDX-License-Identifier: Apache-2.0
// Options of several commands: the source of a secret, the token, and --key-file, --key-fd and --key-format for keys.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "store/vault/raw_key.h"
#include "tools/secret_source.h"

namespace vtpm::tools {

/// Adds `--NAME-file` and `--NAME-fd`, which set where `source` reads `what` ("the user PIN"). `source` must outlive
/// the command line, like the variable of every other option.
void add_secret(CLI::App& command, SecretSource& source, const std::string& name, const std::string& what);

/// Adds `--token`, which sets `token`. Returns the option, so that it can be made required.
CLI::Option* add_token(CLI::App& command, std::string& token);

struct KeyOptions {
  std::string file;
  int descriptor = -1;
  std::string format = "hex";

  /// Adds --WHAT-file and --WHAT-fd, and if `with_format` --WHAT-format. `description` is the help text.
  void add_to(CLI::App& command, const std::string& what, const std::string& description, bool with_format);
  bool given() const { return !file.empty() || descriptor >= 0; }
  /// Reads the key of a raw-key store. Throws Error: kIo; kInvalidArgument if it is not a key in this format.
  store::RawKey raw_key() const;
  /// Reads the bytes of a key file, 1 byte to 1 MiB, without any conversion. Throws Error: kIo, kInvalidArgument.
  SecretBytes bytes() const;

 private:
  std::string name() const;
};

}  // namespace vtpm::tools
