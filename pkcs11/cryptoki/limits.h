// SPDX-License-Identifier: Apache-2.0
// The maximum lengths of inputs (docs/pkcs11.md, Lengths). A function rejects a longer input before it reads a byte of
// it; otherwise a garbage length would make it read beyond the end of mapped memory. Data that are digested, signed,
// verified, encrypted or decrypted have no limit.
#pragma once

#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

struct Limit {
  CK_ULONG most;  // bytes
  const char* what;
};

constexpr CK_ULONG kMebibyte = CK_ULONG{1} << 20;

constexpr Limit kSeedLimit = {kMebibyte, "the seed"};
constexpr Limit kPinLimit = {CK_ULONG{1} << 16, "the PIN"};  // a shorter one that exceeds the PIN length is a wrong PIN
constexpr Limit kAssociatedLimit = {16 * kMebibyte, "the associated data"};
constexpr Limit kWrappedKeyLimit = {16 * kMebibyte, "the wrapped key"};
constexpr Limit kEncapsulatedLimit = {kMebibyte, "the encapsulated key"};
/// For C_VerifySignatureInit, which keeps the signature. Other functions compare its length with that of the key first.
constexpr Limit kSignatureLimit = {kMebibyte, "the signature"};
/// A saved operation state contains what the operation has collected.
constexpr Limit kSavedStateLimit = {128 * kMebibyte, "the saved state"};

/// The maximum length of a generic secret and of a key for HMAC or HKDF, in bytes: the most that HKDF derives with a
/// hash of 64 bytes (RFC 5869, 2.3: 255 hash lengths).
constexpr CK_ULONG kMostSecret = 255 * 64;

/// Bytes of an attribute's value; CKR_ATTRIBUTE_VALUE_INVALID. The store has the same limit.
constexpr CK_ULONG kMostAttributeValue = 16 * kMebibyte;
/// Bytes that a mechanism's parameter points to; CKR_MECHANISM_PARAM_INVALID.
constexpr CK_ULONG kMostParameter = 16 * kMebibyte;
/// Attributes of a template; CKR_ARGUMENTS_BAD.
constexpr CK_ULONG kMostTemplateRows = 1024;

}  // namespace vtpm::pkcs11
