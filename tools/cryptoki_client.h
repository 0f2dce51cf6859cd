// SPDX-License-Identifier: Apache-2.0
// The tool as a PKCS#11 application: tokens are made and listed through the same C functions that everyone else calls,
// so the tool cannot do, or see, anything different.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::tools {

/// C_Initialize … C_Finalize.
class Cryptoki {
 public:
  Cryptoki();
  ~Cryptoki();
  Cryptoki(const Cryptoki&) = delete;
  Cryptoki& operator=(const Cryptoki&) = delete;

  std::vector<CK_SLOT_ID> slots() const;
  CK_TOKEN_INFO token_info(CK_SLOT_ID slot) const;
};

/// A label as C_InitToken takes it, blank-padded. Throws Error kInvalidArgument.
using Label = std::array<unsigned char, sizeof(CK_TOKEN_INFO::label)>;
Label padded_label(const std::string& label);

/// Makes a token in the free slot, or in the next one when another process was faster. Returns its slot. Throws Error.
CK_SLOT_ID make_token(const Cryptoki& cryptoki, ByteView so_pin, Label label);

/// Logs the security officer in to set the user's PIN, and out again. Throws Error.
void set_user_pin(CK_SLOT_ID slot, ByteView so_pin, ByteView user_pin);

/// For C functions that take a PIN. Never null: that would ask the module to fetch the PIN itself.
CK_BYTE* pin_bytes(ByteView pin);

/// A read/write session, closed at the end.
class CryptokiSession {
 public:
  explicit CryptokiSession(CK_SLOT_ID slot);
  ~CryptokiSession();
  CryptokiSession(const CryptokiSession&) = delete;
  CryptokiSession& operator=(const CryptokiSession&) = delete;
  CK_SESSION_HANDLE handle() const { return handle_; }

 private:
  CK_SESSION_HANDLE handle_ = 0;
};

/// Throws Error with a sentence made of `what` and why, unless `rv` is CKR_OK: the meaning of the value, and what the
/// C function that returned it just now had to say, with its path and its cause.
void check(CK_RV rv, const std::string& what);
/// The same with the words of a refusal.
void check(CK_RV rv, const std::string& what, const std::string& cause);

/// A fixed field without its blanks.
template <size_t N>
std::string trimmed(const unsigned char (&field)[N]) {
  std::string text(reinterpret_cast<const char*>(field), N);
  return text.erase(text.find_last_not_of(' ') + 1);
}

/// RFC 7512: "pkcs11:model=…;manufacturer=…;serial=…;token=…", by libp11-kit.
std::string token_uri(const CK_TOKEN_INFO& info);

}  // namespace vtpm::tools
