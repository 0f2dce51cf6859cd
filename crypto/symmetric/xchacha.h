// SPDX-License-Identifier: Apache-2.0
// What makes ChaCha20 take a nonce of 24 octets (draft-irtf-cfrg-xchacha-03). Private to crypto/ and to the row of
// PKCS#11's ChaCha20.
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

constexpr size_t kXChaChaNonce = 24;

/// HChaCha20 (2.2 there): the key of 32 octets that ChaCha20 is given in place of `key`. `nonce`: the first 16 octets
/// of that of XChaCha20; the other 8 are the end of ChaCha20's own, zeros before them.
SecretBytes hchacha20(ByteView key, ByteView nonce);

}  // namespace vtpm::crypto
