// SPDX-License-Identifier: Apache-2.0
#include "tests/crypto/vectors.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace vtpm {

Bytes from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) throw std::invalid_argument("odd number of digits: " + std::string(hex));
  Bytes bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

Bytes read_data(const std::string& name) {
  std::ifstream file(std::string(VTPM_TEST_DATA) + "/crypto/" + name, std::ios::binary);
  if (!file) throw std::runtime_error("no test data " + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

Case::Case(const std::string& line) {
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    size_t equals = word.find('=');
    if (equals == std::string::npos) throw std::invalid_argument("no field: " + word);
    fields_[word.substr(0, equals)] = word.substr(equals + 1);
  }
}

crypto::Hash Case::hash(const std::string& field) const {
  using crypto::Hash;
  static const std::map<std::string, Hash> kHashes = {
      {"sha1", Hash::kSha1},
      {"sha224", Hash::kSha224},
      {"sha256", Hash::kSha256},
      {"sha384", Hash::kSha384},
      {"sha512", Hash::kSha512},
      {"sha512/224", Hash::kSha512_224},
      {"sha512/256", Hash::kSha512_256},
      {"sha3-224", Hash::kSha3_224},
      {"sha3-256", Hash::kSha3_256},
      {"sha3-384", Hash::kSha3_384},
      {"sha3-512", Hash::kSha3_512},
      {"blake2b-160", Hash::kBlake2b160},
      {"blake2b-256", Hash::kBlake2b256},
      {"blake2b-384", Hash::kBlake2b384},
      {"blake2b-512", Hash::kBlake2b512},
  };
  return kHashes.at(text(field));
}

crypto::Curve Case::curve() const {
  using crypto::Curve;
  static const std::map<std::string, Curve> kCurves = {{"P-224", Curve::kP224},
                                                       {"P-256", Curve::kP256},
                                                       {"P-384", Curve::kP384},
                                                       {"P-521", Curve::kP521},
                                                       {"secp256k1", Curve::kSecp256k1},
                                                       {"Ed25519", Curve::kEd25519},
                                                       {"Ed448", Curve::kEd448},
                                                       {"X25519", Curve::kX25519},
                                                       {"X448", Curve::kX448},
                                                       {"brainpoolP256r1", Curve::kBrainpoolP256},
                                                       {"brainpoolP384r1", Curve::kBrainpoolP384},
                                                       {"brainpoolP512r1", Curve::kBrainpoolP512}};
  return kCurves.at(text("curve"));
}

void for_each_case(const std::string& name, const std::function<void(const Case&)>& check) {
  Bytes contents = read_data(name);
  std::istringstream lines{std::string(as_text(contents))};
  int number = 0, cases = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    SCOPED_TRACE(name + ":" + std::to_string(number));
    check(Case(line));
    ++cases;
  }
  EXPECT_GT(cases, 0) << name;
}

ErrorCode error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_FALSE(error.sentence().empty());
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kInternal;
}

}  // namespace vtpm
