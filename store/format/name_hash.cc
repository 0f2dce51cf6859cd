// SPDX-License-Identifier: Apache-2.0
#include "store/format/name_hash.h"

#include <bit>

#include "crypto/library/random.h"

namespace vtpm::store {
namespace {

class State {
 public:
  explicit State(const SipKey& key)
      : v_{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
           key[1] ^ 0x7465646279746573} {}

  void absorb(uint64_t word) {
    v_[3] ^= word;
    rounds(2);
    v_[0] ^= word;
  }
  uint64_t finish() {
    v_[2] ^= 0xff;
    rounds(4);
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      half(v_[0], v_[1], 13);
      half(v_[2], v_[3], 16);
      v_[0] = std::rotl(v_[0], 32);
      half(v_[2], v_[1], 17);
      half(v_[0], v_[3], 21);
      v_[2] = std::rotl(v_[2], 32);
    }
  }
  static void half(uint64_t& a, uint64_t& b, int bits) {
    a += b;
    b = std::rotl(b, bits) ^ a;
  }

  std::array<uint64_t, 4> v_;
};

uint64_t little_endian(std::string_view bytes) {
  uint64_t word = 0;
  for (size_t i = bytes.size(); i-- > 0;) word = word << 8 | static_cast<uint8_t>(bytes[i]);
  return word;
}

SipKey draw() {
  std::array<uint8_t, 16> bytes;
  crypto::random_fill(bytes);
  return std::bit_cast<SipKey>(bytes);
}

}  // namespace

uint64_t siphash(const SipKey& key, std::string_view text) {
  State state(key);
  const uint64_t length = text.size();
  for (; text.size() >= 8; text.remove_prefix(8)) state.absorb(little_endian(text.substr(0, 8)));
  state.absorb(length << 56 | little_endian(text));
  return state.finish();
}

size_t NameHash::operator()(std::string_view name) const {
  static const SipKey key = draw();
  return siphash(key, name);
}

}  // namespace vtpm::store
