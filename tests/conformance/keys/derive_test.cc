// SPDX-License-Identifier: Apache-2.0
// C_DeriveKey (PKCS#11 3.2, 5.18) and the derivations of 3.1: vectors of their standards, templates, inheritance,
// errors.
#include <algorithm>
#include <sstream>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

using Derive = WithUser;

CK_OBJECT_HANDLE base_key(Session& session, const Bytes& value, CK_KEY_TYPE type = CKK_GENERIC_SECRET) {
  return session.create({{CKA_CLASS, CKO_SECRET_KEY},
                         {CKA_KEY_TYPE, type},
                         {CKA_VALUE, value},
                         {CKA_DERIVE, true},
                         {CKA_SENSITIVE, false},
                         {CKA_EXTRACTABLE, true}});
}

Mechanism ecdh(const Bytes& point, CK_ULONG kdf = CKD_NULL, const Bytes& shared_data = {},
               CK_MECHANISM_TYPE type = CKM_ECDH1_DERIVE) {
  return Mechanism::with_parameter(
      type, bytes_of(CK_ECDH1_DERIVE_PARAMS{kdf, shared_data.size(),
                                            shared_data.empty() ? nullptr : bytes_pointer(shared_data), point.size(),
                                            bytes_pointer(point)}));
}

Template ec_private(const std::string& curve, const Bytes& scalar) {
  return {{CKA_CLASS, CKO_PRIVATE_KEY},
          {CKA_KEY_TYPE, CKK_EC},
          {CKA_DERIVE, true},
          {CKA_EC_PARAMS, curve_parameters(curve)},
          {CKA_VALUE, scalar}};
}

bool in_the_tpm(const std::string& curve) { return curve == "P-256" || curve == "P-384" || curve == "P-521"; }

// --- ECDH ---

TEST_F(Derive, EcdhMatchesThePublishedVectorsInTheTpmAndInSoftware) {
  for_each_line("ecdh.txt", [&](const Line& line) {
    if (!in_the_tpm(line.text("curve"))) return;
    const Template whole = ec_private(line.text("curve"), line.bytes("scalar"));
    const Bytes point = line.bytes("point");
    for (const bool resident : {true, false}) {
      const CK_OBJECT_HANDLE key = session.create(whole.with({{kVtpmResident, resident}}));
      ASSERT_EQ(session.flag(key, kVtpmResident), resident);
      for (const CK_MECHANISM_TYPE type : {CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE}) {
        if (line.text("result") == "good") {
          EXPECT_EQ(derived_value(session, ecdh(point, CKD_NULL, {}, type), key, 0), line.bytes("secret"));
          EXPECT_EQ(derived_value(session, ecdh(peer::octet_string(point), CKD_NULL, {}, type), key, 0),
                    line.bytes("secret"))
              << "the point in a DER OCTET STRING";
        } else {
          EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                    try_derive(session, ecdh(point, CKD_NULL, {}, type), key, shown_secret(0)));
        }
      }
    }
  });
}

/// 02 or 03, then X (SEC 1, 2.3.3).
Bytes compressed(const Bytes& point) {
  Bytes result(point.begin(), point.begin() + static_cast<ptrdiff_t>(point.size() / 2 + 1));
  result[0] = static_cast<uint8_t>(2 + (point.back() & 1));
  return result;
}

TEST_F(Derive, EcdhTakesCompressedPoints) {
  const auto check = [&](const Line& line, const Bytes& point) {
    const std::string& curve = line.text("curve");
    for (const bool resident : {true, false}) {
      if (resident && !in_the_tpm(curve)) continue;
      const CK_OBJECT_HANDLE key =
          session.create(ec_private(curve, line.bytes("scalar")).with({{kVtpmResident, resident}}));
      for (const Bytes& sent : {point, peer::octet_string(point)}) {
        if (line.text("result") == "good") {
          EXPECT_EQ(derived_value(session, ecdh(sent), key, 0), line.bytes("secret"));
        } else {
          EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, ecdh(sent), key, shown_secret(0)));
        }
      }
    }
  };
  for_each_line("ecdh_compressed.txt", [&](const Line& line) { check(line, line.bytes("point")); });
  for_each_line("ecdh.txt", [&](const Line& line) {
    if (line.text("result") == "good") check(line, compressed(line.bytes("point")));
  });
}

