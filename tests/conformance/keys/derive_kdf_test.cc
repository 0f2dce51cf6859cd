// SPDX-License-Identifier: Apache-2.0
// Derivation by pseudo-random functions: HKDF, SP 800-108, PBKDF2, TLS 1.2, with the vectors of their standards.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sstream>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

using Kdf = WithUser;

CK_OBJECT_HANDLE base_key(Session& session, const Bytes& value, CK_KEY_TYPE type = CKK_GENERIC_SECRET) {
  return session.create({{CKA_CLASS, CKO_SECRET_KEY},
                         {CKA_KEY_TYPE, type},
                         {CKA_VALUE, value},
                         {CKA_DERIVE, true},
                         {CKA_SIGN, true},
                         {CKA_SENSITIVE, false},
                         {CKA_EXTRACTABLE, true}});
}

// --- HKDF ---

struct Hkdf {
  CK_MECHANISM_TYPE hash = CKM_SHA256;
  bool extract = true, expand = true;
  Bytes salt = {}, info = {};
  CK_ULONG salt_type = CKF_HKDF_SALT_DATA;
  CK_OBJECT_HANDLE salt_key = CK_INVALID_HANDLE;

  Mechanism mechanism(CK_MECHANISM_TYPE type = CKM_HKDF_DERIVE) const {
    CK_HKDF_PARAMS parameters{};
    parameters.bExtract = extract;
    parameters.bExpand = expand;
    parameters.prfHashMechanism = hash;
    parameters.ulSaltType = salt_type;
    parameters.pSalt = bytes_pointer(salt);
    parameters.ulSaltLen = salt.size();
    parameters.hSaltKey = salt_key;
    parameters.pInfo = bytes_pointer(info);
    parameters.ulInfoLen = info.size();
    return Mechanism::with_parameter(type, bytes_of(parameters));
  }
};

TEST_F(Kdf, HkdfMatchesThePublishedVectors) {
  for_each_line("hkdf_hashes.txt", [&](const Line& line) {
    const HashRow& hash = hash_row(line.text("hash"));
    const Bytes output = line.bytes("output"), extracted = line.bytes("extracted");
    Hkdf hkdf{hash.digest, true, true, line.bytes("salt"), line.bytes("info")};
    const CK_OBJECT_HANDLE key = base_key(session, line.bytes("key"), CKK_HKDF);
    EXPECT_EQ(derived_value(session, hkdf.mechanism(), key, output.size()), output);
    hkdf.expand = false;
    EXPECT_EQ(derived_value(session, hkdf.mechanism(), key, 0), extracted);
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_derive(session, hkdf.mechanism(), key, shown_secret(extracted.size() + 1)));
    hkdf.expand = true;
    hkdf.extract = false;
    const CK_OBJECT_HANDLE halfway = base_key(session, extracted);
    EXPECT_EQ(derived_value(session, hkdf.mechanism(), halfway, output.size()), output);
    // The salt may be a key. Without a salt it is a block of zeros.
    hkdf.extract = true;
    if (hkdf.salt.empty()) {
      hkdf.salt_type = CKF_HKDF_SALT_NULL;
    } else {
      hkdf.salt_type = CKF_HKDF_SALT_KEY;
      hkdf.salt_key = base_key(session, hkdf.salt);
    }
    EXPECT_EQ(derived_value(session, hkdf.mechanism(), key, output.size()), output);
    // The bytes as a data object.
    const CK_OBJECT_HANDLE data = derive(session, hkdf.mechanism(CKM_HKDF_DATA), key,
                                         {{CKA_CLASS, CKO_DATA}, {CKA_VALUE_LEN, output.size()}, {CKA_LABEL, "iv"}});
    EXPECT_EQ(session.number(data, CKA_CLASS), CKO_DATA);
    EXPECT_EQ(session.get(data, CKA_VALUE), output);
    EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_get(data, CKA_VALUE_LEN));
  });
}

/// HKDF by OpenSSL, without salt and info.
Bytes openssl_hkdf(const char* hash, Bytes key, size_t bytes) {
  Bytes out(bytes);
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  EVP_KDF_CTX* context = EVP_KDF_CTX_new(kdf);
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(hash), 0),
                                   OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.data(), key.size()),
                                   OSSL_PARAM_construct_end()};
  EXPECT_EQ(EVP_KDF_derive(context, out.data(), out.size(), parameters), 1);
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return out;
}

// RFC 5869, 2.3: up to 255 hash lengths.
TEST_F(Kdf, HkdfDerivesUpTo255HashLengths) {
  const Bytes value(32, 0x5D);
  const CK_OBJECT_HANDLE key = base_key(session, value, CKK_HKDF);
  for (const HashRow& hash : kEveryHash) {
    SCOPED_TRACE(hash.name);
    const Mechanism mechanism = Hkdf{hash.digest, true, true, {}, {}, CKF_HKDF_SALT_NULL}.mechanism();
    const size_t most = 255 * hash.bytes;
    const Bytes derived = derived_value(session, mechanism, key, most);
    EXPECT_EQ(derived.size(), most);
    if (*hash.openssl) {
      EXPECT_EQ(to_hex(derived), to_hex(openssl_hkdf(hash.openssl, value, most)));
    }
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, mechanism, key, shown_secret(most + 1)));
  }
  // A key of the greatest length can be stored on the token and used.
  const Mechanism sha512 = Hkdf{CKM_SHA512, true, true, {}, {}, CKF_HKDF_SALT_NULL}.mechanism();
  const CK_OBJECT_HANDLE kept =
      derive(session, sha512, key, shown_secret(16320).with({{CKA_TOKEN, true}, {CKA_SIGN, true}, {CKA_DERIVE, true}}));
  EXPECT_EQ(session.sign(CKM_SHA256_HMAC, kept, bytes("data")).size(), 32u);
  EXPECT_EQ(derived_value(session, CKM_SHA256_KEY_DERIVATION, kept, 0),
            peer::digest("SHA256", session.get(kept, CKA_VALUE)));
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  const CK_OBJECT_HANDLE found = later.find({{CKA_CLASS, CKO_SECRET_KEY}}).at(0);
  EXPECT_EQ(later.get(found, CKA_VALUE), openssl_hkdf("SHA512", value, 16320));
}

