// SPDX-License-Identifier: Apache-2.0
#include "store/vault/recovery_phrase.h"

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/library/random.h"

namespace vtpm::store {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kRandomSymbols = 26, kCheckSymbols = 4, kSymbols = kRandomSymbols + kCheckSymbols;
constexpr size_t kGroup = 5;

// GF(32) by its powers: a root of x^5 + x^2 + 1 generates it.
struct Field {
  std::array<uint8_t, 62> power{};
  std::array<uint8_t, 32> log{};
  constexpr Field() {
    unsigned value = 1;
    for (unsigned i = 0; i < 31; ++i) {
      power[i] = power[i + 31] = static_cast<uint8_t>(value);
      log[value] = static_cast<uint8_t>(i);
      value <<= 1;
      if (value & 32) value ^= 0b100101;
    }
  }
  constexpr uint8_t times(uint8_t a, uint8_t b) const {
    return a == 0 || b == 0 ? uint8_t{0} : power[static_cast<size_t>(log[a]) + log[b]];
  }
};
constexpr Field kField;

// The product of (x - power(i)), i < kCheckSymbols, from the second highest coefficient on (the highest is 1).
constexpr std::array<uint8_t, kCheckSymbols> generator() {
  std::array<uint8_t, kCheckSymbols + 1> product{1};
  for (size_t i = 0; i < kCheckSymbols; ++i) {
    for (size_t k = kCheckSymbols; k > 0; --k) product[k] ^= kField.times(product[k - 1], kField.power[i]);
  }
  std::array<uint8_t, kCheckSymbols> out{};
  for (size_t k = 0; k < kCheckSymbols; ++k) out[k] = product[k + 1];
  return out;
}

// Division of the random symbols by the generator; its remainder is the check symbols.
void add_check_symbols(SecretBytes& symbols) {
  constexpr auto kGenerator = generator();
  SecretBytes rest(kCheckSymbols);
  for (size_t i = 0; i < kRandomSymbols; ++i) {
    const uint8_t lead = symbols[i] ^ rest[0];
    for (size_t k = 0; k < kCheckSymbols; ++k) {
      const uint8_t next = k + 1 < kCheckSymbols ? rest[k + 1] : uint8_t{0};
      rest[k] = static_cast<uint8_t>(next ^ kField.times(lead, kGenerator[k]));
    }
  }
  symbols.append(rest);
}

std::array<uint8_t, kCheckSymbols> syndromes(ByteView symbols) {
  std::array<uint8_t, kCheckSymbols> out{};
  for (size_t i = 0; i < kCheckSymbols; ++i) {
    for (uint8_t symbol : symbols) out[i] = static_cast<uint8_t>(kField.times(out[i], kField.power[i]) ^ symbol);
  }
  return out;
}

// The place of the only wrong symbol, or nothing when more than one is.
std::optional<size_t> only_wrong_symbol(const std::array<uint8_t, kCheckSymbols>& s) {
  if (std::count(s.begin(), s.end(), 0) != 0) return std::nullopt;
  const unsigned exponent = (31u + kField.log[s[1]] - kField.log[s[0]]) % 31;
  for (size_t i = 1; i < kCheckSymbols; ++i) {
    if (s[i] != kField.times(s[i - 1], kField.power[exponent])) return std::nullopt;
  }
  if (exponent >= kSymbols) return std::nullopt;
  return kSymbols - 1 - exponent;
}

bool is_right(const std::array<uint8_t, kCheckSymbols>& s) {
  return std::count(s.begin(), s.end(), 0) == static_cast<ptrdiff_t>(s.size());
}

// The place of the first of the two neighbours that have only changed places.
std::optional<size_t> only_swapped_neighbours(ByteView symbols) {
  SecretBytes swapped(symbols);
  for (size_t i = 0; i + 1 < swapped.size(); ++i) {
    std::swap(swapped[i], swapped[i + 1]);
    if (is_right(syndromes(swapped))) return i;
    std::swap(swapped[i], swapped[i + 1]);
  }
  return std::nullopt;
}

std::optional<uint8_t> symbol_of(uint8_t typed) {
  char letter = static_cast<char>(typed >= 'a' && typed <= 'z' ? typed - 'a' + 'A' : typed);
  if (letter == 'O') letter = '0';
  if (letter == 'I' || letter == 'L') letter = '1';
  const size_t at = kAlphabet.find(letter);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(at);
}

SecretBytes written(ByteView symbols) {
  SecretBytes text;
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (i != 0 && i % kGroup == 0) text.append(as_bytes("-"));
    text.append(as_bytes(kAlphabet.substr(symbols[i], 1)));
  }
  return text;
}

}  // namespace

SecretBytes generate_recovery_phrase() {
  SecretBytes symbols = crypto::random_secret(kRandomSymbols);
  for (uint8_t& symbol : symbols) symbol &= 31;
  add_check_symbols(symbols);
  return written(symbols);
}

PhraseReading read_recovery_phrase(ByteView typed) {
  PhraseReading reading;
  SecretBytes symbols;
  for (uint8_t byte : typed) {
    if (byte == '-' || byte == ' ') continue;
    const auto symbol = symbol_of(byte);
    if (!symbol || symbols.size() == kSymbols) return reading;
    symbols.append({&*symbol, 1});
  }
  if (symbols.size() != kSymbols) return reading;
  const auto s = syndromes(symbols);
  if (is_right(s)) {
    reading.verdict = PhraseReading::Verdict::kRight;
    reading.canonical = written(symbols);
    return reading;
  }
  reading.verdict = PhraseReading::Verdict::kMistyped;
  std::optional<size_t> place = only_wrong_symbol(s);
  if (!place) place = only_swapped_neighbours(symbols);
  if (place) reading.group = static_cast<unsigned>(*place / kGroup) + 1;
  return reading;
}

SecretBytes recovery_secret(ByteView typed) {
  PhraseReading reading = read_recovery_phrase(typed);
  return reading.verdict == PhraseReading::Verdict::kRight ? std::move(reading.canonical) : SecretBytes(typed);
}

}  // namespace vtpm::store
