// SPDX-License-Identifier: Apache-2.0
// The low-level RSA and EC_KEY functions are deprecated in OpenSSL 3.0; libtpms calls them.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/library/openssl.h"

#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <mutex>

#include "crypto/library/libcrypto_heap.h"

namespace vtpm::crypto {
namespace {

template <auto kFree, typename T>
void expect_and_free(T* object) {
  require_openssl(object != nullptr, "the initialization of libcrypto");
  kFree(object);
}

// Much of libcrypto initializes itself at its first use, and remembers a failure for ever: its once-only
// functions keep their result, and algorithms that a provider could not register (those of one fetch below) stay
// unknown. A process that was once short of memory would never sign again. Therefore all of it happens here, from a
// reserve if necessary.
void initialize() {
  // Must be the first call of libcrypto: it fails once libcrypto has allocated memory.
  require_openssl(install_libcrypto_heap(), "the choice of libcrypto's heap");
  const LibcryptoReserve reserve;
  constexpr uint64_t kOptions = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
                                OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
                                OPENSSL_INIT_ADD_ALL_DIGESTS;
  require_openssl(OPENSSL_init_crypto(kOptions, nullptr) == 1, "the initialization of libcrypto");
  expect_and_free<EVP_MD_free>(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  expect_and_free<EVP_CIPHER_free>(EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr));
  expect_and_free<EVP_MAC_free>(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  expect_and_free<EVP_KDF_free>(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  expect_and_free<EVP_RAND_free>(EVP_RAND_fetch(nullptr, "CTR-DRBG", nullptr));
  expect_and_free<EVP_KEYMGMT_free>(EVP_KEYMGMT_fetch(nullptr, "RSA", nullptr));
  expect_and_free<EVP_KEYEXCH_free>(EVP_KEYEXCH_fetch(nullptr, "ECDH", nullptr));
  expect_and_free<EVP_SIGNATURE_free>(EVP_SIGNATURE_fetch(nullptr, "RSA", nullptr));
  expect_and_free<EVP_ASYM_CIPHER_free>(EVP_ASYM_CIPHER_fetch(nullptr, "RSA", nullptr));
  expect_and_free<EVP_KEM_free>(EVP_KEM_fetch(nullptr, "RSA", nullptr));
  expect_and_free<OSSL_ENCODER_free>(OSSL_ENCODER_fetch(nullptr, "RSA", "output=der"));
  expect_and_free<OSSL_DECODER_free>(OSSL_DECODER_fetch(nullptr, "RSA", "input=der"));
  expect_and_free<RSA_free>(RSA_new());
  expect_and_free<EC_KEY_free>(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  uint8_t bytes[8];
  require_openssl(RAND_bytes(bytes, sizeof bytes) == 1 && RAND_priv_bytes(bytes, sizeof bytes) == 1,
                  "the initialization of libcrypto's random generator");
  ERR_clear_error();
}

}  // namespace

void ensure_openssl() {
  static constinit std::once_flag once;
  std::call_once(once, initialize);
}

std::string openssl_version() { return OpenSSL_version(OPENSSL_VERSION); }

void throw_openssl(const char* what) {
  // The oldest entry is the cause; the later ones are from its callers.
  unsigned long error = ERR_peek_error();
  const char* reason = error != 0 ? ERR_reason_error_string(error) : nullptr;
  bool memory = ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
  std::string sentence =
      std::string(what) + " failed in libcrypto: " + (reason != nullptr ? reason : "no reason given");
  ERR_clear_error();
  throw Error(memory ? ErrorCode::kNoMemory : ErrorCode::kInternal, std::move(sentence));
}

}  // namespace vtpm::crypto
