// SPDX-License-Identifier: Apache-2.0
// A token that is being made: whole, or not at all.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "tools/cryptoki_client.h"

namespace vtpm::tools {

/// The PINs of a new token. No user PIN: the security officer sets one later.
struct NewPins {
  SecretBytes so;
  std::optional<SecretBytes> user;
};

/// Whether the configuration lets the user's PIN be empty. Throws UsageError when it does not.
void require_empty_pin_allowed();
/// That C_InitPIN takes a user PIN: 4 to 255 bytes, or none where the configuration allows that. Throws UsageError.
void require_user_pin_fits(ByteView pin);

class NewToken {
 public:
  /// Checks both PINs, and then makes the token in the free slot. Throws Error; then there is no token.
  NewToken(const Cryptoki& cryptoki, const NewPins& pins, const Label& label);
  /// Removes the token unless it is to be kept, and says on standard error where that cannot be done.
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
