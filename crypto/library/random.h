// SPDX-License-Identifier: Apache-2.0
// Random bytes from the private libcrypto's generator (reseeded from the kernel, safe after fork).
#pragma once

#include "base/bytes.h"

namespace vtpm::crypto {

/// Throw kInternal if the generator fails; they never return weak bytes. Thread-safe.
void random_fill(MutableByteView out);
Bytes random_bytes(size_t size);
SecretBytes random_secret(size_t size);
/// Mixes in an application's seed; never fails and never weakens the generator (C_SeedRandom).
void random_add(ByteView seed) noexcept;

/// In the child of a fork: draws a fresh seed, so that parent and child produce different bytes. OpenSSL detects a fork
/// only by the process id, which the child may share with its parent in a PID namespace of its own, or with an ancestor
/// that has ended.
void random_after_fork();

}  // namespace vtpm::crypto
