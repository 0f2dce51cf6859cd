// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/xchacha.h"

#include "crypto/symmetric/cipher_engine.h"

namespace vtpm::crypto {
namespace {

constexpr size_t kBlock = 64, kWord = 4;

uint32_t word(ByteView bytes, size_t number) {
  uint32_t value = 0;
  for (size_t i = 0; i < kWord; ++i) value |= uint32_t{bytes[number * kWord + i]} << 8 * i;
  return value;
}

}  // namespace

// A block of ChaCha20's key stream is the permuted state plus the state. HChaCha20 is eight words of the permuted one,
// at places where the state is known: constants in the first row, counter and nonce in the last.
SecretBytes hchacha20(ByteView key, ByteView nonce) {
  if (key.size() != 32 || nonce.size() != 16) {
    throw Error(ErrorCode::kInvalidArgument, "HChaCha20 needs a key of 32 bytes and a nonce of 16");
  }
  SecretBytes block(kBlock);
  CipherContext context = start_cipher(native_cipher("ChaCha20").get(), key.data(), nonce.data(), Direction::kEncrypt);
  run_cipher(context.get(), block.view(), block.data());
  const ByteView constants = as_bytes("expand 32-byte k");
  SecretBytes derived(32);
  for (size_t i = 0; i < 8; ++i) {
    const bool first_row = i < 4;
    uint32_t value = word(block.view(), first_row ? i : i + 8) - word(first_row ? constants : nonce, i % 4);
    for (size_t byte = 0; byte < kWord; ++byte, value >>= 8) derived[i * kWord + byte] = static_cast<uint8_t>(value);
  }
  return derived;
}

}  // namespace vtpm::crypto
