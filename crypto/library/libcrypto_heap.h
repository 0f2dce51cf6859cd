// SPDX-License-Identifier: Apache-2.0
// libcrypto's heap.
//
// It frees most of what it worked with as it is: derived keys in cipher and digest contexts, encoded numbers, buffers.
// Here every block is wiped when it is released, so that nothing of a key outlives its use; and what is refused is
// remembered (crypto/library/want_of_memory.h).
#pragma once

namespace vtpm::crypto {

/// Makes it libcrypto's heap. False once libcrypto has allocated anything.
bool install_libcrypto_heap();

/// While it lives, this thread's allocations can not fail: where the system has no more memory, there is a reserve. For
/// the initialisation of libcrypto alone, one in a process: what that takes of the reserve is never given back.
class LibcryptoReserve {
 public:
  LibcryptoReserve();
  ~LibcryptoReserve();
  LibcryptoReserve(const LibcryptoReserve&) = delete;
  LibcryptoReserve& operator=(const LibcryptoReserve&) = delete;
};

}  // namespace vtpm::crypto
