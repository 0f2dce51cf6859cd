// SPDX-License-Identifier: Apache-2.0
// General-purpose, slot and token functions (PKCS#11 3.2, 5.4 and 5.5).
#include <algorithm>
#include <cstring>

#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/mechanism/mechanism.h"
#include "pkcs11/token/model.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

constexpr CK_VERSION kVersion = {VTPM_VERSION_MAJOR, VTPM_VERSION_MINOR};

/// The length of the part of `text`, which is UTF-8, that fits into `room` bytes without cutting a character.
size_t fitting(std::string_view text, size_t room) {
  if (text.size() <= room) return text.size();
  while (room > 0 && (static_cast<unsigned char>(text[room]) & 0xC0) == 0x80) --room;
  return room;
}

/// Fixed fields are padded with blanks and never end with NUL.
template <size_t N>
void fill(unsigned char (&field)[N], std::string_view text) {
  std::memset(field, ' ', N);
  std::memcpy(field, text.data(), fitting(text, N));
}

CK_FLAGS count_flags(const store::Attempts& attempts, CK_FLAGS low, CK_FLAGS final_try, CK_FLAGS locked) {
  if (attempts.failures == 0) return 0;
  if (attempts.limit == 0) return low;
  if (attempts.failures >= attempts.limit) return low | locked;
  return attempts.failures + 1 == attempts.limit ? low | final_try : low;
}

/// Whether C_Login needs no PIN from the application; for a token that is not initialized, whether C_InitToken needs
/// none.
bool has_protected_path(const TokenSettings& settings, bool initialized) {
  return (initialized ? settings.user_pin : settings.so_pin).present();
}

void describe_token(Module& module, Token& token, CK_TOKEN_INFO& info) {
  const Identity identity = token.identity();
  fill(info.label, identity.label);
  fill(info.serialNumber, identity.serial);
  info.flags |= CKF_TOKEN_INITIALIZED;
  if (token.login().user_pin_set()) info.flags |= CKF_USER_PIN_INITIALIZED;
  if (token.read_only()) info.flags |= CKF_WRITE_PROTECTED;
  if (token.login().user_pin_to_be_changed()) info.flags |= CKF_USER_PIN_TO_BE_CHANGED;
  info.flags |= count_flags(token.login().attempts(Who::kUser), CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY,
                            CKF_USER_PIN_LOCKED);
  info.flags |=
      count_flags(token.login().attempts(Who::kSo), CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED);
  const SessionTable::Count count = module.sessions.count(token);
  info.ulSessionCount = count.all;
  info.ulRwSessionCount = count.read_write;
}

}  // namespace

CK_RV C_Initialize(void* arguments) {
  return run_guarded("C_Initialize", [&] {
    const CK_C_INITIALIZE_ARGS given =
        arguments ? *static_cast<const CK_C_INITIALIZE_ARGS*>(arguments) : CK_C_INITIALIZE_ARGS{};
    refuse_if(given.pReserved, CKR_ARGUMENTS_BAD, "pReserved must be null");
    Module::initialize(given);
    return CKR_OK;
  });
}

CK_RV C_Finalize(void* reserved) {
  return run_guarded("C_Finalize", [&] {
    refuse_if(reserved, CKR_ARGUMENTS_BAD, "pReserved must be null");
    Module::finalize();
    return CKR_OK;
  });
}

CK_RV vtpm::pkcs11::library_info(CK_INFO* info, CK_VERSION version) {
  return call("C_GetInfo", [&](Module&) {
    CK_INFO& out = require(info);
    out = {};
    out.cryptokiVersion = version;
    fill(out.manufacturerID, kManufacturer);
    fill(out.libraryDescription, "Emulated TPM 2.0 as a token");
    out.libraryVersion = kVersion;
    return CKR_OK;
  });
}

CK_RV C_GetInfo(CK_INFO* info) { return library_info(info, {2, 40}); }

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  return run_guarded("C_GetFunctionList", [&] {
    require(list) = function_list_2_40();
    return CKR_OK;
  });
}

CK_RV C_GetSlotList(CK_BBOOL token_present, CK_SLOT_ID* slots, CK_ULONG* count) {
  return call("C_GetSlotList", [&](Module& module) -> CK_RV {
    CK_ULONG& room = require(count);
    // PKCS#11 3.2, 5.5: the list may change when its size is requested, and must not change when it is fetched.
    if (!slots) module.slots.rescan();
    const std::vector<CK_SLOT_ID> ids = module.slots.ids(token_present);
    const bool fits = room >= ids.size();
    room = ids.size();
    if (!slots) return CKR_OK;
    if (!fits) return CKR_BUFFER_TOO_SMALL;
    std::copy(ids.begin(), ids.end(), slots);
    return CKR_OK;
  });
}

CK_RV C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO* info) {
  return call("C_GetSlotInfo", [&](Module& module) {
    CK_SLOT_INFO& out = require(info);
    const SlotTable::Description description = module.slots.describe(id);
    out = {};
    fill(out.slotDescription, description.text);
    fill(out.manufacturerID, kManufacturer);
    out.flags = description.token_present ? CKF_TOKEN_PRESENT : 0;
    out.hardwareVersion = {2, 0};
    out.firmwareVersion = kVersion;
    return CKR_OK;
  });
}

