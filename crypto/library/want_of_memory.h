// SPDX-License-Identifier: Apache-2.0
// Whether libcrypto failed to get memory.
//
// libcrypto reports this like any other failure of the function: a certificate that does not parse, a wrong signature.
// Its heap (crypto/library/libcrypto_heap.h) therefore records failed allocations, so that the guard of a whole call
// can distinguish lack of memory from such an answer.
#pragma once

namespace vtpm::crypto {

/// Whether an allocation has failed in this thread since the last `forget_want_of_memory`.
bool wanted_memory() noexcept;
void forget_want_of_memory() noexcept;
/// Records a failed allocation: to restore the record after a nested use of it.
void remember_want_of_memory() noexcept;

}  // namespace vtpm::crypto
