// SPDX-License-Identifier: Apache-2.0
#include "store/format/store_cipher.h"

#include <array>
#include <utility>

#include "store/format/log_format.h"

namespace vtpm::store {
namespace {

constexpr std::array<std::pair<Cipher, std::string_view>, 3> kCiphers = {{
    {Cipher::kNone, kCipherNone},
    {Cipher::kAesCbc, kCipherCbc},
    {Cipher::kAes256Siv, kCipherSiv},
}};

}  // namespace

std::string_view cipher_name(Cipher cipher) {
  for (const auto& [known, name] : kCiphers) {
    if (known == cipher) return name;
  }
  return "?";
}

std::optional<Cipher> cipher_of(std::string_view name) {
  for (const auto& [cipher, known] : kCiphers) {
    if (known == name) return cipher;
  }
  return std::nullopt;
}

}  // namespace vtpm::store
