// SPDX-License-Identifier: Apache-2.0
// The source of a PIN that the application does not pass: the protected authentication path (PKCS#11 3.2, section 3.2,
// CKF_PROTECTED_AUTHENTICATION_PATH). It is a file or a systemd credential. The module never prompts a person, because
// it runs in another program's process.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace vtpm {

/// The PIN in the contents of a PIN file or another source: the bytes before the first line end (LF or CRLF), or all of
/// them if there is none. Returns a part of `bytes`.
ByteView first_line(ByteView bytes);

class PinSource {
 public:
  PinSource() = default;
  /// `name`: an absolute path, or the name of a credential in $CREDENTIALS_DIRECTORY.
  explicit PinSource(std::string name) : name_(std::move(name)) {}
  /// Whether `name` can be a source at all; otherwise it is an error in the configuration.
  static bool well_formed(const std::string& name);

  bool configured() const { return !name_.empty(); }
  /// Whether the source exists now. A credential exists only for the service that received it.
  bool present() const;
  /// Returns the first line. Throws Error kNoPin if it cannot be read, or if it is empty and `may_be_empty` is false:
  /// an empty file usually does not mean an empty PIN, and trying it would cost an attempt.
  SecretBytes read(bool may_be_empty) const;

 private:
  std::string path() const;
  std::string name_;
};

/// The settings for one token, or for all tokens without a table of their own.
struct TokenSettings {
  std::string name;  // label or serial number; empty: every token without a table of its own
  PinSource user_pin, so_pin;
  PinSource new_user_pin, new_so_pin;  // the new PINs for C_SetPIN
  bool automatic_login = false;        // the first session logs the user in

  bool is_for(const std::string& label, const std::string& serial) const;
};

/// Returns the settings that name the token, or else those without a name.
TokenSettings settings_for(const std::vector<TokenSettings>& all, const std::string& label, const std::string& serial);

}  // namespace vtpm
