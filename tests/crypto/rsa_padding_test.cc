// SPDX-License-Identifier: Apache-2.0
#include "crypto/key/rsa_padding.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/key/software_key.h"
#include "crypto/library/openssl.h"
#include "crypto/library/random.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

// Each file repeats its few keys; importing one takes milliseconds.
PublicKey public_key(const Case& c) { return PublicKey::rsa(c.bytes("n"), c.bytes("e")); }

std::unique_ptr<SoftwareKey> private_key(const Case& c) {
  RsaNumbers numbers;
  numbers.modulus = c.bytes("n");
  numbers.public_exponent = c.bytes("e");
  numbers.private_exponent = SecretBytes(ByteView(c.bytes("d")));
  if (c.has("p")) numbers.prime1 = SecretBytes(ByteView(c.bytes("p")));
  return SoftwareKey::import_rsa(numbers);
}

// Returns the block of a signature; nothing if the signature is not a number below the modulus.
std::optional<Bytes> opened(const Case& c) { return public_key(c).rsa_public(c.bytes("signature")); }

bool pkcs1_verifies(const Case& c) {
  std::optional<Bytes> block = opened(c);
  std::optional<Bytes> payload = block ? pkcs1_sign_decode(*block) : std::nullopt;
  return payload == digest_info(c.hash(), digest(c.hash(), c.bytes("message")));
}

TEST(Pkcs1Signature, MatchesThePublishedVectors) {
  for_each_case("pkcs1_sign.txt", [](const Case& c) {
    EXPECT_EQ(pkcs1_verifies(c), c.good());
    if (!c.good()) return;
    Bytes info = digest_info(c.hash(), digest(c.hash(), c.bytes("message")));
    std::optional<Bytes> block = pkcs1_sign_encode(info, c.bytes("n").size());
    ASSERT_TRUE(block);
    EXPECT_EQ(to_hex(private_key(c)->rsa_private(*block)), c.text("signature"));
  });
}

TEST(Pkcs1Signature, MalformedBlocksAreRejected) {
  for_each_case("pkcs1_sign_malformed.txt", [](const Case& c) { EXPECT_FALSE(pkcs1_verifies(c)); });
  for_each_case("pkcs1_verify.txt", [](const Case& c) { EXPECT_EQ(pkcs1_verifies(c), c.good()); });
}

TEST(Pkcs1Signature, RejectsPayloadsThatAreTooLong) {
  EXPECT_FALSE(pkcs1_sign_encode(Bytes(118), 128));
  EXPECT_FALSE(pkcs1_sign_encode({}, 10));
  std::optional<Bytes> block = pkcs1_sign_encode(Bytes(117, 7), 128);
  ASSERT_TRUE(block);
  EXPECT_EQ(to_hex(ByteView(*block).first(12)), "0001ffffffffffffffff0007");
  EXPECT_EQ(pkcs1_sign_decode(*block), Bytes(117, 7));
  std::optional<Bytes> empty = pkcs1_sign_encode({}, 64);
  ASSERT_TRUE(empty);
  EXPECT_EQ(pkcs1_sign_decode(*empty), Bytes());
}

TEST(Pkcs1Signature, DecodingChecksEveryPart) {
  const Bytes good = *pkcs1_sign_encode(as_bytes("payload"), 64);
  auto changed = [&](size_t at, uint8_t value) {
    Bytes block = good;
    block[at] = value;
    return pkcs1_sign_decode(block);
  };
  ASSERT_TRUE(pkcs1_sign_decode(good));
  EXPECT_FALSE(changed(0, 1));
  EXPECT_FALSE(changed(1, 2));
  EXPECT_FALSE(changed(2, 0xfe));
  EXPECT_FALSE(changed(9, 0)) << "seven bytes of padding";
  EXPECT_TRUE(changed(10, 0)) << "eight bytes of padding";
  EXPECT_FALSE(pkcs1_sign_decode(Bytes(64, 0xff)));
  EXPECT_FALSE(pkcs1_sign_decode({}));
  Bytes endless(64, 0xff);
  endless[0] = 0;
  endless[1] = 1;
  EXPECT_FALSE(pkcs1_sign_decode(endless));
}

