// SPDX-License-Identifier: Apache-2.0
// The hash of the pseudo-random function of TLS (PKCS#11 3.2, 6.40).
#pragma once

#include <optional>

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/mechanism.h"

namespace vtpm::pkcs11 {

/// The hash of TLS 1.2's function. Throws Refusal CKR_MECHANISM_PARAM_INVALID if it is unknown.
inline crypto::Hash tls_hash(CK_MECHANISM_TYPE type) {
  const std::optional<crypto::Hash> hash = hash_of_mechanism(type);
  refuse_if(!hash, CKR_MECHANISM_PARAM_INVALID, "TLS: unknown hash");
  return *hash;
}

/// The same for CKM_TLS_MAC and CKM_TLS_KDF; nothing for CKM_TLS_PRF, which means the function of TLS 1.0 and 1.1.
inline std::optional<crypto::Hash> tls_function(CK_MECHANISM_TYPE type) {
  return type == CKM_TLS_PRF ? std::nullopt : std::optional(tls_hash(type));
}

}  // namespace vtpm::pkcs11