CK_RV C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO* info) {
  return call("C_GetTokenInfo", [&](Module& module) {
    CK_TOKEN_INFO& out = require(info);
    std::shared_ptr<Token> token = module.slots.token(id);
    out = {};
    fill(out.label, "");
    fill(out.manufacturerID, kManufacturer);
    fill(out.model, kModel);
    fill(out.serialNumber, "");
    fill(out.utcTime, "");
    out.flags = CKF_RNG | CKF_DUAL_CRYPTO_OPERATIONS;
    out.ulMaxSessionCount = out.ulMaxRwSessionCount = module.config.max_sessions;
    out.ulMinPinLen = module.config.empty_pin ? 0 : kPinLeast;
    out.ulMaxPinLen = kPinMost;
    out.ulTotalPublicMemory = out.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
    out.ulTotalPrivateMemory = out.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
    out.hardwareVersion = {2, 0};
    out.firmwareVersion = kVersion;
    const TokenSettings settings = token ? token->settings() : settings_for(module.config.tokens, "", "");
    if (has_protected_path(settings, !!token)) out.flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
    if (!token || token->login().required()) out.flags |= CKF_LOGIN_REQUIRED;
    if (token) describe_token(module, *token, out);
    return CKR_OK;
  });
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID* slot, void* reserved) {
  return call("C_WaitForSlotEvent", [&](Module&) -> CK_RV {
    refuse_if(!slot || reserved, CKR_ARGUMENTS_BAD, "pSlot is null or pReserved is not");
    refuse_if(flags & ~CKF_DONT_BLOCK, CKR_ARGUMENTS_BAD, "flags other than CKF_DONT_BLOCK are not supported");
    refuse_if(!(flags & CKF_DONT_BLOCK), CKR_FUNCTION_NOT_SUPPORTED, "this token has no slot events to wait for");
    return CKR_NO_EVENT;
  });
}

CK_RV C_GetMechanismList(CK_SLOT_ID id, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
  return call("C_GetMechanismList", [&](Module& module) -> CK_RV {
    CK_ULONG& room = require(count);
    module.slots.token(id);
    const auto rows = mechanisms();
    const auto offered = static_cast<CK_ULONG>(std::count_if(rows.begin(), rows.end(), is_offered));
    const bool fits = room >= offered;
    room = offered;
    if (!list) return CKR_OK;
    if (!fits) return CKR_BUFFER_TOO_SMALL;
    for (const Mechanism& row : rows) {
      if (is_offered(row)) *list++ = row.type;
    }
    return CKR_OK;
  });
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID id, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return call("C_GetMechanismInfo", [&](Module& module) {
    CK_MECHANISM_INFO& out = require(info);
    module.slots.token(id);
    const Mechanism* row = find_mechanism(type);
    refuse_if(!row || !is_offered(*row), CKR_MECHANISM_INVALID,
              row ? "the mechanism is hidden by the configuration" : "the mechanism is not supported");
    const Mechanism::Sizes sizes = row->sizes();
    out = {sizes.least, sizes.most, row->flags};
    return CKR_OK;
  });
}

CK_RV C_InitToken(CK_SLOT_ID id, CK_BYTE* pin, CK_ULONG pin_length, CK_BYTE* label) {
  return call("C_InitToken", [&](Module& module) {
    refuse_if(!label, CKR_ARGUMENTS_BAD, "the label is a null pointer");
    std::string name(reinterpret_cast<const char*>(label), sizeof(CK_TOKEN_INFO::label));
    // The standard requires blank padding; applications that pad with NULs mean the same label.
    std::fill(name.begin() + static_cast<std::ptrdiff_t>(name.find_last_not_of('\0') + 1), name.end(), ' ');
    PinSource source;
    if (const std::shared_ptr<Token> token = module.slots.token_as_listed(id); !pin)
      source = (token ? token->settings() : settings_for(module.config.tokens, name, "")).so_pin;
    module.slots.initialize(id, given_pin(pin, pin_length, source, /*may_be_empty=*/false), name,
                            [&](const Token& token) { return module.sessions.count(token).all > 0; });
    return CKR_OK;
  });
}

CK_RV C_InitPIN(CK_SESSION_HANDLE handle, CK_BYTE* pin, CK_ULONG pin_length) {
  return call_session("C_InitPIN", handle, [&](Module&, Session& session) {
    refuse_if(session.state() != CKS_RW_SO_FUNCTIONS, CKR_USER_NOT_LOGGED_IN, "only the SO sets the user's PIN");
    const Token& token = *session.token;
    session.token->login().init_user_pin(
        given_pin(pin, pin_length, token.settings().user_pin, token.config().empty_pin));
    return CKR_OK;
  });
}

CK_RV C_SetPIN(CK_SESSION_HANDLE handle, CK_BYTE* old_pin, CK_ULONG old_length, CK_BYTE* new_pin, CK_ULONG new_length) {
  return call_session("C_SetPIN", handle, [&](Module&, Session& session) {
    // CKR_TOKEN_WRITE_PROTECTED "has higher priority than CKR_SESSION_READ_ONLY" (PKCS#11 3.2, 5.1.6).
    refuse_if(session.token->read_only(), CKR_TOKEN_WRITE_PROTECTED, "the store is read-only");
    refuse_if(!session.read_write, CKR_SESSION_READ_ONLY,
              "the session is read-only: a PIN is changed in a read/write session");
    const Who who = session.token->login().who() == Who::kSo ? Who::kSo : Who::kUser;
    const TokenSettings& settings = session.token->settings();
    const PinSource& old_source = who == Who::kSo ? settings.so_pin : settings.user_pin;
    const PinSource& new_source = who == Who::kSo ? settings.new_so_pin : settings.new_user_pin;
    const bool may_be_empty = who == Who::kUser && session.token->config().empty_pin;
    const SecretBytes before = given_pin(old_pin, old_length, old_source, may_be_empty);
    const SecretBytes after = given_pin(new_pin, new_length, new_source, may_be_empty);
    session.token->login().change_pin(who, before, after);
    return CKR_OK;
  });
}
