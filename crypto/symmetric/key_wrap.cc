// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/key_wrap.h"

#include "crypto/symmetric/cipher_engine.h"

namespace vtpm::crypto {
namespace {

constexpr size_t kHalfBlock = 8;
constexpr size_t kMost = size_t{1} << 30;  // libcrypto counts in int

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

CipherContext start(WrapMode mode, ByteView key, ByteView iv, Direction direction) {
  if (!iv.empty() && iv.size() != (mode == WrapMode::kKw ? 8 : 4)) {
    refuse("the initial value of a key wrap must have 8 bytes, with padding 4");
  }
  NativeCipher cipher = native_aes(key.size(), mode == WrapMode::kKw ? "WRAP" : "WRAP-PAD");
  CipherContext context(EVP_CIPHER_CTX_new());
  require_openssl(context != nullptr, "preparing a key wrap");
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  require_openssl(EVP_CipherInit_ex2(context.get(), cipher.get(), key.data(), iv.empty() ? nullptr : iv.data(),
                                     direction == Direction::kEncrypt, nullptr) == 1,
                  "keying a key wrap");
  return context;
}

}  // namespace

bool can_wrap(WrapMode mode, size_t bytes) {
  if (bytes > kMost) return false;
  return mode == WrapMode::kKw ? bytes >= 2 * kHalfBlock && bytes % kHalfBlock == 0 : bytes >= 1;
}

size_t wrapped_bytes(WrapMode mode, size_t bytes) {
  if (mode == WrapMode::kKw) return bytes + kHalfBlock;
  return (bytes + kHalfBlock - 1) / kHalfBlock * kHalfBlock + kHalfBlock;
}

Bytes wrap(WrapMode mode, ByteView key, ByteView plain, ByteView iv) {
  CipherContext context = start(mode, key, iv, Direction::kEncrypt);
  if (!can_wrap(mode, plain.size())) refuse("a key of this size cannot be wrapped in this mode");
  Bytes wrapped(wrapped_bytes(mode, plain.size()));
  int done = 0;
  require_openssl(
      EVP_CipherUpdate(context.get(), wrapped.data(), &done, plain.data(), static_cast<int>(plain.size())) == 1 &&
          static_cast<size_t>(done) == wrapped.size(),
      "wrapping a key");
  return wrapped;
}

std::optional<SecretBytes> unwrap(WrapMode mode, ByteView key, ByteView wrapped, ByteView iv) {
  CipherContext context = start(mode, key, iv, Direction::kDecrypt);
  const size_t least = mode == WrapMode::kKw ? 3 * kHalfBlock : 2 * kHalfBlock;
  if (wrapped.size() < least || wrapped.size() > kMost || wrapped.size() % kHalfBlock != 0) return std::nullopt;
  SecretBytes plain(wrapped.size());
  int done = 0;
  if (EVP_CipherUpdate(context.get(), plain.data(), &done, wrapped.data(), static_cast<int>(wrapped.size())) != 1 ||
      done <= 0) {
    ERR_clear_error();
    return std::nullopt;
  }
  plain.resize(static_cast<size_t>(done));
  return plain;
}

}  // namespace vtpm::crypto
