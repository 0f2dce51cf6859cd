// SPDX-License-Identifier: Apache-2.0
// Where a PIN comes from: a file, a descriptor, a systemd credential, or the terminal (without echo). Never an
// argument: those are visible to every user of the machine.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm::tools {

/// What the command line says about one secret.
struct SecretSource {
  std::string prompt;      // "SO PIN"
  std::string credential;  // name below $CREDENTIALS_DIRECTORY
  std::string file;        // empty: not given
  int descriptor = -1;     // < 0: not given
  /// Whether what stands in a file, or comes from a descriptor or a credential, may be empty. To try an empty PIN that
  /// nobody meant would cost an attempt.
  enum class Empty { kIfConfigured, kNever, kAlways } empty = Empty::kIfConfigured;  // `pin.empty`

  /// The secret: the first line (base/settings/pin_source.h) of the file or descriptor, else the credential, else what
  /// is typed at the terminal (twice, when `confirm`). Nothing when there is no source at all, or the typed line is
  /// empty. A signal that arrives at the prompt does what it would have done before, with the terminal as it was.
  /// Throws Error.
  std::optional<SecretBytes> read(bool confirm) const;
  /// `secret`, unless it is empty and may not be: throws Error.
  SecretBytes accepted(SecretBytes secret, const std::string& from) const;
};

/// All bytes of a file (or of a descriptor, when `file` is empty), line ends included: a key file is its bytes.
/// Throws Error: kInvalidArgument beyond `most`.
SecretBytes read_bytes(const std::string& file, int descriptor, size_t most);

/// What is typed at the terminal after `question`, visibly. Nothing when there is no terminal.
std::optional<std::string> answer_at_the_terminal(const std::string& question);

}  // namespace vtpm::tools
