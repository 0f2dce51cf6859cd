// Random octets from the private libcrypto's generator (reseeded from the kernel, safe after fork).
#pragma once

#include "crypto/bytes.h"

namespace vtpm::crypto {

/// Throws kInternal when the generator fails (it never answers with weak octets).
void random_fill(MutableByteView out);
Bytes random_bytes(size_t size);
SecretBytes random_secret(size_t size);
/// Mixes an application's seed in; never fails, never lowers the quality (C_SeedRandom).
void random_add(ByteView seed) noexcept;

}  // namespace vtpm::crypto
