// SPDX-License-Identifier: Apache-2.0
#include "crypto/library/random.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <climits>

#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

// The generators take an int.
template <typename Generator>
void fill(MutableByteView out, Generator generate) {
  ensure_openssl();
  while (!out.empty()) {
    size_t piece = std::min(out.size(), static_cast<size_t>(INT_MAX));
    require_openssl(generate(out.data(), static_cast<int>(piece)) == 1, "the random generator");
    out = out.subspan(piece);
  }
}

}  // namespace

void random_fill(MutableByteView out) { fill(out, RAND_bytes); }

Bytes random_bytes(size_t size) {
  Bytes bytes(size);
  random_fill(bytes);
  return bytes;
}

// Secrets come from a generator of their own: what random_fill publishes says nothing about its state.
SecretBytes random_secret(size_t size) {
  SecretBytes secret(size);
  fill(secret.span(), RAND_priv_bytes);
  return secret;
}

void random_add(ByteView seed) noexcept {
  try {
    ensure_openssl();
  } catch (const Error&) {
    return;  // the next request for random bytes reports it
  }
  while (!seed.empty()) {
    size_t piece = std::min(seed.size(), static_cast<size_t>(INT_MAX));
    RAND_add(seed.data(), static_cast<int>(piece), 0);  // counts as no entropy
    seed = seed.subspan(piece);
  }
  ERR_clear_error();
}

// The generators of the threads take a new seed from the primary one after that was seeded.
void random_after_fork() {
  ensure_openssl();
  EVP_RAND_CTX* primary = RAND_get0_primary(nullptr);
  require_openssl(primary != nullptr && EVP_RAND_reseed(primary, 0, nullptr, 0, nullptr, 0) == 1,
                  "seeding the generator");
}

}  // namespace vtpm::crypto
