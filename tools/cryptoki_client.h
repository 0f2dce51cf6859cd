// SPDX-License-Identifier: Apache-2.0
// The tool as a PKCS#11 application: it makes and lists tokens through the C functions that every application calls, so
// that it has the same view.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::tools {

/// Calls C_Initialize; the destructor calls C_Finalize.
class Cryptoki {
 public:
  Cryptoki();
  ~Cryptoki();
  Cryptoki(const Cryptoki&) = delete;
  Cryptoki& operator=(const Cryptoki&) = delete;

  std::vector<CK_SLOT_ID> slots() const;
  CK_TOKEN_INFO token_info(CK_SLOT_ID slot) const;
};

/// A label padded with blanks, for C_InitToken. Throws Error kInvalidArgument unless it has 1 to 32 bytes without ':'.
using Label = std::array<unsigned char, sizeof(CK_TOKEN_INFO::label)>;
Label padded_label(const std::string& label);

/// Initializes a token in the free slot, or in the next one if another process has taken that slot. Returns the slot.
/// Throws Error.
CK_SLOT_ID make_token(const Cryptoki& cryptoki, ByteView so_pin, Label label);

/// Logs the security officer in, sets the user's PIN, and logs out. Throws Error.
void set_user_pin(CK_SLOT_ID slot, ByteView so_pin, ByteView user_pin);

/// A pointer to the PIN for a C function. It is never null, because a null pointer asks the module to fetch the PIN
/// itself.
CK_BYTE* pin_bytes(ByteView pin);

/// A read/write session, which the destructor closes.
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

/// Throws Error unless `rv` is CKR_OK. The sentence consists of `what`, the meaning of the value, and the cause that
/// the failed C function has logged.
void check(CK_RV rv, const std::string& what);
/// The same with the sentence of a Refusal as the cause.
void check(CK_RV rv, const std::string& what, const std::string& cause);

/// A field of fixed length without its final blanks.
template <size_t N>
std::string trimmed(const unsigned char (&field)[N]) {
  std::string text(reinterpret_cast<const char*>(field), N);
  return text.erase(text.find_last_not_of(' ') + 1);
}

/// RFC 7512: the URI "pkcs11:model=…;manufacturer=…;serial=…;token=…" of a token, which libp11-kit formats.
std::string token_uri(const CK_TOKEN_INFO& info);

}  // namespace vtpm::tools
