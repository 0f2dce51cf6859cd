// SPDX-License-Identifier: Apache-2.0
// The key derivation that allows ChaCha20 a nonce of 24 bytes (draft-irtf-cfrg-xchacha-03). For crypto/ and for the
// ChaCha20 mechanism of PKCS#11 only.
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

constexpr size_t kXChaChaNonce = 24;

/// HChaCha20 (section 2.2 of the draft): returns the key of 32 bytes that ChaCha20 uses instead of `key`. `nonce`: the
/// first 16 bytes of XChaCha20's nonce; the other 8 become the end of ChaCha20's nonce, after zeros. Throws
/// kInvalidArgument for other sizes.
SecretBytes hchacha20(ByteView key, ByteView nonce);

}  // namespace vtpm::crypto
