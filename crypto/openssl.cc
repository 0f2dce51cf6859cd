#include "crypto/openssl.h"

#include <mutex>

namespace vtpm::crypto {

void ensure_openssl() {
  static constinit std::once_flag once;
  std::call_once(once, [] {
    constexpr uint64_t kOptions = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
                                  OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
                                  OPENSSL_INIT_ADD_ALL_DIGESTS;
    require(OPENSSL_init_crypto(kOptions, nullptr) == 1, "the initialisation of libcrypto");
  });
}

std::string openssl_version() { return OpenSSL_version(OPENSSL_VERSION); }

void throw_openssl(const char* what) {
  // The oldest entry is where it went wrong; the later ones are its callers.
  unsigned long error = ERR_peek_error();
  const char* reason = error != 0 ? ERR_reason_error_string(error) : nullptr;
  bool memory = ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
  std::string sentence =
      std::string(what) + " failed in libcrypto: " + (reason != nullptr ? reason : "no reason given");
  ERR_clear_error();
  throw Error(memory ? ErrorCode::kNoMemory : ErrorCode::kInternal, std::move(sentence));
}

}  // namespace vtpm::crypto