// The vectors of the key derivation functions start from a secret for which no key pair is known. The result for an
// agreed secret is therefore compared with OpenSSL.
TEST_F(Derive, EcdhWithEveryKdfAgreesWithOpenssl) {
  struct Kdf {
    CK_ULONG number;
    const char* hash;
    size_t bytes;
    bool x963;
  };
  const Kdf kKdfs[] = {{CKD_SHA1_KDF, "SHA1", 20, true},
                       {CKD_SHA224_KDF, "SHA224", 28, true},
                       {CKD_SHA256_KDF, "SHA256", 32, true},
                       {CKD_SHA384_KDF, "SHA384", 48, true},
                       {CKD_SHA512_KDF, "SHA512", 64, true},
                       {CKD_SHA3_224_KDF, "SHA3-224", 28, true},
                       {CKD_SHA3_256_KDF, "SHA3-256", 32, true},
                       {CKD_SHA3_384_KDF, "SHA3-384", 48, true},
                       {CKD_SHA3_512_KDF, "SHA3-512", 64, true},
                       {CKD_BLAKE2B_512_KDF, "BLAKE2B-512", 64, false},
                       {CKD_SHA1_KDF_SP800, "SHA1", 20, false},
                       {CKD_SHA224_KDF_SP800, "SHA224", 28, false},
                       {CKD_SHA256_KDF_SP800, "SHA256", 32, false},
                       {CKD_SHA384_KDF_SP800, "SHA384", 48, false},
                       {CKD_SHA512_KDF_SP800, "SHA512", 64, false},
                       {CKD_SHA3_224_KDF_SP800, "SHA3-224", 28, false},
                       {CKD_SHA3_256_KDF_SP800, "SHA3-256", 32, false},
                       {CKD_SHA3_384_KDF_SP800, "SHA3-384", 48, false},
                       {CKD_SHA3_512_KDF_SP800, "SHA3-512", 64, false}};
  const KeyPair mine = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_DERIVE, true}});
  const Bytes point = peer::Key::generate_ec("P-256").ec_point(), info = bytes("shared");
  const Bytes secret = derived_value(session, ecdh(point), mine.private_key, 0);
  for (const Kdf& kdf : kKdfs) {
    SCOPED_TRACE(kdf.number);
    // The two standards for one block: hash(secret || 1 || info) and hash(1 || secret || info).
    const Bytes one = from_hex("00000001"), two = from_hex("00000002");
    const auto block = [&](const Bytes& counter, const Bytes& data) {
      return peer::digest(kdf.hash, (kdf.x963 ? secret + counter : counter + secret) + data);
    };
    EXPECT_EQ(derived_value(session, ecdh(point, kdf.number, info), mine.private_key, kdf.bytes), block(one, info));
    EXPECT_EQ(derived_value(session, ecdh(point, kdf.number), mine.private_key, 0), block(one, {}))
        << "no length: one digest";
    Bytes longer = block(one, info) + block(two, info);
    longer.resize(kdf.bytes + 5);
    EXPECT_EQ(derived_value(session, ecdh(point, kdf.number, info), mine.private_key, kdf.bytes + 5), longer);
  }
}

// The peer knows the agreed secret anyway, and Java's generateSecret reads it. Other derivations have no such default.
TEST_F(Derive, AgreedSecretsAreShownUnlessTheTemplateSaysOtherwise) {
  const KeyPair ec = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {});
  const KeyPair x25519 =
      session.generate(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve_parameters("X25519")}}, {});
  CK_OBJECT_HANDLE group = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DH_PKCS_PARAMETER_GEN, {{CKA_PRIME_BITS, 2048}}, &group));
  const KeyPair dh =
      session.generate(CKM_DH_PKCS_KEY_PAIR_GEN,
                       {{CKA_PRIME, session.get(group, CKA_PRIME)}, {CKA_BASE, session.get(group, CKA_BASE)}}, {});
  const Bytes point = session.get(ec.public_key, CKA_EC_POINT),
              montgomery = session.get(x25519.public_key, CKA_EC_POINT);
  const Mechanism agreed_in_group =
      Mechanism::with_parameter(CKM_DH_PKCS_DERIVE, session.get(dh.public_key, CKA_VALUE));
  for (const auto& [mechanism, base] : {std::pair{ecdh(point), ec.private_key},
                                        {ecdh(point, CKD_SHA256_KDF), ec.private_key},
                                        {ecdh(point, CKD_NULL, {}, CKM_ECDH1_COFACTOR_DERIVE), ec.private_key},
                                        {ecdh(montgomery), x25519.private_key},
                                        {agreed_in_group, dh.private_key}}) {
    const CK_OBJECT_HANDLE open = derive(session, mechanism, base, {});
    EXPECT_TRUE(session.flag(open, CKA_EXTRACTABLE));
    EXPECT_FALSE(session.flag(open, CKA_SENSITIVE));
    EXPECT_FALSE(session.flag(open, CKA_NEVER_EXTRACTABLE));
    EXPECT_GE(session.get(open, CKA_VALUE).size(), 32u);
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
              session.try_get(derive(session, mechanism, base, {{CKA_EXTRACTABLE, false}}), CKA_VALUE));
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE,
              session.try_get(derive(session, mechanism, base, {{CKA_SENSITIVE, true}}), CKA_VALUE));
  }
  constexpr bool no = false;
  const CK_ATTRIBUTE closed = {CKA_EXTRACTABLE, const_cast<bool*>(&no), 1};
  const KeyPair strict =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_DERIVE_TEMPLATE, bytes_of(closed)}});
  EXPECT_FALSE(session.flag(derive(session, ecdh(point), strict.private_key, {}), CKA_EXTRACTABLE));
  const CK_OBJECT_HANDLE base = derive(session, ecdh(point), ec.private_key, {});
  EXPECT_FALSE(session.flag(derive(session, CKM_SHA256_KEY_DERIVATION, base, {}), CKA_EXTRACTABLE));
}

