// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/api/entry.h"

#include <poll.h>
#include <pthread.h>

#include <algorithm>

namespace vtpm::pkcs11 {
namespace {

// The address space ends far below. A longer input is a wrong argument, and its pointer plus its length would overflow.
constexpr CK_ULONG kMostInput = 1UL << 47;

LogLevel level_of(CK_RV rv) {
  switch (rv) {
    case CKR_OK:
      return LogLevel::kDebug;
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_MEMORY:
    case CKR_DEVICE_REMOVED:
    case CKR_FUNCTION_CANCELED:  // the protected authentication path yields no PIN
    case CKR_GENERAL_ERROR:
    case CKR_HOST_MEMORY:
      return LogLevel::kError;
    default:
      return LogLevel::kInfo;
  }
}

// clang-format off
constexpr std::string_view kNeedALastingPin[] = {
    "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_FindObjectsInit",
    "C_EncryptInit", "C_DecryptInit", "C_MessageEncryptInit", "C_EncryptMessageBegin",
    "C_MessageDecryptInit", "C_DecryptMessageBegin", "C_DigestInit", "C_SignInit",
    "C_SignRecoverInit", "C_MessageSignInit", "C_SignMessageBegin", "C_VerifyInit",
    "C_VerifyRecoverInit", "C_VerifySignatureInit", "C_MessageVerifyInit", "C_VerifyMessageBegin",
    "C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey",
    "C_DeriveKey", "C_EncapsulateKey", "C_DecapsulateKey", "C_WrapKeyAuthenticated",
    "C_UnwrapKeyAuthenticated",
};
// clang-format on

}  // namespace

bool needs_a_lasting_pin(std::string_view function) {
  return std::find(std::begin(kNeedALastingPin), std::end(kNeedALastingPin), function) != std::end(kNeedALastingPin);
}

CK_RV unless_memory_was_wanted(CK_RV rv) noexcept {
  return rv != CKR_OK && crypto::wanted_memory() ? CKR_HOST_MEMORY : rv;
}

namespace {

std::string* told_reason = nullptr;

}  // namespace

void tell_reasons(std::string* to) noexcept { told_reason = to; }

void log_result(const char* function, CK_RV rv, const char* reason) noexcept {
  if (told_reason && rv != CKR_OK) {
    try {
      *told_reason = reason;
    } catch (const std::bad_alloc&) {
      told_reason->clear();
    }
  }
  const LogLevel level = level_of(rv);
  if (!log_enabled(level)) return;
  try {
    log_line(level, std::string(function) + ": " + rv_name(rv) + (*reason ? ": " : "") + reason);
  } catch (const std::bad_alloc&) {  // a call does not fail because of the log
  }
}

Cancellation forbid_cancellation() {
  Cancellation before{PTHREAD_CANCEL_DISABLE, PTHREAD_CANCEL_DEFERRED};
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before.state);
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &before.type);
  // Another thread may have requested the cancellation already. glibc's handler of the request checks the type only,
  // which is asynchronous inside every system call that is a cancellation point. The first such call would then wait
  // for a pending request before it returns. Therefore the function makes such a call here, where the thread can still
  // end.
  if (before.type == PTHREAD_CANCEL_ASYNCHRONOUS) poll(nullptr, 0, 0);
  return before;
}

void allow_cancellation(const Cancellation& before) {
  pthread_setcancelstate(before.state, nullptr);
  if (before.type == PTHREAD_CANCEL_ASYNCHRONOUS) pthread_setcanceltype(before.type, nullptr);
}

ByteView input(const void* data, CK_ULONG length) {
  refuse_if(!data && length > 0, CKR_ARGUMENTS_BAD, "a null pointer with a length");
  refuse_if(length > kMostInput, CKR_ARGUMENTS_BAD, "length out of range (it exceeds the address space)");
  return {static_cast<const uint8_t*>(data), data ? length : 0};
}

ByteView input(const void* data, CK_ULONG length, const Limit& limit) {
  if (length > limit.most)
    refuse(CKR_ARGUMENTS_BAD,
           std::string(limit.what) + ": length out of range (at most " + std::to_string(limit.most) + ")");
  return input(data, length);
}

SecretBytes given_pin(const CK_BYTE* pin, CK_ULONG length, const PinSource& source, bool may_be_empty) {
  if (!pin && source.configured()) return source.read(may_be_empty);
  refuse_if(!pin, CKR_ARGUMENTS_BAD, "the PIN is a null pointer, and no PIN source is configured for the token");
  return SecretBytes(input(pin, length, kPinLimit));
}

Output::Output(CK_BYTE_PTR buffer, CK_ULONG_PTR length) : buffer_(buffer), length_(length) {
  refuse_if(!length, CKR_ARGUMENTS_BAD, "the pointer to the output length is null");
}

std::optional<CK_RV> Output::early(size_t size) {
  if (buffer_ && *length_ >= size) return std::nullopt;
  *length_ = size;
  return buffer_ ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

void Output::put(ByteView result) {
  std::copy(result.begin(), result.end(), buffer_);
  *length_ = result.size();
}

}  // namespace vtpm::pkcs11
