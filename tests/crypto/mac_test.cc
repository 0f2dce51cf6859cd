// SPDX-License-Identifier: Apache-2.0
#include "crypto/symmetric/mac.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/library/openssl.h"
#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

struct Vector {
  MacAlgorithm algorithm = MacAlgorithm::kHmac;
  Hash hash = Hash::kSha256;
  Bytes key, iv, message, mac;
  unsigned t = 0;
  Mac start() const { return Mac({algorithm, hash, t, iv}, key); }
};

void for_each_vector(const std::function<void(const Vector&)>& check) {
  static const std::map<std::string, MacAlgorithm> kAlgorithms = {
      {"cmac", MacAlgorithm::kCmac}, {"gmac", MacAlgorithm::kGmac}, {"xcbc", MacAlgorithm::kXcbcMac}};
  for_each_case("mac.txt", [&](const Case& c) {
    check({kAlgorithms.at(c.text("algorithm")), Hash::kSha256, c.bytes("key"), c.has("iv") ? c.bytes("iv") : Bytes(),
           c.bytes("message"), c.bytes("mac")});
  });
  for_each_case("hmac.txt", [&](const Case& c) {
    check({MacAlgorithm::kHmac, c.hash(), c.bytes("key"), {}, c.bytes("message"), c.bytes("mac")});
  });
  for_each_case("sha512_t.txt", [&](const Case& c) {
    if (!c.has("mac")) return;
    check({MacAlgorithm::kHmac, Hash::kSha512, c.bytes("key"), {}, c.bytes("message"), c.bytes("mac"), c.number("t")});
  });
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Mac, MatchesThePublishedVectors) {
  for_each_vector([](const Vector& v) {
    Mac mac = v.start();
    EXPECT_EQ(mac.size(), v.mac.size());
    EXPECT_EQ(to_hex(mac.update(v.message).finish()), to_hex(v.mac));
  });
}

TEST(Mac, WorksInPiecesOfOddSizesAndInCopies) {
  for_each_vector([](const Vector& v) {
    for (size_t most : {1u, 3u, 15u, 16u, 17u}) {
      Mac mac = v.start();
      ByteView rest = v.message;
      for (size_t size = most; !rest.empty(); size = size == 1 ? most : size - 1) {
        Mac copy = mac;
        mac.update(Bytes(size, 9)).finish();
        mac = copy;
        ByteView piece = rest.first(std::min(size, rest.size()));
        rest = rest.subspan(piece.size());
        mac.update(piece).update({});
      }
      SecretBytes out(mac.size());
      mac.finish(out.span());
      ASSERT_EQ(to_hex(out), to_hex(v.mac)) << most;
    }
  });
}

bool shows_its_state(const Vector& v) {
  return v.algorithm == MacAlgorithm::kHmac
             ? v.hash <= Hash::kSha512_256 || (v.hash >= Hash::kBlake2b160 && v.hash != Hash::kBlake2b512)
             : v.algorithm != MacAlgorithm::kGmac;
}

TEST(Mac, GoesOnFromItsSavedState) {
  size_t saved = 0;
  for_each_vector([&](const Vector& v) {
    const ByteView message = v.message;
    for (size_t at = 0; at <= message.size(); at = at < 40 ? at + 1 : at * 2) {
      Mac first = v.start(), second = v.start();
      const std::optional<SecretBytes> state = first.update(message.first(at)).save();
      ASSERT_EQ(state.has_value(), shows_its_state(v));
      if (!state) return;
      second.load(*state);
      ASSERT_EQ(to_hex(second.update(message.subspan(at)).finish()), to_hex(v.mac)) << at;
      ++saved;
    }
  });
  EXPECT_GT(saved, 500u);
}

TEST(Mac, RejectsBytesThatCannotBeASavedState) {
  for_each_vector([](const Vector& v) {
    Mac mac = v.start();
    const std::optional<SecretBytes> good = mac.update(Bytes(5, 1)).save();
    if (!good) {
      ASSERT_EQ(error_of([&] { mac.load(Bytes(32)); }), ErrorCode::kInvalidArgument);
      return;
    }
    Bytes longer = to_bytes(*good);
    longer.resize(longer.size() + 200);
    ASSERT_EQ(error_of([&] { mac.load(longer); }), ErrorCode::kInvalidArgument);
    ASSERT_EQ(error_of([&] { mac.load({}); }), ErrorCode::kInvalidArgument);
    ASSERT_EQ(error_of([&] { mac.load(good->view().first(15)); }), ErrorCode::kInvalidArgument);
  });
}

// A foreign state gives another code or is rejected. AddressSanitizer finds any other effect.
TEST(Mac, ADamagedStateDoesNoHarm) {
  size_t taken = 0, refused = 0;
  for_each_vector([&](const Vector& v) {
    const std::optional<SecretBytes> good = v.start().update(Bytes(21, 1)).save();
    for (size_t at = 0; good && at < good->size(); ++at) {
      SecretBytes damaged = good->clone();
      damaged[at] ^= static_cast<uint8_t>(0x80 >> at % 8);
      Mac mac = v.start();
      try {
        mac.load(damaged);
        mac.update(v.message).finish();
        ++taken;
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), ErrorCode::kInvalidArgument);
        ++refused;
      }
    }
  });
  EXPECT_GT(taken, 100u);
  EXPECT_GT(refused, 100u);
}

TEST(Mac, RejectsInvalidParameters) {
  auto code = [](const MacParameters& parameters, size_t key) {
    return error_of([&] { Mac(parameters, Bytes(key)); });
  };
  const Bytes iv(129);
  EXPECT_EQ(code({.algorithm = MacAlgorithm::kCmac}, 15), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.algorithm = MacAlgorithm::kCmac}, 0), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.algorithm = MacAlgorithm::kGmac, .iv = ByteView(iv).first(12)}, 20), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.algorithm = MacAlgorithm::kGmac}, 16), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.algorithm = MacAlgorithm::kGmac, .iv = iv}, 16), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.algorithm = MacAlgorithm::kXcbcMac}, 32), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.algorithm = MacAlgorithm::kHmac, .t = 384}, 16), ErrorCode::kInvalidArgument);
  Bytes out(12);
  EXPECT_EQ(error_of([&] { Mac({.algorithm = MacAlgorithm::kCmac}, Bytes(16)).finish(out); }),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace vtpm::crypto