TEST_F(Derive, EcdhDerivesKeysOfEveryType) {
  const KeyPair mine = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_DERIVE, true}});
  const Bytes point = peer::Key::generate_ec("P-256").ec_point();
  const Bytes secret = derived_value(session, ecdh(point), mine.private_key, 0);
  ASSERT_EQ(secret.size(), 32u);
  const Template open = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
  // 6.3.17: a value that is too long loses its first bytes.
  EXPECT_EQ(derived_value(session, ecdh(point), mine.private_key, 20), Bytes(secret.begin() + 12, secret.end()));
  const auto aes = derive(session, ecdh(point), mine.private_key, open.with({{CKA_KEY_TYPE, CKK_AES}}));
  EXPECT_EQ(session.get(aes, CKA_VALUE), secret);
  const auto short_aes =
      derive(session, ecdh(point), mine.private_key, open.with({{CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE_LEN, 16}}));
  EXPECT_EQ(session.get(short_aes, CKA_VALUE), Bytes(secret.begin() + 16, secret.end()));
  EXPECT_EQ(session.number(short_aes, CKA_VALUE_LEN), 16u);
  const auto chacha = derive(session, ecdh(point), mine.private_key, open.with({{CKA_KEY_TYPE, CKK_CHACHA20}}));
  EXPECT_EQ(session.get(chacha, CKA_VALUE).size(), 32u);
  // The derived key can be used.
  EXPECT_EQ(session.encrypt(CKM_AES_ECB, aes, Bytes(16)), openssl_encrypt("AES-256-ECB", secret, {}, Bytes(16), false));
  EXPECT_FALSE(session.flag(aes, CKA_LOCAL));
  EXPECT_EQ(session.number(aes, CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
  // Both parties derive the same secret, in the TPM and in software, also as token objects.
  const KeyPair other = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                         {{CKA_DERIVE, true}, {kVtpmResident, false}, {CKA_TOKEN, true}});
  const Bytes my_point = session.get(mine.public_key, CKA_EC_POINT), its = session.get(other.public_key, CKA_EC_POINT);
  EXPECT_EQ(derived_value(session, ecdh(its), mine.private_key, 0),
            derived_value(session, ecdh(my_point), other.private_key, 0));
  const auto kept = derive(session, ecdh(its), mine.private_key,
                           open.with({{CKA_TOKEN, true}, {CKA_LABEL, "agreed"}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET}}));
  EXPECT_TRUE(session.flag(kept, CKA_TOKEN));
  library.restart();
  Session later(slot_of("conformance"));
  later.login();
  EXPECT_EQ(later.get(later.find({{CKA_LABEL, "agreed"}}).at(0), CKA_VALUE).size(), 32u);
}

TEST_F(Derive, EcdhRejectsBadParametersAndPoints) {
  const KeyPair mine = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_DERIVE, true}});
  const CK_OBJECT_HANDLE key = mine.private_key;
  const Bytes point = peer::Key::generate_ec("P-256").ec_point();
  const auto answer = [&](const Mechanism& mechanism, Template wanted) {
    return try_derive(session, mechanism, key, std::move(wanted));
  };
  Bytes compressed(33, 0), infinity = {0}, off_curve = point;
  compressed[0] = 2, compressed[32] = 1;  // of P-256 no point has X = 1
  off_curve.back() ^= 1;
  for (const Bytes& bad :
       {Bytes{}, infinity, compressed, off_curve, Bytes(65, 4), peer::Key::generate_ec("P-384").ec_point()})
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(ecdh(bad), shown_secret(0))) << to_hex(bad);
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(ecdh(point, 0x7777), shown_secret(0)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(ecdh(point, CKD_SHA1_KDF_ASN1), shown_secret(0))) << "of X9.42";
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(ecdh(point, CKD_NULL, bytes("shared")), shown_secret(0)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(CKM_ECDH1_DERIVE, shown_secret(0)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            answer(Mechanism::with_parameter(CKM_ECDH1_DERIVE, Bytes(7)), shown_secret(0)));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(ecdh(point), shown_secret(33))) << "there are 32 bytes";
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(ecdh(point), shown_secret(16).with({{CKA_CLASS, CKO_PRIVATE_KEY}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(ecdh(point), shown_secret(17).with({{CKA_KEY_TYPE, CKK_AES}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, answer(ecdh(point), shown_secret(16).with({{CKA_KEY_TYPE, CKK_DES}})));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer(ecdh(point, CKD_SHA1_KDF), {{CKA_KEY_TYPE, CKK_AES}}))
      << "20 bytes are no AES key";
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, answer(ecdh(point), shown_secret(0).with({{CKA_VALUE, Bytes(32, 1)}})));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, answer(ecdh(point), shown_secret(0).with({{CKA_LOCAL, true}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(ecdh(point), shown_secret(0).with({{CKA_MODULUS_BITS, 1024}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(ecdh(point), shown_secret(0).with({{kVtpmResident, true}})));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, try_derive(session, ecdh(point), mine.public_key, shown_secret(0)));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            try_derive(session, ecdh(point), base_key(session, Bytes(16, 1)), shown_secret(0)));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            try_derive(session, ecdh(point), session.generate_rsa(1024).private_key, shown_secret(0)));
  const KeyPair no = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_DERIVE, false}});
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, try_derive(session, ecdh(point), no.private_key, shown_secret(0)));
  EXPECT_TRUE(session.find({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_VALUE_LEN, 32}}).empty());
}

