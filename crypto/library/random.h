// SPDX-License-Identifier: Apache-2.0
// Random octets from the private libcrypto's generator (reseeded from the kernel, safe after fork).
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

/// Throws kInternal when the generator fails (it never answers with weak octets).
void random_fill(MutableByteView out);
Bytes random_bytes(size_t size);
SecretBytes random_secret(size_t size);
/// Mixes an application's seed in; never fails, never lowers the quality (C_SeedRandom).
void random_add(ByteView seed) noexcept;

/// Child side of fork: draws a fresh seed, so that parent and child go different ways. OpenSSL tells a fork by the
/// process id, which the child has in common with its parent in a PID namespace of its own, or with an ancestor that is
/// dead.
void random_after_fork();

}  // namespace vtpm::crypto
