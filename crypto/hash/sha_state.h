// SPDX-License-Identifier: Apache-2.0
// SHA-1 and SHA-2 whose running state can be kept and read back (C_GetOperationState). Private to crypto/.
//
// OpenSSL 3.0's EVP shows no state of a running digest; its older functions are the same block code around a structure
// that is open to everyone.
#pragma once

#include <memory>

#include "crypto/hash/digest.h"

namespace vtpm::crypto {

/// Null for hashes that are not of these families.
std::unique_ptr<DigestState> start_sha(Hash hash);

}  // namespace vtpm::crypto
