// SPDX-License-Identifier: Apache-2.0
#include "crypto/hash/digest.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(Digest, MatchesThePublishedVectors) {
  for_each_case("digest.txt", [](const Case& c) {
    Bytes expected = c.bytes("digest");
    EXPECT_EQ(digest(c.hash(), c.bytes("message")), expected);
    EXPECT_EQ(hash_bytes(c.hash()), expected.size());
  });
}

// Pieces of 1, 2, 3 … bytes. Before each piece a copy is made, which is finished with other data.
TEST(Digest, WorksInPiecesOfOddSizesAndInCopies) {
  for_each_case("digest.txt", [](const Case& c) {
    Bytes message = c.bytes("message");
    Digest running(c.hash());
    ByteView rest = message;
    for (size_t size = 1; !rest.empty(); ++size) {
      ByteView piece = rest.first(std::min(size, rest.size()));
      running.update(piece);
      rest = rest.subspan(piece.size());
      Digest copy = running;
      copy.update(as_bytes("other")).finish();
    }
    EXPECT_EQ(running.size(), hash_bytes(c.hash()));
    EXPECT_EQ(running.finish(), c.bytes("digest"));
  });
}

TEST(Digest, Sha512TIsTheNamedHashWhereThereIsOne) {
  size_t seen = 0;
  for_each_case("digest.txt", [&](const Case& c) {
    if (c.hash() != Hash::kSha512_224 && c.hash() != Hash::kSha512_256) return;
    ++seen;
    Bytes message = c.bytes("message");
    size_t half = message.size() / 2;
    Digest running = Digest::sha512_t(c.hash() == Hash::kSha512_224 ? 224 : 256);
    running.update(ByteView(message).first(half));
    Digest copy = running;
    EXPECT_EQ(running.update(ByteView(message).subspan(half)).finish(), c.bytes("digest"));
    EXPECT_EQ(copy.update(ByteView(message).subspan(half)).finish(), c.bytes("digest"));
  });
  EXPECT_GT(seen, 0u);
}

TEST(Digest, Sha512THasAnyNumberOfBits) {
  for_each_case("sha512_t.txt", [&](const Case& c) {
    if (!c.has("digest")) return;
    const Bytes message = c.bytes("message");
    Digest digest = Digest::sha512_t(c.number("t"));
    EXPECT_EQ(digest.size(), (c.number("t") + 7) / 8);
    digest.update(ByteView(message).first(message.size() / 3));
    EXPECT_EQ(digest.update(ByteView(message).subspan(message.size() / 3)).finish(), c.bytes("digest"));
  });
  for (unsigned bits : {0u, 384u, 512u, 1024u}) {
    EXPECT_EQ(error_of([&] { Digest::sha512_t(bits); }), ErrorCode::kInvalidArgument) << bits;
  }
}

TEST(Digest, ShakeHasAnyLength) {
  for_each_case("shake.txt", [&](const Case& c) {
    const auto shake = c.text("hash") == "shake128" ? Digest::shake128 : Digest::shake256;
    const Bytes message = c.bytes("message"), output = c.bytes("output");
    for (size_t bytes = 0; bytes <= output.size(); bytes = 2 * bytes + 1) {
      Digest digest = shake(bytes);
      digest.update(ByteView(message).first(message.size() / 2)).update(ByteView(message).subspan(message.size() / 2));
      EXPECT_EQ(digest.finish(), to_bytes(ByteView(output).first(bytes)));
    }
  });
}

TEST(Digest, RejectsABufferOfAnotherSize) {
  Bytes out(31);
  EXPECT_EQ(error_of([&] { Digest(Hash::kSha256).finish(out); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { Digest(Hash::kBlake2b256).finish(out); }), ErrorCode::kInvalidArgument);
}

TEST(Digest, NativeBlake2bBelow512BitsIsUnsupported) {
  EXPECT_EQ(error_of([] { native_hash(Hash::kBlake2b256); }), ErrorCode::kUnsupported);
}

// FIPS 180-2, appendices A.3 and B.3: one million times "a".
TEST(Digest, HashesAMillionBytesInPieces) {
  const Bytes piece(1000, 'a');
  auto million = [&](Hash hash) {
    Digest digest(hash);
    for (int i = 0; i < 1000; ++i) digest.update(piece);
    return to_hex(digest.finish());
  };
  EXPECT_EQ(million(Hash::kSha1), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  EXPECT_EQ(million(Hash::kSha256), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, ACopyHasTheStateOfItsMoment) {
  Digest first(Hash::kSha256);
  first.update(as_bytes("a"));
  Digest second = first, third(Hash::kSha1);
  third = first;
  first.update(as_bytes("bc"));
  second.update(as_bytes("x"));
  // FIPS 180-2, B.1: SHA-256("abc")
  EXPECT_EQ(to_hex(first.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(second.finish(), digest(Hash::kSha256, as_bytes("ax")));
  EXPECT_EQ(third.finish(), digest(Hash::kSha256, as_bytes("a")));
}

TEST(Hmac, MatchesThePublishedVectors) {
  for_each_case("hmac.txt",
                [](const Case& c) { EXPECT_EQ(hmac(c.hash(), c.bytes("key"), c.bytes("message")), c.bytes("mac")); });
}

// The value is known from many publications (an empty key and an empty message).
TEST(Hmac, AcceptsAnEmptyKey) {
  EXPECT_EQ(to_hex(hmac(Hash::kSha256, {}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Hmac, BeginsAgainUnderTheSameKey) {
  for_each_case("hmac.txt", [](const Case& c) {
    Hmac mac(c.hash(), c.bytes("key"));
    mac.update(as_bytes("something else"));
    mac.finish();
    SecretBytes out(hash_bytes(c.hash()));
    Bytes message = c.bytes("message");
    mac.begin()
        .update(ByteView(message).first(message.size() / 2))
        .update(ByteView(message).subspan(message.size() / 2));
    mac.finish(out.span());
    EXPECT_TRUE(equal(out, c.bytes("mac")));
  });
}

TEST(Hmac, ACopyHasTheStateOfItsMoment) {
  for_each_case("hmac.txt", [](const Case& c) {
    Bytes message = c.bytes("message");
    Hmac first(c.hash(), c.bytes("key"));
    first.update(ByteView(message).first(message.size() / 3));
    Hmac second = first;
    first.update(as_bytes("other")).finish();
    EXPECT_EQ(second.update(ByteView(message).subspan(message.size() / 3)).finish(), c.bytes("mac"));
  });
}

// HMAC over SHA-512/256 reached through SHA-512/t: RFC 2104 with the same block size.
TEST(Hmac, WorksOverSha512T) {
  const Bytes key(200, 7), message(50, 9);
  EXPECT_EQ(Hmac(Digest::sha512_t(256), key).update(message).finish(), hmac(Hash::kSha512_256, key, message));
}

TEST(Hmac, RejectsAnOutputOfAnotherSize) {
  Bytes out(31);
  EXPECT_EQ(error_of([&] { Hmac(Hash::kSha256, {}).finish(out); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace vtpm::crypto
