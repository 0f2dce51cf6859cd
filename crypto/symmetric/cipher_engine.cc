// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/cipher_engine.h"
#include "crypto/library/constant_time.h"

#include <algorithm>
#include <array>
#include <string>

namespace vtpm::crypto {
namespace {

constexpr size_t kBlock = 16;
constexpr size_t kAtOnce = size_t{1} << 30;  // libcrypto counts in int

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

/// Returns libcrypto's chaining value, one block. From 3.2 on, providers try to return a pointer first. If that fails,
/// an error stays in the queue although the call is successful.
void chaining_value(EVP_CIPHER_CTX* context, uint8_t* block) {
  require_openssl(EVP_CIPHER_CTX_get_updated_iv(context, block, kBlock) == 1, "reading a chaining value");
  ERR_clear_error();
}

[[noreturn]] void refuse_state() { refuse("the bytes are not a saved state of this cipher"); }

/// Engines around one context of libcrypto. The part of its state that can be read depends on the mode.
class NativeEngine : public CipherEngine {
 public:
  explicit NativeEngine(CipherContext context) : context_(std::move(context)) {}
  void run(ByteView in, uint8_t* out) override { run_cipher(context_.get(), in, out); }
  void chained(uint8_t (&block)[kBlock]) const override { chaining_value(context_.get(), block); }

 protected:
  CipherContext context_;
};

/// ECB: the blocks are independent. XTS: one data unit, for which the whole message is kept.
class StatelessEngine : public NativeEngine {
 public:
  using NativeEngine::NativeEngine;
  std::unique_ptr<CipherEngine> clone() const override {
    return std::make_unique<StatelessEngine>(copy_cipher(context_.get()));
  }
  SecretBytes save() const override { return {}; }
  void load(ByteView saved) override {
    if (!saved.empty()) refuse_state();
  }
};

/// CBC, CFB1 and CFB8: the chaining block, which is whole after each byte, or block, that there is.
class ChainedEngine : public NativeEngine {
 public:
  using NativeEngine::NativeEngine;
  std::unique_ptr<CipherEngine> clone() const override {
    return std::make_unique<ChainedEngine>(copy_cipher(context_.get()));
  }
  SecretBytes save() const override {
    uint8_t block[kBlock];
    chained(block);
    SecretBytes saved{ByteView(block)};
    wipe(block, sizeof block);
    return saved;
  }
  void load(ByteView saved) override {
    if (saved.size() != kBlock) refuse_state();
    restart_cipher(context_.get(), saved.data());
  }
};

/// OFB and CFB: the chaining block, and the bytes since then, which are processed again (libcrypto 3.0.19
/// allowed, 3.0.22 does not allow setting how much of a block has been used).
class SegmentedEngine : public NativeEngine {
 public:
  explicit SegmentedEngine(CipherContext context) : NativeEngine(std::move(context)), chain_(chain_now()) {}
  std::unique_ptr<CipherEngine> clone() const override {
    auto copy = std::make_unique<SegmentedEngine>(copy_cipher(context_.get()));
    copy->chain_ = SecretBytes(chain_.view());
    copy->since_ = SecretBytes(since_.view());
    return copy;
  }
  void run(ByteView in, uint8_t* out) override {
    const size_t all = since_.size() + in.size(), whole = all < kBlock ? 0 : all / kBlock * kBlock - since_.size();
    if (whole != 0) {
      NativeEngine::run(in.first(whole), out);
      chain_ = chain_now();
      since_ = SecretBytes();
    }
    since_.append(in.subspan(whole));  // first, because the output may overwrite it
    NativeEngine::run(in.subspan(whole), out + whole);
  }
  SecretBytes save() const override {
    SecretBytes saved(chain_.view());
    saved.append(since_);
    return saved;
  }
  void load(ByteView saved) override {
    if (saved.size() < kBlock || saved.size() >= 2 * kBlock) refuse_state();
    restart_cipher(context_.get(), saved.data());
    chain_ = SecretBytes(saved.first(kBlock));
    since_ = SecretBytes();
    SecretBytes again(saved.subspan(kBlock));
    run(again, again.data());
  }

 private:
  SecretBytes chain_now() const {
    SecretBytes block(kBlock);
    chaining_value(context_.get(), block.data());
    return block;
  }

