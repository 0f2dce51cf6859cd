// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash/digest.h"

#include <algorithm>
#include <array>

#include "crypto/hash/blake2b.h"
#include "crypto/hash/sha512_t.h"
#include "crypto/hash/sha_state.h"
#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

struct HashRow {
  Hash hash;
  const char* name;  // libcrypto's; null when it has none
  size_t bytes;
  size_t block;
};
constexpr HashRow kHashes[] = {
    {Hash::kSha1, "SHA1", 20, 64},
    {Hash::kSha224, "SHA2-224", 28, 64},
    {Hash::kSha256, "SHA2-256", 32, 64},
    {Hash::kSha384, "SHA2-384", 48, 128},
    {Hash::kSha512, "SHA2-512", 64, 128},
    {Hash::kSha512_224, "SHA2-512/224", 28, 128},
    {Hash::kSha512_256, "SHA2-512/256", 32, 128},
    {Hash::kSha3_224, "SHA3-224", 28, 144},
    {Hash::kSha3_256, "SHA3-256", 32, 136},
    {Hash::kSha3_384, "SHA3-384", 48, 104},
    {Hash::kSha3_512, "SHA3-512", 64, 72},
    {Hash::kBlake2b160, nullptr, 20, 128},
    {Hash::kBlake2b256, nullptr, 32, 128},
    {Hash::kBlake2b384, nullptr, 48, 128},
    {Hash::kBlake2b512, "BLAKE2B-512", 64, 128},
};
constexpr size_t kHashCount = std::size(kHashes);

const HashRow& row_of(Hash hash) { return kHashes[static_cast<size_t>(hash)]; }

// Fetching takes microseconds and a lock, so it is done once. Never freed: the algorithms live as long as the process.
const EVP_MD* fetch(const char* name) {
  ensure_openssl();
  const EVP_MD* algorithm = EVP_MD_fetch(nullptr, name, nullptr);
  require_openssl(algorithm != nullptr, "fetching a digest");
  return algorithm;
}

struct Algorithms {
  std::array<const EVP_MD*, kHashCount> digests{};

  Algorithms() {
    for (size_t i = 0; i < kHashCount; ++i) {
      if (kHashes[i].name != nullptr) digests[i] = fetch(kHashes[i].name);
    }
  }
};

const EVP_MD* find_native(Hash hash) {
  static const Algorithms& algorithms = *new Algorithms;
  return algorithms.digests[static_cast<size_t>(hash)];
}

class NativeContext : public DigestContext {
 public:
  explicit NativeContext(const EVP_MD* algorithm) : context_(EVP_MD_CTX_new()) {
    require_openssl(context_ != nullptr && EVP_DigestInit_ex(context_.get(), algorithm, nullptr) == 1,
                    "starting a digest");
  }
  NativeContext(const NativeContext& other) : context_(EVP_MD_CTX_new()) {
    require_openssl(context_ != nullptr && EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1,
                    "copying a digest");
  }
  std::unique_ptr<DigestContext> clone() const override { return std::make_unique<NativeContext>(*this); }
  void update(ByteView data) override {
    require_openssl(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1, "a digest");
  }
  void finish(MutableByteView out) override {
    require_openssl(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1, "ending a digest");
  }

 protected:
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context_;
};

/// The size of the output is chosen at the end.
class XofContext : public NativeContext {
 public:
  using NativeContext::NativeContext;
  std::unique_ptr<DigestContext> clone() const override { return std::make_unique<XofContext>(*this); }
  void finish(MutableByteView out) override {
    require_openssl(EVP_DigestFinalXOF(context_.get(), out.data(), out.size()) == 1, "ending a digest");
  }
};

std::unique_ptr<DigestContext> start(Hash hash) {
  if (auto state = start_sha(hash)) return state;
  if (const EVP_MD* native = find_native(hash)) return std::make_unique<NativeContext>(native);
  return std::make_unique<Blake2b>(hash_bytes(hash));
}

}  // namespace

void DigestContext::load(ByteView) {
  throw Error(ErrorCode::kInvalidArgument, "the state of this digest cannot be saved or loaded");
}

size_t hash_bytes(Hash hash) { return row_of(hash).bytes; }

const evp_md_st* native_hash(Hash hash) {
  const EVP_MD* native = find_native(hash);
  if (native == nullptr) throw Error(ErrorCode::kUnsupported, "libcrypto supports BLAKE2b with 512 bits only");
  return native;
}

Digest::Digest(Hash hash) : Digest(row_of(hash).block, hash_bytes(hash), start(hash)) {}

Digest Digest::sha512_t(unsigned bits) {
  return {row_of(Hash::kSha512).block, (bits + 7) / 8, std::make_unique<Sha512T>(bits)};
}

Digest Digest::shake128(size_t bytes) {
  static const EVP_MD* const algorithm = fetch("SHAKE128");
  return {168, bytes, std::make_unique<XofContext>(algorithm)};
}
Digest Digest::shake256(size_t bytes) {
  static const EVP_MD* const algorithm = fetch("SHAKE256");
  return {136, bytes, std::make_unique<XofContext>(algorithm)};
}

Digest::Digest(const Digest& other) : Digest(other.block_bytes_, other.bytes_, other.state_->clone()) {}

Digest& Digest::operator=(const Digest& other) {
  if (this != &other) *this = Digest(other);
  return *this;
}

Digest& Digest::update(ByteView data) {
  state_->update(data);
  return *this;
}

void Digest::finish(MutableByteView out) {
  if (out.size() != bytes_) throw Error(ErrorCode::kInvalidArgument, "the buffer does not have the size of the digest");
  state_->finish(out);
}

Bytes Digest::finish() {
  Bytes result(bytes_);
  state_->finish(result);
  return result;
}

Bytes digest(Hash hash, ByteView data) { return Digest(hash).update(data).finish(); }

Hmac::Hmac(Digest fresh, ByteView key) : inner_(std::move(fresh)), outer_(inner_), running_(inner_) {
  SecretBytes block(inner_.block_bytes());
  if (key.size() > block.size()) {
    running_.update(key).finish(block.span().first(inner_.size()));
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  for (uint8_t& byte : block) byte ^= 0x36;
  inner_.update(block);
  for (uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
  outer_.update(block);
  running_ = inner_;
}

Hmac& Hmac::begin() {
  running_ = inner_;
  return *this;
}

Hmac& Hmac::update(ByteView data) {
  running_.update(data);
  return *this;
}

void Hmac::finish(MutableByteView out) {
  if (out.size() != size()) throw Error(ErrorCode::kInvalidArgument, "the buffer does not have the size of the HMAC");
  running_.finish(out);
  running_ = outer_;
  running_.update(out).finish(out);
}

Bytes Hmac::finish() {
  Bytes result(size());
  finish(result);
  return result;
}

Bytes hmac(Hash hash, ByteView key, ByteView data) { return Hmac(hash, key).update(data).finish(); }

}  // namespace vtpm::crypto
