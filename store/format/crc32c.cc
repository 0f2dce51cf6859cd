// SPDX-License-Identifier: Apache-2.0
#include "store/format/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace vtpm::store {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;  // reflected

using Table = std::array<std::array<uint32_t, 256>, 8>;

constexpr Table make_tables() {
  Table table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? kPolynomial : 0);
    table[0][i] = value;
  }
  for (uint32_t i = 0; i < 256; ++i) {
    for (size_t k = 1; k < 8; ++k) table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xFF];
  }
  return table;
}

constexpr Table kTables = make_tables();

uint32_t one_byte(uint32_t state, uint8_t byte) { return (state >> 8) ^ kTables[0][(state ^ byte) & 0xFF]; }

uint32_t in_software(uint32_t state, const uint8_t* data, size_t size) {
  while (size >= 8) {
    uint32_t low =
        state ^ (uint32_t{data[0]} | uint32_t{data[1]} << 8 | uint32_t{data[2]} << 16 | uint32_t{data[3]} << 24);
    state = kTables[7][low & 0xFF] ^ kTables[6][(low >> 8) & 0xFF] ^ kTables[5][(low >> 16) & 0xFF] ^
            kTables[4][low >> 24] ^ kTables[3][data[4]] ^ kTables[2][data[5]] ^ kTables[1][data[6]] ^
            kTables[0][data[7]];
    data += 8;
    size -= 8;
  }
  while (size-- > 0) state = one_byte(state, *data++);
  return state;
}

#if defined(__x86_64__)
// What a number of zero bytes does to a CRC. It is linear, so four tables by byte hold it.
using Shift = std::array<std::array<uint32_t, 256>, 4>;

constexpr Shift make_shift(size_t zeros) {
  Shift shift{};
  for (unsigned bit = 0; bit < 32; ++bit) {
    uint32_t effect = uint32_t{1} << bit;
    for (size_t i = 0; i < zeros; ++i) effect = (effect >> 8) ^ kTables[0][effect & 0xFF];
    std::array<uint32_t, 256>& table = shift[bit / 8];
    for (uint32_t low = 0, high = uint32_t{1} << bit % 8; low < high; ++low) table[high + low] = table[low] ^ effect;
  }
  return shift;
}

uint32_t shifted(const Shift& shift, uint32_t state) {
  return shift[0][state & 0xFF] ^ shift[1][(state >> 8) & 0xFF] ^ shift[2][(state >> 16) & 0xFF] ^
         shift[3][state >> 24];
}

// The instruction takes three cycles, and one of another stream may begin in each: three lanes side by side.
constexpr size_t kLane = 128;
constexpr Shift kOneLane = make_shift(kLane), kTwoLanes = make_shift(2 * kLane);

__attribute__((target("sse4.2"))) uint32_t three_lanes(uint32_t state, const uint8_t* data) {
  uint64_t lanes[3] = {state, 0, 0};
  for (size_t at = 0; at < kLane; at += 8) {
    uint64_t words[3];
    for (size_t lane = 0; lane < 3; ++lane) std::memcpy(&words[lane], data + lane * kLane + at, 8);
    for (size_t lane = 0; lane < 3; ++lane) lanes[lane] = _mm_crc32_u64(lanes[lane], words[lane]);
  }
  return shifted(kTwoLanes, static_cast<uint32_t>(lanes[0])) ^ shifted(kOneLane, static_cast<uint32_t>(lanes[1])) ^
         static_cast<uint32_t>(lanes[2]);
}

__attribute__((target("sse4.2"))) uint32_t in_hardware(uint32_t state, const uint8_t* data, size_t size) {
  for (; size >= 3 * kLane; size -= 3 * kLane, data += 3 * kLane) state = three_lanes(state, data);
  uint64_t wide = state;
  while (size >= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    wide = _mm_crc32_u64(wide, word);
    data += 8;
    size -= 8;
  }
  state = static_cast<uint32_t>(wide);
  while (size-- > 0) state = _mm_crc32_u8(state, *data++);
  return state;
}
#endif

using Step = uint32_t (*)(uint32_t, const uint8_t*, size_t);

Step choose() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return in_hardware;
#endif
  return in_software;
}

}  // namespace

Crc32c& Crc32c::update(ByteView bytes) {
  static const Step step = choose();
  state_ = step(state_, bytes.data(), bytes.size());
  return *this;
}

Crc32c& Crc32c::update_zeros(size_t count) {
  while (count-- > 0) state_ = one_byte(state_, 0);
  return *this;
}

uint32_t crc32c(ByteView bytes) { return Crc32c().update(bytes).value(); }

std::optional<BitFromEnd> find_flipped_bit(uint32_t syndrome, size_t size) {
  // effect[b]: what flipping bit b of the byte at hand does to the CRC. One byte further from the end, each effect
  // has run through one more zero byte.
  std::array<uint32_t, 8> effect;
  for (unsigned bit = 0; bit < 8; ++bit) effect[bit] = kTables[0][1u << bit];
  for (size_t behind = 0; behind < size; ++behind) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if (effect[bit] == syndrome) return BitFromEnd{behind, static_cast<uint8_t>(1u << bit)};
      effect[bit] = one_byte(effect[bit], 0);
    }
  }
  return std::nullopt;
}

}  // namespace vtpm::store
