// SPDX-License-Identifier: Apache-2.0
// The door to the private, statically linked libcrypto: initialization and owning pointers. Included only by crypto/
// and by the acceleration of tpm/.
//
// `ensure_openssl` must be the first call into libcrypto in a process. It reads no configuration file and installs no
// exit handler, so that the application's OpenSSL settings do not affect the module, and the module runs nothing at
// exit.
#pragma once

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace vtpm::crypto {

/// Initializes all parts of libcrypto that the project uses, once (NO_LOAD_CONFIG, NO_ATEXIT): 2 ms, 0.5 MB. Does not
/// fail if the system has no memory. Later calls cost almost nothing. Thread-safe.
void ensure_openssl();
/// The version of the linked copy, "OpenSSL 3.0.x …".
std::string openssl_version();
/// Throws kInternal with `what` and OpenSSL's reason, and empties the error queue.
[[noreturn]] void throw_openssl(const char* what);
inline void require_openssl(bool ok, const char* what) {
  if (!ok) throw_openssl(what);
}

template <auto Function>
struct Deleter {
  template <typename T>
  void operator()(T* object) const noexcept {
    Function(object);
  }
};
template <typename T, auto Function>
using Owned = std::unique_ptr<T, Deleter<Function>>;

/// Memory that libcrypto allocated for its caller, for instance DER written by an i2d function.
inline void release_bytes(uint8_t* bytes) { OPENSSL_free(bytes); }
using EncodedBytes = Owned<uint8_t, release_bytes>;
using BigNumber = Owned<BIGNUM, BN_clear_free>;
using BigNumberContext = Owned<BN_CTX, BN_CTX_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

}  // namespace vtpm::crypto
