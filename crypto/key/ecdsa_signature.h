// SPDX-License-Identifier: Apache-2.0
// The two encodings of an ECDSA signature: DER (OpenSSL, X9.62) and r || s (PKCS#11, P1363). Private to crypto/.
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

/// `raw`: r || s of equal size, big-endian.
Bytes ecdsa_signature_to_der(ByteView raw);
/// r || s, each of `bytes` bytes. `der` comes from libcrypto; throws kInternal if it is not a signature.
Bytes ecdsa_signature_from_der(ByteView der, size_t bytes);

}  // namespace vtpm::crypto