TEST_F(Derive, RejectsBadArguments) {
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(16, 1));
  Template wanted = shown_secret(8);
  Mechanism mechanism = CKM_SHA256_KEY_DERIVATION;
  CK_OBJECT_HANDLE made;
  const auto call = [&](CK_MECHANISM* m, CK_OBJECT_HANDLE base, CK_ATTRIBUTE* rows, CK_ULONG count,
                        CK_OBJECT_HANDLE* to) { return p11->C_DeriveKey(session, m, base, rows, count, to); };
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(nullptr, key, wanted.data(), wanted.size(), &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(mechanism.get(), key, nullptr, 1, &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(mechanism.get(), key, wanted.data(), kAbsurd, &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(mechanism.get(), key, wanted.data(), wanted.size(), nullptr));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, call(mechanism.get(), 0, wanted.data(), wanted.size(), &made));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, call(mechanism.get(), kAbsurd, wanted.data(), wanted.size(), &made));
  EXPECT_RV(CKR_OK, call(mechanism.get(), key, nullptr, 0, &made)) << "an empty template gives a generic secret";
  EXPECT_EQ(session.number(made, CKA_KEY_TYPE), CKK_GENERIC_SECRET);
  EXPECT_EQ(session.number(made, CKA_VALUE_LEN), 32u);
  EXPECT_RV(CKR_MECHANISM_INVALID, try_derive(session, CKM_SHA256, key, wanted));
  EXPECT_RV(CKR_MECHANISM_INVALID, try_derive(session, CKM_AES_KEY_GEN, key, wanted));
  Session reader(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            try_derive(reader, CKM_SHA256_KEY_DERIVATION, key, wanted.with({{CKA_TOKEN, true}})));
  EXPECT_RV(CKR_OK, try_derive(reader, CKM_SHA256_KEY_DERIVATION, key, wanted));
  reader.close();
  const CK_OBJECT_HANDLE open = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                                {CKA_VALUE, Bytes(8, 1)},
                                                {CKA_PRIVATE, false}});
  session.logout();
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, try_derive(session, CKM_SHA256_KEY_DERIVATION, key, wanted));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            try_derive(session, CKM_SHA256_KEY_DERIVATION, open, wanted.with({{CKA_PRIVATE, true}})));
  EXPECT_RV(CKR_OK, try_derive(session, CKM_SHA256_KEY_DERIVATION, open, wanted));
}

// --- rules for every derivation ---

TEST_F(Derive, AlwaysSensitiveAndNeverExtractableAreInherited) {
  const auto derived = [&](Template of_base, Template wanted) {
    CK_OBJECT_HANDLE base = CK_INVALID_HANDLE;
    MUST(try_generate_key(session, CKM_GENERIC_SECRET_KEY_GEN, of_base.with({{CKA_VALUE_LEN, 32}}), &base));
    return derive(session, CKM_SHA256_KEY_DERIVATION, base, wanted);
  };
  const Template closed = {{CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}};
  const Template open = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
  CK_OBJECT_HANDLE key = derived(closed, closed);
  EXPECT_TRUE(session.flag(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_TRUE(session.flag(key, CKA_NEVER_EXTRACTABLE));
  key = derived(closed, open);
  EXPECT_FALSE(session.flag(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(session.flag(key, CKA_NEVER_EXTRACTABLE));
  key = derived(open, closed);
  EXPECT_FALSE(session.flag(key, CKA_ALWAYS_SENSITIVE)) << "the base key was not";
  EXPECT_FALSE(session.flag(key, CKA_NEVER_EXTRACTABLE));
  EXPECT_TRUE(session.flag(key, CKA_SENSITIVE));
}

TEST_F(Derive, SimpleDerivationsAreAtLeastAsSensitive) {
  const Bytes data(4, 9);
  CK_OBJECT_HANDLE closed = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_GENERIC_SECRET_KEY_GEN,
                        {{CKA_VALUE_LEN, 32}, {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}}, &closed));
  const CK_OBJECT_HANDLE open = base_key(session, Bytes(4, 1));
  const Mechanism extract = Mechanism::with_parameter(CKM_EXTRACT_KEY_FROM_KEY, bytes_of(CK_ULONG{0}));
  const Mechanism with_open = Mechanism::with_parameter(CKM_CONCATENATE_BASE_AND_KEY, bytes_of(open));
  const Mechanism with_closed = Mechanism::with_parameter(CKM_CONCATENATE_BASE_AND_KEY, bytes_of(closed));
  struct Row {
    Mechanism mechanism;
    CK_OBJECT_HANDLE base;
  };
  const Row rows[] = {{with_string(CKM_CONCATENATE_BASE_AND_DATA, data), closed},
                      {with_string(CKM_CONCATENATE_DATA_AND_BASE, data), closed},
                      {with_string(CKM_XOR_BASE_AND_DATA, data), closed},
                      {extract, closed},
                      {with_open, closed},
                      {with_closed, open}};
  const Template four = {{CKA_VALUE_LEN, 4}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.mechanism.type());
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_derive(session, row.mechanism, row.base, four.with({{CKA_SENSITIVE, false}})));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_derive(session, row.mechanism, row.base, four.with({{CKA_EXTRACTABLE, true}})));
    const CK_OBJECT_HANDLE key = derive(session, row.mechanism, row.base, four);
    EXPECT_TRUE(session.flag(key, CKA_SENSITIVE));
    EXPECT_FALSE(session.flag(key, CKA_EXTRACTABLE));
    const bool all_born_here = row.base == closed && row.mechanism.type() != CKM_CONCATENATE_BASE_AND_KEY;
    EXPECT_EQ(session.flag(key, CKA_ALWAYS_SENSITIVE), all_born_here);
    EXPECT_EQ(session.flag(key, CKA_NEVER_EXTRACTABLE), all_born_here);
  }
}

