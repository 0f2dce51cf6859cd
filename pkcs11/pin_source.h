// Where the module fetches a PIN that the application does not pass: the protected authentication path (PKCS#11 3.2,
// 3.2, CKF_PROTECTED_AUTHENTICATION_PATH). A file, or a systemd credential; nothing that asks a person, because the
// module runs in a process that is not its own.
#pragma once

#include <string>
#include <vector>

#include "crypto/bytes.h"

namespace vtpm::pkcs11 {

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
  /// The first line, without its end. Throws Refusal CKR_FUNCTION_CANCELED when there is none to be had.
  SecretBytes read() const;

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

}  // namespace vtpm::pkcs11
