// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/tls_prf.h"

#include <gtest/gtest.h>

#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(TlsPrf, MatchesThePublishedVectors) {
  for_each_case("tls_prf.txt", [](const Case& c) {
    const Bytes label = c.bytes("label");
    EXPECT_EQ(to_hex(tls12_prf(c.hash(), c.bytes("secret"), as_text(label), c.bytes("seed"), c.bytes("output").size())),
              c.text("output"));
  });
}

TEST(TlsPrf, MatchesTheVectorsOfTls10) {
  for_each_case("tls10_prf.txt", [](const Case& c) {
    const Bytes label = c.bytes("label");
    EXPECT_EQ(to_hex(tls_prf({}, c.bytes("secret"), as_text(label), c.bytes("seed"), c.bytes("output").size())),
              c.text("output"));
  });
}

// The vectors of NIST are a master secret and a key block; the randoms come in another order in each.
TEST(TlsPrf, MasterSecretAndKeyBlockMatchTheirVectors) {
  size_t masters = 0, blocks = 0;
  for_each_case("tls_prf.txt", [&](const Case& c) {
    const Bytes label = c.bytes("label"), seed = c.bytes("seed");
    if (seed.size() != 64) return;
    ByteView first = ByteView(seed).first(32), second = ByteView(seed).last(32);
    if (as_text(label) == "master secret") {
      ++masters;
      EXPECT_EQ(to_hex(tls12_master_secret(c.hash(), c.bytes("secret"), first, second)), c.text("output"));
    }
    if (as_text(label) == "key expansion") {
      ++blocks;
      TlsKeyBlock block = tls12_key_block(c.hash(), c.bytes("secret"), second, first, 32, 16, 16);
      EXPECT_EQ(to_hex(block.client_mac) + to_hex(block.server_mac) + to_hex(block.client_key) +
                    to_hex(block.server_key) + to_hex(block.client_iv) + to_hex(block.server_iv),
                c.text("output"));
      EXPECT_EQ(block.client_mac.size(), 32u);
      EXPECT_EQ(block.server_key.size(), 16u);
      TlsKeyBlock without = tls12_key_block(c.hash(), c.bytes("secret"), second, first, 0, 32, 4);
      EXPECT_TRUE(without.client_mac.empty());
      EXPECT_EQ(to_hex(without.client_key), c.text("output").substr(0, 64));
      EXPECT_EQ(to_hex(without.server_iv), c.text("output").substr(2 * 68, 8));
    }
  });
  EXPECT_EQ(masters, 1u);
  EXPECT_EQ(blocks, 1u);
}

TEST(TlsPrf, ExtendedMasterSecretMatchesItsVectors) {
  const Bytes secret(48, 1), session_hash(32, 2);
  EXPECT_TRUE(equal(tls12_extended_master_secret(Hash::kSha256, secret, session_hash),
                    tls12_prf(Hash::kSha256, secret, "extended master secret", session_hash, 48)));
}

}  // namespace
}  // namespace vtpm::crypto
