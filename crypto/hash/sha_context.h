// SPDX-License-Identifier: Apache-2.0
// Saves libcrypto's public structures of SHA-1 and SHA-2 in a form that every build can load. Private to crypto/.
//
//   chaining words, big-endian | bits so far, high and low word, eight bytes each | the incomplete block
//
// The size of the incomplete block follows from the bits, so foreign bytes cannot make libcrypto write beyond its
// block. Include with OPENSSL_SUPPRESS_DEPRECATED.
#pragma once

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/error.h"

namespace vtpm::crypto {

inline std::array<SHA_LONG*, 5> chaining_words(SHA_CTX& c) { return {&c.h0, &c.h1, &c.h2, &c.h3, &c.h4}; }
template <typename Context>
auto chaining_words(Context& c) {
  std::array<decltype(&c.h[0]), 8> words;
  for (size_t i = 0; i < words.size(); ++i) words[i] = &c.h[i];
  return words;
}
inline MutableByteView waiting_block(SHA512_CTX& c) { return c.u.p; }
template <typename Context>
MutableByteView waiting_block(Context& c) {
  return {reinterpret_cast<uint8_t*>(c.data), sizeof c.data};
}

constexpr size_t kShaCountBytes = 16;

template <typename Context>
SecretBytes save_context(const Context& context) {
  auto& c = const_cast<Context&>(context);  // only read
  SecretBytes saved;
  const auto put = [&saved](uint64_t word, size_t bytes) {
    Bytes out(bytes);
    for (size_t i = bytes; i-- > 0; word >>= 8) out[i] = static_cast<uint8_t>(word);
    saved.append(out);
    wipe(out.data(), out.size());
  };
  for (const auto* word : chaining_words(c)) put(*word, sizeof *word);
  put(c.Nh, 8);
  put(c.Nl, 8);
  saved.append(waiting_block(c).first(c.num));
  return saved;
}

/// Loads saved bytes into a new context of the same algorithm. Throws kInvalidArgument for bytes that cannot be such a
/// context.
template <typename Context>
void load_context(Context& c, ByteView saved) {
  const auto words = chaining_words(c);
  const size_t fixed = words.size() * sizeof *words[0] + kShaCountBytes;
  const auto take = [&saved](size_t bytes) {
    uint64_t word = 0;
    for (const uint8_t byte : saved.first(bytes)) word = word << 8 | byte;
    saved = saved.subspan(bytes);
    return word;
  };
  const MutableByteView block = waiting_block(c);
  bool good = saved.size() >= fixed;
  if (good) {
    for (auto* word : words) *word = static_cast<std::remove_pointer_t<decltype(word)>>(take(sizeof *word));
    const uint64_t high = take(8), low = take(8);
    c.Nh = static_cast<decltype(c.Nh)>(high);
    c.Nl = static_cast<decltype(c.Nl)>(low);
    good = c.Nh == high && c.Nl == low && low % 8 == 0 && saved.size() == low / 8 % block.size();
  }
  if (!good) throw Error(ErrorCode::kInvalidArgument, "the bytes are not a saved state of this digest");
  std::ranges::fill(block, uint8_t{0});
  std::ranges::copy(saved, block.begin());
  c.num = static_cast<decltype(c.num)>(saved.size());
}

}  // namespace vtpm::crypto