TEST_F(Derive, AllowedMechanismsAndTheDeriveTemplateAreEnforced) {
  CK_BBOOL yes = CK_TRUE;
  CK_KEY_TYPE aes = CKK_AES;
  CK_ATTRIBUTE demands[] = {{CKA_KEY_TYPE, &aes, sizeof aes}, {CKA_SENSITIVE, &yes, sizeof yes}};
  const auto* raw = reinterpret_cast<const uint8_t*>(demands);
  const Template base = {{CKA_CLASS, CKO_SECRET_KEY},
                         {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                         {CKA_VALUE, Bytes(16, 1)},
                         {CKA_DERIVE_TEMPLATE, Bytes(raw, raw + sizeof demands)}};
  const CK_OBJECT_HANDLE key = session.create(base);
  const CK_OBJECT_HANDLE made = derive(session, CKM_SHA256_KEY_DERIVATION, key, {});
  EXPECT_EQ(session.number(made, CKA_KEY_TYPE), CKK_AES);
  EXPECT_TRUE(session.flag(made, CKA_SENSITIVE));
  EXPECT_RV(CKR_OK,
            try_derive(session, CKM_SHA256_KEY_DERIVATION, key, {{CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE_LEN, 16}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, CKM_SHA256_KEY_DERIVATION, key, shown_secret(0)));

  const CK_OBJECT_HANDLE one_way = session.create(
      base.without(CKA_DERIVE_TEMPLATE).with({{CKA_ALLOWED_MECHANISMS, bytes_of(CK_ULONG{CKM_HKDF_DERIVE})}}));
  EXPECT_RV(CKR_MECHANISM_INVALID, try_derive(session, CKM_SHA256_KEY_DERIVATION, one_way, {}));
}

TEST_F(Derive, TemplatesInTemplatesAreReadAsTheStandardSays) {
  CK_KEY_TYPE aes = CKK_AES;
  char label[] = "derived";
  CK_ATTRIBUTE demands[] = {{CKA_LABEL, label, 7}, {CKA_KEY_TYPE, &aes, sizeof aes}};
  CK_ATTRIBUTE outer[] = {{CKA_DERIVE_TEMPLATE, demands, sizeof demands}};
  const auto view = [](const auto& array) {
    const auto* raw = reinterpret_cast<const uint8_t*>(&array);
    return Bytes(raw, raw + sizeof array);
  };
  const Template base = {
      {CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET}, {CKA_VALUE, Bytes(16, 1)}, {CKA_LABEL, "base"}};
  for (const bool on_token : {false, true}) {
    const CK_OBJECT_HANDLE key = session.create(
        base.with({{CKA_TOKEN, on_token}, {CKA_DERIVE_TEMPLATE, view(demands)}, {CKA_UNWRAP_TEMPLATE, view(outer)}}));
    // The calls ask for the size, then for the array with lengths only, then for the values.
    CK_ATTRIBUTE asked{CKA_DERIVE_TEMPLATE, nullptr, 0};
    EXPECT_RV(CKR_OK, p11->C_GetAttributeValue(session, key, &asked, 1));
    ASSERT_EQ(asked.ulValueLen, 2 * sizeof(CK_ATTRIBUTE));
    CK_ATTRIBUTE inner[2] = {};
    asked.pValue = inner;
    EXPECT_RV(CKR_OK, p11->C_GetAttributeValue(session, key, &asked, 1));
    EXPECT_EQ(inner[0].type, CKA_LABEL);
    EXPECT_EQ(inner[0].ulValueLen, 7u);
    EXPECT_EQ(inner[1].type, CKA_KEY_TYPE);
    EXPECT_EQ(inner[1].ulValueLen, sizeof(CK_ULONG));
    char text[7];
    CK_KEY_TYPE type = 0;
    inner[0].pValue = text;
    inner[1].pValue = &type;
    EXPECT_RV(CKR_OK, p11->C_GetAttributeValue(session, key, &asked, 1));
    EXPECT_EQ(std::string(text, 7), "derived");
    EXPECT_EQ(type, CKK_AES);
    inner[0].ulValueLen = 6;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetAttributeValue(session, key, &asked, 1));
    EXPECT_EQ(inner[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    EXPECT_EQ(inner[1].ulValueLen, sizeof(CK_ULONG)) << "the others are filled";
    asked.ulValueLen = sizeof(CK_ATTRIBUTE);
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetAttributeValue(session, key, &asked, 1));
    EXPECT_EQ(session.find({{CKA_DERIVE_TEMPLATE, view(demands)}, {CKA_TOKEN, on_token}}).size(), 1u);
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(key, {{CKA_DERIVE_TEMPLATE, Bytes{}}}));
  }
  // An error inside the array is an error of the template.
  CK_ATTRIBUTE bad[] = {{CKA_TOKEN, label, 7}};
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(base.with({{CKA_DERIVE_TEMPLATE, view(bad)}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(base.with({{CKA_DERIVE_TEMPLATE, Bytes(7)}})));
  CK_ATTRIBUTE null[] = {{CKA_LABEL, nullptr, 7}};
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(base.with({{CKA_DERIVE_TEMPLATE, view(null)}})));
  CK_ATTRIBUTE loop[] = {{CKA_DERIVE_TEMPLATE, nullptr, sizeof(CK_ATTRIBUTE)}};
  loop[0].pValue = loop;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(base.with({{CKA_DERIVE_TEMPLATE, view(loop)}})));
}

// --- simple derivations ---

TEST_F(Derive, MatchesTheExamplesOfTheStandard) {
  for_each_line("simple_derive.txt", [&](const Line& line) {
    const CK_OBJECT_HANDLE key = base_key(session, line.bytes("base"));
    const std::string& derived = line.text("derived");
    if (line.text("mechanism") == "extract") {
      const CK_ULONG bit = std::stoul(line.text("bit"));
      const auto extract = Mechanism::with_parameter(CKM_EXTRACT_KEY_FROM_KEY, bytes_of(CK_EXTRACT_PARAMS{bit}));
      EXPECT_EQ(to_hex(derived_value(session, extract, key, derived.size() / 2)), derived);
      return;
    }
    const Bytes other = line.bytes("other");
    const std::map<std::string, Mechanism> mechanisms = {
        {"base-and-key", Mechanism::with_parameter(CKM_CONCATENATE_BASE_AND_KEY, bytes_of(base_key(session, other)))},
        {"base-and-data", with_string(CKM_CONCATENATE_BASE_AND_DATA, other)},
        {"data-and-base", with_string(CKM_CONCATENATE_DATA_AND_BASE, other)},
        {"xor", with_string(CKM_XOR_BASE_AND_DATA, other)}};
    EXPECT_EQ(to_hex(derived_value(session, mechanisms.at(line.text("mechanism")), key, 0)), derived);
  });
}

TEST_F(Derive, ConcatenatesAndXorsKeysAndData) {
  const Bytes key_bytes = from_hex("01020304"), data = from_hex("a0b0c0");
  const CK_OBJECT_HANDLE key = base_key(session, key_bytes),
                         other = base_key(session, from_hex("ffee"), CKK_SHA256_HMAC);
  const Mechanism concatenated = Mechanism::with_parameter(CKM_CONCATENATE_BASE_AND_KEY, bytes_of(other));
  EXPECT_EQ(to_hex(derived_value(session, concatenated, key, 0)), "01020304ffee");
  EXPECT_EQ(to_hex(derived_value(session, concatenated, key, 5)), "01020304ff");
  EXPECT_EQ(to_hex(derived_value(session, with_string(CKM_CONCATENATE_BASE_AND_DATA, data), key, 0)), "01020304a0b0c0");
  EXPECT_EQ(to_hex(derived_value(session, with_string(CKM_CONCATENATE_DATA_AND_BASE, data), key, 0)), "a0b0c001020304");
  EXPECT_EQ(to_hex(derived_value(session, with_string(CKM_XOR_BASE_AND_DATA, data), key, 0)), "a1b2c3");
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_derive(session, with_string(CKM_XOR_BASE_AND_DATA, data), key, shown_secret(4)));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, concatenated, key, shown_secret(7)));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            try_derive(session, Mechanism::with_parameter(CKM_CONCATENATE_BASE_AND_KEY, bytes_of(kAbsurd)), key, {}));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            try_derive(session,
                       Mechanism::with_parameter(CKM_CONCATENATE_BASE_AND_KEY,
                                                 bytes_of(session.generate_ec(kP256).private_key)),
                       key, {}));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED,
            try_derive(session,
                       Mechanism::with_parameter(CKM_CONCATENATE_BASE_AND_KEY,
                                                 bytes_of(secret_key(session, CKK_AES, Bytes(16, 1)))),
                       key, {}));
  for (const CK_MECHANISM_TYPE type :
       {CKM_CONCATENATE_BASE_AND_KEY, CKM_CONCATENATE_BASE_AND_DATA, CKM_CONCATENATE_DATA_AND_BASE,
        CKM_XOR_BASE_AND_DATA, CKM_EXTRACT_KEY_FROM_KEY}) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, type, key, {}));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, Mechanism::with_parameter(type, Bytes(3)), key, {}));
  }
  const CK_KEY_DERIVATION_STRING_DATA null{nullptr, 4};
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, Mechanism::with_parameter(CKM_XOR_BASE_AND_DATA, bytes_of(null)), key, {}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, with_string(CKM_XOR_BASE_AND_DATA, {}), key, {}));
}

