// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/key_wrap.h"

#include <gtest/gtest.h>

#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(KeyWrap, MatchesThePublishedVectors) {
  size_t bad = 0;
  for_each_case("key_wrap.txt", [&](const Case& c) {
    WrapMode mode = c.text("mode") == "kw" ? WrapMode::kKw : WrapMode::kKwp;
    std::optional<SecretBytes> plain = unwrap(mode, c.bytes("key"), c.bytes("wrapped"));
    EXPECT_EQ(plain.has_value(), c.good());
    if (!plain) {
      ++bad;
      return;
    }
    EXPECT_EQ(to_hex(*plain), c.text("plain"));
    EXPECT_EQ(to_hex(wrap(mode, c.bytes("key"), c.bytes("plain"))), c.text("wrapped"));
    EXPECT_EQ(wrapped_bytes(mode, plain->size()), c.bytes("wrapped").size());
  });
  EXPECT_GT(bad, 5u);
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(KeyWrap, EverySizeComesBackAndEveryChangeIsNoticed) {
  const Bytes key(32, 5);
  for (WrapMode mode : {WrapMode::kKw, WrapMode::kKwp}) {
    for (size_t bytes = 1; bytes <= 41; ++bytes) {
      if (!can_wrap(mode, bytes)) continue;
      Bytes plain(bytes, 0xa0);
      Bytes wrapped = wrap(mode, key, plain);
      ASSERT_EQ(wrapped.size(), wrapped_bytes(mode, bytes));
      std::optional<SecretBytes> back = unwrap(mode, key, wrapped);
      ASSERT_TRUE(back);
      EXPECT_TRUE(equal(*back, plain));
      for (uint8_t& byte : wrapped) {
        byte ^= 1;
        EXPECT_FALSE(unwrap(mode, key, wrapped));
        byte ^= 1;
      }
      EXPECT_FALSE(unwrap(mode, key, ByteView(wrapped).first(wrapped.size() - 8)));
      EXPECT_FALSE(unwrap(mode, key, ByteView(wrapped).first(wrapped.size() - 1)));
      EXPECT_FALSE(unwrap(mode, Bytes(32, 6), wrapped));
    }
    EXPECT_FALSE(unwrap(mode, key, {}));
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(KeyWrap, AnotherInitialValueUnwrapsOnlyWithItself) {
  const Bytes key(16, 5), plain(24, 1), eight(8, 3), four(4, 3);
  Bytes wrapped = wrap(WrapMode::kKw, key, plain, eight);
  EXPECT_TRUE(unwrap(WrapMode::kKw, key, wrapped, eight));
  EXPECT_FALSE(unwrap(WrapMode::kKw, key, wrapped));
  EXPECT_EQ(wrap(WrapMode::kKw, key, plain, Bytes(8, 0xa6)), wrap(WrapMode::kKw, key, plain)) << "RFC 3394, 2.2.3.1";
  wrapped = wrap(WrapMode::kKwp, key, plain, four);
  EXPECT_TRUE(unwrap(WrapMode::kKwp, key, wrapped, four));
  EXPECT_FALSE(unwrap(WrapMode::kKwp, key, wrapped));
  EXPECT_EQ(wrap(WrapMode::kKwp, key, plain, from_hex("a65959a6")), wrap(WrapMode::kKwp, key, plain)) << "RFC 5649, 3";
}

TEST(KeyWrap, RejectsUnsupportedSizes) {
  auto code = [](WrapMode mode, size_t key, size_t plain, size_t iv) {
    return error_of([&] { wrap(mode, Bytes(key), Bytes(plain), Bytes(iv)); });
  };
  EXPECT_EQ(code(WrapMode::kKw, 17, 16, 0), ErrorCode::kInvalidArgument);
  for (size_t plain : {0u, 8u, 17u, 23u}) EXPECT_EQ(code(WrapMode::kKw, 16, plain, 0), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(WrapMode::kKwp, 16, 0, 0), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(WrapMode::kKw, 16, 16, 4), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(WrapMode::kKwp, 16, 16, 8), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace vtpm::crypto
