// SPDX-License-Identifier: Apache-2.0
// The door to the private, statically linked libcrypto: initialisation and owning pointers. Included by crypto/ and by
// the acceleration unit of tpm/ only.
//
// The first call in a process must be ours: no configuration file is read, no atexit handler is installed, so that
// nothing of the host application's OpenSSL settings reaches us and nothing of ours runs while it exits.
#pragma once

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace vtpm::crypto {

/// Initialises libcrypto once (NO_LOAD_CONFIG, NO_ATEXIT), all of it that is used here: 2 ms, 0.5 MB. Does not fail for
/// want of memory. Cheap afterwards.
void ensure_openssl();
/// "OpenSSL 3.0.x …" of the linked copy.
std::string openssl_version();
/// Throws kInternal with `what` and OpenSSL's own reason; the error queue is empty afterwards.
[[noreturn]] void throw_openssl(const char* what);
inline void require(bool ok, const char* what) {
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

/// What libcrypto allocated for its caller: the DER that an i2d function has written.
inline void release_octets(uint8_t* octets) { OPENSSL_free(octets); }
using EncodedOctets = Owned<uint8_t, release_octets>;
using BigNumber = Owned<BIGNUM, BN_clear_free>;
using BigNumberContext = Owned<BN_CTX, BN_CTX_free>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

}  // namespace vtpm::crypto