TEST_F(Derive, ExtractsBitsFromAKey) {
  // The example of the standard (3.2, 6.43).
  const CK_OBJECT_HANDLE key = base_key(session, from_hex("329f84a9"));
  const auto from = [](CK_ULONG bit) { return Mechanism::with_parameter(CKM_EXTRACT_KEY_FROM_KEY, bytes_of(bit)); };
  EXPECT_EQ(to_hex(derived_value(session, from(21), key, 2)), "9526");
  EXPECT_EQ(to_hex(derived_value(session, from(0), key, 4)), "329f84a9");
  EXPECT_EQ(to_hex(derived_value(session, from(8), key, 4)), "9f84a932");
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, from(32), key, shown_secret(1)));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, from(0), key, shown_secret(5)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, try_derive(session, from(0), key, shown_secret(0)));
}

TEST_F(Derive, DerivesFromEncryptedData) {
  const auto check = [&](const Line& line) {
    const std::string mode = line.text("mode");
    if (mode != "ecb" && mode != "cbc") return;
    const CK_KEY_TYPE type = CipherCase(line).key_type;
    const Bytes data = line.bytes("plain"), encrypted = line.bytes("cipher");
    if (data.empty() || data.size() % 16 != 0 || data.size() > 4096) return;
    const CK_OBJECT_HANDLE key = base_key(session, line.bytes("key"), type);
    CK_AES_CBC_ENCRYPT_DATA_PARAMS cbc{{}, bytes_pointer(data), data.size()};
    if (mode == "cbc") std::copy_n(line.bytes("iv").begin(), 16, cbc.iv);
    const auto [by_ecb, by_cbc] = type == CKK_AES ? std::pair(CKM_AES_ECB_ENCRYPT_DATA, CKM_AES_CBC_ENCRYPT_DATA)
                                  : type == CKK_CAMELLIA
                                      ? std::pair(CKM_CAMELLIA_ECB_ENCRYPT_DATA, CKM_CAMELLIA_CBC_ENCRYPT_DATA)
                                      : std::pair(CKM_ARIA_ECB_ENCRYPT_DATA, CKM_ARIA_CBC_ENCRYPT_DATA);
    const Mechanism mechanism =
        mode == "ecb" ? with_string(by_ecb, data) : Mechanism::with_parameter(by_cbc, bytes_of(cbc));
    EXPECT_EQ(derived_value(session, mechanism, key, 0), encrypted);
    EXPECT_EQ(derived_value(session, mechanism, key, 5), Bytes(encrypted.begin(), encrypted.begin() + 5));
    EXPECT_RV(CKR_DATA_LEN_RANGE, try_derive(session, mechanism, key, shown_secret(encrypted.size() + 1)));
  };
  for (const char* file : {"cipher.txt", "block_cipher.txt"}) for_each_line(file, check);
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(16, 1), CKK_AES);
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, with_string(CKM_AES_ECB_ENCRYPT_DATA, Bytes(15)), key, {}));
  EXPECT_RV(CKR_DATA_LEN_RANGE, try_derive(session, with_string(CKM_AES_ECB_ENCRYPT_DATA, {}), key, {}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
            try_derive(session, with_string(CKM_AES_CBC_ENCRYPT_DATA, Bytes(16)), key, {}));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            try_derive(session, with_string(CKM_AES_ECB_ENCRYPT_DATA, Bytes(16)), base_key(session, Bytes(16, 1)), {}));
}