// 6.62: a data object as long as the hash may be the input key of an extraction.
TEST_F(Kdf, HkdfExtractsFromDataObjects) {
  const Bytes value(32, 0x5D), salt = bytes("salt"), info = bytes("info");
  const auto data = [&](const Bytes& bytes) {
    return session.create({{CKA_CLASS, CKO_DATA}, {CKA_VALUE, bytes}, {CKA_PRIVATE, true}});
  };
  const CK_OBJECT_HANDLE key = base_key(session, value), object = data(value);
  for (const bool expand : {true, false}) {
    const Hkdf hkdf{CKM_SHA256, true, expand, salt, info};
    const Bytes expected = derived_value(session, hkdf.mechanism(), key, 32);
    EXPECT_EQ(derived_value(session, hkdf.mechanism(), object, 32), expected);
    const CK_OBJECT_HANDLE out = derive(session, hkdf.mechanism(CKM_HKDF_DATA), object, {{CKA_VALUE_LEN, 32}});
    EXPECT_EQ(session.get(out, CKA_VALUE), expected);
    const CK_OBJECT_HANDLE made =
        derive(session, hkdf.mechanism(), object, {{CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}});
    EXPECT_FALSE(session.flag(made, CKA_ALWAYS_SENSITIVE)) << "data are no secret";
    EXPECT_FALSE(session.flag(made, CKA_NEVER_EXTRACTABLE));
  }
  const Hkdf salted{CKM_SHA256, true, true, salt};
  EXPECT_RV(CKR_KEY_SIZE_RANGE, try_derive(session, salted.mechanism(), data(Bytes(31, 1)), {}));
  EXPECT_RV(CKR_KEY_SIZE_RANGE, try_derive(session, salted.mechanism(), data({}), {}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, Hkdf{CKM_SHA256, false}.mechanism(), object, {}));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, try_derive(session, CKM_SHA256_KEY_DERIVATION, object, {}));
  session.logout();
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, try_derive(session, salted.mechanism(), object, {{CKA_PRIVATE, false}}));
}

TEST_F(Kdf, HkdfRejectsBadParameters) {
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(32, 1), CKK_HKDF);
  const auto answer = [&](const Hkdf& hkdf, size_t bytes = 32) {
    return try_derive(session, hkdf.mechanism(), key, shown_secret(bytes));
  };
  const auto data = [&](CK_ULONG bytes) {
    return try_derive(session, Hkdf{}.mechanism(CKM_HKDF_DATA), key, {{CKA_VALUE_LEN, bytes}});
  };
  EXPECT_RV(CKR_OK, data(255 * 32));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, data(255 * 32 + 1));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer({CKM_SHA256, false, false}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer({CKM_SHA256_HMAC}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer({CKM_MD5}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer({.salt_type = 3}));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer({.salt_type = CKF_HKDF_SALT_KEY}));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            answer({.salt_type = CKF_HKDF_SALT_KEY, .salt_key = session.generate_ec(kP256).public_key}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, CKM_HKDF_DERIVE, key, {}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_derive(session, Hkdf{}.mechanism(CKM_HKDF_DATA), key, {{CKA_CLASS, CKO_SECRET_KEY}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
            try_derive(session, Hkdf{}.mechanism(CKM_HKDF_DATA), key, {{CKA_VALUE, Bytes(4)}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, Hkdf{}.mechanism(CKM_HKDF_DATA), key, {{CKA_VALUE_LEN, 0}}));
  const Template no = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_HKDF}, {CKA_VALUE, Bytes(32, 1)}};
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            try_derive(session, Hkdf{}.mechanism(), session.create(no.with({{CKA_DERIVE, false}})), {}));
  for (const CK_KEY_TYPE type : {CKK_AES, CKK_SHA256_HMAC})
    EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
              try_derive(session, Hkdf{}.mechanism(), base_key(session, Bytes(32, 1), type), {}));
  EXPECT_RV(CKR_OK, answer({.salt_type = CKF_HKDF_SALT_KEY, .salt_key = base_key(session, Bytes(32, 1), CKK_AES)}));
}

TEST_F(Kdf, HkdfGenerateMakesKeys) {
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_HKDF_KEY_GEN, {{CKA_VALUE_LEN, 48}}, &key));
  EXPECT_EQ(session.number(key, CKA_KEY_TYPE), CKK_HKDF);
  EXPECT_TRUE(session.flag(key, CKA_DERIVE));
  EXPECT_FALSE(session.flag(key, CKA_SIGN));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, try_generate_key(session, CKM_HKDF_KEY_GEN, {}));
  EXPECT_EQ(session.number(derive(session, Hkdf{}.mechanism(), key, {{CKA_KEY_TYPE, CKK_AES}}), CKA_VALUE_LEN), 32u);
}

// --- SP 800-108 ---

std::vector<std::string> parts(const std::string& list) {
  std::vector<std::string> result;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) result.push_back(word);
  return result;
}

/// The segments of a vector, and what they point to.
struct Segments {
  std::vector<Bytes> fixed;
  std::vector<CK_SP800_108_COUNTER_FORMAT> counters;
  std::vector<CK_PRF_DATA_PARAM> list;

  Segments(const Line& line, bool counter_mode) {
    for (const std::string& part : parts(line.text("fixed"))) fixed.push_back(from_hex(part));
    const std::vector<std::string> layout = parts(line.text("layout"));
    counters.reserve(layout.size());
    size_t next = 0;
    for (const std::string& part : layout) {
      if (part == "f") {
        Bytes& bytes = fixed.at(next++);
        list.push_back({CK_SP800_108_BYTE_ARRAY, bytes.data(), bytes.size()});
      } else if (part == "i") {
        list.push_back({CK_SP800_108_ITERATION_VARIABLE, nullptr, 0});
      } else {
        counters.push_back({CK_FALSE, std::stoul(part.substr(1))});
        list.push_back({counter_mode ? CK_SP800_108_ITERATION_VARIABLE : CK_SP800_108_COUNTER, &counters.back(),
                        sizeof(CK_SP800_108_COUNTER_FORMAT)});
      }
    }
  }
};

Mechanism kbkdf(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE function, std::vector<CK_PRF_DATA_PARAM>& segments,
                const Bytes& iv = {}, std::vector<CK_DERIVED_KEY>* more = nullptr) {
  const CK_ULONG keys = more ? more->size() : 0;
  CK_DERIVED_KEY* first = more ? more->data() : nullptr;
  if (type == CKM_SP800_108_FEEDBACK_KDF) {
    return Mechanism::with_parameter(
        type, bytes_of(CK_SP800_108_FEEDBACK_KDF_PARAMS{function, segments.size(), segments.data(), iv.size(),
                                                        iv.empty() ? nullptr : bytes_pointer(iv), keys, first}));
  }
  return Mechanism::with_parameter(
      type, bytes_of(CK_SP800_108_KDF_PARAMS{function, segments.size(), segments.data(), keys, first}));
}

