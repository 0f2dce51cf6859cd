// SPDX-License-Identifier: Apache-2.0
// AES-CBC over whole blocks, without padding: for formats that have their own padding and MAC (tpm/use/swtpm_state.h,
// raw-key stores). The store's default is AES-SIV (crypto/symmetric/aead.h).
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

constexpr size_t kAesBlock = 16;

/// `key`: 16, 24 or 32 bytes; `iv`: 16 bytes; `blocks`: a multiple of 16 bytes. Throw kInvalidArgument otherwise.
Bytes aes_cbc_encrypt(ByteView key, ByteView iv, ByteView blocks);
SecretBytes aes_cbc_decrypt(ByteView key, ByteView iv, ByteView blocks);

}  // namespace vtpm::crypto
