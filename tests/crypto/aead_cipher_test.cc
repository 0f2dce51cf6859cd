// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/aead_cipher.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

using Result = AeadOpener::Result;

AeadMode mode_of(const Case& c) {
  static const std::map<std::string, AeadMode> kModes = {
      {"gcm", AeadMode::kGcm}, {"ccm", AeadMode::kCcm}, {"chacha20-poly1305", AeadMode::kChaCha20Poly1305}};
  return kModes.at(c.text("mode"));
}

struct Vector {
  explicit Vector(const Case& c)
      : key(mode_of(c), c.bytes("key")),
        nonce(c.bytes("nonce")),
        associated(c.bytes("associated")),
        plain(c.good() ? c.bytes("plain") : Bytes()),
        cipher(c.bytes("cipher")),
        tag(c.bytes("tag")) {}
  AeadMessage message() const { return {nonce, associated}; }

  AeadKey key;
  Bytes nonce, associated, plain, cipher, tag;
};

void for_each_vector(const std::function<void(const Vector&, bool good)>& check) {
  for_each_case("aead.txt", [&](const Case& c) { check(Vector(c), c.good()); });
  EXPECT_EQ(ERR_peek_error(), 0u);
}

Bytes updated(AeadSealer& sealer, ByteView in) {
  Bytes out(sealer.update_bytes(in.size()));
  EXPECT_TRUE(sealer.update(in, out));
  return out;
}

// Cipher text || tag
Bytes finished(AeadSealer& sealer) {
  Bytes out(sealer.finish_bytes()), tag(sealer.tag_bytes());
  sealer.finish(out, tag);
  append(out, tag);
  return out;
}

TEST(AeadCipher, MatchesThePublishedVectors) {
  size_t bad = 0;
  for_each_vector([&](const Vector& v, bool good) {
    Bytes opened(v.cipher.size(), 0xee);
    EXPECT_EQ(v.key.open(v.message(), v.cipher, v.tag, opened), good);
    if (!good) {
      ++bad;
      EXPECT_EQ(opened, Bytes(v.cipher.size(), 0)) << "nothing of a forged message is left";
      return;
    }
    EXPECT_EQ(to_hex(opened), to_hex(v.plain));
    Bytes sealed(v.plain.size()), tag(v.tag.size());
    v.key.seal(v.message(), v.plain, sealed, tag);
    EXPECT_EQ(to_hex(sealed), to_hex(v.cipher));
    EXPECT_EQ(to_hex(tag), to_hex(v.tag));
  });
  EXPECT_GT(bad, 10u);
}

TEST(AeadCipher, SealsAndOpensInPlace) {
  for_each_vector([](const Vector& v, bool good) {
    if (!good) return;
    for (size_t from : {0u, 3u}) {
      for (size_t to : {0u, 3u, 5u}) {
        Bytes memory(v.plain.size() + 8), tag(v.tag.size());
        auto at = [&](size_t offset) { return MutableByteView(memory).subspan(offset, v.plain.size()); };
        std::ranges::copy(v.plain, at(from).begin());
        v.key.seal(v.message(), at(from), at(to), tag);
        EXPECT_TRUE(equal(at(to), v.cipher));
        EXPECT_TRUE(v.key.open(v.message(), at(to), tag, at(from)));
        EXPECT_TRUE(equal(at(from), v.plain));
        AeadSealer sealer(v.key, v.message(), v.tag.size());
        if (sealer.update_bytes(1) == 0) continue;  // CCM
        ASSERT_TRUE(sealer.update(at(from), at(to)));
        EXPECT_TRUE(equal(at(to), v.cipher));
      }
    }
  });
}

// As for the ciphers; the running state is replaced by its own copy before each piece.
TEST(AeadCipher, SealsInPiecesOfOddSizesAndInCopies) {
  for_each_vector([](const Vector& v, bool good) {
    if (!good) return;
    for (size_t most : {1u, 5u, 16u, 17u, 33u}) {
      AeadSealer sealer(v.key, v.message(), v.tag.size());
      Bytes out;
      ByteView rest = v.plain;
      for (size_t size = most; !rest.empty(); size = size == 1 ? most : size - 1) {
        AeadSealer copy = sealer;
        updated(sealer, Bytes(7));
        sealer = copy;
        ByteView piece = rest.first(std::min(size, rest.size()));
        rest = rest.subspan(piece.size());
        append(out, updated(sealer, piece));
        append(out, updated(sealer, {}));
      }
      EXPECT_EQ(sealer.total(), v.plain.size());
      append(out, finished(sealer));
      ASSERT_EQ(to_hex(out), to_hex(v.cipher) + to_hex(v.tag)) << most;
    }
  });
}