TEST_F(Derive, DerivesDigestsOfKeys) {
  for_each_line("digest.txt", [&](const Line& line) {
    const Bytes data = line.bytes("message"), digest = line.bytes("digest");
    if (data.empty() || data.size() > 4096) return;
    const HashRow* row = &hash_row(line.text("hash"));
    const CK_OBJECT_HANDLE key = base_key(session, data);
    EXPECT_EQ(derived_value(session, row->key_derivation, key, 0), digest);
    EXPECT_EQ(derived_value(session, row->key_derivation, key, 7), Bytes(digest.begin(), digest.begin() + 7));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_derive(session, row->key_derivation, key, shown_secret(digest.size() + 1)));
  });
}

TEST_F(Derive, DerivesSha512TOfKeys) {
  for_each_sha512_t([&](CK_ULONG bits, const Line& line) {
    if (!line.has("digest") || line.bytes("message").empty()) return;
    const Bytes digest = line.bytes("digest");
    const CK_OBJECT_HANDLE key = base_key(session, line.bytes("message"));
    const Mechanism mechanism = sha512_t(CKM_SHA512_T_KEY_DERIVATION, bits);
    EXPECT_EQ(derived_value(session, mechanism, key, 0), digest);
    EXPECT_EQ(derived_value(session, mechanism, key, 1), Bytes(digest.begin(), digest.begin() + 1));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_derive(session, mechanism, key, shown_secret(digest.size() + 1)));
  });
  const CK_OBJECT_HANDLE key = base_key(session, Bytes(20, 1));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, CKM_SHA512_T_KEY_DERIVATION, key, {}));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, sha512_t(CKM_SHA512_T_KEY_DERIVATION, 384), key, {}));
}