TEST_F(Kdf, Sp800108MatchesThePublishedVectors) {
  const std::map<std::string, CK_MECHANISM_TYPE> kModes = {{"counter", CKM_SP800_108_COUNTER_KDF},
                                                           {"feedback", CKM_SP800_108_FEEDBACK_KDF},
                                                           {"pipeline", CKM_SP800_108_DOUBLE_PIPELINE_KDF}};
  const std::map<std::string, CK_MECHANISM_TYPE> kFunctions = {
      {"cmac", CKM_AES_CMAC},           {"hmac-sha1", CKM_SHA_1_HMAC},    {"hmac-sha224", CKM_SHA224_HMAC},
      {"hmac-sha256", CKM_SHA256_HMAC}, {"hmac-sha384", CKM_SHA384_HMAC}, {"hmac-sha512", CKM_SHA512_HMAC}};
  for_each_line("kbkdf.txt", [&](const Line& line) {
    const CK_MECHANISM_TYPE type = kModes.at(line.text("mode")), function = kFunctions.at(line.text("prf"));
    Segments segments(line, type == CKM_SP800_108_COUNTER_KDF);
    const Bytes output = line.bytes("output"), iv = line.bytes("iv");
    const CK_OBJECT_HANDLE key =
        base_key(session, line.bytes("key"), function == CKM_AES_CMAC ? CKK_AES : CKK_GENERIC_SECRET);
    EXPECT_EQ(derived_value(session, kbkdf(type, function, segments.list, iv), key, output.size()), output);
    // The standard's sample gives the iteration variable a format in feedback mode.
    CK_SP800_108_COUNTER_FORMAT format{CK_FALSE, 16};
    if (type != CKM_SP800_108_COUNTER_KDF) {
      for (CK_PRF_DATA_PARAM& segment : segments.list) {
        if (segment.type == CK_SP800_108_ITERATION_VARIABLE) {
          segment = {CK_SP800_108_ITERATION_VARIABLE, &format, sizeof format};
        }
      }
      EXPECT_EQ(derived_value(session, kbkdf(type, function, segments.list, iv), key, output.size()), output);
    }
    // The same bytes as the values of keys.
    std::vector<CK_OBJECT_HANDLE> handles;
    handles.reserve(segments.list.size());
    for (CK_PRF_DATA_PARAM& segment : segments.list) {
      if (segment.type != CK_SP800_108_BYTE_ARRAY) continue;
      const auto* from = static_cast<const uint8_t*>(segment.pValue);
      handles.push_back(base_key(session, Bytes(from, from + segment.ulValueLen)));
      segment = {CK_SP800_108_KEY_HANDLE, &handles.back(), sizeof handles.back()};
    }
    EXPECT_FALSE(handles.empty());
    EXPECT_EQ(derived_value(session, kbkdf(type, function, segments.list, iv), key, output.size()), output);
    for (const CK_OBJECT_HANDLE handle : handles) MUST(p11->C_DestroyObject(session, handle));
    MUST(p11->C_DestroyObject(session, key));
  });
}

TEST_F(Kdf, Sp800108KeysAreAsSensitiveAsTheBaseKey) {
  CK_SP800_108_COUNTER_FORMAT counter{CK_FALSE, 32};
  CK_OBJECT_HANDLE closed = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_GENERIC_SECRET_KEY_GEN,
                        {{CKA_VALUE_LEN, 32}, {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}}, &closed));
  CK_OBJECT_HANDLE open = base_key(session, Bytes(32, 1)), input = open;
  std::vector<CK_PRF_DATA_PARAM> segments = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof counter},
                                             {CK_SP800_108_KEY_HANDLE, &input, sizeof input}};
  Template by_default = {{CKA_VALUE_LEN, 16}}, said = shown_secret(16);
  CK_OBJECT_HANDLE handles[2] = {};
  std::vector<CK_DERIVED_KEY> more = {{by_default.data(), by_default.size(), &handles[0]},
                                      {said.data(), said.size(), &handles[1]}};
  const auto expect = [&](CK_OBJECT_HANDLE key, bool sensitive, bool extractable, bool was_secret) {
    EXPECT_EQ(session.flag(key, CKA_SENSITIVE), sensitive);
    EXPECT_EQ(session.flag(key, CKA_EXTRACTABLE), extractable);
    EXPECT_EQ(session.flag(key, CKA_ALWAYS_SENSITIVE), was_secret && sensitive);
    EXPECT_EQ(session.flag(key, CKA_NEVER_EXTRACTABLE), was_secret && !extractable);
  };
  for (const auto& [base, other] : {std::pair{closed, open}, {open, open}, {open, closed}}) {
    input = other;
    const Mechanism mechanism = kbkdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, segments, {}, &more);
    const bool any = base == closed || other == closed;
    expect(derive(session, mechanism, base, {{CKA_VALUE_LEN, 16}}), base == closed, base == open, any);
    expect(handles[0], base == closed, base == open, any);
    expect(handles[1], false, true, any);
    expect(derive(session, mechanism, base, {{CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}}), true, false, any);
  }
}

// CMAC under a known key is a permutation of a block of its data, so the code of (secret key || counter) would reveal
// the secret key.
TEST_F(Kdf, Sp800108WithCmacKeepsTheSecretsOfSegments) {
  CK_SP800_108_COUNTER_FORMAT counter{CK_FALSE, 8};
  const CK_OBJECT_HANDLE known = base_key(session, Bytes(16, 1), CKK_AES);
  CK_OBJECT_HANDLE input = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_AES_KEY_GEN,
                        {{CKA_VALUE_LEN, 16}, {CKA_DERIVE, true}, {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}},
                        &input));
  std::vector<CK_PRF_DATA_PARAM> segments = {{CK_SP800_108_KEY_HANDLE, &input, sizeof input},
                                             {CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof counter}};
  const Mechanism cmac = kbkdf(CKM_SP800_108_COUNTER_KDF, CKM_AES_CMAC, segments);
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, cmac, known, shown_secret(16)));
  const CK_OBJECT_HANDLE made = derive(session, cmac, known, {});
  EXPECT_TRUE(session.flag(made, CKA_SENSITIVE));
  EXPECT_FALSE(session.flag(made, CKA_EXTRACTABLE));
  EXPECT_RV(CKR_OK,
            try_derive(session, kbkdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, segments), known, shown_secret(16)))
      << "HMAC is one way";
}

TEST_F(Kdf, Sp800108KeysAsSegmentsAreChecked) {
  CK_SP800_108_COUNTER_FORMAT counter{CK_FALSE, 32};
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(32, 1));
  const auto answer = [&](CK_OBJECT_HANDLE input, CK_ULONG size = sizeof(CK_OBJECT_HANDLE), bool null = false) {
    std::vector<CK_PRF_DATA_PARAM> segments = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof counter},
                                               {CK_SP800_108_KEY_HANDLE, null ? nullptr : &input, size}};
    return try_derive(session, kbkdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, segments), key, shown_secret(16));
  };
  EXPECT_RV(CKR_OK, answer(key)) << "the base key itself";
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer(CK_INVALID_HANDLE));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer(kAbsurd));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(session.generate_ec(kP256).private_key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, answer(secret_key(session, CKK_AES, Bytes(16, 1))));
  const Template only = {
      {CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET}, {CKA_VALUE, Bytes(16, 1)}, {CKA_DERIVE, true}};
  const auto allowed = [&](CK_ULONG type) {
    return session.create(only.with({{CKA_ALLOWED_MECHANISMS, bytes_of(type)}}));
  };
  EXPECT_RV(CKR_MECHANISM_INVALID, answer(allowed(CKM_SHA256_KEY_DERIVATION)));
  EXPECT_RV(CKR_OK, answer(allowed(CKM_SP800_108_COUNTER_KDF)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(key, 4));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(key, sizeof(CK_OBJECT_HANDLE), true));
}

