// SPDX-License-Identifier: Apache-2.0
// The functions of SHA-512 with a public state are deprecated since OpenSSL 3.0, but stable and documented. The
// providers support only t = 224 and t = 256.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/hash/sha512_t.h"

#include <algorithm>
#include <string>

#include "crypto/hash/sha_context.h"
#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

constexpr uint64_t kTweak = 0xa5a5a5a5a5a5a5a5;  // FIPS 180-4, 5.3.6

void start(SHA512_CTX& state) { require_openssl(SHA512_Init(&state) == 1, "starting a digest"); }

}  // namespace

Sha512T::Sha512T(unsigned bits) : bits_(bits), state_(new SHA512_CTX) {
  if (bits == 0 || bits >= 512 || bits == 384) {
    throw Error(ErrorCode::kInvalidArgument, "SHA-512/t: t out of range (1 to 511, except 384)");
  }
  ensure_openssl();
  // The initial value is the digest of the algorithm's name under a tweaked SHA-512.
  SHA512_CTX generator;
  start(generator);
  for (auto& word : generator.h) word ^= kTweak;
  std::string name = "SHA-512/" + std::to_string(bits);
  uint8_t digest[SHA512_DIGEST_LENGTH];
  require_openssl(SHA512_Update(&generator, name.data(), name.size()) == 1 && SHA512_Final(digest, &generator) == 1,
                  "the initial value of SHA-512/t");
  start(*state_);
  for (size_t i = 0; i < 8; ++i) {
    uint64_t word = 0;
    for (size_t j = 0; j < 8; ++j) word = word << 8 | digest[8 * i + j];
    state_->h[i] = word;
  }
}

Sha512T::Sha512T(const Sha512T& other) : bits_(other.bits_), state_(new SHA512_CTX(*other.state_)) {}

Sha512T::~Sha512T() { wipe(state_.get(), sizeof(SHA512_CTX)); }

void Sha512T::update(ByteView data) {
  require_openssl(SHA512_Update(state_.get(), data.data(), data.size()) == 1, "a digest");
}

void Sha512T::finish(MutableByteView out) {
  uint8_t digest[SHA512_DIGEST_LENGTH];
  require_openssl(SHA512_Final(digest, state_.get()) == 1, "ending a digest");
  std::copy_n(digest, out.size(), out.begin());
  out.back() &= static_cast<uint8_t>(0xff << (8 * out.size() - bits_));
  wipe(digest, sizeof digest);
}

std::optional<SecretBytes> Sha512T::save() const { return save_context(*state_); }

void Sha512T::load(ByteView saved) { load_context(*state_, saved); }

}  // namespace vtpm::crypto
