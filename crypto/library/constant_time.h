// SPDX-License-Identifier: Apache-2.0
// Comparison of secrets.
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

/// Compares in time that depends on the sizes only (CRYPTO_memcmp): for secrets, tags and MACs.
bool constant_time_equal(ByteView a, ByteView b);

}  // namespace vtpm::crypto
