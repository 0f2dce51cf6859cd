// SPDX-License-Identifier: Apache-2.0
// Digests and random numbers (PKCS#11 3.2, 5.12 and 5.19).
#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/recorder.h"

namespace vtpm::conformance {
namespace {

using Digests = WithToken;
using Random = WithToken;

const std::map<std::string, CK_MECHANISM_TYPE> kAlgorithms = {{"SHA-1", CKM_SHA_1},
                                                              {"SHA-224", CKM_SHA224},
                                                              {"SHA-256", CKM_SHA256},
                                                              {"SHA-384", CKM_SHA384},
                                                              {"SHA-512", CKM_SHA512}};

struct Vector {
  CK_MECHANISM_TYPE mechanism;
  Bytes message, digest;
};

/// tests/data/conformance/digests.txt
std::vector<Vector> vectors() {
  std::ifstream file(VTPM_TEST_DATA "/conformance/digests.txt");
  std::vector<Vector> all;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string algorithm, kind, message, digest;
    words >> algorithm >> kind >> message >> digest;
    if (message == "-") message.clear();
    if (kind == "million") message = std::string(1'000'000, message.at(0));
    all.push_back({kAlgorithms.at(algorithm), bytes(message), from_hex(digest)});
  }
  return all;
}

void begin(Session& session, CK_MECHANISM_TYPE type) {
  Mechanism mechanism = type;
  MUST(p11->C_DigestInit(session, mechanism.get()));
}

TEST_F(Digests, PublishedVectorsInOneCall) {
  ASSERT_EQ(vectors().size(), 25u);
  Session session(slot, Session::kReadOnly);
  const CheckingVectors checking("conformance/digests.txt");
  for (Vector& vector : vectors()) {
    begin(session, vector.mechanism);
    Bytes digest(64);
    CK_ULONG size = digest.size();
    CK_BYTE nothing = 0;
    EXPECT_RV(CKR_OK, p11->C_Digest(session, vector.message.empty() ? &nothing : vector.message.data(),
                                    vector.message.size(), digest.data(), &size));
    digest.resize(size);
    EXPECT_EQ(to_hex(digest), to_hex(vector.digest));
  }
}

TEST_F(Digests, PublishedVectorsInParts) {
  Session session(slot, Session::kReadOnly);
  const CheckingVectors checking("conformance/digests.txt");
  for (Vector& vector : vectors()) {
    for (const size_t part : {1, 63, 64, 65, 4096}) {
      if (vector.message.size() / part > 20000) continue;
      begin(session, vector.mechanism);
      for (size_t at = 0; at < vector.message.size(); at += part)
        EXPECT_RV(CKR_OK,
                  p11->C_DigestUpdate(session, vector.message.data() + at, std::min(part, vector.message.size() - at)));
      EXPECT_RV(CKR_OK, p11->C_DigestUpdate(session, nullptr, 0)) << "an empty part is legal";
      Bytes digest(64);
      CK_ULONG size = digest.size();
      EXPECT_RV(CKR_OK, p11->C_DigestFinal(session, digest.data(), &size));
      digest.resize(size);
      EXPECT_EQ(to_hex(digest), to_hex(vector.digest));
    }
  }
}

TEST_F(Digests, SizeQueriesAndSmallBuffersKeepTheOperation) {
  Session session(slot);
  Bytes data = bytes("abc"), digest(40, 0xEE);
  begin(session, CKM_SHA256);
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OK, p11->C_Digest(session, data.data(), 3, nullptr, &size));
  EXPECT_EQ(size, 32u);
  size = 31;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Digest(session, data.data(), 3, digest.data(), &size));
  EXPECT_EQ(size, 32u);
  EXPECT_EQ(digest, Bytes(40, 0xEE));
  size = 40;
  EXPECT_RV(CKR_OK, p11->C_Digest(session, data.data(), 3, digest.data(), &size));
  EXPECT_EQ(size, 32u);
  EXPECT_EQ(digest[32], 0xEE);
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Digest(session, data.data(), 3, digest.data(), &size));

  const Bytes once(digest.begin(), digest.begin() + 32);
  begin(session, CKM_SHA256);
  MUST(p11->C_DigestUpdate(session, data.data(), 3));
  EXPECT_RV(CKR_OK, p11->C_DigestFinal(session, nullptr, &size));
  EXPECT_EQ(size, 32u);
  size = 0;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_DigestFinal(session, digest.data(), &size));
  size = 32;
  digest.resize(32);
  EXPECT_RV(CKR_OK, p11->C_DigestFinal(session, digest.data(), &size));
  EXPECT_EQ(digest, once);
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestFinal(session, digest.data(), &size));
}

TEST_F(Digests, CallsOutOfOrderAreRejected) {
  Session session(slot);
  Bytes data = bytes("abc"), digest(32);
  CK_ULONG size = digest.size();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Digest(session, data.data(), 3, digest.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestUpdate(session, data.data(), 3));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestFinal(session, digest.data(), &size));

  begin(session, CKM_SHA256);
  Mechanism again = CKM_SHA_1;
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_DigestInit(session, again.get()));
  MUST(p11->C_DigestUpdate(session, data.data(), 3));
  EXPECT_RV(one_of(CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_FUNCTION_FAILED),
            p11->C_Digest(session, data.data(), 3, digest.data(), &size))
      << "5.10: C_Digest cannot be used to end a multi-part operation";
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestFinal(session, digest.data(), &size));
}