TEST(AeadCipher, OpensInPiecesOfOddSizesAndInCopies) {
  for_each_vector([](const Vector& v, bool good) {
    for (size_t most : {1u, 5u, 17u}) {
      Bytes sealed = v.cipher;
      append(sealed, v.tag);
      AeadOpener with_tag(v.key, v.message(), v.tag.size()), apart(v.key, v.message(), v.tag.size());
      ByteView rest = sealed;
      for (size_t size = most; !rest.empty(); size = size == 1 ? most : size - 1) {
        AeadOpener copy = with_tag;
        with_tag.update(Bytes(7));
        with_tag = copy;
        ByteView piece = rest.first(std::min(size, rest.size()));
        rest = rest.subspan(piece.size());
        EXPECT_TRUE(with_tag.update(piece));
      }
      EXPECT_TRUE(apart.update(v.cipher));
      Result expected = good ? Result::kGood : Result::kBadTag;
      Bytes out(with_tag.size() - with_tag.tag_bytes()), same(apart.size());
      EXPECT_EQ(with_tag.finish(out), expected);
      EXPECT_EQ(apart.finish(v.tag, same), expected);
      EXPECT_EQ(to_hex(out), to_hex(good ? v.plain : Bytes(v.cipher.size(), 0)));
      EXPECT_EQ(out, same);
    }
  });
}

TEST(AeadCipher, EveryChangeIsNoticed) {
  for (AeadMode mode : {AeadMode::kGcm, AeadMode::kCcm, AeadMode::kChaCha20Poly1305}) {
    AeadKey key(mode, Bytes(32, 3));
    for (size_t bytes : {0u, 1u, 20u}) {
      Bytes nonce(12, 1), associated(5, 2), text(bytes, 4), tag(16), out(bytes);
      key.seal({nonce, associated}, text, text, tag);
      for (Bytes* part : {&nonce, &associated, &text, &tag}) {
        for (uint8_t& byte : *part) {
          byte ^= 0x10;
          EXPECT_FALSE(key.open({nonce, associated}, text, tag, out));
          byte ^= 0x10;
        }
      }
      EXPECT_FALSE(key.open({nonce, {}}, text, tag, out));
      EXPECT_TRUE(key.open({nonce, associated}, text, tag, out));
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(AeadCipher, ReportsAMessageThatIsShorterThanItsTag) {
  AeadKey key(AeadMode::kGcm, Bytes(16));
  AeadOpener opener(key, {Bytes(12), {}}, 16);
  opener.update(Bytes(15));
  EXPECT_EQ(opener.finish(MutableByteView()), Result::kTooShort);
  AeadOpener other(key, {Bytes(12), {}}, 16);
  EXPECT_EQ(other.finish(Bytes(15), MutableByteView()), Result::kBadTag);
}

TEST(AeadCipher, ACcmMessageIsAsLongAsItsNonceAllows) {
  AeadKey key(AeadMode::kCcm, Bytes(16));
  AeadSealer sealer(key, {Bytes(13), {}}, 16);
  EXPECT_EQ(updated(sealer, Bytes(65535)).size(), 0u);
  EXPECT_FALSE(sealer.update(Bytes(1), {}));
  EXPECT_EQ(finished(sealer).size(), 65535u + 16);
  Bytes text(65536), tag(16);
  EXPECT_EQ(error_of([&] { key.seal({Bytes(13), {}}, text, text, tag); }), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(key.open({Bytes(13), {}}, text, tag, text));
  key.seal({Bytes(12), {}}, text, text, tag);
  EXPECT_TRUE(key.open({Bytes(12), {}}, text, tag, text));
}

TEST(AeadCipher, RejectsUnsupportedSizesOfKeyNonceAndTag) {
  auto refused = [](AeadMode mode, size_t key, size_t nonce, size_t tag) {
    Bytes tag_memory(tag);
    return error_of([&] {
             AeadKey(mode, Bytes(key)).seal({Bytes(nonce), {}}, {}, {}, tag_memory);
           }) == ErrorCode::kInvalidArgument &&
           error_of([&] {
             AeadSealer(AeadKey(mode, Bytes(key)), {Bytes(nonce), {}}, tag);
           }) == ErrorCode::kInvalidArgument &&
           error_of([&] {
             AeadOpener(AeadKey(mode, Bytes(key)), {Bytes(nonce), {}}, tag);
           }) == ErrorCode::kInvalidArgument;
  };
  for (size_t key : {0u, 15u, 31u, 64u}) {
    EXPECT_TRUE(refused(AeadMode::kGcm, key, 12, 16));
    EXPECT_TRUE(refused(AeadMode::kCcm, key, 12, 16));
    EXPECT_TRUE(refused(AeadMode::kChaCha20Poly1305, key, 12, 16));
  }
  EXPECT_TRUE(refused(AeadMode::kGcm, 16, 0, 16));
  EXPECT_TRUE(refused(AeadMode::kGcm, 16, 129, 16));
  EXPECT_TRUE(refused(AeadMode::kGcm, 16, 12, 3));
  EXPECT_TRUE(refused(AeadMode::kGcm, 16, 12, 17));
  EXPECT_TRUE(refused(AeadMode::kCcm, 16, 6, 16));
  EXPECT_TRUE(refused(AeadMode::kCcm, 16, 14, 16));
  EXPECT_TRUE(refused(AeadMode::kCcm, 16, 12, 5));
  EXPECT_TRUE(refused(AeadMode::kCcm, 16, 12, 2));
  EXPECT_TRUE(refused(AeadMode::kChaCha20Poly1305, 32, 8, 16));
  EXPECT_TRUE(refused(AeadMode::kChaCha20Poly1305, 32, 12, 12));
}

}  // namespace
}  // namespace vtpm::crypto