TEST_F(Derive, DerivesShakeOfKeys) {
  for_each_line("shake.txt", [&](const Line& line) {
    const CK_MECHANISM_TYPE type =
        line.text("hash") == "shake128" ? CKM_SHAKE_128_KEY_DERIVATION : CKM_SHAKE_256_KEY_DERIVATION;
    const Bytes output = line.bytes("output");
    const CK_OBJECT_HANDLE key = base_key(session, line.bytes("message"));
    EXPECT_EQ(derived_value(session, type, key, output.size()), output);
    EXPECT_EQ(derived_value(session, type, key, 1), Bytes(output.begin(), output.begin() + 1));
    EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, try_derive(session, type, key, shown_secret(0))) << "no length of its own";
    // A key type with a single length needs no CKA_VALUE_LEN in the template.
    const Template chacha = {{CKA_KEY_TYPE, CKK_CHACHA20}, {CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
    const Bytes value = session.get(derive(session, type, key, chacha), CKA_VALUE);
    EXPECT_EQ(value.size(), 32u);
    EXPECT_TRUE(std::equal(value.begin(), value.begin() + static_cast<ptrdiff_t>(std::min<size_t>(32, output.size())),
                           output.begin()));
  });
}

TEST_F(Derive, PublicKeysFromPrivateKeys) {
  for (const KeyPair& pair : {session.generate_ec(kP384), session.generate_rsa(1024)}) {
    const CK_OBJECT_HANDLE made =
        derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, {{CKA_LABEL, "again"}, {CKA_VERIFY, true}});
    EXPECT_EQ(session.number(made, CKA_CLASS), CKO_PUBLIC_KEY);
    EXPECT_EQ(session.get(made, CKA_PUBLIC_KEY_INFO), session.get(pair.public_key, CKA_PUBLIC_KEY_INFO));
    EXPECT_EQ(session.get(made, CKA_ID), session.get(pair.private_key, CKA_ID));
    EXPECT_FALSE(session.flag(made, CKA_LOCAL));
    EXPECT_FALSE(session.flag(made, CKA_PRIVATE));
    const CK_MECHANISM_TYPE sign =
        session.number(made, CKA_KEY_TYPE) == CKK_RSA ? CKM_SHA256_RSA_PKCS : CKM_ECDSA_SHA256;
    EXPECT_RV(CKR_OK, session.try_verify(sign, made, bytes("m"), session.sign(sign, pair.private_key, bytes("m"))));
    EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.public_key, {}));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, {{CKA_CLASS, CKO_SECRET_KEY}}));
  }
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT,
            try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, base_key(session, Bytes(8, 1)), {}));
  // The private key's restrictions on itself and on keys derived from it apply here too (4.8, 5.18).
  char label[] = "public";
  CK_ATTRIBUTE demands[] = {{CKA_LABEL, label, 6}};
  const auto* raw = reinterpret_cast<const uint8_t*>(demands);
  const auto pair_with = [&](const Template& private_half) {
    return session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, private_half).private_key;
  };
  const CK_OBJECT_HANDLE labels = pair_with({{CKA_DERIVE_TEMPLATE, Bytes(raw, raw + sizeof demands)}});
  EXPECT_EQ(session.get(derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, labels, {}), CKA_LABEL), bytes("public"));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, labels, {{CKA_LABEL, "another"}}));
  const CK_OBJECT_HANDLE signs = pair_with({{CKA_ALLOWED_MECHANISMS, bytes_of(CK_ULONG{CKM_ECDSA})}});
  EXPECT_RV(CKR_MECHANISM_INVALID, try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, signs, {}));
}

// 6.43: attributes that the template leaves out come from the private key.
TEST_F(Derive, PublicKeysTakeTheAttributesOfTheirPrivateKeys) {
  struct Use {
    CK_ATTRIBUTE_TYPE made, from;
  };
  const Use kUses[] = {{CKA_ENCRYPT, CKA_DECRYPT}, {CKA_VERIFY, CKA_SIGN},   {CKA_VERIFY_RECOVER, CKA_SIGN_RECOVER},
                       {CKA_WRAP, CKA_UNWRAP},     {CKA_DERIVE, CKA_DERIVE}, {CKA_ENCAPSULATE, CKA_DECAPSULATE}};
  const CK_ULONG allowed[] = {CKM_PUB_KEY_FROM_PRIV_KEY, CKM_SHA256_RSA_PKCS};
  const Template all = {{CKA_SUBJECT, from_hex("300d310b3009060355040613024348")},
                        {CKA_ID, Bytes(3, 7)},
                        {CKA_START_DATE, bytes("20260102")},
                        {CKA_END_DATE, bytes("20270304")},
                        {CKA_ALLOWED_MECHANISMS, bytes_of(allowed[0]) + bytes_of(allowed[1])},
                        {CKA_LABEL, "of the private key"}};
  for (const Use& one : kUses) {
    SCOPED_TRACE(one.made);
    Template uses = all;
    for (const Use& use : kUses) uses = uses.with({{use.from, use.from == one.from}});
    const KeyPair pair = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}}, uses);
    const CK_OBJECT_HANDLE made = derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, {});
    for (const Use& use : kUses) {
      EXPECT_EQ(session.flag(made, use.made), use.from == one.from) << use.made;
      const CK_OBJECT_HANDLE other =
          derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, {{use.made, use.from != one.from}});
      EXPECT_EQ(session.flag(other, use.made), use.from != one.from) << "the template decides";
    }
    for (const CK_ATTRIBUTE_TYPE same : {CKA_SUBJECT, CKA_ID, CKA_START_DATE, CKA_END_DATE, CKA_ALLOWED_MECHANISMS,
                                         CKA_PUBLIC_KEY_INFO, CKA_KEY_GEN_MECHANISM})
      EXPECT_EQ(session.get(made, same), session.get(pair.private_key, same)) << same;
    EXPECT_EQ(session.number(made, CKA_KEY_GEN_MECHANISM), CKM_RSA_PKCS_KEY_PAIR_GEN);
    EXPECT_EQ(session.text(made, CKA_LABEL), "");
    EXPECT_FALSE(session.flag(made, CKA_LOCAL));
    EXPECT_FALSE(session.flag(made, CKA_TOKEN));
    EXPECT_FALSE(session.flag(made, CKA_TRUSTED));
    EXPECT_EQ(
        session.get(derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, {{CKA_ID, Bytes(1, 9)}}), CKA_ID),
        Bytes(1, 9));
  }
}

}  // namespace
}  // namespace vtpm::conformance
