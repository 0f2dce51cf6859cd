// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "crypto/library/constant_time.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace vtpm {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);

TEST(Bytes, ConstantTimeEqualComparesSizeAndContents) {
  Bytes a = {1, 2, 3}, b = {1, 2, 4}, c = {1, 2};
  EXPECT_TRUE(crypto::constant_time_equal(a, a));
  EXPECT_FALSE(crypto::constant_time_equal(a, b));
  EXPECT_FALSE(crypto::constant_time_equal(a, c));
  EXPECT_TRUE(crypto::constant_time_equal({}, {}));
}

TEST(Bytes, AreWrittenInHexadecimal) {
  EXPECT_EQ(to_hex(Bytes{0x00, 0x0f, 0xa5, 0xff}), "000fa5ff");
  EXPECT_EQ(to_hex({}), "");
}

TEST(Bytes, WipeOverwrites) {
  Bytes secret(100, 0x77);
  wipe(secret.data(), secret.size());
  EXPECT_EQ(secret, Bytes(100, 0));
  wipe(nullptr, 0);
}

TEST(SecretBytes, ACloneIsIndependent) {
  SecretBytes secret(as_bytes("1234"));
  SecretBytes copy = secret.clone();
  copy[0] = 'x';
  EXPECT_EQ(as_text(secret), "1234");
  EXPECT_EQ(as_text(copy), "x234");
}

TEST(SecretBytes, AppendResizeAndClearChangeTheSize) {
  SecretBytes secret;
  EXPECT_TRUE(secret.empty());
  secret.append(as_bytes("ab"));
  secret.append(as_bytes("cd"));
  EXPECT_EQ(as_text(secret), "abcd");
  secret.resize(2);
  EXPECT_EQ(as_text(secret), "ab");
  secret.clear();
  EXPECT_EQ(secret.size(), 0u);
}

}  // namespace
}  // namespace vtpm
