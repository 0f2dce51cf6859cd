// SPDX-License-Identifier: Apache-2.0
// SHA-1 and SHA-2 whose running computation can be saved and loaded (C_GetOperationState). Private to crypto/.
//
// OpenSSL 3.0's EVP does not export the state of a running digest. Its older functions run the same block code on a
// public structure.
#pragma once

#include <memory>

#include "crypto/hash/digest.h"

namespace vtpm::crypto {

/// Starts a computation; null for hashes of other families.
std::unique_ptr<DigestContext> start_sha(Hash hash);

}  // namespace vtpm::crypto