// RFC 8017, 9.2 note 1
TEST(DigestInfo, HasThePrefixesOfRfc8017) {
  auto prefix = [](Hash hash) {
    Bytes info = digest_info(hash, Bytes(hash_bytes(hash), 0xdd));
    EXPECT_EQ(Bytes(info.end() - static_cast<ptrdiff_t>(hash_bytes(hash)), info.end()), Bytes(hash_bytes(hash), 0xdd));
    return to_hex(ByteView(info).first(info.size() - hash_bytes(hash)));
  };
  EXPECT_EQ(prefix(Hash::kSha1), "3021300906052b0e03021a05000414");
  EXPECT_EQ(prefix(Hash::kSha224), "302d300d06096086480165030402040500041c");
  EXPECT_EQ(prefix(Hash::kSha256), "3031300d060960864801650304020105000420");
  EXPECT_EQ(prefix(Hash::kSha384), "3041300d060960864801650304020205000430");
  EXPECT_EQ(prefix(Hash::kSha512), "3051300d060960864801650304020305000440");
  EXPECT_EQ(prefix(Hash::kSha512_224), "302d300d06096086480165030402050500041c");
  EXPECT_EQ(prefix(Hash::kSha512_256), "3031300d060960864801650304020605000420");
  EXPECT_EQ(error_of([] { digest_info(Hash::kSha256, Bytes(20)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { digest_info(Hash::kBlake2b512, Bytes(64)); }), ErrorCode::kUnsupported);
}

TEST(Pkcs1Encryption, MatchesThePublishedVectors) {
  for_each_case("pkcs1_encrypt.txt", [](const Case& c) {
    std::optional<SecretBytes> message = pkcs1_encrypt_decode(private_key(c)->rsa_private(c.bytes("cipher")));
    ASSERT_TRUE(message);
    EXPECT_EQ(to_hex(*message), c.text("message"));
  });
}

TEST(Pkcs1Encryption, MessagesUpToTheLimitRoundTrip) {
  for (size_t size : {0u, 1u, 100u, 117u}) {
    Bytes message = random_bytes(size);
    std::optional<SecretBytes> block = pkcs1_encrypt_encode(message, 128);
    ASSERT_TRUE(block);
    ASSERT_EQ(block->size(), 128u);
    EXPECT_EQ((*block)[0], 0);
    EXPECT_EQ((*block)[1], 2);
    EXPECT_EQ(std::count(block->begin() + 2, block->end() - static_cast<ptrdiff_t>(size) - 1, 0), 0);
    std::optional<SecretBytes> decoded = pkcs1_encrypt_decode(*block);
    ASSERT_TRUE(decoded);
    EXPECT_TRUE(equal(*decoded, message));
  }
  EXPECT_FALSE(pkcs1_encrypt_encode(Bytes(118), 128));
  EXPECT_FALSE(pkcs1_encrypt_encode({}, 10));
}

TEST(Pkcs1Encryption, DecodingChecksEveryPart) {
  Bytes good(64, 0x55);
  good[0] = 0;
  good[1] = 2;
  good[20] = 0;
  auto changed = [&](size_t at, uint8_t value) {
    Bytes block = good;
    block[at] = value;
    return pkcs1_encrypt_decode(block).has_value();
  };
  EXPECT_EQ(pkcs1_encrypt_decode(good)->size(), 43u);
  EXPECT_FALSE(changed(0, 1));
  EXPECT_FALSE(changed(1, 1));
  EXPECT_FALSE(changed(9, 0)) << "seven bytes of padding";
  EXPECT_TRUE(changed(10, 0)) << "eight bytes of padding";
  EXPECT_FALSE(changed(20, 0x55)) << "no end of the padding";
  EXPECT_FALSE(pkcs1_encrypt_decode({}));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

OaepParameters oaep_parameters(const Case& c) { return {c.hash(), c.hash("mgf"), c.bytes("label")}; }

TEST(Oaep, MatchesThePublishedVectors) {
  for_each_case("oaep.txt", [](const Case& c) {
    SecretBytes block = private_key(c)->rsa_private(c.bytes("cipher"));
    OaepParameters parameters = oaep_parameters(c);
    std::optional<SecretBytes> message = oaep_decode(block, parameters);
    ASSERT_TRUE(message);
    EXPECT_EQ(to_hex(*message), c.text("message"));

    OaepParameters other = parameters;
    other.label.push_back(1);
    EXPECT_FALSE(oaep_decode(block, other)) << "another label";
    other = parameters;
    other.mgf = parameters.mgf == Hash::kSha1 ? Hash::kSha256 : Hash::kSha1;
    EXPECT_FALSE(oaep_decode(block, other)) << "another mask";
    EXPECT_EQ(ERR_peek_error(), 0u);
  });
}

TEST(Oaep, RoundTripsWithEveryPairOfHashes) {
  constexpr Hash kAll[] = {Hash::kSha1,     Hash::kSha224,     Hash::kSha256,     Hash::kSha384,
                           Hash::kSha512,   Hash::kSha512_224, Hash::kSha512_256, Hash::kSha3_224,
                           Hash::kSha3_256, Hash::kSha3_384,   Hash::kSha3_512};
  for (Hash hash : kAll) {
    for (Hash mgf : kAll) {
      OaepParameters parameters{hash, mgf, to_bytes(as_bytes("label"))};
      size_t most = 256 - 2 * hash_bytes(hash) - 2;
      for (size_t size : {size_t{0}, size_t{1}, most}) {
        Bytes message = random_bytes(size);
        std::optional<SecretBytes> block = oaep_encode(message, 256, parameters);
        ASSERT_TRUE(block);
        EXPECT_EQ((*block)[0], 0);
        std::optional<SecretBytes> decoded = oaep_decode(*block, parameters);
        ASSERT_TRUE(decoded);
        EXPECT_TRUE(equal(*decoded, message));
        (*block)[200] ^= 1;
        EXPECT_FALSE(oaep_decode(*block, parameters));
      }
      EXPECT_FALSE(oaep_encode(Bytes(most + 1), 256, parameters));
    }
  }
  EXPECT_FALSE(oaep_encode({}, 64, {Hash::kSha512, Hash::kSha512, {}}));
  EXPECT_FALSE(oaep_decode(Bytes(64), {Hash::kSha512, Hash::kSha512, {}}));
  EXPECT_FALSE(oaep_decode({}, {}));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Pss, MatchesThePublishedVectors) {
  for_each_case("pss.txt", [](const Case& c) {
    std::optional<Bytes> block = opened(c);
    size_t bits = public_key(c).bits();
    Bytes hash = digest(c.hash(), c.bytes("message"));
    PssParameters parameters{c.hash(), c.hash(), c.number("salt")};
    EXPECT_EQ(block && pss_verify(hash, *block, bits, parameters), c.good());
    if (!c.good() || !block) return;
    for (size_t salt : {parameters.salt_bytes + 1, parameters.salt_bytes + 10, size_t{3}}) {
      EXPECT_FALSE(pss_verify(hash, *block, bits, {c.hash(), c.hash(), salt})) << "another salt length";
    }
    EXPECT_FALSE(pss_verify(hash, *block, bits,
                            {c.hash(), c.hash() == Hash::kSha1 ? Hash::kSha256 : Hash::kSha1, parameters.salt_bytes}));
    hash[0] ^= 1;
    EXPECT_FALSE(pss_verify(hash, *block, bits, parameters));
  });
}

// Every alignment of the encoded message, and the longest salt that fits.
TEST(Pss, EncodedBlocksVerify) {
  for (size_t bits = 1024; bits <= 1033; ++bits) {
    for (Hash mgf : {Hash::kSha256, Hash::kSha1}) {
      size_t encoded = (bits - 1 + 7) / 8, most = encoded - 32 - 2;
      Bytes hash = random_bytes(32);
      for (size_t salt : {size_t{0}, size_t{1}, size_t{32}, most}) {
        PssParameters parameters{Hash::kSha256, mgf, salt};
        std::optional<Bytes> block = pss_encode(hash, bits, parameters);
        ASSERT_TRUE(block);
        ASSERT_EQ(block->size(), (bits + 7) / 8);
        EXPECT_TRUE(pss_verify(hash, *block, bits, parameters)) << bits << " " << salt;
        for (size_t i = 0; i < block->size(); i += 5) {
          Bytes changed = *block;
          changed[i] ^= 0x80;
          EXPECT_FALSE(pss_verify(hash, changed, bits, parameters)) << bits << " " << salt << " " << i;
        }
      }
      EXPECT_FALSE(pss_encode(hash, bits, {Hash::kSha256, mgf, most + 1}));
    }
  }
}

TEST(Pss, RejectsDigestsAndSaltsThatDoNotFit) {
  EXPECT_FALSE(pss_encode(Bytes(20), 1024, {Hash::kSha256, Hash::kSha256, 32})) << "a digest of another size";
  EXPECT_FALSE(pss_encode(Bytes(32), 1024, {Hash::kSha256, Hash::kSha256, SIZE_MAX}));
  EXPECT_FALSE(pss_encode(Bytes(64), 512, {Hash::kSha512, Hash::kSha512, 0}));
  EXPECT_FALSE(pss_encode(Bytes(32), 0, {Hash::kSha256, Hash::kSha256, 0}));
  EXPECT_FALSE(pss_verify(Bytes(32), Bytes(127), 1024, {Hash::kSha256, Hash::kSha256, 32}));
  EXPECT_FALSE(pss_verify(Bytes(32), {}, 1024, {Hash::kSha256, Hash::kSha256, 32}));
}

}  // namespace
}  // namespace vtpm::crypto
