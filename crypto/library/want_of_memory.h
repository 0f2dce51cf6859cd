// SPDX-License-Identifier: Apache-2.0
// Whether libcrypto was refused memory.
//
// It tells so by whatever its function says when it fails: a certificate that does not parse, a signature that is not
// right. Its heap is ours (crypto/library/openssl.cc) and remembers, so that whoever answers for a whole call can tell
// want of memory from the answer that it looks like.
#pragma once

namespace vtpm::crypto {

/// Since the last `forget_want_of_memory`, in this thread.
bool wanted_memory() noexcept;
void forget_want_of_memory() noexcept;
/// It is as if libcrypto had been refused memory: for who has asked in between on his own account.
void remember_want_of_memory() noexcept;

}  // namespace vtpm::crypto
