// SPDX-License-Identifier: Apache-2.0
#include "base/der.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vtpm::store {
namespace {

TEST(Der, R0_1_RefusesWhatIsNotDer) {
  const std::vector<Bytes> hostile = {
      {},
      {0x30},
      {0x30, 0x80, 0x00, 0x00},                    // indefinite
      {0x30, 0x81, 0x7F},                          // not minimal: fits one byte
      {0x30, 0x81, 0x00},                          // not minimal
      {0x30, 0x82, 0x00, 0x80},                    // not minimal: leading zero
      {0x30, 0x83, 0x00, 0xFF, 0xFF},              // not minimal
      {0x30, 0x85, 0x01, 0x00, 0x00, 0x00, 0x00},  // five bytes of length
      {0x30, 0xFF},                                // reserved
      {0x30, 0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF},
      {0x1F, 0x01, 0x00},  // multi-byte tag
      {0x3F, 0x81, 0x01, 0x00},
      {0x30, 0x82, 0x01},  // length cut off
  };
  for (const Bytes& bytes : hostile) EXPECT_FALSE(read_der_header(bytes)) << to_hex(bytes);
}

TEST(Der, NeverReadsBeyondWhatIsThere) {
  for (const Bytes& bytes : std::vector<Bytes>{
           {0x04, 0x05, 1, 2, 3, 4}, {0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1}, {0x04, 0x82, 0x01, 0x00, 1, 2}}) {
    DerReader reader(bytes);
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.empty());
  }
}

TEST(Der, LengthsAreMinimalAndReadBack) {
  for (uint64_t length : {0u, 1u, 127u, 128u, 255u, 256u, 65535u, 65536u, 16777215u, 16777216u, 0xFFFFFFFFu}) {
    Bytes header;
    write_der_header(header, DerTag::kOctetString, length);
    EXPECT_EQ(header.size(), der_header_size(length));
    auto read = read_der_header(header);
    ASSERT_TRUE(read) << length;
    EXPECT_EQ(read->contents, length);
    EXPECT_EQ(read->bytes, header.size());
  }
}

// X.690 8.3 and 8.1.3: a few encodings written down by hand.
TEST(Der, IntegersAsInX690) {
  const std::vector<std::pair<uint64_t, std::string>> values = {
      {0, "020100"},     {127, "02017f"},        {128, "02020080"},
      {256, "02020100"}, {0x8000, "0203008000"}, {0xFFFFFFFFFFFFFFFF, "020900ffffffffffffffff"},
  };
  for (const auto& [value, hex] : values) {
    Bytes encoded;
    write_der_unsigned(encoded, value);
    EXPECT_EQ(to_hex(encoded), hex);
    EXPECT_EQ(read_der_unsigned(*DerReader(encoded).next()), value);
  }
  for (const Bytes& bad : std::vector<Bytes>{{0x02, 0x00},              // no bytes
                                             {0x02, 0x01, 0x80},        // negative
                                             {0x02, 0x02, 0x00, 0x7F},  // not minimal
                                             {0x02, 0x0A, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0}}) {
    EXPECT_FALSE(read_der_unsigned(*DerReader(bad).next())) << to_hex(bad);
  }
}

TEST(Der, SetsAreSorted) {
  Bytes a, b, c, set;
  write_der(a, DerTag::kIa5String, as_bytes("b"));
  write_der(b, DerTag::kIa5String, as_bytes("a"));
  write_der(c, DerTag::kSequence, as_bytes("x"));
  write_der_set(set, {c, a, b});
  EXPECT_EQ(to_hex(set), "3109160161160162300178");
}

}  // namespace
}  // namespace vtpm::store