  SecretBytes chain_, since_;
};

/// CTR and ChaCha20: how far the key stream has been used. libcrypto shows the counter, but not the rest of a block.
class CountingEngine : public NativeEngine {
 public:
  CountingEngine(CipherContext context, const CipherParameters& parameters)
      : NativeEngine(std::move(context)), chacha_(parameters.mode == CipherMode::kChaCha20) {
    std::ranges::copy(parameters.iv, start_.begin());
    if (chacha_) counter_bytes_ = parameters.counter_bits / 8;
  }
  std::unique_ptr<CipherEngine> clone() const override {
    return std::unique_ptr<CipherEngine>(new CountingEngine(*this));
  }
  void run(ByteView in, uint8_t* out) override {
    NativeEngine::run(in, out);
    done_ += in.size();
  }
  SecretBytes save() const override { return SecretBytes(ByteView(reinterpret_cast<const uint8_t*>(&done_), 8)); }
  void load(ByteView saved) override {
    if (saved.size() != sizeof done_) refuse_state();
    std::memcpy(&done_, saved.data(), sizeof done_);
    const unsigned block = chacha_ ? 64 : kBlock;
    std::array<uint8_t, kBlock> counter = start_;
    add(counter, done_ / block);
    restart_cipher(context_.get(), counter.data());
    uint8_t skipped[64] = {};
    run_cipher(context_.get(), ByteView(skipped).first(done_ % block), skipped);
    wipe(skipped, sizeof skipped);
  }

 private:
  CountingEngine(const CountingEngine& other)
      : NativeEngine(copy_cipher(other.context_.get())),
        chacha_(other.chacha_),
        counter_bytes_(other.counter_bytes_),
        start_(other.start_),
        done_(other.done_) {}

