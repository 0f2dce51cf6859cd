// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/agreement_kdf.h"

#include <algorithm>

#include "base/error.h"

namespace vtpm::crypto {
namespace {

// `add(digest, counter)` gives each digest its input; counters begin at one.
template <typename F>
SecretBytes derive(Hash hash, size_t size, F&& add) {
  const size_t bytes = hash_bytes(hash);
  if ((size + bytes - 1) / bytes > UINT32_MAX)
    throw Error(ErrorCode::kInvalidArgument, "length of the derived key out of range (at most 2^32 - 1 digests)");
  SecretBytes result(size), block(bytes);
  uint32_t number = 0;
  for (size_t done = 0; done < size; done += bytes) {
    ++number;
    const uint8_t counter[] = {static_cast<uint8_t>(number >> 24), static_cast<uint8_t>(number >> 16),
                               static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
    Digest digest(hash);
    add(digest, ByteView(counter));
    digest.finish(block.span());
    std::copy_n(block.begin(), std::min(bytes, size - done), result.begin() + static_cast<ptrdiff_t>(done));
  }
  return result;
}

}  // namespace

SecretBytes x963_kdf(Hash hash, ByteView secret, ByteView shared_info, size_t size) {
  return derive(hash, size,
                [&](Digest& digest, ByteView counter) { digest.update(secret).update(counter).update(shared_info); });
}

SecretBytes concat_kdf(Hash hash, ByteView secret, ByteView other_info, size_t size) {
  return derive(hash, size,
                [&](Digest& digest, ByteView counter) { digest.update(counter).update(secret).update(other_info); });
}

}  // namespace vtpm::crypto
