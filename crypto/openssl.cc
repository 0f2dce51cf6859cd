#include "crypto/openssl.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "crypto/bytes.h"
#include "crypto/want_of_memory.h"

namespace vtpm::crypto {
namespace {

// libcrypto's heap. It frees most of what it worked with as it is: derived keys in cipher and digest contexts, encoded
// numbers, buffers. Here every block is wiped when it is released, so that nothing of a key outlives its use.
constexpr size_t kBlockHeader = alignof(std::max_align_t);

thread_local bool refused = false;

void* block_of(void* start, size_t size) {
  if (start == nullptr) {
    refused = true;
    return nullptr;
  }
  std::memcpy(start, &size, sizeof size);
  return static_cast<uint8_t*>(start) + kBlockHeader;
}
void* start_of(void* block) { return static_cast<uint8_t*>(block) - kBlockHeader; }
size_t size_of(void* block) {
  size_t size = 0;
  std::memcpy(&size, start_of(block), sizeof size);
  return size;
}

void* allocate(size_t size, const char*, int) {
  if (size == 0 || size > SIZE_MAX - kBlockHeader) return nullptr;
  return block_of(std::malloc(size + kBlockHeader), size);
}
void release(void* block, const char*, int) {
  if (block == nullptr) return;
  wipe(block, size_of(block));
  std::free(start_of(block));
}
void* reallocate(void* block, size_t size, const char* file, int line) {
  if (block == nullptr) return allocate(size, file, line);
  if (size == 0) {
    release(block, file, line);
    return nullptr;
  }
  void* moved = allocate(size, file, line);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, std::min(size, size_of(block)));
  release(block, file, line);
  return moved;
}

}  // namespace

void ensure_openssl() {
  static constinit std::once_flag once;
  std::call_once(once, [] {
    // Refused once libcrypto has allocated anything: this is its first call.
    require(CRYPTO_set_mem_functions(allocate, reallocate, release) == 1, "the choice of libcrypto's heap");
    constexpr uint64_t kOptions = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
                                  OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_CIPHERS |
                                  OPENSSL_INIT_ADD_ALL_DIGESTS;
    require(OPENSSL_init_crypto(kOptions, nullptr) == 1, "the initialisation of libcrypto");
  });
}

bool wanted_memory() noexcept { return refused; }
void forget_want_of_memory() noexcept { refused = false; }

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
