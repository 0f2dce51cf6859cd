// SPDX-License-Identifier: Apache-2.0
// The longest inputs that a caller can mean (docs/pkcs11.md, Lengths). What is longer is refused before a byte of it is
// read: a garbled length over a few bytes would otherwise be followed until the process ends. What is digested, signed,
// verified or passed through a cipher has no limit.
#pragma once

#include "pkcs11/cryptoki/cryptoki.h"

namespace vtpm::pkcs11 {

struct Limit {
  CK_ULONG most;  // bytes
  const char* what;
};

constexpr CK_ULONG kMebibyte = CK_ULONG{1} << 20;

constexpr Limit kSeedLimit = {kMebibyte, "the seed"};
constexpr Limit kPinLimit = {CK_ULONG{1} << 16, "the PIN"};  // what is too long for a PIN but below this is a wrong one
constexpr Limit kAssociatedLimit = {16 * kMebibyte, "the associated data"};
constexpr Limit kWrappedKeyLimit = {16 * kMebibyte, "the wrapped key"};
constexpr Limit kEncapsulatedLimit = {kMebibyte, "the encapsulated key"};
/// Where it is kept (C_VerifySignatureInit); elsewhere its length is compared with the key's first.
constexpr Limit kSignatureLimit = {kMebibyte, "the signature"};
/// A state holds what an operation has collected.
constexpr Limit kSavedStateLimit = {128 * kMebibyte, "the saved state"};

/// The longest generic secret and key of HMAC or HKDF, in bytes: as much as HKDF makes with a hash of 64 bytes
/// (RFC 5869, 2.3: 255 hash lengths).
constexpr CK_ULONG kMostSecret = 255 * 64;

/// The value of an attribute, or of what it holds: CKR_ATTRIBUTE_VALUE_INVALID. The store has the same limit.
constexpr CK_ULONG kMostAttributeValue = 16 * kMebibyte;
/// What a mechanism's parameter points to: CKR_MECHANISM_PARAM_INVALID.
constexpr CK_ULONG kMostParameter = 16 * kMebibyte;
/// The attributes of a template: CKR_ARGUMENTS_BAD.
constexpr CK_ULONG kMostTemplateRows = 1024;

}  // namespace vtpm::pkcs11
