// SPDX-License-Identifier: Apache-2.0
#include "store/format/crc32c.h"

#include <gtest/gtest.h>

namespace vtpm::store {
namespace {

// RFC 3720, B.4.
TEST(Crc32c, HasTheValuesOfRfc3720) {
  Bytes zeros(32), ones(32, 0xFF), rising, falling;
  for (unsigned i = 0; i < 32; ++i) {
    rising.push_back(static_cast<uint8_t>(i));
    falling.push_back(static_cast<uint8_t>(31 - i));
  }
  // The appendix lists the bytes in transmission order, least significant first.
  EXPECT_EQ(crc32c(zeros), 0x8A9136AAu);
  EXPECT_EQ(crc32c(ones), 0x62A8AB43u);
  EXPECT_EQ(crc32c(rising), 0x46DD794Eu);
  EXPECT_EQ(crc32c(falling), 0x113FDB5Cu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
}

TEST(Crc32c, IsTheSameInPieces) {
  Bytes message;
  for (unsigned i = 0; i < 1000; ++i) message.push_back(static_cast<uint8_t>(i * 7));
  for (size_t cut = 0; cut <= message.size(); cut += 13) {
    Crc32c pieces;
    pieces.update(ByteView(message).first(cut)).update(ByteView(message).subspan(cut));
    EXPECT_EQ(pieces.value(), crc32c(message));
  }
  Bytes with_zeros = message;
  with_zeros.resize(message.size() + 5);
  EXPECT_EQ(Crc32c().update(message).update_zeros(5).value(), crc32c(with_zeros));
}

TEST(Crc32c, NamesEveryFlippedBit) {
  Bytes message;
  for (unsigned i = 0; i < 300; ++i) message.push_back(static_cast<uint8_t>(i * 31 + 5));
  uint32_t written = crc32c(message);
  for (size_t at = 0; at < message.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes flipped = message;
      flipped[at] ^= static_cast<uint8_t>(1u << bit);
      auto found = find_flipped_bit(written ^ crc32c(flipped), flipped.size());
      ASSERT_TRUE(found);
      EXPECT_EQ(found->bytes_behind, message.size() - 1 - at);
      EXPECT_EQ(found->mask, 1u << bit);
    }
  }
  Bytes two = message;
  two[10] ^= 1;
  two[200] ^= 1;
  EXPECT_FALSE(find_flipped_bit(written ^ crc32c(two), two.size()));
}

}  // namespace
}  // namespace vtpm::store
