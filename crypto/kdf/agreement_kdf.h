// SPDX-License-Identifier: Apache-2.0
// Derivation of keys from the shared secret of a key agreement (CKD_… in PKCS#11). `size` is in bytes.
#pragma once

#include "base/bytes.h"
#include "crypto/hash/digest.h"

namespace vtpm::crypto {

/// ANSI X9.63 (SEC 1, 3.6.1; CKD_SHAx_KDF): hash(secret || counter || shared_info). Throws kInvalidArgument for more
/// than 2^32 - 1 digests.
SecretBytes x963_kdf(Hash hash, ByteView secret, ByteView shared_info, size_t size);

/// Concatenation KDF (SP 800-56A, 5.8.2.1; SP 800-56C, one step; CKD_SHAx_KDF_SP800): hash(counter || secret || info).
SecretBytes concat_kdf(Hash hash, ByteView secret, ByteView other_info, size_t size);

}  // namespace vtpm::crypto