TEST_F(Kdf, Sp800108DerivesSeveralKeysAtOnce) {
  CK_SP800_108_COUNTER_FORMAT counter{CK_FALSE, 32};
  CK_SP800_108_DKM_LENGTH_FORMAT length{CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_FALSE, 16};
  Bytes label = bytes("label");
  std::vector<CK_PRF_DATA_PARAM> segments = {{CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof counter},
                                             {CK_SP800_108_BYTE_ARRAY, label.data(), label.size()},
                                             {CK_SP800_108_DKM_LENGTH, &length, sizeof length}};
  const Bytes value(32, 0x4b);
  const CK_OBJECT_HANDLE key = base_key(session, value), judge = base_key(session, value, CKK_SHA256_HMAC);
  Template second = shown_secret(40), third = shown_secret(16).with({{CKA_KEY_TYPE, CKK_AES}});
  CK_OBJECT_HANDLE handles[2] = {};
  std::vector<CK_DERIVED_KEY> more = {{second.data(), second.size(), &handles[0]},
                                      {third.data(), third.size(), &handles[1]}};
  const Mechanism mechanism = kbkdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, segments, {}, &more);
  const CK_OBJECT_HANDLE first = derive(session, mechanism, key, shown_secret(16));
  // The keys have 16 + 40 + 16 bytes: 576 bits. Each key begins with a new block.
  const auto block = [&](const char* number) {
    return session.sign(CKM_SHA256_HMAC, judge, from_hex(number) + label + from_hex("0240"));
  };
  const auto begin = [](Bytes bytes, size_t size) {
    bytes.resize(size);
    return bytes;
  };
  EXPECT_EQ(session.get(first, CKA_VALUE), begin(block("00000001"), 16));
  EXPECT_EQ(session.get(handles[0], CKA_VALUE), begin(block("00000002") + block("00000003"), 40));
  EXPECT_EQ(session.get(handles[1], CKA_VALUE), begin(block("00000004"), 16));
  EXPECT_EQ(session.number(handles[1], CKA_KEY_TYPE), CKK_AES);

  // Either all keys are made or none.
  third = shown_secret(17).with({{CKA_KEY_TYPE, CKK_AES}});
  more[1] = {third.data(), third.size(), &handles[1]};
  const size_t before = session.find({{CKA_CLASS, CKO_SECRET_KEY}}).size();
  const auto offends = [&](CK_RV rv, const Template& of_first, std::initializer_list<bool> expected) {
    CK_OBJECT_HANDLE made = handles[0] = handles[1] = 4711;
    EXPECT_RV(rv, try_derive(session, kbkdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, segments, {}, &more), key,
                             of_first, &made));
    const bool bad[] = {made == CK_INVALID_HANDLE, handles[0] == CK_INVALID_HANDLE, handles[1] == CK_INVALID_HANDLE};
    EXPECT_TRUE(std::equal(std::begin(bad), std::end(bad), expected.begin()));
    EXPECT_EQ(session.find({{CKA_CLASS, CKO_SECRET_KEY}}).size(), before);
  };
  offends(CKR_TEMPLATE_INCONSISTENT, shown_secret(16), {false, false, true});
  third = shown_secret(16).with({{CKA_CHECK_VALUE, Bytes(3, 1)}});
  more[1] = {third.data(), third.size(), &handles[1]};
  offends(CKR_ATTRIBUTE_VALUE_INVALID, shown_secret(16), {false, false, true});
  second = {{CKA_TOKEN, Bytes(3, 1)}};
  more[0] = {second.data(), second.size(), &handles[0]};
  offends(CKR_ATTRIBUTE_VALUE_INVALID, shown_secret(16), {false, true, false});
  offends(CKR_TEMPLATE_INCONSISTENT, shown_secret(17).with({{CKA_KEY_TYPE, CKK_AES}}), {true, false, false});
  offends(CKR_ATTRIBUTE_VALUE_INVALID, {{CKA_SENSITIVE, Bytes(3, 1)}}, {true, false, false});
  second = third = shown_secret(16);
  more = {{second.data(), second.size(), &handles[0]}, {third.data(), third.size(), nullptr}};
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, kbkdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, segments, {}, &more), key, {}));
}

TEST_F(Kdf, Sp800108RejectsBadParameters) {
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(32, 1));
  CK_SP800_108_COUNTER_FORMAT good{CK_FALSE, 32}, wide{CK_FALSE, 40}, odd{CK_FALSE, 12}, absurd{CK_FALSE, kAbsurd};
  CK_SP800_108_DKM_LENGTH_FORMAT length{3, CK_FALSE, 16};
  using List = std::vector<CK_PRF_DATA_PARAM>;
  const auto counter = [](CK_SP800_108_COUNTER_FORMAT& format) {
    return CK_PRF_DATA_PARAM{CK_SP800_108_ITERATION_VARIABLE, &format, sizeof format};
  };
  const auto answer = [&](List segments, CK_MECHANISM_TYPE function = CKM_SHA256_HMAC,
                          CK_MECHANISM_TYPE type = CKM_SP800_108_COUNTER_KDF) {
    return try_derive(session, kbkdf(type, function, segments), key, shown_secret(16));
  };
  EXPECT_RV(CKR_OK, answer({counter(good)}));
  for (const List& bad :
       {List{}, List{counter(wide)}, List{counter(odd)}, List{counter(absurd)}, List{counter(good), counter(good)},
        List{counter(good), {CK_SP800_108_COUNTER, &good, sizeof good}},
        List{counter(good), {CK_SP800_108_DKM_LENGTH, &length, sizeof length}},
        List{counter(good), {CK_SP800_108_DKM_LENGTH, &length, 3}},
        List{counter(good), {CK_SP800_108_DKM_LENGTH, nullptr, sizeof length}}, List{counter(good), {9, nullptr, 0}},
        List{counter(good), {CK_SP800_108_BYTE_ARRAY, nullptr, 4}},
        List{counter(good), {CK_SP800_108_BYTE_ARRAY, &good, kAbsurd}}})
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(bad));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer({counter(good)}, CKM_SHA256));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer({counter(good)}, CKM_SHA256_HMAC_GENERAL));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer({counter(good)}, CKM_AES_CMAC)) << "CMAC needs an AES key";
  for (const CK_MECHANISM_TYPE type : {CKM_SP800_108_FEEDBACK_KDF, CKM_SP800_108_DOUBLE_PIPELINE_KDF}) {
    EXPECT_RV(CKR_OK, answer({{CK_SP800_108_ITERATION_VARIABLE, nullptr, 0}}, CKM_SHA256_HMAC, type));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              answer({{CK_SP800_108_ITERATION_VARIABLE, &good, 3}}, CKM_SHA256_HMAC, type));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer({}, CKM_SHA256_HMAC, type));
  }
  CK_SP800_108_KDF_PARAMS many{CKM_SHA256_HMAC, kAbsurd, nullptr, 0, nullptr};
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, Mechanism::with_parameter(CKM_SP800_108_COUNTER_KDF, bytes_of(many)), key, {}));
  many.ulNumberOfDataParams = 1;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, Mechanism::with_parameter(CKM_SP800_108_COUNTER_KDF, bytes_of(many)), key, {}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, CKM_SP800_108_FEEDBACK_KDF, key, {}));
}

// --- PBKDF2 ---

Mechanism pbkdf2(CK_ULONG function, const Bytes& password, const Bytes& salt, CK_ULONG iterations,
                 CK_ULONG source = CKZ_SALT_SPECIFIED) {
  return Mechanism::with_parameter(
      CKM_PKCS5_PBKD2, bytes_of(CK_PKCS5_PBKD2_PARAMS2{source, bytes_pointer(salt), salt.size(), iterations, function,
                                                       nullptr, 0, bytes_pointer(password), password.size()}));
}

