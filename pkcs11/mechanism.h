// The mechanisms of this token: one row each. C_GetMechanismList, C_GetMechanismInfo and every C_…Init read this table,
// so that nothing is advertised that does not work, and nothing works that is not advertised.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "crypto/digest.h"
#include "pkcs11/cryptoki.h"

namespace vtpm::pkcs11 {

enum class Family { kDigest, kRsaKeyPair, kEcKeyPair, kRsaPkcs, kRsaX509, kRsaPss, kRsaOaep, kEcdsa };

struct Mechanism {
  CK_MECHANISM_TYPE type;
  std::string_view name;
  Family family;
  std::optional<crypto::Hash> hash;  // the hash that is part of the mechanism
  CK_ULONG min_bits, max_bits;       // of the key; 0 for digests
  CK_FLAGS flags;                    // CKF_SIGN …; CKF_HW where the TPM can do it for at least one key size
};

std::span<const Mechanism> mechanisms();
/// Nothing when the token does not know the type.
const Mechanism* find_mechanism(CK_MECHANISM_TYPE type);

/// The row for a caller's mechanism, which must offer `use` (one CKF_ flag). Throws Refusal: CKR_ARGUMENTS_BAD (null),
/// CKR_MECHANISM_INVALID.
const Mechanism& require_mechanism(const CK_MECHANISM* mechanism, CK_FLAGS use);
/// Throws CKR_MECHANISM_PARAM_INVALID unless the parameter is absent.
void require_no_parameter(const CK_MECHANISM& mechanism);
/// The parameter structure, copied (the caller's may be unaligned). Throws CKR_MECHANISM_PARAM_INVALID for another
/// size.
template <typename T>
T mechanism_parameter(const CK_MECHANISM& mechanism);

/// CKM_SHA_1 … and CKG_MGF1_SHA1 … as hashes; nothing for anything else.
std::optional<crypto::Hash> hash_of_mechanism(CK_MECHANISM_TYPE type);
std::optional<crypto::Hash> hash_of_mgf(CK_ULONG mgf);

}  // namespace vtpm::pkcs11
