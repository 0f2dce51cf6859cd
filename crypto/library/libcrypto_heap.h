// SPDX-License-Identifier: Apache-2.0
// The heap of the private libcrypto.
//
// libcrypto frees most of its memory without wiping it: derived keys in cipher and digest contexts, encoded numbers,
// buffers. This heap wipes every block when it is released, so that no part of a key outlives its use. It also records
// allocations that failed (crypto/library/want_of_memory.h).
#pragma once

namespace vtpm::crypto {

/// Installs the heap. Returns false if libcrypto has already allocated memory.
bool install_libcrypto_heap();

/// While it exists, the heap's allocations in this thread use a reserve if the system has no more memory, so they
/// cannot fail. Only for the initialization of libcrypto, once in a process: memory taken from the reserve is never
/// returned.
class LibcryptoReserve {
 public:
  LibcryptoReserve();
  ~LibcryptoReserve();
  LibcryptoReserve(const LibcryptoReserve&) = delete;
  LibcryptoReserve& operator=(const LibcryptoReserve&) = delete;
};

}  // namespace vtpm::crypto