TEST_F(Kdf, Pbkdf2MatchesThePublishedVectors) {
  const std::map<std::string, CK_ULONG> kFunctions = {{"sha1", CKP_PKCS5_PBKD2_HMAC_SHA1},
                                                      {"sha224", CKP_PKCS5_PBKD2_HMAC_SHA224},
                                                      {"sha256", CKP_PKCS5_PBKD2_HMAC_SHA256},
                                                      {"sha384", CKP_PKCS5_PBKD2_HMAC_SHA384},
                                                      {"sha512", CKP_PKCS5_PBKD2_HMAC_SHA512},
                                                      {"sha512/224", CKP_PKCS5_PBKD2_HMAC_SHA512_224},
                                                      {"sha512/256", CKP_PKCS5_PBKD2_HMAC_SHA512_256}};
  std::map<std::string, int> seen;
  for_each_line("pbkdf2_hashes.txt", [&](const Line& line) {
    const auto function = kFunctions.find(line.text("hash"));
    if (function == kFunctions.end()) return;  // PKCS#11 has no number for the others
    ++seen[line.text("hash")];
    const Bytes output = line.bytes("output");
    const Bytes secret = line.bytes("secret"), salt = line.bytes("salt");
    const Mechanism mechanism = pbkdf2(function->second, secret, salt, std::stoul(line.text("iterations")));
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    MUST(try_generate_key(session, mechanism, shown_secret(output.size()), &key));
    EXPECT_EQ(session.get(key, CKA_VALUE), output);
    EXPECT_TRUE(session.flag(key, CKA_LOCAL));
    EXPECT_EQ(session.number(key, CKA_KEY_GEN_MECHANISM), CKM_PKCS5_PBKD2);
  });
  EXPECT_EQ(seen.size(), kFunctions.size());
}

TEST_F(Kdf, Pbkdf2RejectsBadParameters) {
  const Bytes salt(8, 1), password = bytes("password");
  const auto answer = [&](const Mechanism& mechanism, Template wanted = shown_secret(16)) {
    return try_generate_key(session, mechanism, std::move(wanted));
  };
  const CK_ULONG sha256 = CKP_PKCS5_PBKD2_HMAC_SHA256;
  EXPECT_RV(CKR_OK, answer(pbkdf2(sha256, password, salt, 1)));
  EXPECT_RV(CKR_OK, answer(pbkdf2(sha256, password, salt, 1), {{CKA_KEY_TYPE, CKK_CHACHA20}})) << "one length";
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(pbkdf2(2, password, salt, 1))) << "GOST";
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(pbkdf2(sha256, password, salt, 0)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(pbkdf2(sha256, password, salt, kAbsurd)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(pbkdf2(sha256, password, salt, 1, 0)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(CKM_PKCS5_PBKD2));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer(pbkdf2(sha256, password, salt, 1), {{CKA_KEY_TYPE, CKK_AES}}));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer(pbkdf2(sha256, password, salt, 1), {}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(pbkdf2(sha256, password, salt, 1), shown_secret(255 * 64 + 1)));
}

// CK_PKCS5_PBKD2_PARAMS of 2.40 points to the length of the password; NSS passes it.
TEST_F(Kdf, Pbkdf2TakesTheLengthOfThePasswordByAddress) {
  const Bytes salt(8, 1);
  Bytes password(65536, 'p');
  const auto with_length = [&](CK_ULONG length_or_address, CK_OBJECT_HANDLE* key = nullptr) {
    const CK_PKCS5_PBKD2_PARAMS2 old{
        CKZ_SALT_SPECIFIED, bytes_pointer(salt), 8, 1, CKP_PKCS5_PBKD2_HMAC_SHA256, nullptr, 0,
        password.data(),    length_or_address};
    return try_generate_key(session, Mechanism::with_parameter(CKM_PKCS5_PBKD2, bytes_of(old)), shown_secret(32), key);
  };
  const auto value = [&](CK_ULONG length_or_address) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    MUST(with_length(length_or_address, &key));
    return session.get(key, CKA_VALUE);
  };
  const auto openssl = [&](CK_ULONG bytes) {
    Bytes out(32);
    EXPECT_EQ(PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(password.data()), static_cast<int>(bytes), salt.data(), 8,
                                1, EVP_sha256(), 32, out.data()),
              1);
    return out;
  };
  // Two pages, the second of which cannot be read.
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* mapped = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  ASSERT_EQ(munmap(static_cast<uint8_t*>(mapped) + page, page), 0);
  const auto first = reinterpret_cast<CK_ULONG>(mapped);
  const auto put = [&](size_t at, CK_ULONG length) {
    std::memcpy(static_cast<uint8_t*>(mapped) + at, &length, sizeof length);
    return first + at;
  };
  for (const CK_ULONG bytes : {CK_ULONG{0}, CK_ULONG{1}, CK_ULONG{65535}}) {
    SCOPED_TRACE(bytes);
    EXPECT_EQ(value(bytes), openssl(bytes)) << "the length itself";
    EXPECT_EQ(value(put(16, bytes)), openssl(bytes));
    EXPECT_EQ(value(put(17, bytes)), openssl(bytes)) << "at an odd address";
    EXPECT_EQ(value(put(page - sizeof bytes, bytes)), openssl(bytes)) << "at the end of a page";
  }
  const CK_RV invalid = CKR_MECHANISM_PARAM_INVALID;
  for (const CK_ULONG bytes : {CK_ULONG{65536}, first, kAbsurd}) EXPECT_RV(invalid, with_length(put(16, bytes)));
  put(page - sizeof bytes_of(first).size(), 0);
  for (const CK_ULONG nowhere :
       {CK_ULONG{65536}, first + page, first + page - 1, first + page - 7, kAbsurd, kAbsurd - 7, CK_ULONG{1} << 63})
    EXPECT_RV(invalid, with_length(nowhere)) << nowhere;
  ASSERT_EQ(mprotect(mapped, page, PROT_NONE), 0);
  EXPECT_RV(invalid, with_length(first + 16)) << "mapped, but not readable";
  munmap(mapped, page);
}

