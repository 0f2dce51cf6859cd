// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/kdf.h"

#include <argon2.h>
#include <sys/mman.h>

#include <algorithm>

#include "crypto/hash/digest.h"
#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

void check(bool ok, const char* sentence) {
  if (!ok) throw Error(ErrorCode::kInvalidArgument, sentence);
}

// The memory of Argon2. It is excluded from core dumps and returned to the kernel as a whole, so that nothing of it
// remains in the heap. The accesses are random, so huge pages halve the time where the system has them.
int map_blocks(uint8_t** memory, size_t size) {
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return ARGON2_MEMORY_ALLOCATION_ERROR;
  madvise(mapped, size, MADV_DONTDUMP);
  madvise(mapped, size, MADV_HUGEPAGE);
  *memory = static_cast<uint8_t*>(mapped);
  return ARGON2_OK;
}
void unmap_blocks(uint8_t* memory, size_t size) {
  if (memory != nullptr) munmap(memory, size);
}

}  // namespace

SecretBytes hkdf_extract(Hash hash, ByteView salt, ByteView key) {
  SecretBytes extracted(hash_bytes(hash));
  Hmac(hash, salt).update(key).finish(extracted.span());
  return extracted;
}

SecretBytes hkdf_expand(Hash hash, ByteView extracted, ByteView info, size_t size) {
  const size_t bytes = hash_bytes(hash);
  check(size <= 255 * bytes, "HKDF output length out of range (at most 255 digests)");
  Hmac expand(hash, extracted);
  SecretBytes result(size), block;
  uint8_t counter = 0;
  for (size_t done = 0; done < size; done += bytes) {
    ++counter;
    if (counter > 1) expand.begin();
    expand.update(block).update(info).update({&counter, 1});
    block.resize(bytes);
    expand.finish(block.span());
    std::copy_n(block.begin(), std::min(bytes, size - done), result.begin() + static_cast<ptrdiff_t>(done));
  }
  return result;
}

SecretBytes hkdf(ByteView key, ByteView salt, ByteView info, size_t size) {
  return hkdf_expand(Hash::kSha256, hkdf_extract(Hash::kSha256, salt, key), info, size);
}

SecretBytes argon2id(ByteView secret, ByteView salt, const Argon2Parameters& parameters, size_t size) {
  check(parameters.memory_kib >= 8192 && parameters.memory_kib <= 1048576,
        "Argon2id: memory out of range (8 MiB to 1 GiB)");
  check(parameters.passes >= 1 && parameters.passes <= 64, "Argon2id: passes out of range (1 to 64)");
  check(parameters.lanes >= 1 && parameters.lanes <= 16, "Argon2id: lanes out of range (1 to 16)");
  check(salt.size() >= 8 && salt.size() <= UINT32_MAX, "Argon2id: salt length out of range (at least 8 bytes)");
  check(size >= 4 && size <= UINT32_MAX && secret.size() <= UINT32_MAX,
        "Argon2id: length of secret or output out of range (output: at least 4 bytes)");

  SecretBytes result(size);
  argon2_context context{};
  context.out = result.data();
  context.outlen = static_cast<uint32_t>(size);
  context.pwd = const_cast<uint8_t*>(secret.data());  // written to only with the CLEAR flags, which are not set
  context.pwdlen = static_cast<uint32_t>(secret.size());
  context.salt = const_cast<uint8_t*>(salt.data());
  context.saltlen = static_cast<uint32_t>(salt.size());
  context.t_cost = parameters.passes;
  context.m_cost = parameters.memory_kib;
  context.lanes = parameters.lanes;
  context.threads = 1;
  context.version = ARGON2_VERSION_13;
  context.allocate_cbk = map_blocks;
  context.free_cbk = unmap_blocks;
  context.flags = ARGON2_DEFAULT_FLAGS;
  int code = argon2_ctx(&context, Argon2_id);
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR) {
    throw Error(ErrorCode::kNoMemory,
                "Argon2id: there is not enough memory for " + std::to_string(parameters.memory_kib / 1024) + " MiB");
  }
  if (code != ARGON2_OK) throw Error(ErrorCode::kInternal, std::string("Argon2id: ") + argon2_error_message(code));
  return result;
}

SecretBytes pbkdf2(Hash hash, ByteView secret, ByteView salt, uint32_t iterations, size_t size) {
  check(iterations >= 1 && iterations <= INT32_MAX, "PBKDF2: iterations out of range (1 to 2^31 - 1)");
  check(size >= 1 && size <= INT32_MAX && secret.size() <= INT32_MAX && salt.size() <= INT32_MAX,
        "PBKDF2: a size is out of range");
  SecretBytes result(size);
  const char* password = secret.empty() ? "" : reinterpret_cast<const char*>(secret.data());
  require_openssl(
      PKCS5_PBKDF2_HMAC(password, static_cast<int>(secret.size()), salt.data(), static_cast<int>(salt.size()),
                        static_cast<int>(iterations), native_hash(hash), static_cast<int>(size), result.data()) == 1,
      "PBKDF2");
  return result;
}

SecretBytes pbkdf2(ByteView secret, ByteView salt, uint32_t iterations, size_t size) {
  check(iterations >= kPbkdf2Least && iterations <= kPbkdf2Most, "PBKDF2: iterations out of range (10^4 to 10^7)");
  return pbkdf2(Hash::kSha256, secret, salt, iterations, size);
}

SecretBytes pbkdf2_sha512(ByteView secret, ByteView salt, uint32_t iterations, size_t size) {
  check(iterations <= 10'000'000, "PBKDF2: iterations out of range (1 to 10^7)");
  return pbkdf2(Hash::kSha512, secret, salt, iterations, size);
}

}  // namespace vtpm::crypto
