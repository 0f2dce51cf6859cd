// SPDX-License-Identifier: Apache-2.0
// AES-CBC over whole blocks, without padding: for formats of others that bring their own padding and MAC
// (tpm/use/swtpm_state.h). What this house seals itself, it seals with AES-SIV (crypto/symmetric/aead.h).
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

constexpr size_t kAesBlock = 16;

/// `key`: 16, 24 or 32 octets; `iv`: 16; `blocks`: a multiple of 16 octets. Throw kInvalidArgument otherwise.
Bytes aes_cbc_encrypt(ByteView key, ByteView iv, ByteView blocks);
SecretBytes aes_cbc_decrypt(ByteView key, ByteView iv, ByteView blocks);

}  // namespace vtpm::crypto
