#include "tools/cryptoki_client.h"

#include <p11-kit/uri.h>

#include <cstdlib>
#include <memory>

#include "crypto/error.h"
#include "pkcs11/refusal.h"

namespace vtpm::tools {

void check(CK_RV rv, const std::string& what) {
  if (rv == CKR_OK) return;
  std::string reason = pkcs11::rv_name(rv);
  switch (rv) {
    case CKR_PIN_LEN_RANGE:
      reason = "a PIN has 4 to 255 octets";
      break;
    case CKR_PIN_INCORRECT:
      reason = "the PIN is wrong";
      break;
    case CKR_PIN_LOCKED:
      reason = "the PIN is locked after too many wrong tries";
      break;
    case CKR_DEVICE_MEMORY:
      reason = "the disk is full";
      break;
    case CKR_TOKEN_NOT_RECOGNIZED:
      reason = "the store is not one that this version can read (vtpm-token store check)";
      break;
    default:
      break;
  }
  throw Error(ErrorCode::kInternal, what + ": " + reason);
}

Cryptoki::Cryptoki() { check(C_Initialize(nullptr), "the module does not start"); }
Cryptoki::~Cryptoki() { C_Finalize(nullptr); }

std::vector<CK_SLOT_ID> Cryptoki::slots() const {
  CK_ULONG count = 0;
  check(C_GetSlotList(CK_TRUE, nullptr, &count), "can not list the slots");
  std::vector<CK_SLOT_ID> slots(count);
  check(C_GetSlotList(CK_TRUE, slots.data(), &count), "can not list the slots");
  slots.resize(count);
  return slots;
}

CK_TOKEN_INFO Cryptoki::token_info(CK_SLOT_ID slot) const {
  CK_TOKEN_INFO info{};
  check(C_GetTokenInfo(slot, &info), "slot " + std::to_string(slot));
  return info;
}

namespace {

using Uri = std::unique_ptr<P11KitUri, decltype(&p11_kit_uri_free)>;

Uri new_uri() {
  Uri uri(p11_kit_uri_new(), p11_kit_uri_free);
  if (!uri) throw std::bad_alloc();
  return uri;
}

}  // namespace

CK_SLOT_ID find_token(const Cryptoki& cryptoki, const std::string& name) {
  const Uri uri = new_uri();
  const bool by_uri = name.rfind("pkcs11:", 0) == 0;
  if (by_uri && p11_kit_uri_parse(name.c_str(), P11_KIT_URI_FOR_OBJECT_ON_TOKEN, uri.get()) != P11_KIT_URI_OK)
    throw Error(ErrorCode::kInvalidArgument, "\"" + name + "\" is not a pkcs11: URI");
  std::vector<CK_SLOT_ID> found;
  for (const CK_SLOT_ID slot : cryptoki.slots()) {
    CK_TOKEN_INFO info{};
    if (C_GetTokenInfo(slot, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED)) continue;
    const bool same = by_uri ? p11_kit_uri_match_token_info(uri.get(), &info) == 1
                             : trimmed(info.label) == name || trimmed(info.serialNumber) == name;
    if (same) found.push_back(slot);
  }
  if (found.empty()) throw Error(ErrorCode::kNotFound, "there is no token \"" + name + "\" (vtpm-token list)");
  if (found.size() > 1)
    throw Error(ErrorCode::kInvalidArgument,
                "several tokens are called \"" + name + "\": name one by its serial number");
  return found.front();
}

CK_SLOT_ID free_slot(const Cryptoki& cryptoki) {
  for (CK_SLOT_ID slot : cryptoki.slots()) {
    CK_TOKEN_INFO info{};
    if (C_GetTokenInfo(slot, &info) == CKR_OK && !(info.flags & CKF_TOKEN_INITIALIZED)) return slot;
  }
  throw Error(ErrorCode::kNotFound, "there is no free slot: set free_slot = true in the configuration");
}

CryptokiSession::CryptokiSession(CK_SLOT_ID slot) {
  check(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle_), "can not open a session");
}
CryptokiSession::~CryptokiSession() { C_CloseSession(handle_); }

std::string token_uri(const CK_TOKEN_INFO& info) {
  const std::unique_ptr<P11KitUri, decltype(&p11_kit_uri_free)> uri(p11_kit_uri_new(), p11_kit_uri_free);
  if (!uri) throw std::bad_alloc();
  *p11_kit_uri_get_token_info(uri.get()) = info;
  char* text = nullptr;
  if (p11_kit_uri_format(uri.get(), P11_KIT_URI_FOR_TOKEN, &text) != P11_KIT_URI_OK) return "";
  const std::unique_ptr<char, decltype(&std::free)> owned(text, std::free);
  return text;
}

}  // namespace vtpm::tools