// A container's filter may reject the system call by which the module reads the length, or not know it.
TEST_F(Kdf, Pbkdf2WithAFilteredKernelCallTakesLengthsOnly) {
  const Bytes salt(8, 1), password = bytes("password");
  const CK_ULONG length = password.size();
  const auto with_length = [&](CK_ULONG length_or_address) {
    const CK_PKCS5_PBKD2_PARAMS2 old{
        CKZ_SALT_SPECIFIED,      bytes_pointer(salt), 8, 1, CKP_PKCS5_PBKD2_HMAC_SHA256, nullptr, 0,
        bytes_pointer(password), length_or_address};
    return try_generate_key(session, Mechanism::with_parameter(CKM_PKCS5_PBKD2, bytes_of(old)), shown_secret(32));
  };
  const auto address = reinterpret_cast<CK_ULONG>(&length);
  ASSERT_EQ(rv_name(with_length(address)), "CKR_OK");
  for (const int error : {EPERM, ENOSYS}) {
    SCOPED_TRACE(error);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      sock_filter rules[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
                             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
                             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
      const sock_fprog program = {std::size(rules), rules};
      if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(3);
      if (with_length(length) != CKR_OK) _exit(4);
      _exit(with_length(address) == CKR_MECHANISM_PARAM_INVALID ? 0 : 5);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

// --- TLS 1.2 ---

/// The randoms of a vector whose seed is both, one after the other.
struct Randoms {
  Bytes first, second;
  explicit Randoms(const Bytes& seed)
      : first(seed.begin(), seed.begin() + static_cast<ptrdiff_t>(seed.size() / 2)),
        second(seed.begin() + static_cast<ptrdiff_t>(seed.size() / 2), seed.end()) {}
  CK_SSL3_RANDOM_DATA info(bool server_first = false) const {
    const Bytes& client = server_first ? second : first;
    const Bytes& server = server_first ? first : second;
    return {bytes_pointer(client), client.size(), bytes_pointer(server), server.size()};
  }
};

CK_MECHANISM_TYPE hash_of(const Line& line) { return hash_row(line.text("hash")).digest; }
std::string label_of(const Line& line) {
  const Bytes bytes = line.bytes("label");
  return {bytes.begin(), bytes.end()};
}

TEST_F(Kdf, TlsMatchesThePublishedVectors) {
  std::map<std::string, int> seen;
  for_each_line("tls_prf.txt", [&](const Line& line) {
    const std::string label = label_of(line);
    ++seen[label];
    const Bytes seed = line.bytes("seed"), output = line.bytes("output"), label_bytes = line.bytes("label");
    const Randoms random(seed);
    const CK_OBJECT_HANDLE key = base_key(session, line.bytes("secret"));
    for (const CK_MECHANISM_TYPE type : {CKM_TLS_KDF, CKM_TLS12_KDF}) {
      const CK_TLS_KDF_PARAMS kdf{
          hash_of(line), bytes_pointer(label_bytes), label_bytes.size(), random.info(), nullptr, 0};
      EXPECT_EQ(derived_value(session, Mechanism::with_parameter(type, bytes_of(kdf)), key, output.size()), output);
    }
    if (label == "master secret") {
      CK_VERSION version{};
      CK_TLS12_MASTER_KEY_DERIVE_PARAMS master{random.info(), &version, hash_of(line)};
      EXPECT_EQ(
          derived_value(session, Mechanism::with_parameter(CKM_TLS12_MASTER_KEY_DERIVE, bytes_of(master)), key, 0),
          output);
      EXPECT_EQ(version.major, line.bytes("secret")[0]);
      EXPECT_EQ(version.minor, line.bytes("secret")[1]);
      master.pVersion = nullptr;
      EXPECT_EQ(
          derived_value(session, Mechanism::with_parameter(CKM_TLS12_MASTER_KEY_DERIVE_DH, bytes_of(master)), key, 48),
          output);
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                try_derive(session, Mechanism::with_parameter(CKM_TLS12_MASTER_KEY_DERIVE, bytes_of(master)), key, {}));
      EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
                try_derive(session, Mechanism::with_parameter(CKM_TLS12_MASTER_KEY_DERIVE_DH, bytes_of(master)), key,
                           shown_secret(47)));
    }
    if (label == "client finished" || label == "server finished") {
      for (const CK_MECHANISM_TYPE type : {CKM_TLS_MAC, CKM_TLS12_MAC}) {
        const Mechanism mac = Mechanism::with_parameter(
            type, bytes_of(CK_TLS_MAC_PARAMS{hash_of(line), 12, label == "server finished" ? 1UL : 2UL}));
        const Bytes code(output.begin(), output.begin() + 12);
        EXPECT_EQ(session.sign(mac, key, seed), code);
        EXPECT_EQ(session.sign_in_parts(mac, key, seed), code);
        EXPECT_RV(CKR_OK, session.try_verify(mac, key, seed, code));
        EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mac, key, seed + Bytes{0}, code));
        EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, session.try_verify(mac, key, seed, output));
      }
    }
    if (label == "key expansion" && output.size() >= 2 * (20 + 16 + 8)) {
      const size_t mac = 20, cipher = 16, iv = 8;
      Bytes client_iv(iv), server_iv(iv);
      CK_SSL3_KEY_MAT_OUT out{0, 0, 0, 0, client_iv.data(), server_iv.data()};
      // The seed of the key expansion begins with the server's random.
      CK_TLS12_KEY_MAT_PARAMS parameters{8 * mac, 8 * cipher, 8 * iv, CK_FALSE, random.info(true), &out, hash_of(line)};
      Template wanted = shown_secret(0).with({{CKA_KEY_TYPE, CKK_AES}, {CKA_DECRYPT, false}, {CKA_WRAP, true}});
      Mechanism mechanism = Mechanism::with_parameter(CKM_TLS12_KEY_AND_MAC_DERIVE, bytes_of(parameters));
      EXPECT_RV(CKR_OK, p11->C_DeriveKey(session, mechanism.get(), key, wanted.data(), wanted.size(), nullptr));
      size_t at = 0;
      const auto next = [&](size_t bytes) {
        at += bytes;
        return Bytes(output.begin() + static_cast<ptrdiff_t>(at - bytes), output.begin() + static_cast<ptrdiff_t>(at));
      };
      EXPECT_EQ(session.get(out.hClientMacSecret, CKA_VALUE), next(mac));
      EXPECT_EQ(session.get(out.hServerMacSecret, CKA_VALUE), next(mac));
      EXPECT_EQ(session.get(out.hClientKey, CKA_VALUE), next(cipher));
      EXPECT_EQ(session.get(out.hServerKey, CKA_VALUE), next(cipher));
      EXPECT_EQ(client_iv, next(iv));
      EXPECT_EQ(server_iv, next(iv));
      EXPECT_EQ(session.number(out.hClientKey, CKA_KEY_TYPE), CKK_AES);
      EXPECT_EQ(session.number(out.hClientMacSecret, CKA_KEY_TYPE), CKK_GENERIC_SECRET);
      for (const CK_OBJECT_HANDLE secret : {out.hClientMacSecret, out.hServerMacSecret}) {
        for (const CK_ATTRIBUTE_TYPE use : {CKA_SIGN, CKA_VERIFY}) EXPECT_TRUE(session.flag(secret, use)) << use;
        for (const CK_ATTRIBUTE_TYPE use : {CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE, CKA_WRAP, CKA_UNWRAP})
          EXPECT_FALSE(session.flag(secret, use)) << use;
      }
      for (const CK_OBJECT_HANDLE write_key : {out.hClientKey, out.hServerKey}) {
        for (const CK_ATTRIBUTE_TYPE use : {CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE})
          EXPECT_EQ(session.flag(write_key, use), use != CKA_DECRYPT) << use;
      }
      // The safe form returns no vectors. Without a MAC there are no MAC secrets.
      const CK_OBJECT_HANDLE client_key = out.hClientKey;
      parameters.ulMacSizeInBits = 0;
      std::fill(client_iv.begin(), client_iv.end(), 0);
      mechanism = Mechanism::with_parameter(CKM_TLS12_KEY_SAFE_DERIVE, bytes_of(parameters));
      EXPECT_RV(CKR_OK, p11->C_DeriveKey(session, mechanism.get(), key, wanted.data(), wanted.size(), nullptr));
      EXPECT_EQ(out.hClientMacSecret, CK_INVALID_HANDLE);
      EXPECT_NE(out.hClientKey, client_key);
      EXPECT_EQ(client_iv, Bytes(iv));
      // The keys are as sensitive as the master secret.
      EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, mechanism, key, wanted.with({{CKA_SENSITIVE, true}})));
      parameters.ulKeySizeInBits = 8 * 17;
      EXPECT_RV(
          CKR_TEMPLATE_INCONSISTENT,
          try_derive(session, Mechanism::with_parameter(CKM_TLS12_KEY_SAFE_DERIVE, bytes_of(parameters)), key, wanted));
      parameters.ulKeySizeInBits = 8 * 16 + 1;
      EXPECT_RV(
          CKR_MECHANISM_PARAM_INVALID,
          try_derive(session, Mechanism::with_parameter(CKM_TLS12_KEY_SAFE_DERIVE, bytes_of(parameters)), key, wanted));
    }
  });
  EXPECT_GT(seen["master secret"], 0);
  EXPECT_GT(seen["key expansion"], 0);
  EXPECT_GT(seen["client finished"], 0);
}

