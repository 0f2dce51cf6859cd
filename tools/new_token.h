// SPDX-License-Identifier: Apache-2.0
// A token that is being made. Unless it is completed, it is removed again.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "tools/cryptoki_client.h"

namespace vtpm::tools {

/// The PINs of a new token. Without a user PIN, the security officer sets one later.
struct NewPins {
  SecretBytes so;
  std::optional<SecretBytes> user;
};

/// Throws UsageError unless the configuration allows an empty user PIN.
void require_empty_pin_allowed();
/// Throws UsageError unless C_InitPIN accepts the user PIN: 4 to 255 bytes, or none if the configuration allows that.
void require_user_pin_fits(ByteView pin);

class NewToken {
 public:
  /// Checks both PINs, and then makes the token in the free slot. Throws Error, and then no token exists.
  NewToken(const Cryptoki& cryptoki, const NewPins& pins, const Label& label);
  /// Removes the token unless `keep` was called. If that fails, it prints the path to standard error.
  ~NewToken();
  NewToken(const NewToken&) = delete;
  NewToken& operator=(const NewToken&) = delete;

  CK_SLOT_ID slot() const { return slot_; }
  const std::string& serial() const { return serial_; }
  const std::string& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  void remove() const noexcept;

  CK_SLOT_ID slot_ = 0;
  std::string serial_, path_;
  bool kept_ = false;
};

}  // namespace vtpm::tools
