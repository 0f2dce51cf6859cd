// "Deprecated" since OpenSSL 3.0, stable and documented all the same.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/sha_state.h"

#include <openssl/sha.h>

#include "crypto/openssl.h"
#include "crypto/sha512_t.h"

namespace vtpm::crypto {
namespace {

template <typename Context, auto kInit, auto kUpdate, auto kFinal>
class ShaState : public DigestState {
 public:
  ShaState() {
    ensure_openssl();
    require(kInit(&context_) == 1, "starting a digest");
  }
  ~ShaState() override { wipe(&context_, sizeof context_); }

  std::unique_ptr<DigestState> clone() const override { return std::unique_ptr<DigestState>(new ShaState(*this)); }
  void update(ByteView data) override { require(kUpdate(&context_, data.data(), data.size()) == 1, "a digest"); }
  void finish(MutableByteView out) override { require(kFinal(out.data(), &context_) == 1, "ending a digest"); }
  std::optional<SecretBytes> save() const override {
    return SecretBytes(ByteView(reinterpret_cast<const uint8_t*>(&context_), sizeof context_));
  }
  void load(ByteView state) {
    if (state.size() != sizeof context_) {
      throw Error(ErrorCode::kInvalidArgument, "the state of a digest has another size");
    }
    std::memcpy(&context_, state.data(), sizeof context_);
  }

 private:
  ShaState(const ShaState&) = default;

  Context context_;
};

using Sha1 = ShaState<SHA_CTX, SHA1_Init, SHA1_Update, SHA1_Final>;
using Sha224 = ShaState<SHA256_CTX, SHA224_Init, SHA224_Update, SHA224_Final>;
using Sha256 = ShaState<SHA256_CTX, SHA256_Init, SHA256_Update, SHA256_Final>;
using Sha384 = ShaState<SHA512_CTX, SHA384_Init, SHA384_Update, SHA384_Final>;
using Sha512 = ShaState<SHA512_CTX, SHA512_Init, SHA512_Update, SHA512_Final>;

template <typename State, typename... Arguments>
std::unique_ptr<DigestState> make(const ByteView* saved, Arguments... arguments) {
  auto state = std::make_unique<State>(arguments...);
  if (saved) state->load(*saved);
  return state;
}

std::unique_ptr<DigestState> make_sha(Hash hash, const ByteView* saved) {
  switch (hash) {
    case Hash::kSha1:
      return make<Sha1>(saved);
    case Hash::kSha224:
      return make<Sha224>(saved);
    case Hash::kSha256:
      return make<Sha256>(saved);
    case Hash::kSha384:
      return make<Sha384>(saved);
    case Hash::kSha512:
      return make<Sha512>(saved);
    case Hash::kSha512_224:
      return make<Sha512T>(saved, 224u);
    case Hash::kSha512_256:
      return make<Sha512T>(saved, 256u);
    default:
      return nullptr;
  }
}

}  // namespace

std::unique_ptr<DigestState> start_sha(Hash hash) { return make_sha(hash, nullptr); }
std::unique_ptr<DigestState> restore_sha(Hash hash, ByteView state) { return make_sha(hash, &state); }

}  // namespace vtpm::crypto