TEST_F(Kdf, TlsExtendedMasterSecretMatchesThePublishedVectors) {
  for_each_line("tls_extended_master.txt", [&](const Line& line) {
    const Bytes hash = line.bytes("session"), premaster = line.bytes("secret");
    const CK_OBJECT_HANDLE key = base_key(session, premaster);
    CK_VERSION version{};
    CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS parameters{hash_of(line), bytes_pointer(hash), hash.size(), &version};
    const auto master = [&](CK_MECHANISM_TYPE type) {
      return to_hex(derived_value(session, Mechanism::with_parameter(type, bytes_of(parameters)), key, 0));
    };
    EXPECT_EQ(master(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE), line.text("master"));
    EXPECT_EQ(version.major, premaster[0]);
    EXPECT_EQ(version.minor, premaster[1]);
    parameters.pVersion = nullptr;
    EXPECT_EQ(master(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH), line.text("master"));
  });
}

TEST_F(Kdf, TlsExtendedMasterSecretIsThePrfOfTheSessionHash) {
  // RFC 7627, 4: PRF(pre_master_secret, "extended master secret", session_hash); the PRF has its vectors above.
  const Bytes premaster = Bytes{3, 3} + Bytes(46, 7), hash(32, 0xAB), label = bytes("extended master secret");
  const CK_OBJECT_HANDLE key = base_key(session, premaster), longer = base_key(session, premaster + premaster);
  const Randoms random(hash);
  const CK_TLS_KDF_PARAMS prf{CKM_SHA256, bytes_pointer(label), label.size(), random.info(), nullptr, 0};
  const auto expected = [&](CK_OBJECT_HANDLE base) {
    return derived_value(session, Mechanism::with_parameter(CKM_TLS_KDF, bytes_of(prf)), base, 48);
  };
  CK_VERSION version{};
  CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS parameters{CKM_SHA256, bytes_pointer(hash), hash.size(), &version};
  const auto mechanism = [&](CK_MECHANISM_TYPE type) { return Mechanism::with_parameter(type, bytes_of(parameters)); };
  EXPECT_EQ(derived_value(session, mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE), key, 0), expected(key));
  EXPECT_EQ(version.major, 3);
  EXPECT_RV(CKR_KEY_SIZE_RANGE, try_derive(session, mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE), longer, {}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH), key, {}));
  parameters.pVersion = nullptr;
  EXPECT_EQ(derived_value(session, mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH), longer, 0), expected(longer));
  parameters.ulSessionHashLen = 0;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH), key, {}));
  parameters.ulSessionHashLen = 32;
  parameters.prfHashMechanism = CKM_TLS_PRF;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, mechanism(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH), key, {}));
}

// 6.40: the new key is at least as sensitive as its base key; everything else comes from the template, or from the base
// key.
TEST_F(Kdf, TlsKdfKeysAreAtLeastAsSensitive) {
  const Bytes label = bytes("EXPORTER-test"), seed(64, 5);
  const Randoms random(seed);
  const CK_TLS_KDF_PARAMS kdf{CKM_SHA256, bytes_pointer(label), label.size(), random.info(), nullptr, 0};
  const Template wanted = {{CKA_VALUE_LEN, 32}};
  const Template closed = wanted.with({{CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}});
  for (const CK_MECHANISM_TYPE type : {CKM_TLS_KDF, CKM_TLS12_KDF}) {
    const Mechanism mechanism = Mechanism::with_parameter(type, bytes_of(kdf));
    CK_OBJECT_HANDLE base = CK_INVALID_HANDLE;
    MUST(try_generate_key(session, CKM_GENERIC_SECRET_KEY_GEN,
                          {{CKA_VALUE_LEN, 48}, {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}}, &base));
    CK_OBJECT_HANDLE made = derive(session, mechanism, base, wanted);
    for (const CK_ATTRIBUTE_TYPE flag : {CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE})
      EXPECT_TRUE(session.flag(made, flag)) << flag;
    EXPECT_FALSE(session.flag(made, CKA_EXTRACTABLE));
    EXPECT_RV(CKR_OK, try_derive(session, mechanism, base, closed));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, mechanism, base, wanted.with({{CKA_SENSITIVE, false}})));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, mechanism, base, wanted.with({{CKA_EXTRACTABLE, true}})));

    base = base_key(session, Bytes(48, 1));
    made = derive(session, mechanism, base, wanted);
    EXPECT_FALSE(session.flag(made, CKA_SENSITIVE));
    EXPECT_TRUE(session.flag(made, CKA_EXTRACTABLE)) << "as the base key";
    made = derive(session, mechanism, base, closed);
    EXPECT_TRUE(session.flag(made, CKA_SENSITIVE));
    for (const CK_ATTRIBUTE_TYPE flag : {CKA_EXTRACTABLE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE})
      EXPECT_FALSE(session.flag(made, flag)) << flag;
  }
}

TEST_F(Kdf, TlsDerivationsRejectBadParameters) {
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(48, 1));
  for (const CK_MECHANISM_TYPE type :
       {CKM_TLS12_MASTER_KEY_DERIVE, CKM_TLS12_MASTER_KEY_DERIVE_DH, CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
        CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_KEY_SAFE_DERIVE, CKM_TLS_KDF,
        CKM_TLS12_KDF}) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, type, key, {}));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, Mechanism::with_parameter(type, Bytes(9)), key, {}));
    EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, try_derive(session, type, base_key(session, Bytes(32, 1), CKK_AES), {}));
  }
  const auto mac = [](CK_MECHANISM_TYPE hash, CK_ULONG bytes, CK_ULONG side) {
    return Mechanism::with_parameter(CKM_TLS_MAC, bytes_of(CK_TLS_MAC_PARAMS{hash, bytes, side}));
  };
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(mac(CKM_SHA256, 12, 0), key, bytes("m")));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(mac(CKM_SHA256, 12, 3), key, bytes("m")));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(mac(CKM_SHA256, 0, 1), key, bytes("m")));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(mac(CKM_SHA256, 11, 1), key, bytes("m")));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(mac(CKM_SHA256, CK_ULONG{1} << 24, 1), key, bytes("m")));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(mac(CKM_TLS_PRF, 13, 1), key, bytes("m")))
      << "12 bytes in TLS 1.0 and 1.1";
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(mac(CKM_MD5, 12, 1), key, bytes("m")));
}