  // The counter is the block, big-endian, or (ChaCha20) its beginning, little-endian. It never begins again (Cipher).
  void add(std::array<uint8_t, kBlock>& counter, uint64_t blocks) const {
    unsigned carry = 0;
    for (size_t i = 0; i < counter_bytes_; ++i, blocks >>= 8) {
      uint8_t& byte = counter[chacha_ ? i : kBlock - 1 - i];
      carry += byte + static_cast<unsigned>(blocks & 0xff);
      byte = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
  }

  bool chacha_;
  size_t counter_bytes_ = kBlock;
  std::array<uint8_t, kBlock> start_;
  uint64_t done_ = 0;
};

// SP 800-38A, 6.3 with s = 64: each segment is combined with the first half of the encrypted shift register, into whose
// end the cipher text then moves. A last segment may be shorter.
class Cfb64Engine : public CipherEngine {
 public:
  Cfb64Engine(const CipherParameters& parameters, ByteView key, Direction direction)
      : direction_(direction),
        block_(start_cipher(native_block_cipher(parameters.block_cipher, key.size(), "ECB").get(), key.data(), nullptr,
                            Direction::kEncrypt)) {
    std::ranges::copy(parameters.iv, register_.begin());
  }
  ~Cfb64Engine() override { wipe(stream_.data(), stream_.size()); }
  std::unique_ptr<CipherEngine> clone() const override { return std::unique_ptr<CipherEngine>(new Cfb64Engine(*this)); }
  void run(ByteView in, uint8_t* out) override {
    for (uint8_t byte : in) {
      if (used_ == kSegment) next_segment();
      const uint8_t result = byte ^ stream_[used_];
      register_[kSegment + used_++] = direction_ == Direction::kEncrypt ? result : byte;
      *out++ = result;
    }
  }
  void chained(uint8_t (&)[16]) const override { refuse("CFB is not chained like CBC"); }
  SecretBytes save() const override {
    SecretBytes saved{ByteView(register_)};
    saved.append(ByteView(stream_).first(kSegment));
    const uint8_t used = static_cast<uint8_t>(used_);
    saved.append({&used, 1});
    return saved;
  }
  void load(ByteView saved) override {
    if (saved.size() != kBlock + kSegment + 1 || saved.back() > kSegment) refuse_state();
    std::ranges::copy(saved.first(kBlock), register_.begin());
    std::ranges::copy(saved.subspan(kBlock, kSegment), stream_.begin());
    used_ = saved.back();
  }

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
  require_openssl(cipher != nullptr, "fetching a cipher");
  return cipher;
}

NativeCipher native_block_cipher(BlockCipher cipher, size_t key_bytes, const char* suffix) {
  static constexpr const char* kNames[] = {"AES-", "CAMELLIA-", "ARIA-"};
  if (key_bytes != 16 && key_bytes != 24 && key_bytes != 32) refuse("a block cipher key must have 16, 24 or 32 bytes");
  return native_cipher((kNames[static_cast<size_t>(cipher)] + std::to_string(8 * key_bytes) + "-" + suffix).c_str());
}

NativeCipher native_aes(size_t key_bytes, const char* suffix) {
  return native_block_cipher(BlockCipher::kAes, key_bytes, suffix);
}

CipherContext start_cipher(const EVP_CIPHER* cipher, const uint8_t* key, const uint8_t* iv, Direction direction) {
  CipherContext context(EVP_CIPHER_CTX_new());
  require_openssl(
      context != nullptr &&
          EVP_CipherInit_ex2(context.get(), cipher, key, iv, direction == Direction::kEncrypt, nullptr) == 1 &&
          EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1,
      "keying a cipher");
  return context;
}

void restart_cipher(EVP_CIPHER_CTX* context, const uint8_t* iv) {
  require_openssl(EVP_CipherInit_ex2(context, nullptr, nullptr, iv, -1, nullptr) == 1 &&
                      EVP_CIPHER_CTX_set_padding(context, 0) == 1,
                  "restoring a cipher");
}

CipherContext copy_cipher(const EVP_CIPHER_CTX* context) {
  CipherContext copy(EVP_CIPHER_CTX_new());
  require_openssl(copy != nullptr && EVP_CIPHER_CTX_copy(copy.get(), context) == 1, "copying a cipher");
  return copy;
}

void run_cipher(EVP_CIPHER_CTX* context, ByteView in, uint8_t* out) {
  while (!in.empty()) {
    ByteView piece = in.first(std::min(in.size(), kAtOnce));
    int done = 0;
    require_openssl(EVP_CipherUpdate(context, out, &done, piece.data(), static_cast<int>(piece.size())) == 1 &&
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
  static constexpr Row kModes[] = {
      {CipherMode::kEcb, "ECB"},   {CipherMode::kCbc, "CBC"},   {CipherMode::kCbcPad, "CBC"},
      {CipherMode::kCtr, "CTR"},   {CipherMode::kCts, "CBC"},   {CipherMode::kOfb, "OFB"},
      {CipherMode::kCfb1, "CFB1"}, {CipherMode::kCfb8, "CFB8"}, {CipherMode::kCfb128, "CFB"}};
  if (parameters.mode == CipherMode::kCfb64) return std::make_unique<Cfb64Engine>(parameters, key, direction);

  NativeCipher cipher;
  if (parameters.mode == CipherMode::kChaCha20) {
    cipher = native_cipher("ChaCha20");
  } else if (parameters.mode == CipherMode::kXts) {
    if (constant_time_equal(key.first(key.size() / 2), key.subspan(key.size() / 2))) {
      refuse("the two halves of an XTS key must differ");
    }
    cipher = native_aes(key.size() / 2, "XTS");
  } else {
    auto row = std::ranges::find(kModes, parameters.mode, &Row::mode);
    cipher = native_block_cipher(parameters.block_cipher, key.size(), row->suffix);
  }
  const uint8_t* iv = parameters.iv.empty() ? nullptr : parameters.iv.data();
  CipherContext context = start_cipher(cipher.get(), key.data(), iv, direction);
  switch (parameters.mode) {
    case CipherMode::kEcb:
    case CipherMode::kXts:
      return std::make_unique<StatelessEngine>(std::move(context));
    case CipherMode::kCtr:
    case CipherMode::kChaCha20:
      return std::make_unique<CountingEngine>(std::move(context), parameters);
    case CipherMode::kOfb:
    case CipherMode::kCfb128:
      return std::make_unique<SegmentedEngine>(std::move(context));
    default:
      return std::make_unique<ChainedEngine>(std::move(context));
  }
}

}  // namespace vtpm::crypto
