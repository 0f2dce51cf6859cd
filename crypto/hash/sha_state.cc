// SPDX-License-Identifier: Apache-2.0
// The functions are deprecated since OpenSSL 3.0, but stable and documented.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/hash/sha_state.h"

#include "crypto/hash/sha512_t.h"
#include "crypto/hash/sha_context.h"
#include "crypto/library/openssl.h"

namespace vtpm::crypto {
namespace {

template <typename Context, auto kInit, auto kUpdate, auto kFinal>
class ShaDigestContext : public DigestContext {
 public:
  ShaDigestContext() {
    ensure_openssl();
    require_openssl(kInit(&context_) == 1, "starting a digest");
  }
  ~ShaDigestContext() override { wipe(&context_, sizeof context_); }

  std::unique_ptr<DigestContext> clone() const override {
    return std::unique_ptr<DigestContext>(new ShaDigestContext(*this));
  }
  void update(ByteView data) override {
    require_openssl(kUpdate(&context_, data.data(), data.size()) == 1, "a digest");
  }
  void finish(MutableByteView out) override { require_openssl(kFinal(out.data(), &context_) == 1, "ending a digest"); }
  std::optional<SecretBytes> save() const override { return save_context(context_); }
  void load(ByteView saved) override { load_context(context_, saved); }

 private:
  ShaDigestContext(const ShaDigestContext&) = default;

  Context context_;
};

using Sha1 = ShaDigestContext<SHA_CTX, SHA1_Init, SHA1_Update, SHA1_Final>;
using Sha224 = ShaDigestContext<SHA256_CTX, SHA224_Init, SHA224_Update, SHA224_Final>;
using Sha256 = ShaDigestContext<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final>;
using Sha384 = ShaDigestContext<SHA512_CTX, SHA384_Init, SHA384_Update, SHA384_Final>;
using Sha512 = ShaDigestContext<SHA512_CTX, SHA512_Init, SHA512_Update, SHA512_Final>;

}  // namespace

std::unique_ptr<DigestContext> start_sha(Hash hash) {
  switch (hash) {
    case Hash::kSha1:
      return std::make_unique<Sha1>();
    case Hash::kSha224:
      return std::make_unique<Sha224>();
    case Hash::kSha256:
      return std::make_unique<Sha256>();
    case Hash::kSha384:
      return std::make_unique<Sha384>();
    case Hash::kSha512:
      return std::make_unique<Sha512>();
    case Hash::kSha512_224:
      return std::make_unique<Sha512T>(224u);
    case Hash::kSha512_256:
      return std::make_unique<Sha512T>(256u);
    default:
      return nullptr;
  }
}

}  // namespace vtpm::crypto
