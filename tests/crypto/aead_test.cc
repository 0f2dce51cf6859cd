// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/aead.h"

#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

std::vector<Bytes> components(const std::string& list) {
  std::vector<Bytes> parts;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) parts.push_back(word == "-" ? Bytes() : from_hex(word));
  return parts;
}

// Siv takes its associated strings as a braced list, so that a test with a varying number needs one call for each.
template <typename F>
auto with(const std::vector<Bytes>& a, F&& call) {
  switch (a.size()) {
    case 0:
      return call({});
    case 1:
      return call({a[0]});
    case 2:
      return call({a[0], a[1]});
    case 3:
      return call({a[0], a[1], a[2]});
    case 8:
      return call({a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]});
  }
  throw std::invalid_argument("number of associated strings");
}
using Associated = std::initializer_list<ByteView>;

Bytes seal(const Siv& siv, const std::vector<Bytes>& a, ByteView plain) {
  return with(a, [&](Associated list) { return siv.seal(list, plain); });
}
std::optional<SecretBytes> open(const Siv& siv, const std::vector<Bytes>& a, ByteView sealed) {
  return with(a, [&](Associated list) { return siv.open(list, sealed); });
}

TEST(Siv, MatchesThePublishedVectors) {
  for_each_case("siv.txt", [](const Case& c) {
    Siv siv(c.bytes("key"));
    std::vector<Bytes> associated = components(c.text("associated"));
    EXPECT_EQ(to_hex(seal(siv, associated, c.bytes("plain"))), c.text("sealed"));
    std::optional<SecretBytes> plain = open(siv, associated, c.bytes("sealed"));
    ASSERT_TRUE(plain);
    EXPECT_TRUE(equal(*plain, c.bytes("plain")));
  });
}

TEST(Siv, EveryChangedByteIsNoticed) {
  Siv siv(Bytes(64, 3));
  const Bytes plain(40, 1), context(20, 2);
  Bytes sealed = siv.seal({context}, plain);
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 0x80;
    EXPECT_FALSE(siv.open({context}, changed)) << i;
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
  EXPECT_TRUE(siv.open({context}, sealed)) << "a failure leaves nothing behind";
}

TEST(Siv, AssociatedStringsAreBoundInNumberOrderAndContents) {
  Siv siv(Bytes(64, 3));
  const Bytes plain(5, 1), a(3, 0xa), b(4, 0xb), none;
  Bytes sealed = siv.seal({a, b}, plain);
  EXPECT_FALSE(siv.open({b, a}, sealed));
  EXPECT_FALSE(siv.open({a}, sealed));
  EXPECT_FALSE(siv.open({a, b, none}, sealed));
  EXPECT_FALSE(siv.open({none, a, b}, sealed));
  EXPECT_FALSE(siv.open({}, sealed));
  EXPECT_FALSE(siv.open({Bytes{0xa, 0xa, 0xa, 0xb}, Bytes(3, 0xb)}, sealed));
  EXPECT_TRUE(siv.open({a, b}, sealed));
}

TEST(Siv, AnotherKeyOpensNothing) {
  Bytes sealed = Siv(Bytes(64, 3)).seal({}, Bytes(5, 1));
  EXPECT_FALSE(Siv(Bytes(64, 4)).open({}, sealed));
}

TEST(Siv, RejectsOtherKeySizesEmptyPlainTextAndShortInput) {
  EXPECT_EQ(error_of([] { Siv(Bytes(32)); }), ErrorCode::kInvalidArgument);
  Siv siv(Bytes(64, 3));
  EXPECT_EQ(error_of([&] { siv.seal({}, {}); }), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(siv.open({}, {}));
  EXPECT_FALSE(siv.open({}, Bytes(16)));
}

TEST(Siv, SealsAndOpensLargeBlobs) {
  Siv siv(Bytes(64, 3));
  Bytes plain(16 << 20, 0x5a);
  Bytes sealed = siv.seal({as_bytes("x")}, plain);
  ASSERT_EQ(sealed.size(), plain.size() + 16);
  EXPECT_TRUE(equal(siv.open({as_bytes("x")}, sealed).value(), plain));
}

TEST(Siv, ThreadsShareOneKey) {
  Siv siv(Bytes(64, 3));
  const Bytes expected = siv.seal({}, Bytes(100, 1));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        if (siv.seal({}, Bytes(100, 1)) != expected || !siv.open({}, expected)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace vtpm::crypto
