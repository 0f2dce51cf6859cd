// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/agreement_kdf.h"

#include <gtest/gtest.h>

#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(AgreementKdf, MatchesThePublishedVectors) {
  for_each_case("agreement_kdf.txt", [](const Case& c) {
    auto kdf = c.text("kdf") == "x963" ? x963_kdf : concat_kdf;
    const size_t size = c.bytes("output").size();
    EXPECT_EQ(to_hex(kdf(c.hash(), c.bytes("secret"), c.bytes("info"), size)), c.text("output"));
    SecretBytes shorter = kdf(c.hash(), c.bytes("secret"), c.bytes("info"), size - 1);
    EXPECT_EQ(to_hex(shorter), c.text("output").substr(0, 2 * (size - 1)));
  });
  EXPECT_TRUE(x963_kdf(Hash::kSha256, {}, {}, 0).empty());
}

TEST(AgreementKdf, RejectsMoreThanTwoToThe32Digests) {
  const size_t size = (size_t{1} << 32) * 20;
  EXPECT_EQ(error_of([&] { x963_kdf(Hash::kSha1, {}, {}, size); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace vtpm::crypto
