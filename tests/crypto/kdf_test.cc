// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/kdf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

TEST(Hkdf, MatchesThePublishedVectors) {
  for_each_case("hkdf.txt", [](const Case& c) {
    Bytes expected = c.bytes("output");
    EXPECT_EQ(to_hex(hkdf(c.bytes("key"), c.bytes("salt"), c.bytes("info"), expected.size())), to_hex(expected));
  });
}

TEST(Hkdf, ExtractAndExpandWorkWithEveryHash) {
  for_each_case("hkdf_hashes.txt", [](const Case& c) {
    SecretBytes extracted = hkdf_extract(c.hash(), c.bytes("salt"), c.bytes("key"));
    EXPECT_EQ(to_hex(extracted), c.text("extracted"));
    EXPECT_EQ(to_hex(hkdf_expand(c.hash(), c.bytes("extracted"), c.bytes("info"), c.bytes("output").size())),
              c.text("output"));
    const size_t most = 255 * hash_bytes(c.hash());
    EXPECT_EQ(hkdf_expand(c.hash(), extracted, {}, most).size(), most);
    EXPECT_EQ(error_of([&] { hkdf_expand(c.hash(), extracted, {}, most + 1); }), ErrorCode::kInvalidArgument);
  });
}

TEST(Hkdf, ShorterOutputsArePrefixesAndLongerThan255DigestsIsRejected) {
  const Bytes key(32, 1);
  SecretBytes longest = hkdf(key, {}, {}, 8160);
  for (size_t size : {1u, 31u, 32u, 33u, 64u, 8159u}) {
    EXPECT_TRUE(equal(hkdf(key, {}, {}, size), longest.view().first(size))) << size;
  }
  EXPECT_TRUE(hkdf(key, {}, {}, 0).empty());
  EXPECT_EQ(error_of([&] { hkdf(key, {}, {}, 8161); }), ErrorCode::kInvalidArgument);
}

TEST(Argon2id, MatchesThePublishedVectors) {
  for_each_case("argon2id.txt", [](const Case& c) {
    Bytes expected = c.bytes("output");
    Argon2Parameters parameters{c.number("memory"), c.number("passes"), c.number("lanes")};
    EXPECT_EQ(to_hex(argon2id(c.bytes("secret"), c.bytes("salt"), parameters, expected.size())), to_hex(expected));
  });
}

TEST(Argon2id, RejectsParametersOutOfRange) {
  const Bytes salt(32, 1);
  auto code = [&](Argon2Parameters parameters) { return error_of([&] { argon2id(salt, salt, parameters, 64); }); };
  EXPECT_EQ(code({8191, 1, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({1048577, 1, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({8192, 0, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({8192, 65, 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({8192, 1, 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({8192, 1, 17}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { argon2id(salt, Bytes(7), {8192, 1, 1}, 64); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { argon2id(salt, salt, {8192, 1, 1}, 3); }), ErrorCode::kInvalidArgument);
}

TEST(Argon2id, CreatesNoThreads) {
  std::atomic<bool> done = false;
  std::thread work([&] {
    argon2id(as_bytes("pin"), Bytes(16), {65536, 2, 8}, 64);
    done = true;
  });
  size_t most = 0;
  while (!done) {
    std::filesystem::directory_iterator tasks("/proc/self/task");
    most = std::max(most, static_cast<size_t>(std::distance(begin(tasks), end(tasks))));
  }
  work.join();
  EXPECT_GE(most, 2u);
  size_t now = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) ++now;
  EXPECT_LE(most, now + 1);
}

TEST(Pbkdf2, MatchesThePublishedVectors) {
  for_each_case("pbkdf2.txt", [](const Case& c) {
    Bytes expected = c.bytes("output");
    EXPECT_EQ(to_hex(pbkdf2(c.bytes("secret"), c.bytes("salt"), c.number("iterations"), expected.size())),
              to_hex(expected));
  });
}

TEST(Pbkdf2, MatchesThePublishedVectorsOfEveryHash) {
  for_each_case("pbkdf2_hashes.txt", [](const Case& c) {
    EXPECT_EQ(
        to_hex(pbkdf2(c.hash(), c.bytes("secret"), c.bytes("salt"), c.number("iterations"), c.bytes("output").size())),
        c.text("output"));
  });
  EXPECT_EQ(error_of([] { pbkdf2(Hash::kSha1, {}, {}, 0, 16); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { pbkdf2(Hash::kSha1, {}, {}, 0x80000000, 16); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { pbkdf2(Hash::kSha1, {}, {}, 1, 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { pbkdf2(Hash::kBlake2b256, {}, {}, 1, 16); }), ErrorCode::kUnsupported);
}

TEST(Pbkdf2, RejectsIterationsOutOfRange) {
  const Bytes salt(16, 1);
  EXPECT_EQ(error_of([&] { pbkdf2(salt, salt, 9999, 64); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { pbkdf2(salt, salt, 10'000'001, 64); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { pbkdf2(salt, salt, 10'000, 0); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace vtpm::crypto
