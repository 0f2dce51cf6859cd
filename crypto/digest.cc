#include "crypto/digest.h"

#include <openssl/core_names.h>

#include <array>

#include "crypto/openssl.h"

namespace vtpm::crypto {
namespace {

struct HashRow {
  Hash hash;
  const char* name;
  size_t octets;
};
constexpr HashRow kHashes[] = {
    {Hash::kSha1, "SHA1", 20},       {Hash::kSha224, "SHA2-224", 28}, {Hash::kSha256, "SHA2-256", 32},
    {Hash::kSha384, "SHA2-384", 48}, {Hash::kSha512, "SHA2-512", 64},
};
constexpr size_t kHashCount = std::size(kHashes);

const HashRow& row_of(Hash hash) { return kHashes[static_cast<size_t>(hash)]; }

using MacContext = Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;

// Fetching takes microseconds and a lock, so it is done once; HMAC contexts are copied from one that already knows its
// digest. Never freed: the algorithms live as long as the process.
struct Algorithms {
  std::array<const EVP_MD*, kHashCount> digests;
  std::array<EVP_MAC_CTX*, kHashCount> hmacs;

  Algorithms() {
    ensure_openssl();
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    require(mac != nullptr, "fetching HMAC");
    for (size_t i = 0; i < kHashCount; ++i) {
      digests[i] = EVP_MD_fetch(nullptr, kHashes[i].name, nullptr);
      require(digests[i] != nullptr, "fetching a digest");
      hmacs[i] = EVP_MAC_CTX_new(mac);
      const uint8_t some_key = 0;  // a context without a key can not be copied
      OSSL_PARAM parameters[] = {
          OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(kHashes[i].name), 0),
          OSSL_PARAM_construct_end()};
      require(hmacs[i] != nullptr && EVP_MAC_init(hmacs[i], &some_key, 1, parameters) == 1, "preparing HMAC");
    }
  }
};

const Algorithms& algorithms() {
  static const Algorithms& instance = *new Algorithms;
  return instance;
}

}  // namespace

size_t hash_octets(Hash hash) { return row_of(hash).octets; }

const evp_md_st* native_hash(Hash hash) { return algorithms().digests[static_cast<size_t>(hash)]; }

void Digest::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Digest::Digest(Hash hash) : hash_(hash), context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr && EVP_DigestInit_ex(context_.get(), native_hash(hash), nullptr) == 1,
          "starting a digest");
}

Digest::Digest(const Digest& other) : hash_(other.hash_), context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr && EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1, "copying a digest");
}

Digest& Digest::operator=(const Digest& other) {
  if (this != &other) *this = Digest(other);
  return *this;
}

Digest& Digest::update(ByteView data) {
  require(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1, "a digest");
  return *this;
}

Bytes Digest::finish() {
  Bytes result(hash_octets(hash_));
  require(EVP_DigestFinal_ex(context_.get(), result.data(), nullptr) == 1, "ending a digest");
  return result;
}

Bytes digest(Hash hash, ByteView data) { return Digest(hash).update(data).finish(); }

void Hmac::Free::operator()(evp_mac_ctx_st* context) const noexcept { EVP_MAC_CTX_free(context); }

Hmac::Hmac(Hash hash, ByteView key)
    : hash_(hash), context_(EVP_MAC_CTX_dup(algorithms().hmacs[static_cast<size_t>(hash)])) {
  const uint8_t none = 0;  // a null pointer would mean "the key that is there already"
  require(
      context_ != nullptr && EVP_MAC_init(context_.get(), key.empty() ? &none : key.data(), key.size(), nullptr) == 1,
      "keying HMAC");
}

Hmac& Hmac::begin() {
  require(EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1, "restarting HMAC");
  return *this;
}

Hmac& Hmac::update(ByteView data) {
  require(EVP_MAC_update(context_.get(), data.data(), data.size()) == 1, "HMAC");
  return *this;
}

void Hmac::finish(MutableByteView out) {
  size_t size = 0;
  if (out.size() != hash_octets(hash_)) throw Error(ErrorCode::kInvalidArgument, "an HMAC has the size of its digest");
  require(EVP_MAC_final(context_.get(), out.data(), &size, out.size()) == 1 && size == out.size(), "ending HMAC");
}

Bytes Hmac::finish() {
  Bytes result(hash_octets(hash_));
  finish(result);
  return result;
}

Bytes hmac(Hash hash, ByteView key, ByteView data) { return Hmac(hash, key).update(data).finish(); }

}  // namespace vtpm::crypto
