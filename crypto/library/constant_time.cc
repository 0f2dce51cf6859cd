// SPDX-License-Identifier: Apache-2.0
#include "crypto/library/constant_time.h"

#include <openssl/crypto.h>

namespace vtpm::crypto {

bool constant_time_equal(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace vtpm::crypto
