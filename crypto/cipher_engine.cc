#include "crypto/cipher_engine.h"

#include <algorithm>
#include <array>
#include <string>

namespace vtpm::crypto {
namespace {

constexpr size_t kBlock = 16;
constexpr size_t kAtOnce = size_t{1} << 30;  // libcrypto counts in int

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

class NativeEngine : public CipherEngine {
 public:
  explicit NativeEngine(CipherContext context) : context_(std::move(context)) {}
  std::unique_ptr<CipherEngine> clone() const override {
    return std::make_unique<NativeEngine>(copy_cipher(context_.get()));
  }
  void run(ByteView in, uint8_t* out) override { run_cipher(context_.get(), in, out); }
  void chained(uint8_t (&block)[16]) const override {
    require(EVP_CIPHER_CTX_get_updated_iv(context_.get(), block, sizeof block) == 1, "reading a chaining value");
  }

 private:
  CipherContext context_;
};

// SP 800-38A, 6.3 with s = 64: each segment is combined with the first half of the encrypted shift register, into whose
// end the cipher text then moves. A last segment may be shorter.
class Cfb64Engine : public CipherEngine {
 public:
  Cfb64Engine(ByteView iv, ByteView key, Direction direction)
      : direction_(direction),
        block_(start_cipher(native_aes(key.size(), "ECB").get(), key.data(), nullptr, Direction::kEncrypt)) {
    std::ranges::copy(iv, register_.begin());
  }
  ~Cfb64Engine() override { wipe(stream_.data(), stream_.size()); }
  std::unique_ptr<CipherEngine> clone() const override { return std::unique_ptr<CipherEngine>(new Cfb64Engine(*this)); }
  void run(ByteView in, uint8_t* out) override {
    for (uint8_t octet : in) {
      if (used_ == kSegment) next_segment();
      const uint8_t result = octet ^ stream_[used_];
      register_[kSegment + used_++] = direction_ == Direction::kEncrypt ? result : octet;
      *out++ = result;
    }
  }
  void chained(uint8_t (&)[16]) const override { refuse("CFB is not chained like CBC"); }

 private:
  static constexpr size_t kSegment = 8;

  Cfb64Engine(const Cfb64Engine& other)
      : direction_(other.direction_),
        block_(copy_cipher(other.block_.get())),
        register_(other.register_),
        stream_(other.stream_),
        used_(other.used_) {}

  // The last half of the register becomes the first; the cipher text follows it as it comes.
  void next_segment() {
    run_cipher(block_.get(), register_, stream_.data());
    std::copy_n(register_.begin() + kSegment, kSegment, register_.begin());
    used_ = 0;
  }

  Direction direction_;
  CipherContext block_;
  std::array<uint8_t, kBlock> register_{}, stream_{};
  size_t used_ = kSegment;
};

}  // namespace

NativeCipher native_cipher(const char* name) {
  ensure_openssl();
  NativeCipher cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
  require(cipher != nullptr, "fetching a cipher");
  return cipher;
}

NativeCipher native_aes(size_t key_octets, const char* suffix) {
  if (key_octets != 16 && key_octets != 24 && key_octets != 32) refuse("an AES key has 16, 24 or 32 octets");
  return native_cipher(("AES-" + std::to_string(8 * key_octets) + "-" + suffix).c_str());
}

CipherContext start_cipher(const EVP_CIPHER* cipher, const uint8_t* key, const uint8_t* iv, Direction direction) {
  CipherContext context(EVP_CIPHER_CTX_new());
  require(context != nullptr &&
              EVP_CipherInit_ex2(context.get(), cipher, key, iv, direction == Direction::kEncrypt, nullptr) == 1 &&
              EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1,
          "keying a cipher");
  return context;
}

CipherContext copy_cipher(const EVP_CIPHER_CTX* context) {
  CipherContext copy(EVP_CIPHER_CTX_new());
  require(copy != nullptr && EVP_CIPHER_CTX_copy(copy.get(), context) == 1, "copying a cipher");
  return copy;
}

void run_cipher(EVP_CIPHER_CTX* context, ByteView in, uint8_t* out) {
  while (!in.empty()) {
    ByteView piece = in.first(std::min(in.size(), kAtOnce));
    int done = 0;
    require(EVP_CipherUpdate(context, out, &done, piece.data(), static_cast<int>(piece.size())) == 1 &&
                static_cast<size_t>(done) == piece.size(),
            "a cipher");
    in = in.subspan(piece.size());
    out += piece.size();
  }
}

std::unique_ptr<CipherEngine> make_engine(const CipherParameters& parameters, ByteView key, Direction direction) {
  struct Row {
    CipherMode mode;
    const char* suffix;
  };
  static constexpr Row kAes[] = {
      {CipherMode::kEcb, "ECB"},   {CipherMode::kCbc, "CBC"},   {CipherMode::kCbcPad, "CBC"},
      {CipherMode::kCtr, "CTR"},   {CipherMode::kCts, "CBC"},   {CipherMode::kOfb, "OFB"},
      {CipherMode::kCfb1, "CFB1"}, {CipherMode::kCfb8, "CFB8"}, {CipherMode::kCfb128, "CFB"}};
  if (parameters.mode == CipherMode::kCfb64) return std::make_unique<Cfb64Engine>(parameters.iv, key, direction);

  NativeCipher cipher;
  if (parameters.mode == CipherMode::kChaCha20) {
    cipher = native_cipher("ChaCha20");
  } else if (parameters.mode == CipherMode::kXts) {
    if (constant_time_equal(key.first(key.size() / 2), key.subspan(key.size() / 2))) {
      refuse("the two halves of an XTS key must differ");
    }
    cipher = native_aes(key.size() / 2, "XTS");
  } else {
    auto row = std::ranges::find(kAes, parameters.mode, &Row::mode);
    cipher = native_aes(key.size(), row->suffix);
  }
  const uint8_t* iv = parameters.iv.empty() ? nullptr : parameters.iv.data();
  return std::make_unique<NativeEngine>(start_cipher(cipher.get(), key.data(), iv, direction));
}

}  // namespace vtpm::crypto
