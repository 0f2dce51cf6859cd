// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash/blake2b.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace vtpm::crypto {
namespace {

using Words = std::array<uint64_t, 16>;

// RFC 7693, 2.6: the fractional parts of the square roots of the first eight primes, as in SHA-512.
constexpr std::array<uint64_t, 8> kStart = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                            0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                            0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

// RFC 7693, 2.7: which word of the message enters where, by round (modulo 10).
constexpr uint8_t kSchedule[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};
constexpr int kRounds = 12;

uint64_t little_endian(const uint8_t* bytes) {
  uint64_t word = 0;
  for (int i = 7; i >= 0; --i) word = word << 8 | bytes[i];
  return word;
}

// RFC 7693, 3.1
void mix(Words& v, size_t a, size_t b, size_t c, size_t d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = std::rotr(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = std::rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = std::rotr(v[b] ^ v[c], 63);
}

}  // namespace

Blake2b::Blake2b(size_t bytes) : chain_(kStart) {
  if (bytes < 1 || bytes > 64)
    throw Error(ErrorCode::kInvalidArgument, "BLAKE2b digest length out of range (1 to 64 bytes)");
  chain_[0] ^= 0x01010000 ^ bytes;  // 2.5: fanout 1, depth 1, no key
}

void Blake2b::wipe_state() {
  wipe(chain_.data(), sizeof chain_);
  wipe(held_.data(), sizeof held_);
}

void Blake2b::count(size_t bytes) {
  total_[0] += bytes;
  if (total_[0] < bytes) ++total_[1];
}

// RFC 7693, 3.2
void Blake2b::compress(const uint8_t* block, bool last) {
  Words message, v;
  for (size_t i = 0; i < 16; ++i) message[i] = little_endian(block + 8 * i);
  std::ranges::copy(chain_, v.begin());
  std::ranges::copy(kStart, v.begin() + 8);
  v[12] ^= total_[0];
  v[13] ^= total_[1];
  if (last) v[14] = ~v[14];
  for (int round = 0; round < kRounds; ++round) {
    const uint8_t* s = kSchedule[round % 10];
    for (size_t i = 0; i < 4; ++i) mix(v, i, 4 + i, 8 + i, 12 + i, message[s[2 * i]], message[s[2 * i + 1]]);
    for (size_t i = 0; i < 4; ++i) {
      mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, message[s[8 + 2 * i]], message[s[9 + 2 * i]]);
    }
  }
  for (size_t i = 0; i < 8; ++i) chain_[i] ^= v[i] ^ v[8 + i];
  wipe(message.data(), sizeof message);
  wipe(v.data(), sizeof v);
}

// The last block is treated differently, so a full block is kept until more data or the end follows.
void Blake2b::update(ByteView data) {
  while (!data.empty()) {
    if (held_bytes_ == kBlock) {
      count(kBlock);
      compress(held_.data(), /*last=*/false);
      held_bytes_ = 0;
    }
    size_t taken = std::min(data.size(), kBlock - held_bytes_);
    std::ranges::copy(data.first(taken), held_.begin() + static_cast<ptrdiff_t>(held_bytes_));
    held_bytes_ += taken;
    data = data.subspan(taken);
  }
}

void Blake2b::finish(MutableByteView out) {
  count(held_bytes_);
  std::fill(held_.begin() + static_cast<ptrdiff_t>(held_bytes_), held_.end(), uint8_t{0});
  compress(held_.data(), /*last=*/true);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(chain_[i / 8] >> 8 * (i % 8));
}

std::optional<SecretBytes> Blake2b::save() const {
  SecretBytes saved(8 * (chain_.size() + total_.size()));
  for (size_t i = 0; i < saved.size(); ++i) {
    const uint64_t word = i / 8 < chain_.size() ? chain_[i / 8] : total_[i / 8 - chain_.size()];
    saved[i] = static_cast<uint8_t>(word >> 8 * (i % 8));
  }
  saved.append(ByteView(held_).first(held_bytes_));
  return saved;
}

void Blake2b::load(ByteView saved) {
  const size_t fixed = 8 * (chain_.size() + total_.size());
  if (saved.size() < fixed || saved.size() > fixed + kBlock) {
    throw Error(ErrorCode::kInvalidArgument, "the bytes are not a saved state of this digest");
  }
  for (size_t i = 0; i < chain_.size(); ++i) chain_[i] = little_endian(saved.data() + 8 * i);
  for (size_t i = 0; i < total_.size(); ++i) total_[i] = little_endian(saved.data() + 8 * (chain_.size() + i));
  std::ranges::copy(saved.subspan(fixed), held_.begin());
  held_bytes_ = saved.size() - fixed;
}

}  // namespace vtpm::crypto