// 6.40: any data, and a code of 12 bytes or more.
TEST_F(Kdf, TlsMacCodesHaveTheLengthOfTheParameter) {
  const Bytes data(5000, 0x2F), label = bytes("client finished");
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(48, 3));
  for (const CK_ULONG bytes : {12, 65, 1000}) {
    const Mechanism mac = Mechanism::with_parameter(CKM_TLS_MAC, bytes_of(CK_TLS_MAC_PARAMS{CKM_SHA256, bytes, 2}));
    const Randoms halves(data);
    const CK_TLS_KDF_PARAMS kdf{CKM_SHA256, bytes_pointer(label), label.size(), halves.info(), nullptr, 0};
    // The same function, which has its vectors above.
    const Bytes expected = derived_value(session, Mechanism::with_parameter(CKM_TLS_KDF, bytes_of(kdf)), key, bytes);
    EXPECT_EQ(session.sign(mac, key, data), expected);
    EXPECT_EQ(session.sign_in_parts(mac, key, data), expected);
    EXPECT_RV(CKR_OK, session.try_verify(mac, key, data, expected));
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mac, key, data + Bytes{0}, expected));
  }
}

// CKM_TLS_PRF in the place of a hash: the function of TLS 1.0 and 1.1.
TEST_F(Kdf, Tls10MatchesThePublishedVectors) {
  size_t finished = 0, exported = 0;
  for_each_line("tls10_prf.txt", [&](const Line& line) {
    const Bytes seed = line.bytes("seed"), output = line.bytes("output"), label_bytes = line.bytes("label");
    const std::string label = label_of(line);
    const CK_OBJECT_HANDLE key = base_key(session, line.bytes("secret"));
    const Randoms random(seed);
    for (const CK_MECHANISM_TYPE type : {CKM_TLS_KDF, CKM_TLS12_KDF}) {
      const CK_TLS_KDF_PARAMS kdf{
          CKM_TLS_PRF, bytes_pointer(label_bytes), label_bytes.size(), random.info(), nullptr, 0};
      EXPECT_EQ(derived_value(session, Mechanism::with_parameter(type, bytes_of(kdf)), key, output.size()), output);
    }
    ++exported;
    if (label != "client finished" && label != "server finished") return;
    for (const CK_MECHANISM_TYPE type : {CKM_TLS_MAC, CKM_TLS12_MAC}) {
      const Mechanism mac = Mechanism::with_parameter(
          type, bytes_of(CK_TLS_MAC_PARAMS{CKM_TLS_PRF, 12, label == "server finished" ? 1UL : 2UL}));
      EXPECT_EQ(session.sign(mac, key, seed), output);
      EXPECT_RV(CKR_OK, session.try_verify(mac, key, seed, output));
      EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mac, key, seed + Bytes{0}, output));
    }
    ++finished;
  });
  EXPECT_GT(exported, finished);
  EXPECT_EQ(finished, 2u);
}

// 6.40: a master secret is for keys and codes of TLS only.
TEST_F(Kdf, TlsMasterSecretsAreForTls) {
  const Bytes seed(64, 9), label = bytes("EXPORTER-x"), hash(32, 1);
  const Randoms random(seed);
  const CK_OBJECT_HANDLE premaster = base_key(session, Bytes{3, 3} + Bytes(46, 7));
  const auto list = [](std::initializer_list<CK_ULONG> types) {
    Bytes bytes;
    for (const CK_ULONG type : types) bytes = bytes + bytes_of(type);
    return bytes;
  };
  const Bytes four = list({CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_KEY_SAFE_DERIVE, CKM_TLS_KDF, CKM_TLS_MAC});
  const CK_TLS12_MASTER_KEY_DERIVE_PARAMS agreed{random.info(), nullptr, CKM_SHA256};
  const CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS extended{CKM_SHA256, bytes_pointer(hash), hash.size(), nullptr};
  for (const Mechanism& mechanism :
       {Mechanism::with_parameter(CKM_TLS12_MASTER_KEY_DERIVE_DH, bytes_of(agreed)),
        Mechanism::with_parameter(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, bytes_of(extended))}) {
    const Template open = shown_secret(48);
    const CK_OBJECT_HANDLE master = derive(session, mechanism, premaster, open.with({{CKA_SIGN, true}}));
    EXPECT_EQ(session.get(master, CKA_ALLOWED_MECHANISMS), four + list({CKM_TLS12_KDF, CKM_TLS12_MAC}));
    CK_SSL3_KEY_MAT_OUT out{};
    const CK_TLS12_KEY_MAT_PARAMS keys{0, 128, 0, CK_FALSE, random.info(), &out, CKM_SHA256};
    Template wanted = {{CKA_KEY_TYPE, CKK_AES}};
    for (const CK_MECHANISM_TYPE type : {CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_KEY_SAFE_DERIVE}) {
      Mechanism block = Mechanism::with_parameter(type, bytes_of(keys));
      EXPECT_RV(CKR_OK, p11->C_DeriveKey(session, block.get(), master, wanted.data(), wanted.size(), nullptr));
      for (const CK_ATTRIBUTE_TYPE use : {CKA_ENCRYPT, CKA_DECRYPT, CKA_DERIVE})
        EXPECT_TRUE(session.flag(out.hClientKey, use)) << use;
    }
    const CK_TLS_KDF_PARAMS kdf{CKM_SHA256, bytes_pointer(label), label.size(), random.info(), nullptr, 0};
    for (const CK_MECHANISM_TYPE type : {CKM_TLS_KDF, CKM_TLS12_KDF})
      EXPECT_RV(CKR_OK, try_derive(session, Mechanism::with_parameter(type, bytes_of(kdf)), master, shown_secret(16)));
    for (const CK_MECHANISM_TYPE type : {CKM_TLS_MAC, CKM_TLS12_MAC}) {
      const Mechanism mac = Mechanism::with_parameter(type, bytes_of(CK_TLS_MAC_PARAMS{CKM_SHA256, 12, 1}));
      EXPECT_EQ(session.sign(mac, master, hash).size(), 12u);
    }
    EXPECT_RV(CKR_MECHANISM_INVALID, try_derive(session, CKM_SHA256_KEY_DERIVATION, master, {}));
    EXPECT_RV(CKR_MECHANISM_INVALID, session.try_sign(CKM_SHA256_HMAC, master, hash));
    const auto with = [&](const Bytes& allowed) { return open.with({{CKA_ALLOWED_MECHANISMS, allowed}}); };
    EXPECT_EQ(session.get(derive(session, mechanism, premaster, with(four)), CKA_ALLOWED_MECHANISMS), four);
    EXPECT_RV(CKR_OK, try_derive(session, mechanism, premaster, with(list({CKM_TLS_MAC}))));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_derive(session, mechanism, premaster, with(four + list({CKM_HKDF_DERIVE}))));
  }
}

}  // namespace
}  // namespace vtpm::conformance
