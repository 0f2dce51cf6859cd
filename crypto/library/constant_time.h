// SPDX-License-Identifier: Apache-2.0
// Comparing secrets.
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

/// Equality in time that depends on the sizes only (CRYPTO_memcmp): for secrets, tags and signatures of symmetric keys.
bool constant_time_equal(ByteView a, ByteView b);

}  // namespace vtpm::crypto