TEST_F(Digests, AnErrorEndsTheOperation) {
  Session session(slot);
  Bytes data = bytes("abc"), digest(32);
  CK_ULONG size = digest.size();
  const auto expect_ended = [&] {
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestUpdate(session, data.data(), 3));
  };
  begin(session, CKM_SHA256);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Digest(session, data.data(), 3, digest.data(), nullptr));
  expect_ended();
  begin(session, CKM_SHA256);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Digest(session, nullptr, 3, digest.data(), &size));
  expect_ended();
  begin(session, CKM_SHA256);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_DigestUpdate(session, nullptr, 3));
  expect_ended();
  begin(session, CKM_SHA256);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_DigestFinal(session, digest.data(), nullptr));
  expect_ended();
}

TEST_F(Digests, InitRejectsOtherMechanisms) {
  Session session(slot);
  for (const CK_MECHANISM_TYPE type : {CKM_MD5, CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS, CKM_ECDSA, kAbsurd}) {
    Mechanism mechanism = type;
    EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_DigestInit(session, mechanism.get()));
  }
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_DigestInit(session, nullptr));
  // PowerDNS 4.7 sets neither field of the parameter.
  CK_MECHANISM sha256 = {CKM_SHA256, reinterpret_cast<void*>(0x5555), 0x7FFF00001234};
  EXPECT_RV(CKR_OK, p11->C_DigestInit(session, &sha256));
}

TEST_F(Digests, SessionsDigestApart) {
  Session one(slot), two(slot);
  Bytes a = bytes("ab"), b = bytes("c"), first(20), second(20);
  CK_ULONG size = 20;
  begin(one, CKM_SHA_1);
  begin(two, CKM_SHA_1);
  MUST(p11->C_DigestUpdate(one, a.data(), 2));
  MUST(p11->C_DigestUpdate(two, b.data(), 1));
  MUST(p11->C_DigestUpdate(one, b.data(), 1));
  MUST(p11->C_DigestFinal(one, first.data(), &size));
  MUST(p11->C_DigestFinal(two, second.data(), &size));
  EXPECT_EQ(to_hex(first), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_NE(second, first);
}

// --- random numbers ---

TEST_F(Random, HasEveryLengthAndDoesNotRepeat) {
  Session session(slot, Session::kReadOnly);
  for (const bool logged_in : {false, true}) {
    if (logged_in) session.login();
    std::set<Bytes> seen;
    for (const size_t size : {16, 31, 64, 65, 127, 1000, 100000}) {
      Bytes random(size + 1, 0);
      EXPECT_RV(CKR_OK, p11->C_GenerateRandom(session, random.data(), size));
      EXPECT_EQ(random[size], 0) << "written past the buffer";
      // No 16 bytes repeat (with a probability of 2^-100 that they do by chance).
      for (size_t at = 0; at + 16 <= size; at += 16)
        EXPECT_TRUE(
            seen.emplace(random.begin() + static_cast<ptrdiff_t>(at), random.begin() + static_cast<ptrdiff_t>(at + 16))
                .second);
    }
  }
}

TEST_F(Random, BytesAreEquallyDistributed) {
  Session session(slot);
  session.login();
  Bytes random(1 << 20);
  EXPECT_RV(CKR_OK, p11->C_GenerateRandom(session, random.data(), random.size()));
  size_t counts[256] = {};
  for (const uint8_t byte : random) ++counts[byte];
  double chi_square = 0;
  for (const size_t count : counts) {
    const double off = static_cast<double>(count) - 4096;
    chi_square += off * off / 4096;
  }
  // 255 degrees of freedom: mean 255, deviation 22.6; eight deviations to either side.
  EXPECT_GT(chi_square, 255 - 8 * 22.6);
  EXPECT_LT(chi_square, 255 + 8 * 22.6);
}

TEST_F(Random, SeedRandomSucceeds) {
  Session session(slot, Session::kReadOnly);
  Bytes seed(1000, 0x42);
  EXPECT_RV(CKR_OK, p11->C_SeedRandom(session, seed.data(), seed.size()));
  session.login();
  EXPECT_RV(CKR_OK, p11->C_SeedRandom(session, seed.data(), seed.size()));
  EXPECT_RV(CKR_OK, p11->C_SeedRandom(session, seed.data(), 1));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SeedRandom(session, nullptr, 10));
  Bytes one(32), two(32);
  MUST(p11->C_SeedRandom(session, seed.data(), seed.size()));
  MUST(p11->C_GenerateRandom(session, one.data(), 32));
  MUST(p11->C_SeedRandom(session, seed.data(), seed.size()));
  MUST(p11->C_GenerateRandom(session, two.data(), 32));
  EXPECT_NE(one, two) << "a seed is mixed in, it does not set the state";
}

TEST_F(Random, RefusesANullPointer) {
  Session session(slot);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GenerateRandom(session, nullptr, 10));
}

}  // namespace
}  // namespace vtpm::conformance
