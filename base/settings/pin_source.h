// SPDX-License-Identifier: Apache-2.0
// Where the module fetches a PIN that the application does not pass: the protected authentication path (PKCS#11 3.2,
// 3.2, CKF_PROTECTED_AUTHENTICATION_PATH). A file, or a systemd credential; nothing that asks a person, because the
// module runs in a process that is not its own.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace vtpm {

/// What a PIN file, or anything else that a PIN is read from, holds as its PIN: the octets in front of the first line
/// end, LF or CRLF; all of them where there is none. A view of `octets`.
ByteView first_line(ByteView octets);

class PinSource {
 public:
  PinSource() = default;
  /// `name`: an absolute path, or the name of a credential in $CREDENTIALS_DIRECTORY.
  explicit PinSource(std::string name) : name_(std::move(name)) {}
  /// A name that can never lead anywhere is a mistake in the configuration.
  static bool well_formed(const std::string& name);

  bool configured() const { return !name_.empty(); }
  /// Whether there is something to read now. A credential is there only for the service that was given it.
  bool present() const;
  /// The first line. Throws Error kNoPin when there is none to be had, or when it is empty and
  /// `may_be_empty` is false: nobody means an empty PIN by an empty file, and to try it would cost an attempt.
  SecretBytes read(bool may_be_empty) const;

 private:
  std::string path() const;
  std::string name_;
};

/// What the configuration says about one token, or about all that have no entry of their own.
struct TokenSettings {
  std::string name;  // label or serial number; empty: every token that has no entry of its own
  PinSource user_pin, so_pin;
  PinSource new_user_pin, new_so_pin;  // what C_SetPIN changes them to
  bool automatic_login = false;        // the first session logs the user in

  bool is_for(const std::string& label, const std::string& serial) const;
};

/// The entry that names the token, else the one for all.
TokenSettings settings_for(const std::vector<TokenSettings>& all, const std::string& label, const std::string& serial);

}  // namespace vtpm
