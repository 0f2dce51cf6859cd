// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/aead_cipher.h"

#include <algorithm>
#include <array>
#include <climits>
#include <functional>

#include "crypto/symmetric/cipher_engine.h"
#include "crypto/symmetric/xchacha.h"

namespace vtpm::crypto {
namespace {

constexpr size_t kGcmNonce = 128;  // the limit of libcrypto's GCM

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

void check(AeadMode mode, const AeadMessage& message, size_t tag_bytes) {
  if (!aead_takes_nonce(mode, message.nonce.size())) refuse("nonce length not supported by the mode");
  if (!aead_takes_tag(mode, tag_bytes)) refuse("tag length not supported by the mode");
  if (message.associated.size() > INT_MAX) refuse("length of the associated data out of range (at most 2 GiB)");
}

NativeCipher cipher_of(AeadMode mode, size_t key_bytes) {
  if (mode == AeadMode::kChaCha20Poly1305) return native_cipher("ChaCha20-Poly1305");
  return native_aes(key_bytes, mode == AeadMode::kGcm ? "GCM" : "CCM");
}

/// XChaCha20-Poly1305 as ChaCha20-Poly1305 with another key.
struct Extended {
  SecretBytes key;
  std::array<uint8_t, 12> nonce{};

  Extended(ByteView given, ByteView nonce24) : key(hchacha20(given, nonce24.first(16))) {
    std::ranges::copy(nonce24.subspan(16), nonce.begin() + 4);
  }
};

bool control(EVP_CIPHER_CTX* context, int what, size_t bytes, const uint8_t* data) {
  return EVP_CIPHER_CTX_ctrl(context, what, static_cast<int>(bytes), const_cast<uint8_t*>(data)) == 1;
}

// Sets the sizes before the key, because the key schedule of CCM contains them; then the length of the text, which only
// CCM needs in advance; then the associated data. `tag`: the tag of the message to be opened; for sealing, its size
// counts.
CipherContext start(AeadMode mode, ByteView key, Direction direction, const AeadMessage& message, ByteView tag,
                    size_t text_bytes) {
  if (mode == AeadMode::kChaCha20Poly1305 && message.nonce.size() == kXChaChaNonce) {
    const Extended by(key, message.nonce);
    return start(mode, by.key, direction, {by.nonce, message.associated}, tag, text_bytes);
  }
  const bool seals = direction == Direction::kEncrypt;
  CipherContext context(EVP_CIPHER_CTX_new());
  require_openssl(
      context != nullptr &&
          EVP_CipherInit_ex2(context.get(), cipher_of(mode, key.size()).get(), nullptr, nullptr, seals, nullptr) == 1 &&
          control(context.get(), EVP_CTRL_AEAD_SET_IVLEN, message.nonce.size(), nullptr),
      "preparing an AEAD cipher");
  if (!seals || mode == AeadMode::kCcm) {
    require_openssl(control(context.get(), EVP_CTRL_AEAD_SET_TAG, tag.size(), seals ? nullptr : tag.data()),
                    "an AEAD tag");
  }
  require_openssl(EVP_CipherInit_ex2(context.get(), nullptr, key.data(), message.nonce.data(), seals, nullptr) == 1,
                  "keying an AEAD cipher");
  int done = 0;
  if (mode == AeadMode::kCcm) {
    require_openssl(EVP_CipherUpdate(context.get(), nullptr, &done, nullptr, static_cast<int>(text_bytes)) == 1,
                    "the length of a CCM message");
  }
  if (!message.associated.empty()) {
    require_openssl(EVP_CipherUpdate(context.get(), nullptr, &done, message.associated.data(),
                                     static_cast<int>(message.associated.size())) == 1,
                    "associated data");
  }
  return context;
}

// CCM processes the whole text at once and compares the tag meanwhile, so an empty text must be processed too.
bool run_ccm(EVP_CIPHER_CTX* context, ByteView in, uint8_t* out) {
  uint8_t none = 0;
  int done = 0;
  return EVP_CipherUpdate(context, in.empty() ? &none : out, &done, in.empty() ? &none : in.data(),
                          static_cast<int>(in.size())) == 1;
}

void get_tag(EVP_CIPHER_CTX* context, MutableByteView tag) {
  require_openssl(control(context, EVP_CTRL_AEAD_GET_TAG, tag.size(), tag.data()), "an AEAD tag");
}

bool overlap_unevenly(ByteView in, MutableByteView out) {
  std::less<const uint8_t*> before;
  return in.data() != out.data() && !in.empty() && !out.empty() && before(in.data(), out.data() + out.size()) &&
         before(out.data(), in.data() + in.size());
}

}  // namespace

bool aead_takes_nonce(AeadMode mode, size_t bytes) {
  switch (mode) {
    case AeadMode::kGcm:
      return bytes >= 1 && bytes <= kGcmNonce;
    case AeadMode::kCcm:
      return bytes >= 7 && bytes <= 13;
    case AeadMode::kChaCha20Poly1305:
      return bytes == 12 || bytes == kXChaChaNonce;
  }
  return false;
}

bool aead_takes_tag(AeadMode mode, size_t bytes) {
  switch (mode) {
    case AeadMode::kGcm:
      return bytes >= 4 && bytes <= 16;
    case AeadMode::kCcm:
      return bytes >= 4 && bytes <= 16 && bytes % 2 == 0;
    case AeadMode::kChaCha20Poly1305:
      return bytes == 16;
  }
  return false;
}

uint64_t aead_bytes_at_most(AeadMode mode, size_t nonce_bytes) {
  switch (mode) {
    case AeadMode::kGcm:
      return (uint64_t{1} << 36) - 32;  // SP 800-38D, 5.2.1.1
    case AeadMode::kCcm: {
      const size_t counter = 15 - std::clamp<size_t>(nonce_bytes, 7, 13);  // bytes of the length: 2 to 8
      return counter < 4 ? (uint64_t{1} << 8 * counter) - 1 : INT_MAX;     // libcrypto processes one piece
    }
    case AeadMode::kChaCha20Poly1305:
      return ((uint64_t{1} << 32) - 1) * 64;  // RFC 8439, 2.8
  }
  return 0;
}

AeadKey::AeadKey(AeadMode mode, ByteView key) : mode_(mode), key_(key) {
  if (mode == AeadMode::kChaCha20Poly1305 && key.size() != 32) refuse("a ChaCha20-Poly1305 key must have 32 bytes");
  cipher_of(mode, key.size());  // throws for other sizes of AES keys
}

void AeadKey::seal(const AeadMessage& message, ByteView plain, MutableByteView cipher_text, MutableByteView tag) const {
  check(mode_, message, tag.size());
  if (plain.size() > aead_bytes_at_most(mode_, message.nonce.size()))
    refuse("message length exceeds the limit of the mode");
  if (cipher_text.size() < plain.size()) refuse("the buffer for the ciphertext is too small");
  SecretBytes apart;
  if (overlap_unevenly(plain, cipher_text.first(plain.size()))) {
    apart = SecretBytes(plain);
    plain = apart;
  }
  CipherContext context = start(mode_, key_, Direction::kEncrypt, message, tag, plain.size());
  if (mode_ == AeadMode::kCcm) {
    require_openssl(run_ccm(context.get(), plain, cipher_text.data()), "sealing with CCM");
  } else {
    run_cipher(context.get(), plain, cipher_text.data());
    uint8_t none[16];
    int done = 0;
    require_openssl(EVP_CipherFinal_ex(context.get(), none, &done) == 1 && done == 0, "sealing");
  }
  get_tag(context.get(), tag);
}

bool AeadKey::open(const AeadMessage& message, ByteView cipher_text, ByteView tag, MutableByteView plain) const {
  check(mode_, message, tag.size());
  if (cipher_text.size() > aead_bytes_at_most(mode_, message.nonce.size())) return false;
  if (plain.size() < cipher_text.size()) refuse("the buffer for the plain text is too small");
  plain = plain.first(cipher_text.size());
  Bytes apart;
  if (overlap_unevenly(cipher_text, plain)) {
    apart = to_bytes(cipher_text);
    cipher_text = apart;
  }
  CipherContext context = start(mode_, key_, Direction::kDecrypt, message, tag, cipher_text.size());
  bool good = false;
  if (mode_ == AeadMode::kCcm) {
    good = run_ccm(context.get(), cipher_text, plain.data());
  } else {
    run_cipher(context.get(), cipher_text, plain.data());
    uint8_t none[16];
    int done = 0;
    good = EVP_CipherFinal_ex(context.get(), none, &done) == 1;
  }
  if (!good) {
    ERR_clear_error();
    wipe(plain.data(), plain.size());
  }
  return good;
}

void AeadSealer::Free::operator()(evp_cipher_ctx_st* context) const noexcept { EVP_CIPHER_CTX_free(context); }

AeadSealer::AeadSealer(const AeadKey& key, const AeadMessage& message, size_t tag_bytes)
    : key_(key.clone()), tag_bytes_(tag_bytes) {
  check(key.mode(), message, tag_bytes);
  nonce_ = to_bytes(message.nonce);
  if (key.mode() == AeadMode::kCcm) {
    associated_ = to_bytes(message.associated);
  } else {
    context_.reset(start(key.mode(), key.key(), Direction::kEncrypt, message, {}, 0).release());
  }
}

AeadSealer::AeadSealer(const AeadSealer& other)
    : key_(other.key_.clone()),
      nonce_(other.nonce_),
      associated_(other.associated_),
      tag_bytes_(other.tag_bytes_),
      bytes_(other.bytes_),
      context_(other.context_ ? copy_cipher(other.context_.get()).release() : nullptr),
      held_(other.held_.clone()) {}

AeadSealer& AeadSealer::operator=(const AeadSealer& other) {
  if (this != &other) *this = AeadSealer(other);
  return *this;
}

size_t AeadSealer::update_bytes(size_t in) const { return context_ != nullptr ? in : 0; }

bool AeadSealer::update(ByteView in, MutableByteView out) {
  if (in.size() > aead_bytes_at_most(key_.mode(), nonce_.size()) - bytes_) return false;
  if (out.size() < update_bytes(in.size())) refuse("the buffer for the ciphertext is too small");
  bytes_ += in.size();
  if (context_ == nullptr) {
    held_.append(in);
    return true;
  }
  SecretBytes apart;
  if (overlap_unevenly(in, out.first(in.size()))) {
    apart = SecretBytes(in);
    in = apart;
  }
  run_cipher(context_.get(), in, out.data());
  return true;
}

void AeadSealer::finish(MutableByteView out, MutableByteView tag) {
  if (tag.size() != tag_bytes_) refuse("the buffer does not have the size of the tag");
  if (context_ == nullptr) {
    key_.seal({nonce_, associated_}, held_, out, tag);
    return;
  }
  uint8_t none[16];
  int done = 0;
  require_openssl(EVP_CipherFinal_ex(context_.get(), none, &done) == 1 && done == 0, "sealing");
  get_tag(context_.get(), tag);
}

AeadOpener::AeadOpener(const AeadKey& key, const AeadMessage& message, size_t tag_bytes)
    : key_(key.clone()), tag_bytes_(tag_bytes) {
  check(key.mode(), message, tag_bytes);
  nonce_ = to_bytes(message.nonce);
  associated_ = to_bytes(message.associated);
}

AeadOpener::AeadOpener(const AeadOpener& other)
    : key_(other.key_.clone()),
      nonce_(other.nonce_),
      associated_(other.associated_),
      held_(other.held_),
      tag_bytes_(other.tag_bytes_) {}

AeadOpener& AeadOpener::operator=(const AeadOpener& other) {
  if (this != &other) *this = AeadOpener(other);
  return *this;
}

bool AeadOpener::update(ByteView in) {
  const uint64_t most = aead_bytes_at_most(key_.mode(), nonce_.size()) + tag_bytes_;
  if (in.size() > most - held_.size()) return false;
  append(held_, in);
  return true;
}

AeadOpener::Result AeadOpener::finish(MutableByteView out) {
  if (held_.size() < tag_bytes_) return Result::kTooShort;
  Bytes tag = to_bytes(ByteView(held_).last(tag_bytes_));
  held_.resize(held_.size() - tag_bytes_);
  return finish(tag, out);
}

AeadOpener::Result AeadOpener::finish(ByteView tag, MutableByteView out) {
  if (tag.size() != tag_bytes_) return Result::kBadTag;
  return key_.open({nonce_, associated_}, held_, tag, out) ? Result::kGood : Result::kBadTag;
}

}  // namespace vtpm::crypto
