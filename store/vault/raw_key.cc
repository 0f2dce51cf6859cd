// SPDX-License-Identifier: Apache-2.0
#include "store/vault/raw_key.h"

#include "base/error.h"

namespace vtpm::store {
namespace {

constexpr const char* kSizes = "a key has 128, 192 or 256 bits";

bool is_key_size(size_t bytes) { return bytes == 16 || bytes == 24 || bytes == 32; }

ByteView without_line_end(ByteView text) {
  if (!text.empty() && text.back() == '\n') text = text.first(text.size() - 1);
  if (!text.empty() && text.back() == '\r') text = text.first(text.size() - 1);
  return text;
}

[[noreturn]] void refuse_character(uint8_t character, size_t position, const std::string& what) {
  const bool printable = character > 0x20 && character < 0x7F;
  std::string sentence = "character " + std::to_string(position) + " of " + what + " is " +
                         (printable ? "'" + std::string(1, static_cast<char>(character)) + "'" : "not printable") +
                         ", not a hexadecimal digit";
  if (character == 'O' || character == 'o') sentence += " (the letter O, not a zero?)";
  throw Error(ErrorCode::kInvalidArgument, std::move(sentence));
}

uint8_t digit_of(uint8_t character, size_t position, const std::string& what) {
  if (character >= '0' && character <= '9') return static_cast<uint8_t>(character - '0');
  if (character >= 'a' && character <= 'f') return static_cast<uint8_t>(character - 'a' + 10);
  if (character >= 'A' && character <= 'F') return static_cast<uint8_t>(character - 'A' + 10);
  refuse_character(character, position, what);
}

SecretBytes from_hex(ByteView text, const std::string& what) {
  size_t begin = text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
  SecretBytes digits;
  for (size_t i = begin; i < text.size(); ++i) {
    const uint8_t digit = digit_of(text[i], i + 1, what);
    digits.append({&digit, 1});
  }
  if (digits.size() % 2 != 0 || !is_key_size(digits.size() / 2)) {
    throw Error(ErrorCode::kInvalidArgument, what + " has " + std::to_string(digits.size()) +
                                                 " hexadecimal digits: " + kSizes + ", so 32, 48 or 64 digits");
  }
  SecretBytes bytes(digits.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(digits[2 * i] << 4 | digits[2 * i + 1]);
  return bytes;
}

}  // namespace

RawKey::RawKey(SecretBytes bytes) : bytes_(std::move(bytes)) {
  if (!is_key_size(bytes_.size())) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string(kSizes) + ", so 16, 24 or 32 bytes, not " + std::to_string(bytes_.size()));
  }
}

RawKey parse_raw_key(ByteView contents, KeyFormat format, const std::string& what) {
  if (format == KeyFormat::kHex) return RawKey(from_hex(without_line_end(contents), what));
  if (!is_key_size(contents.size())) {
    throw Error(ErrorCode::kInvalidArgument,
                what + " has " + std::to_string(contents.size()) + " bytes: " + kSizes + ", so 16, 24 or 32 bytes");
  }
  return RawKey(SecretBytes(contents));
}

}  // namespace vtpm::store
