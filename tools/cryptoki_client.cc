// SPDX-License-Identifier: Apache-2.0
#include "tools/cryptoki_client.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/refusal.h"
#include "tools/configuration.h"
#include "tools/find_store.h"
#include "tools/pkcs11_uri.h"

namespace vtpm::tools {

namespace {

// The reason of the C function that failed last. The tool has only one thread.
std::string& last_reason() {
  static std::string reason;
  return reason;
}

struct Meaning {
  CK_RV rv;
  const char* text;
};
// Values whose meaning is complete, so that the module's sentence would repeat it.
constexpr Meaning kMeanings[] = {
    {CKR_PIN_LEN_RANGE, "a PIN must have 4 to 255 bytes"},
    {CKR_PIN_INCORRECT, "the PIN is wrong"},
    {CKR_PIN_LOCKED, "the PIN is locked after too many wrong attempts"},
    {CKR_SESSION_EXISTS, "the token has open sessions"},
};
// Values to which the module's sentence adds the cause.
constexpr Meaning kIntroductions[] = {
    {CKR_DEVICE_MEMORY, "there is no space left"},
    {CKR_TOKEN_WRITE_PROTECTED, "the store cannot be written"},
    {CKR_TOKEN_NOT_RECOGNIZED, "this version cannot read the store (run vtpm-token store check)"},
};

template <size_t N>
const char* meaning_of(CK_RV rv, const Meaning (&rows)[N]) {
  const auto row = std::find_if(std::begin(rows), std::end(rows), [&](const Meaning& m) { return m.rv == rv; });
  return row == std::end(rows) ? nullptr : row->text;
}

}  // namespace

void check(CK_RV rv, const std::string& what, const std::string& cause) {
  if (rv == CKR_OK) return;
  std::string reason;
  if (const char* all = meaning_of(rv, kMeanings)) {
    reason = all;
  } else {
    if (const char* introduction = meaning_of(rv, kIntroductions)) reason = introduction;
    if (!cause.empty()) reason += (reason.empty() ? "" : ": ") + cause;
    if (reason.empty()) reason = pkcs11::rv_name(rv);
  }
  throw Error(ErrorCode::kInternal, what + ": " + reason);
}

void check(CK_RV rv, const std::string& what) { check(rv, what, last_reason()); }

Cryptoki::Cryptoki() {
  pkcs11::tell_reasons(&last_reason());
  configuration();  // with a broken configuration the module would serve no token and print nothing
  check(C_Initialize(nullptr), "cannot initialize the module");
}
Cryptoki::~Cryptoki() { C_Finalize(nullptr); }

std::vector<CK_SLOT_ID> Cryptoki::slots() const {
  CK_ULONG count = 0;
  check(C_GetSlotList(CK_FALSE, nullptr, &count), "cannot list the slots");
  std::vector<CK_SLOT_ID> slots(count);
  check(C_GetSlotList(CK_FALSE, slots.data(), &count), "cannot list the slots");
  slots.resize(count);
  return slots;
}

CK_TOKEN_INFO Cryptoki::token_info(CK_SLOT_ID slot) const {
  CK_TOKEN_INFO info{};
  check(C_GetTokenInfo(slot, &info), "cannot read the token in slot " + std::to_string(slot));
  return info;
}

CK_BYTE* pin_bytes(ByteView pin) {
  static CK_BYTE none = 0;
  return pin.empty() ? &none : const_cast<CK_BYTE*>(pin.data());
}

Label padded_label(const std::string& label) {
  Label padded;
  if (label.empty() || label.size() > padded.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "the label \"" + label + "\" has " + std::to_string(label.size()) + " bytes: it must have 1 to 32");
  }
  if (label.find(':') != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, "a label must not contain ':', which NSS reads as a separator");
  }
  padded.fill(' ');
  std::copy(label.begin(), label.end(), padded.begin());
  return padded;
}

namespace {

/// The number of the slot of the next token, whether or not the configuration lists it. Throws Error kIo.
CK_SLOT_ID free_slot(const Cryptoki& cryptoki) {
  cryptoki.slots();  // C_InitToken uses the slots as they are listed now
  const auto directory = store_directory();
  if (!directory->problem().empty()) throw Error(ErrorCode::kIo, directory->problem());
  return directory->unused_number();
}

}  // namespace

CK_SLOT_ID make_token(const Cryptoki& cryptoki, ByteView so_pin, Label label) {
  // A slot is taken only when another process makes a token, so the loop ends.
  constexpr int kTries = 1000;
  for (int tries_left = kTries;; --tries_left) {
    const CK_SLOT_ID slot = free_slot(cryptoki);
    const CK_RV rv = C_InitToken(slot, pin_bytes(so_pin), so_pin.size(), label.data());
    if ((rv == CKR_FUNCTION_FAILED || rv == CKR_SLOT_ID_INVALID) && tries_left > 0) continue;
    check(rv, "cannot make the token");
    return slot;
  }
}

void set_user_pin(CK_SLOT_ID slot, ByteView so_pin, ByteView user_pin) {
  const CryptokiSession session(slot);
  check(C_Login(session.handle(), CKU_SO, pin_bytes(so_pin), so_pin.size()), "the SO cannot log in");
  check(C_InitPIN(session.handle(), pin_bytes(user_pin), user_pin.size()), "cannot set the user PIN");
}

CryptokiSession::CryptokiSession(CK_SLOT_ID slot) {
  check(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle_), "cannot open a session");
}
CryptokiSession::~CryptokiSession() { C_CloseSession(handle_); }

std::string token_uri(const CK_TOKEN_INFO& info) {
  return format_token_uri({.label = trimmed(info.label),
                           .manufacturer = trimmed(info.manufacturerID),
                           .model = trimmed(info.model),
                           .serial = trimmed(info.serialNumber)});
}

}  // namespace vtpm::tools
