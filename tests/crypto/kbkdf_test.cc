// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/kbkdf.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/crypto/vectors.h"

namespace vtpm::crypto {
namespace {

using Kind = KbkdfSegment::Kind;

std::vector<std::string> parts(const std::string& list) {
  std::vector<std::string> result;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) result.push_back(word);
  return result;
}

KbkdfMode mode_of(const Case& c) {
  static const std::map<std::string, KbkdfMode> kModes = {
      {"counter", KbkdfMode::kCounter}, {"feedback", KbkdfMode::kFeedback}, {"pipeline", KbkdfMode::kDoublePipeline}};
  return kModes.at(c.text("mode"));
}

Mac function_of(const Case& c) {
  static const std::map<std::string, Hash> kHashes = {{"hmac-sha1", Hash::kSha1},
                                                      {"hmac-sha224", Hash::kSha224},
                                                      {"hmac-sha256", Hash::kSha256},
                                                      {"hmac-sha384", Hash::kSha384},
                                                      {"hmac-sha512", Hash::kSha512}};
  if (c.text("prf") == "cmac") return Mac({.algorithm = MacAlgorithm::kCmac}, c.bytes("key"));
  return Mac({.algorithm = MacAlgorithm::kHmac, .hash = kHashes.at(c.text("prf"))}, c.bytes("key"));
}

TEST(Kbkdf, MatchesThePublishedVectors) {
  for_each_case("kbkdf.txt", [](const Case& c) {
    std::vector<Bytes> fixed;
    for (const std::string& part : parts(c.text("fixed"))) fixed.push_back(from_hex(part));
    std::vector<KbkdfSegment> segments;
    size_t next = 0;
    for (const std::string& part : parts(c.text("layout"))) {
      if (part == "f") {
        segments.push_back({.kind = Kind::kBytes, .bytes = fixed.at(next++)});
      } else if (part == "i") {
        segments.push_back({.kind = Kind::kIteration});
      } else {
        Kind kind = mode_of(c) == KbkdfMode::kCounter ? Kind::kIteration : Kind::kCounter;
        segments.push_back({.kind = kind, .bits = static_cast<unsigned>(std::stoul(part.substr(1)))});
      }
    }
    const size_t sizes[] = {c.bytes("output").size()};
    std::vector<SecretBytes> keys = kbkdf(mode_of(c), function_of(c), segments, c.bytes("iv"), sizes);
    ASSERT_EQ(keys.size(), 1u);
    EXPECT_EQ(to_hex(keys[0]), c.text("output"));
  });
}

const Bytes kKey(32, 0x4b);
Mac hmac256() { return Mac({.algorithm = MacAlgorithm::kHmac}, kKey); }

// The test writes the input of the function out (SP 800-108, 5.1), with every form of a number.
TEST(Kbkdf, EncodesCountersAndLengthsInEveryWidthAndOrder) {
  const size_t sizes[] = {32};
  const Bytes label = {0xaa, 0xbb};
  auto derived = [&](const KbkdfSegment& counter, const KbkdfSegment& length) {
    const KbkdfSegment segments[] = {counter, {.kind = Kind::kBytes, .bytes = label}, length};
    return to_hex(kbkdf(KbkdfMode::kCounter, hmac256(), segments, {}, sizes).at(0));
  };
  auto seen = [&](const char* input) { return to_hex(hmac(Hash::kSha256, kKey, from_hex(input))); };
  EXPECT_EQ(derived({Kind::kIteration, 32}, {Kind::kLength, 32}), seen("00000001aabb00000100"));
  EXPECT_EQ(derived({Kind::kIteration, 8}, {Kind::kLength, 16, true}), seen("01aabb0001"));
  EXPECT_EQ(derived({Kind::kIteration, 24, true}, {Kind::kLength, 64}), seen("010000aabb0000000000000100"));
  EXPECT_EQ(derived({Kind::kIteration, 16}, {Kind::kLength, 24, true}), seen("0001aabb000100"));
}

// Each key begins with a fresh output; the length counts what the keys take, or whole outputs.
TEST(Kbkdf, EachOfSeveralKeysStartsWithANewOutput) {
  const size_t sizes[] = {16, 40, 32};
  auto derived = [&](bool whole) {
    const KbkdfSegment segments[] = {{.kind = Kind::kIteration, .bits = 8},
                                     {.kind = Kind::kLength, .bits = 16, .whole_outputs = whole}};
    return kbkdf(KbkdfMode::kCounter, hmac256(), segments, {}, sizes);
  };
  auto output = [&](const char* input) { return to_hex(hmac(Hash::kSha256, kKey, from_hex(input))); };
  std::vector<SecretBytes> keys = derived(false);  // 88 bytes are 704 bits
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(to_hex(keys[0]), output("0102c0").substr(0, 32));
  EXPECT_EQ(to_hex(keys[1]), output("0202c0") + output("0302c0").substr(0, 16));
  EXPECT_EQ(to_hex(keys[2]), output("0402c0"));
  EXPECT_EQ(to_hex(derived(true)[2]), output("040400")) << "four outputs are 1024 bits";
}

// SP 800-108, 5.3: A(0) consists of all segments that do not change, in their order.
TEST(Kbkdf, ThePipelineBeginsWithTheFixedData) {
  const size_t sizes[] = {64};
  const Bytes label = {1, 2}, context = {3};
  const KbkdfSegment segments[] = {{.kind = Kind::kBytes, .bytes = label},
                                   {.kind = Kind::kIteration},
                                   {.kind = Kind::kCounter, .bits = 8},
                                   {.kind = Kind::kBytes, .bytes = context},
                                   {.kind = Kind::kLength, .bits = 16}};
  Bytes a1 = hmac(Hash::kSha256, kKey, from_hex("0102030200")), a2 = hmac(Hash::kSha256, kKey, a1);
  auto output = [&](const Bytes& a, const char* rest) {
    Bytes input = label;
    append(input, a);
    append(input, from_hex(rest));
    return to_hex(hmac(Hash::kSha256, kKey, input));
  };
  EXPECT_EQ(to_hex(kbkdf(KbkdfMode::kDoublePipeline, hmac256(), segments, {}, sizes)[0]),
            output(a1, "01030200") + output(a2, "02030200"));
}

TEST(Kbkdf, RejectsInvalidSegmentLists) {
  auto refused = [](KbkdfMode mode, std::vector<KbkdfSegment> segments, size_t size = 32, const Bytes& iv = {}) {
    const size_t sizes[] = {size};
    return error_of([&] { kbkdf(mode, hmac256(), segments, iv, sizes); }) == ErrorCode::kInvalidArgument;
  };
  const KbkdfSegment iteration{.kind = Kind::kIteration}, counter{.kind = Kind::kCounter},
      length{.kind = Kind::kLength};
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {}));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {length}));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {iteration, iteration}));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {iteration, counter}));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {iteration, length, length}));
  EXPECT_TRUE(refused(KbkdfMode::kFeedback, {iteration, counter, counter}));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {iteration}, 0));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {iteration}, 32, Bytes(4)));
  for (unsigned bits : {0u, 7u, 12u, 40u}) EXPECT_TRUE(refused(KbkdfMode::kCounter, {{Kind::kIteration, bits}}));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {iteration, {Kind::kLength, 72}}));
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {iteration, {Kind::kLength, 8}}, 32)) << "256 bits in one byte";
  EXPECT_TRUE(refused(KbkdfMode::kCounter, {{Kind::kIteration, 8}}, 256 * 32)) << "256 outputs, counted in one byte";
  const size_t most[] = {255 * 32};
  const KbkdfSegment narrow[] = {{Kind::kIteration, 8}};
  EXPECT_EQ(kbkdf(KbkdfMode::kCounter, hmac256(), narrow, {}, most)[0].size(), most[0]);
}

}  // namespace
}  // namespace vtpm::crypto
