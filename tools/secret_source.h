// SPDX-License-Identifier: Apache-2.0
// The source of a PIN: a file, a descriptor, a systemd credential, or the terminal (without echo). A PIN is never an
// argument, because every user of the host can see arguments.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm::tools {

/// The source of one secret on the command line.
struct SecretSource {
  std::string prompt;      // "SO PIN"
  std::string credential;  // its name in $CREDENTIALS_DIRECTORY
  std::string file;        // empty: not given
  int descriptor = -1;     // < 0: not given
  /// Whether a secret from a file, a descriptor or a credential may be empty. An empty PIN by mistake would cost an
  /// attempt.
  enum class Empty { kIfConfigured, kNever, kAlways } empty = Empty::kIfConfigured;  // `pin.empty`

  /// Reads the secret: the first line (base/settings/pin_source.h) of the file or descriptor, otherwise the credential,
  /// otherwise a line that is typed at the terminal (twice if `confirm`). Returns nothing if there is no source, or if
  /// the typed line is empty. A signal at the prompt has its usual effect, after the terminal's settings were restored.
  /// Throws Error.
  std::optional<SecretBytes> read(bool confirm) const;
  /// Returns `secret`. Throws Error if it is empty and must not be.
  SecretBytes accepted(SecretBytes secret, const std::string& from) const;
};

/// Reads all bytes of a file (or of a descriptor, if `file` is empty), including line ends. Throws Error: kIo;
/// kInvalidArgument if there are more than `most`.
SecretBytes read_bytes(const std::string& file, int descriptor, size_t most);

/// Shows `question` on the terminal and reads a line with echo. Returns nothing if there is no terminal.
std::optional<std::string> answer_at_the_terminal(const std::string& question);

}  // namespace vtpm::tools
