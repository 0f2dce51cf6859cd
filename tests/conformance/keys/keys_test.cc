// SPDX-License-Identifier: Apache-2.0
// Generated and imported key pairs (PKCS#11 3.2, 4.8 to 4.10, 6.1 and 6.3).
#include <openssl/core_names.h>

#include <algorithm>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"
#include "tests/conformance/harness/surgeon.h"
#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

using Generation = WithUser;
using Import = WithUser;

struct Curve {
  const char* group;
  const Bytes& parameters;
  size_t bytes;
};
const Curve kCurves[] = {{"P-256", kP256, 32}, {"P-384", kP384, 48}, {"P-521", kP521, 66}};

const Template kRsa2048 = {{CKA_MODULUS_BITS, 2048}, {CKA_VERIFY, true}, {CKA_ENCRYPT, true}};
const Template kUse = {{CKA_SIGN, true}, {CKA_DECRYPT, true}};

peer::Key rsa_of(Session& session, CK_OBJECT_HANDLE object) {
  return peer::Key::rsa_public(session.get(object, CKA_MODULUS), session.get(object, CKA_PUBLIC_EXPONENT));
}
peer::Key ec_of(Session& session, CK_OBJECT_HANDLE object, const char* group) {
  return peer::Key::ec_public(group, peer::octet_string_contents(session.get(object, CKA_EC_POINT)));
}

/// Checks what 4.9 and the mechanism require of a private key that was generated on the token and cannot be extracted.
void expect_born_here(Session& session, const KeyPair& pair, CK_ULONG type, CK_ULONG mechanism) {
  for (const CK_OBJECT_HANDLE key : {pair.public_key, pair.private_key}) {
    EXPECT_EQ(session.number(key, CKA_KEY_TYPE), type);
    EXPECT_TRUE(session.flag(key, CKA_LOCAL));
    EXPECT_EQ(session.number(key, CKA_KEY_GEN_MECHANISM), mechanism);
    EXPECT_FALSE(session.get(key, kUniqueId).empty());
  }
  EXPECT_EQ(session.number(pair.public_key, CKA_CLASS), CKO_PUBLIC_KEY);
  EXPECT_EQ(session.number(pair.private_key, CKA_CLASS), CKO_PRIVATE_KEY);
  EXPECT_TRUE(session.flag(pair.private_key, CKA_PRIVATE));
  EXPECT_TRUE(session.flag(pair.private_key, CKA_SENSITIVE));
  EXPECT_TRUE(session.flag(pair.private_key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(session.flag(pair.private_key, CKA_EXTRACTABLE));
  EXPECT_TRUE(session.flag(pair.private_key, CKA_NEVER_EXTRACTABLE));
  EXPECT_TRUE(session.flag(pair.private_key, kVtpmResident));
}

/// The CKA_ID of a pair whose template has none: SHA-1 of the public key, in both halves.
void expect_default_id(Session& session, const KeyPair& pair, const Bytes& public_key_bits) {
  EXPECT_EQ(session.get(pair.public_key, CKA_ID), peer::digest("SHA1", public_key_bits));
  EXPECT_EQ(session.get(pair.private_key, CKA_ID), session.get(pair.public_key, CKA_ID));
}

/// The contents of the BIT STRING in a SubjectPublicKeyInfo (RFC 5280, 4.2.1.2 method 1 digests these).
Bytes public_key_bits(const peer::Key& key) {
  const Bytes spki = key.spki();
  const unsigned char* at = nullptr;
  int size = 0;
  X509_PUBKEY* parsed = X509_PUBKEY_new();
  X509_PUBKEY_set(&parsed, key.get());
  X509_PUBKEY_get0_param(nullptr, &at, &size, nullptr, parsed);
  const Bytes bits(at, at + size);
  X509_PUBKEY_free(parsed);
  return bits;
}

// --- RSA ---

TEST_F(Generation, RsaKeysOfEverySizeSign) {
  for (const CK_ULONG bits : {1024, 2048, 3072}) {
    SCOPED_TRACE(bits);
    const KeyPair pair = session.generate_rsa(bits);
    expect_born_here(session, pair, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN);
    EXPECT_EQ(session.number(pair.public_key, CKA_MODULUS_BITS), bits);
    EXPECT_EQ(session.get(pair.public_key, CKA_PUBLIC_EXPONENT), from_hex("010001"));
    const Bytes modulus = session.get(pair.public_key, CKA_MODULUS);
    EXPECT_EQ(modulus.size(), bits / 8);
    EXPECT_GE(modulus[0], 0x80);
    EXPECT_EQ(session.get(pair.private_key, CKA_MODULUS), modulus);
    EXPECT_EQ(session.get(pair.private_key, CKA_PUBLIC_EXPONENT), from_hex("010001"));
    const peer::Key key = rsa_of(session, pair.public_key);
    expect_default_id(session, pair, public_key_bits(key));
    const Bytes signature = session.sign(CKM_SHA256_RSA_PKCS, pair.private_key, bytes("message"));
    EXPECT_TRUE(key.verifies({.kind = peer::Scheme::kPkcs1, .hash = "SHA256"}, bytes("message"), signature));
  }
}

TEST_F(Generation, RsaPublicExponentIsThatOfTheTemplate) {
  const KeyPair pair =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa2048.with({{CKA_PUBLIC_EXPONENT, from_hex("010001")}}), kUse);
  EXPECT_EQ(session.get(pair.public_key, CKA_PUBLIC_EXPONENT), from_hex("010001"));
  for (const char* bad : {"", "00", "01", "02", "010000", "010000000000000001"})  // 6.1.4 names the code
    EXPECT_RV(
        CKR_TEMPLATE_INCONSISTENT,
        session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa2048.with({{CKA_PUBLIC_EXPONENT, from_hex(bad)}}), kUse));
}

TEST_F(Generation, RsaSizesOutsideTheAdvertisedRangeAreRejected) {
  CK_MECHANISM_INFO info;
  MUST(p11->C_GetMechanismInfo(slot, CKM_RSA_PKCS_KEY_PAIR_GEN, &info));
  EXPECT_LE(info.ulMinKeySize, 1024u);
  EXPECT_GE(info.ulMaxKeySize, 3072u);
  for (const CK_ULONG bits :
       {CK_ULONG{0}, CK_ULONG{1}, info.ulMinKeySize - 8, info.ulMaxKeySize + 8, CK_ULONG{1} << 32, kAbsurd})
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa2048.with({{CKA_MODULUS_BITS, bits}}), kUse))
        << bits << " bits";
}

TEST_F(Generation, RsaSecretsCannotBeRead) {
  const KeyPair pair = session.generate_rsa();
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT}) {
    unsigned char buffer[512];
    CK_ATTRIBUTE attribute{type, buffer, sizeof buffer};
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, p11->C_GetAttributeValue(session, pair.private_key, &attribute, 1));
    EXPECT_EQ(attribute.ulValueLen, CK_UNAVAILABLE_INFORMATION);
  }
  // Attributes that may be read are returned in the same call.
  Bytes modulus(256), exponent(256);
  CK_ATTRIBUTE mixed[] = {{CKA_PRIVATE_EXPONENT, exponent.data(), exponent.size()},
                          {CKA_MODULUS, modulus.data(), modulus.size()}};
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, p11->C_GetAttributeValue(session, pair.private_key, mixed, 2));
  EXPECT_EQ(modulus, session.get(pair.public_key, CKA_MODULUS));
}

// --- EC ---

TEST_F(Generation, EcKeysOnEveryCurveSign) {
  for (const Curve& curve : kCurves) {
    SCOPED_TRACE(curve.group);
    const KeyPair pair = session.generate_ec(curve.parameters);
    expect_born_here(session, pair, CKK_EC, CKM_EC_KEY_PAIR_GEN);
    EXPECT_EQ(session.get(pair.public_key, CKA_EC_PARAMS), curve.parameters);
    EXPECT_EQ(session.get(pair.private_key, CKA_EC_PARAMS), curve.parameters);
    const Bytes point = peer::octet_string_contents(session.get(pair.public_key, CKA_EC_POINT));
    ASSERT_EQ(point.size(), 1 + 2 * curve.bytes);
    EXPECT_EQ(point[0], 0x04);
    expect_default_id(session, pair, point);
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(pair.private_key, CKA_VALUE));
    const Bytes signature = session.sign(CKM_ECDSA_SHA256, pair.private_key, bytes("message"));
    EXPECT_TRUE(ec_of(session, pair.public_key, curve.group)
                    .verifies({.kind = peer::Scheme::kEcdsa, .hash = "SHA256"}, bytes("message"), signature));
  }
}

TEST_F(Generation, EcTakesACurveByItsName) {
  // ecParameters may be a PrintableString with the curve's name (Current Mechanisms 2.3.1).
  const KeyPair pair = session.generate_ec(Bytes{0x13, 9} + bytes("secp256r1"));
  EXPECT_EQ(peer::octet_string_contents(session.get(pair.public_key, CKA_EC_POINT)).size(), 65u);
}

TEST_F(Generation, RejectsUnsupportedCurves) {
  const auto answer = [&](const Bytes& parameters) {
    return session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, parameters}}, {});
  };
  for (const char* oid : {"06052b81040001", "06092b2403030208010101"})  // sect163k1, brainpoolP160r1
    EXPECT_RV(CKR_CURVE_NOT_SUPPORTED, answer(from_hex(oid)));
  EXPECT_RV(CKR_CURVE_NOT_SUPPORTED, answer(Bytes{0x13, 9} + bytes("secp192k1")));
  // 3.2, 6.3: "invalid or of an unsupported representation": cut off, implicitlyCA, ecParameters.
  for (const char* parameters : {"06", "0608", "0500", "00", "3003020101", "06052b8104000100", "06052b810400"})
    EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, answer(from_hex(parameters))) << parameters;
  // … and a form of point that is not supported.
  Bytes compressed(33, 0x11);
  compressed[0] = 2;
  for (const Bytes& point : {compressed, peer::octet_string(compressed)})
    EXPECT_RV(
        CKR_TEMPLATE_INCONSISTENT,
        session.try_create(
            {{CKA_CLASS, CKO_PUBLIC_KEY}, {CKA_KEY_TYPE, CKK_EC}, {CKA_EC_PARAMS, kP256}, {CKA_EC_POINT, point}}));
}

// --- templates ---

TEST_F(Generation, EmptyTemplatesGiveAUsableKey) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {});
  EXPECT_TRUE(session.flag(pair.private_key, CKA_SIGN));
  EXPECT_TRUE(session.flag(pair.public_key, CKA_VERIFY));
  EXPECT_FALSE(session.flag(pair.private_key, CKA_TOKEN));
  const Bytes signature = session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 9));
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 9), signature));
}

TEST_F(Generation, TemplateAttributesAreKept) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN,
                                        {{CKA_EC_PARAMS, kP256},
                                         {CKA_TOKEN, true},
                                         {CKA_LABEL, "public"},
                                         {CKA_ID, from_hex("0102")},
                                         {CKA_VERIFY, true}},
                                        {{CKA_TOKEN, true},
                                         {CKA_LABEL, "private"},
                                         {CKA_ID, from_hex("0102")},
                                         {CKA_SUBJECT, from_hex("3000")},
                                         {CKA_SIGN, true},
                                         {CKA_DECRYPT, false},
                                         {CKA_START_DATE, "20240101"},
                                         {CKA_CLASS, CKO_PRIVATE_KEY},
                                         {CKA_KEY_TYPE, CKK_EC}});
  EXPECT_EQ(session.text(pair.public_key, CKA_LABEL), "public");
  EXPECT_EQ(session.text(pair.private_key, CKA_LABEL), "private");
  EXPECT_EQ(session.get(pair.private_key, CKA_ID), from_hex("0102"));
  EXPECT_EQ(session.get(pair.private_key, CKA_SUBJECT), from_hex("3000"));
  EXPECT_EQ(session.text(pair.private_key, CKA_START_DATE), "20240101");
  EXPECT_FALSE(session.flag(pair.private_key, CKA_DECRYPT));
  EXPECT_TRUE(session.flag(pair.private_key, CKA_TOKEN));
}

TEST_F(Generation, TokenKeysSignAfterFinalize) {
  const Bytes id = from_hex("0a0b");
  session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP384}, {CKA_TOKEN, true}, {CKA_ID, id}, {CKA_PRIVATE, false}},
                   {{CKA_TOKEN, true}, {CKA_ID, id}});
  session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa2048.with({{CKA_TOKEN, true}, {CKA_ID, id}, {CKA_PRIVATE, false}}),
                   kUse.with({{CKA_TOKEN, true}, {CKA_ID, id}}));
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_EQ(later.find({{CKA_CLASS, CKO_PUBLIC_KEY}, {CKA_ID, id}}).size(), 2u) << "public keys before login";
  EXPECT_TRUE(later.find({{CKA_CLASS, CKO_PRIVATE_KEY}}).empty());
  later.login();
  const auto find_key = [&](CK_ULONG object_class, CK_ULONG type) {
    return later.find({{CKA_CLASS, object_class}, {CKA_KEY_TYPE, type}, {CKA_ID, id}}).at(0);
  };
  for (const auto& [type, mechanism] : {std::pair{CKK_EC, CKM_ECDSA_SHA384}, {CKK_RSA, CKM_SHA512_RSA_PKCS}}) {
    const auto private_key = find_key(CKO_PRIVATE_KEY, type), public_key = find_key(CKO_PUBLIC_KEY, type);
    EXPECT_TRUE(later.flag(private_key, CKA_NEVER_EXTRACTABLE));
    EXPECT_TRUE(later.flag(private_key, kVtpmResident));
    const Bytes signature = later.sign(mechanism, private_key, bytes("later"));
    EXPECT_RV(CKR_OK, later.try_verify(mechanism, public_key, bytes("later"), signature));
  }
}

TEST_F(Generation, TemplatesWithWrongAttributesAreRejected) {
  const Template ec = {{CKA_EC_PARAMS, kP256}};
  const auto answer = [&](Template public_key, Template private_key) {
    return session.try_generate(CKM_EC_KEY_PAIR_GEN, public_key, private_key);
  };
  const ReturnValues contradiction = {CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_VALUE_INVALID};
  const ReturnValues not_yours = {CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID};
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer({}, {}));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE,
            session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa2048.without(CKA_MODULUS_BITS), kUse));
  EXPECT_RV(contradiction, answer(ec.with({{CKA_CLASS, CKO_PRIVATE_KEY}}), {}));
  EXPECT_RV(contradiction, answer(ec, {{CKA_CLASS, CKO_PUBLIC_KEY}}));
  EXPECT_RV(contradiction, answer(ec.with({{CKA_KEY_TYPE, CKK_RSA}}), {}));
  EXPECT_RV(contradiction, answer(ec, {{CKA_KEY_TYPE, CKK_RSA}}));
  for (const CK_ATTRIBUTE_TYPE type : {CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE})
    EXPECT_RV(not_yours, answer(ec, {{type, true}}));
  EXPECT_RV(not_yours, answer(ec, {{kUniqueId, "mine"}}));
  EXPECT_RV(not_yours, answer(ec, {{CKA_VALUE, Bytes(32, 1)}}));
  EXPECT_RV(not_yours, answer(ec.with({{CKA_EC_POINT, Bytes(67, 4)}}), {}));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, answer(ec, {{CKA_SIGN, Bytes{7}}}));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, answer(ec, {{CKA_TOKEN, Bytes{}}}));
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, answer(ec, {{0x7F001234, "x"}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(ec, {{CKA_PRIME_1, "x"}})) << "of RSA keys";
  EXPECT_RV(contradiction, answer(ec, {{CKA_PRIVATE, false}, {CKA_ALWAYS_AUTHENTICATE, true}})) << "4.9";
  EXPECT_TRUE(session.find({}).empty()) << "half a pair was left";
}

TEST_F(Generation, RejectsBadArguments) {
  Template public_key = {{CKA_EC_PARAMS, kP256}}, none;
  Mechanism mechanism = CKM_EC_KEY_PAIR_GEN;
  KeyPair pair;
  const auto call = [&](CK_ATTRIBUTE* pub, CK_ULONG pubs, CK_ATTRIBUTE* priv, CK_ULONG privs, CK_OBJECT_HANDLE* to_pub,
                        CK_OBJECT_HANDLE* to_priv) {
    return p11->C_GenerateKeyPair(session, mechanism.get(), pub, pubs, priv, privs, to_pub, to_priv);
  };
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(nullptr, 1, nullptr, 0, &pair.public_key, &pair.private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(public_key.data(), 1, nullptr, 1, &pair.public_key, &pair.private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(public_key.data(), 1, nullptr, 0, nullptr, &pair.private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(public_key.data(), 1, nullptr, 0, &pair.public_key, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(public_key.data(), kAbsurd, nullptr, 0, &pair.public_key, &pair.private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, session.try_generate(CKM_SHA256, public_key, {}));
  EXPECT_RV(CKR_MECHANISM_INVALID, session.try_generate(CKM_ECDSA, public_key, {}));
  EXPECT_RV(CKR_MECHANISM_INVALID, session.try_generate(CKM_X9_42_DH_KEY_PAIR_GEN, public_key, {}));
  EXPECT_TRUE(session.find({}).empty());
}

TEST_F(Generation, TokenKeysNeedAReadWriteSessionAndALogin) {
  const Template on_token = {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}};
  Session reader(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_READ_ONLY, reader.try_generate(CKM_EC_KEY_PAIR_GEN, on_token, {{CKA_TOKEN, true}}));
  EXPECT_RV(CKR_SESSION_READ_ONLY,
            reader.try_generate(CKM_EC_KEY_PAIR_GEN, on_token.without(CKA_TOKEN), {{CKA_TOKEN, true}}));
  EXPECT_RV(CKR_OK, reader.try_generate(CKM_EC_KEY_PAIR_GEN, on_token.without(CKA_TOKEN), {}));
  reader.close();
  session.logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_generate(CKM_EC_KEY_PAIR_GEN, on_token, {{CKA_TOKEN, true}}));
  session.login(CKU_SO);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_generate(CKM_EC_KEY_PAIR_GEN, on_token, {{CKA_TOKEN, true}}));
}

TEST_F(Generation, OneWayAttributesCannotBeChangedBack) {
  const KeyPair pair = session.generate_ec(kP256);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(pair.private_key, {{CKA_SENSITIVE, false}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(pair.private_key, {{CKA_EXTRACTABLE, true}}));
  EXPECT_RV(CKR_OK, session.try_set(pair.private_key, {{CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(pair.private_key, {{CKA_LOCAL, false}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(pair.private_key, {{CKA_KEY_TYPE, CKK_RSA}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(pair.private_key, {{kVtpmResident, false}}));
  EXPECT_RV(CKR_OK, session.try_set(pair.private_key, {{CKA_ID, from_hex("77")}, {CKA_LABEL, "renamed"}}));
  EXPECT_EQ(session.get(pair.private_key, CKA_ID), from_hex("77"));
  EXPECT_RV(CKR_OK, session.try_set(pair.private_key, {{CKA_SIGN, false}}));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, session.try_sign(CKM_ECDSA, pair.private_key, Bytes(32, 1)));
}

TEST_F(Generation, ACopyOfAKeySigns) {
  const KeyPair pair = session.generate_ec(kP256);
  CK_OBJECT_HANDLE copy = 0;
  EXPECT_RV(CKR_OK, session.try_copy(pair.private_key, {{CKA_LABEL, "copy"}, {CKA_TOKEN, true}}, &copy));
  MUST(p11->C_DestroyObject(session, pair.private_key));
  const Bytes signature = session.sign(CKM_ECDSA, copy, Bytes(32, 9));
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 9), signature));
  EXPECT_RV(one_of(CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT),
            session.try_copy(copy, {{CKA_EXTRACTABLE, true}}));
  EXPECT_RV(one_of(CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT),
            session.try_copy(copy, {{CKA_SENSITIVE, false}}));
}

TEST_F(Generation, CopiesOfKeysInTheTpmGoBothWays) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_TOKEN, true}});
  CK_OBJECT_HANDLE here = 0, there = 0;
  MUST(session.try_copy(pair.private_key, {{CKA_TOKEN, false}, {CKA_LABEL, "here"}}, &here));
  MUST(session.try_copy(here, {{CKA_TOKEN, true}, {CKA_LABEL, "there"}}, &there));
  MUST(p11->C_DestroyObject(session, pair.private_key));
  for (const CK_OBJECT_HANDLE copy : {here, there}) {
    EXPECT_TRUE(session.flag(copy, kVtpmResident));
    EXPECT_TRUE(session.flag(copy, CKA_LOCAL)) << "a copy was generated where its original was";
    EXPECT_TRUE(session.flag(copy, CKA_NEVER_EXTRACTABLE));
    const Bytes signature = session.sign(CKM_ECDSA, copy, Bytes(32, 9));
    EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 9), signature));
  }
  EXPECT_NE(session.get(here, kUniqueId), session.get(there, kUniqueId));
  EXPECT_RV(CKR_OK, session.try_set(there, {{CKA_COPYABLE, false}}));
  EXPECT_RV(CKR_ACTION_PROHIBITED, session.try_copy(there, {}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(there, {{CKA_COPYABLE, true}}));
}

TEST_F(Generation, OnlyAllowedMechanismsUseTheKey) {
  const CK_ULONG allowed[] = {CKM_ECDSA_SHA256, CKM_ECDSA_SHA512};
  const auto* raw = reinterpret_cast<const uint8_t*>(allowed);
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_ALLOWED_MECHANISMS, Bytes(raw, raw + sizeof allowed)}});
  EXPECT_RV(CKR_OK, session.try_sign(CKM_ECDSA_SHA512, pair.private_key, bytes("m")));
  EXPECT_RV(CKR_MECHANISM_INVALID, session.try_sign(CKM_ECDSA, pair.private_key, Bytes(32, 1)));
  EXPECT_EQ(session.get(pair.private_key, CKA_ALLOWED_MECHANISMS).size(), sizeof allowed);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(pair.private_key, {{CKA_ALLOWED_MECHANISMS, Bytes{}}}));
}

// A key without a list reads as one with an empty list, and an empty list in a template is none: pkcs11-provider reads
// the attribute of every key, and concludes from an error that the token has no such lists.
TEST_F(Generation, AnEmptyListOfAllowedMechanismsIsNone) {
  const Template empty = {{CKA_ALLOWED_MECHANISMS, Bytes{}}};
  const KeyPair plain = session.generate_ec(kP256);
  const KeyPair given = session.generate(CKM_EC_KEY_PAIR_GEN, empty.with({{CKA_EC_PARAMS, kP256}}), empty);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE, derived = CK_INVALID_HANDLE;
  MUST(session.try_copy(given.private_key, empty, &copy));
  MUST(try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, given.private_key, empty, &derived));
  const CK_OBJECT_HANDLE secret =
      session.create(empty.with({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(16, 1)}}));
  for (const CK_OBJECT_HANDLE key :
       {plain.private_key, plain.public_key, given.private_key, given.public_key, copy, derived, secret}) {
    EXPECT_EQ(session.get(key, CKA_ALLOWED_MECHANISMS), Bytes{});
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(key, empty));
  }
  EXPECT_RV(CKR_OK, session.try_sign(CKM_ECDSA, copy, Bytes(32, 1)));
  EXPECT_RV(CKR_OK, session.try_encrypt(CKM_AES_ECB, secret, Bytes(16)));
  EXPECT_EQ(session.find(empty.with({{CKA_CLASS, CKO_SECRET_KEY}})), std::vector{secret});
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID,
            session.try_get(session.create({{CKA_CLASS, CKO_DATA}}), CKA_ALLOWED_MECHANISMS));
}

// An older version stored such lists: those keys and their copies still allow no mechanism.
TEST_F(Generation, AStoredEmptyListStillAllowsNothing) {
  const CK_ULONG allowed = CKM_ECDSA;
  const Template at_most = {{CKA_ALLOWED_MECHANISMS, bytes_of(allowed)}, {CKA_TOKEN, true}};
  session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, at_most.with({{CKA_LABEL, "closed"}}));
  p11->C_Finalize(nullptr);
  operate(scratch, "forbid");
  library.initialize();
  Session again(slot);
  again.login();
  const CK_OBJECT_HANDLE key = again.find({{CKA_LABEL, "closed"}}).at(0);
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE, copy_too = CK_INVALID_HANDLE;
  MUST(again.try_copy(key, {{CKA_TOKEN, false}}, &copy));
  MUST(again.try_copy(key, {{CKA_LABEL, "its copy"}, {CKA_ALLOWED_MECHANISMS, Bytes{}}}, &copy_too));
  MUST(again.try_set(key, {{CKA_LABEL, "still closed"}}));
  for (const CK_OBJECT_HANDLE closed : {key, copy, copy_too}) {
    EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, again.try_get(closed, CKA_ALLOWED_MECHANISMS));
    EXPECT_RV(CKR_MECHANISM_INVALID, again.try_sign(CKM_ECDSA, closed, Bytes(32, 1)));
    EXPECT_RV(CKR_MECHANISM_INVALID, try_derive(again, CKM_PUB_KEY_FROM_PRIV_KEY, closed, {}));
  }
  EXPECT_TRUE(again.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_ALLOWED_MECHANISMS, Bytes{}}}).empty());
}

// The defaults that pkcs11-tool, NSS and Java expect (docs/pkcs11.md, "Defaults").
TEST_F(Generation, UsesThatTemplatesLeaveOpenHaveDocumentedDefaults) {
  const auto uses = [&](CK_OBJECT_HANDLE key, bool wraps) {
    const bool is_public = session.number(key, CKA_CLASS) == CKO_PUBLIC_KEY;
    EXPECT_EQ(session.flag(key, is_public ? CKA_WRAP : CKA_UNWRAP), wraps);
    if (is_public) {
      EXPECT_EQ(session.flag(key, CKA_VERIFY_RECOVER), wraps);
    } else {
      EXPECT_FALSE(session.flag(key, CKA_SIGN_RECOVER));
    }
  };
  const KeyPair rsa = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}},
                                       {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}});
  uses(rsa.public_key, true);
  uses(rsa.private_key, true);
  uses(session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                       {CKA_KEY_TYPE, CKK_RSA},
                       {CKA_MODULUS, session.get(rsa.public_key, CKA_MODULUS)},
                       {CKA_PUBLIC_EXPONENT, from_hex("010001")}}),
       true);
  Template whole = {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_RSA}};
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2})
    whole = whole.with({{type, session.get(rsa.private_key, type)}});
  uses(session.create(whole), true);
  const KeyPair no = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN,
                                      {{CKA_MODULUS_BITS, 1024}, {CKA_WRAP, false}, {CKA_VERIFY_RECOVER, false}},
                                      {{CKA_UNWRAP, false}});
  uses(no.public_key, false);
  uses(no.private_key, false);
  const KeyPair ec = session.generate_ec(kP256);
  uses(ec.public_key, false);
  uses(ec.private_key, false);
  const Template secret = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_VALUE, Bytes(32, 7)}};
  for (const auto& [type, wraps] : {std::pair{CKK_AES, true},
                                    {CKK_CAMELLIA, true},
                                    {CKK_ARIA, true},
                                    {CKK_GENERIC_SECRET, false},
                                    {CKK_CHACHA20, false}}) {
    const CK_OBJECT_HANDLE key = session.create(secret.with({{CKA_KEY_TYPE, type}}));
    EXPECT_EQ(session.flag(key, CKA_WRAP), wraps) << type;
    EXPECT_EQ(session.flag(key, CKA_UNWRAP), wraps) << type;
  }
  // Keys that come from other calls have the same defaults as before.
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_AES_KEY_GEN, {{CKA_VALUE_LEN, 16}}, &made));
  EXPECT_FALSE(session.flag(made, CKA_WRAP));
  EXPECT_FALSE(session.flag(made, CKA_EXTRACTABLE));
  const CK_OBJECT_HANDLE by = session.create(secret.with({{CKA_KEY_TYPE, CKK_AES}}));
  const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, by, rsa.private_key);
  uses(unwrap(session, CKM_AES_KEY_WRAP_KWP, by, wrapped, {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_RSA}}),
       false);
}

TEST_F(Generation, AnEmptyIdStaysEmpty) {
  const Template none = {{CKA_ID, Bytes()}};
  const auto ids = [&](const Template& of_public, const Template& of_private) {
    const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, of_public.with({{CKA_EC_PARAMS, kP256}}), of_private);
    return std::pair{session.get(pair.public_key, CKA_ID), session.get(pair.private_key, CKA_ID)};
  };
  EXPECT_EQ(ids(none, none), (std::pair{Bytes(), Bytes()}));
  EXPECT_EQ(ids(none, {}), (std::pair{Bytes(), Bytes()})) << "one id for both, whichever template gives it";
  EXPECT_EQ(ids({}, none), (std::pair{Bytes(), Bytes()}));
  EXPECT_EQ(ids({{CKA_ID, "a"}}, none), (std::pair{bytes("a"), Bytes()}));
  EXPECT_EQ(ids({}, {}).first.size(), 20u);
  const KeyPair pair = session.generate_ec(kP256);
  EXPECT_EQ(session.get(derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, none), CKA_ID), Bytes());
  EXPECT_EQ(session.get(session.create(none.with({{CKA_CLASS, CKO_PUBLIC_KEY},
                                                  {CKA_KEY_TYPE, CKK_EC},
                                                  {CKA_EC_PARAMS, kP256},
                                                  {CKA_EC_POINT, session.get(pair.public_key, CKA_EC_POINT)}})),
                        CKA_ID),
            Bytes());
  const peer::Certificate certificate = peer::self_signed(peer::Key::generate_ec("P-256"), "no id");
  EXPECT_EQ(session.get(session.create(none.with({{CKA_CLASS, CKO_CERTIFICATE},
                                                  {CKA_CERTIFICATE_TYPE, CKC_X_509},
                                                  {CKA_SUBJECT, certificate.subject},
                                                  {CKA_VALUE, certificate.der}})),
                        CKA_ID),
            Bytes());
}

// Sizes that are no multiple of 8 (pkcs11-provider's tests make RSA:3092) are software keys.
TEST_F(Generation, RsaSizesNeedNotBeMultiplesOfEight) {
  for (const CK_ULONG bits : {1025, 1030, 2049, 3092}) {
    SCOPED_TRACE(bits);
    const KeyPair pair = session.generate_rsa(bits);
    const size_t size = (bits + 7) / 8;
    EXPECT_EQ(session.number(pair.public_key, CKA_MODULUS_BITS), bits);
    EXPECT_EQ(session.get(pair.public_key, CKA_MODULUS).size(), size);
    EXPECT_FALSE(session.flag(pair.private_key, kVtpmResident));
    const peer::Key half = peer::Key::from_spki(session.get(pair.public_key, CKA_PUBLIC_KEY_INFO));
    const Bytes message = bytes("message");
    const Bytes pkcs1 = session.sign(CKM_SHA256_RSA_PKCS, pair.private_key, message);
    EXPECT_EQ(pkcs1.size(), size);
    EXPECT_TRUE(half.verifies({.kind = peer::Scheme::kPkcs1, .hash = "SHA256"}, message, pkcs1));
    const size_t most_salt = (bits - 1 + 7) / 8 - 32 - 2;
    for (const size_t salt : {size_t{0}, size_t{32}, most_salt}) {
      const Mechanism pss = Mechanism::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, salt);
      const Bytes signature = session.sign(pss, pair.private_key, message);
      EXPECT_EQ(signature.size(), size);
      EXPECT_TRUE(half.verifies(
          {.kind = peer::Scheme::kPss, .hash = "SHA256", .mgf_hash = "SHA256", .salt = static_cast<int>(salt)}, message,
          signature));
      EXPECT_RV(CKR_OK, session.try_verify(pss, pair.public_key, message, signature));
    }
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
              session.try_sign(Mechanism::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, most_salt + 1),
                               pair.private_key, message));
    for (const Mechanism& mechanism :
         {Mechanism(CKM_RSA_PKCS), Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA256), Mechanism(CKM_RSA_X_509)}) {
      const Bytes plain = mechanism.type() == CKM_RSA_X_509 ? Bytes(size - 1, 0x33) : message;
      const Bytes sealed = session.encrypt(mechanism, pair.public_key, plain);
      EXPECT_EQ(sealed.size(), size);
      const Bytes opened = session.decrypt(mechanism, pair.private_key, sealed);
      EXPECT_EQ(opened, mechanism.type() == CKM_RSA_X_509 ? Bytes(1) + plain : plain);
    }
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, Bytes(32, 3));
    const Template wanted = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_EXTRACTABLE, true}};
    CK_RSA_AES_KEY_WRAP_PARAMS composed{};
    CK_RSA_PKCS_OAEP_PARAMS oaep{CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, nullptr, 0};
    composed.ulAESKeyBits = 256;
    composed.pOAEPParams = &oaep;
    for (const Mechanism& mechanism : {Mechanism(CKM_RSA_PKCS), Mechanism::oaep(CKM_SHA_1, CKG_MGF1_SHA1),
                                       Mechanism::with_parameter(CKM_RSA_AES_KEY_WRAP, bytes_of(composed))}) {
      const Bytes wrapped = wrap(session, mechanism, pair.public_key, key);
      EXPECT_EQ(session.get(unwrap(session, mechanism, pair.private_key, wrapped, wanted), CKA_VALUE), Bytes(32, 3));
    }
  }
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1023}}, {}));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 8193}}, {}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            session.try_generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 3092}}, {{kVtpmResident, true}}));
}

TEST_F(Generation, TrustedIsSetByTheSoOnly) {
  const Template trusted = {{CKA_EC_PARAMS, kP256}, {CKA_TRUSTED, true}};
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_generate(CKM_EC_KEY_PAIR_GEN, trusted, {}));
  const KeyPair pair = session.generate_ec(kP256);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(pair.public_key, {{CKA_TRUSTED, true}}));
  EXPECT_RV(CKR_OK, session.try_set(pair.public_key, {{CKA_TRUSTED, false}}));
}

// 4.10: "the token MUST verify correspondence", with the return values for parts that do not correspond.
TEST_F(Generation, PublicKeyInfoIsOfTheKey) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}});
  const Bytes right = session.get(pair.public_key, CKA_PUBLIC_KEY_INFO);
  const Bytes wrong = session.get(session.generate_ec(kP256).public_key, CKA_PUBLIC_KEY_INFO);
  const Template key = {{CKA_CLASS, CKO_PRIVATE_KEY},
                        {CKA_KEY_TYPE, CKK_EC},
                        {CKA_EC_PARAMS, kP256},
                        {CKA_VALUE, session.get(pair.private_key, CKA_VALUE)}};
  for (const Bytes& good : {right, Bytes()}) {
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    EXPECT_RV(CKR_OK, session.try_create(key.with({{CKA_PUBLIC_KEY_INFO, good}}), &made));
    EXPECT_EQ(session.get(made, CKA_PUBLIC_KEY_INFO), right);
  }
  for (const Bytes& bad : {wrong, bytes("no key")}) {
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(key.with({{CKA_PUBLIC_KEY_INFO, bad}})));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_set(pair.private_key, {{CKA_PUBLIC_KEY_INFO, bad}}));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_copy(pair.private_key, {{CKA_PUBLIC_KEY_INFO, bad}}));
  }
  EXPECT_RV(CKR_OK, session.try_set(pair.private_key, {{CKA_PUBLIC_KEY_INFO, right}}));
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID,
            session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_PUBLIC_KEY_INFO, right}}));
}

TEST_F(Generation, InvalidDatesAreRejected) {
  for (const char* date : {"20240229", "19991231", ""})
    EXPECT_RV(CKR_OK, session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_START_DATE, date}}));
  for (const char* date : {"2024", "20241301", "20240001", "20240132", "20240100", "2024-1-1", "today   "})
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_END_DATE, date}}))
        << date;
}

TEST_F(Generation, PublicKeyInfoIsThePublicKey) {
  const KeyPair ec = session.generate_ec(kP384), rsa = session.generate_rsa();
  const peer::Key ec_key = ec_of(session, ec.public_key, "P-384"), rsa_key = rsa_of(session, rsa.public_key);
  for (const CK_OBJECT_HANDLE half : {ec.public_key, ec.private_key})
    EXPECT_TRUE(peer::Key::from_spki(session.get(half, CKA_PUBLIC_KEY_INFO)).same_public_key(ec_key));
  for (const CK_OBJECT_HANDLE half : {rsa.public_key, rsa.private_key})
    EXPECT_TRUE(peer::Key::from_spki(session.get(half, CKA_PUBLIC_KEY_INFO)).same_public_key(rsa_key));
}

// --- where the key lives ---

TEST_F(Generation, ResidenceCanBeDemanded) {
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{kVtpmResident, true}});
  EXPECT_TRUE(session.flag(pair.private_key, kVtpmResident));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                 {{kVtpmResident, true}, {CKA_EXTRACTABLE, true}, {CKA_SENSITIVE, false}}));
}

TEST_F(Generation, ExtractableKeysAreSoftwareKeysThatCanBeRead) {
  const Template open = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}, {CKA_TOKEN, true}};
  const KeyPair ec = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, open);
  EXPECT_FALSE(session.flag(ec.private_key, kVtpmResident));
  EXPECT_FALSE(session.flag(ec.private_key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(session.flag(ec.private_key, CKA_NEVER_EXTRACTABLE));
  EXPECT_TRUE(session.flag(ec.private_key, CKA_LOCAL));
  const Bytes point = peer::octet_string_contents(session.get(ec.public_key, CKA_EC_POINT));
  EXPECT_TRUE(peer::Key::ec_private("P-256", point, session.get(ec.private_key, CKA_VALUE)).consistent());

  const KeyPair rsa = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kRsa2048, open.with({{CKA_DECRYPT, true}}));
  const auto get = [&](CK_ATTRIBUTE_TYPE type) { return session.get(rsa.private_key, type); };
  const peer::Key whole =
      peer::Key::rsa_private(get(CKA_MODULUS), get(CKA_PUBLIC_EXPONENT), get(CKA_PRIVATE_EXPONENT), get(CKA_PRIME_1),
                             get(CKA_PRIME_2), get(CKA_EXPONENT_1), get(CKA_EXPONENT_2), get(CKA_COEFFICIENT));
  EXPECT_TRUE(whole.consistent());

  // A key that is made sensitive can no longer be read, and CKA_ALWAYS_SENSITIVE stays false.
  EXPECT_RV(CKR_OK, session.try_set(ec.private_key, {{CKA_SENSITIVE, true}}));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(ec.private_key, CKA_VALUE));
  EXPECT_FALSE(session.flag(ec.private_key, CKA_ALWAYS_SENSITIVE));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(ec.private_key, {{CKA_SENSITIVE, false}}));
}

// --- keys from elsewhere ---

Template rsa_private_template(const peer::Key& key) {
  return {{CKA_CLASS, CKO_PRIVATE_KEY},
          {CKA_KEY_TYPE, CKK_RSA},
          {CKA_SIGN, true},
          {CKA_DECRYPT, true},
          {CKA_MODULUS, key.number(OSSL_PKEY_PARAM_RSA_N)},
          {CKA_PUBLIC_EXPONENT, key.number(OSSL_PKEY_PARAM_RSA_E)},
          {CKA_PRIVATE_EXPONENT, key.number(OSSL_PKEY_PARAM_RSA_D)},
          {CKA_PRIME_1, key.number(OSSL_PKEY_PARAM_RSA_FACTOR1)},
          {CKA_PRIME_2, key.number(OSSL_PKEY_PARAM_RSA_FACTOR2)},
          {CKA_EXPONENT_1, key.number(OSSL_PKEY_PARAM_RSA_EXPONENT1)},
          {CKA_EXPONENT_2, key.number(OSSL_PKEY_PARAM_RSA_EXPONENT2)},
          {CKA_COEFFICIENT, key.number(OSSL_PKEY_PARAM_RSA_COEFFICIENT1)}};
}

Template ec_private_template(const peer::Key& key, const Curve& curve) {
  return {{CKA_CLASS, CKO_PRIVATE_KEY},
          {CKA_KEY_TYPE, CKK_EC},
          {CKA_SIGN, true},
          {CKA_EC_PARAMS, curve.parameters},
          {CKA_VALUE, key.number(OSSL_PKEY_PARAM_PRIV_KEY, curve.bytes)}};
}

void expect_brought_in(Session& session, CK_OBJECT_HANDLE key) {
  EXPECT_FALSE(session.flag(key, CKA_LOCAL));
  EXPECT_EQ(session.number(key, CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
  EXPECT_FALSE(session.flag(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(session.flag(key, CKA_NEVER_EXTRACTABLE));
  EXPECT_TRUE(session.flag(key, CKA_SENSITIVE));
  EXPECT_FALSE(session.flag(key, CKA_EXTRACTABLE));
  EXPECT_TRUE(session.flag(key, CKA_PRIVATE));
}

TEST_F(Import, ImportedRsaPrivateKeysSign) {
  const peer::Key key = peer::Key::generate_rsa(2048);
  const Template whole = rsa_private_template(key);
  for (const bool on_token : {false, true}) {
    const auto object = session.create(whole.with({{CKA_TOKEN, on_token}}));
    expect_brought_in(session, object);
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(object, CKA_PRIVATE_EXPONENT));
    EXPECT_EQ(session.get(object, CKA_MODULUS), key.number(OSSL_PKEY_PARAM_RSA_N));
    const Bytes signature = session.sign(CKM_SHA256_RSA_PKCS, object, bytes("m"));
    EXPECT_TRUE(key.verifies({.kind = peer::Scheme::kPkcs1, .hash = "SHA256"}, bytes("m"), signature));
  }
}

TEST_F(Import, ImportedEcPrivateKeysSign) {
  for (const Curve& curve : kCurves) {
    SCOPED_TRACE(curve.group);
    const peer::Key key = peer::Key::generate_ec(curve.group);
    const auto object = session.create(ec_private_template(key, curve));
    expect_brought_in(session, object);
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(object, CKA_VALUE));
    const Bytes signature = session.sign(CKM_ECDSA_SHA256, object, bytes("m"));
    EXPECT_TRUE(key.verifies({.kind = peer::Scheme::kEcdsa, .hash = "SHA256"}, bytes("m"), signature));
  }
}

TEST_F(Import, PublicKeysVerifyBeforeLogin) {
  session.logout();
  const peer::Key rsa = peer::Key::generate_rsa(1024);
  const auto rsa_object = session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                          {CKA_KEY_TYPE, CKK_RSA},
                                          {CKA_VERIFY, true},
                                          {CKA_MODULUS, rsa.number(OSSL_PKEY_PARAM_RSA_N)},
                                          {CKA_PUBLIC_EXPONENT, rsa.number(OSSL_PKEY_PARAM_RSA_E)}});
  EXPECT_EQ(session.number(rsa_object, CKA_MODULUS_BITS), 1024u);
  EXPECT_FALSE(session.flag(rsa_object, CKA_LOCAL));
  EXPECT_FALSE(session.flag(rsa_object, CKA_PRIVATE));
  const peer::Scheme pkcs1 = {.kind = peer::Scheme::kPkcs1, .hash = "SHA256"};
  EXPECT_RV(CKR_OK, session.try_verify(CKM_SHA256_RSA_PKCS, rsa_object, bytes("m"), rsa.sign(pkcs1, bytes("m"))));
  for (const Curve& curve : kCurves) {
    SCOPED_TRACE(curve.group);
    const peer::Key ec = peer::Key::generate_ec(curve.group);
    const Bytes signature = ec.sign({.kind = peer::Scheme::kEcdsa, .hash = "SHA384"}, bytes("m"));
    // The standard's DER OCTET STRING, and the bare point that some applications send.
    for (const Bytes& point : {peer::octet_string(ec.ec_point()), ec.ec_point()}) {
      const auto object = session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                          {CKA_KEY_TYPE, CKK_EC},
                                          {CKA_VERIFY, true},
                                          {CKA_EC_PARAMS, curve.parameters},
                                          {CKA_EC_POINT, point}});
      EXPECT_EQ(session.get(object, CKA_EC_POINT), peer::octet_string(ec.ec_point()));
      EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA_SHA384, object, bytes("m"), signature));
    }
  }
}

TEST_F(Import, WrongAttributesAreRejected) {
  const peer::Key rsa = peer::Key::generate_rsa(1024), other = peer::Key::generate_rsa(1024);
  const Template whole = rsa_private_template(rsa);
  const ReturnValues wrong = {CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT, CKR_PUBLIC_KEY_INVALID,
                              CKR_DOMAIN_PARAMS_INVALID};
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(whole.without(CKA_KEY_TYPE)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(whole.without(CKA_MODULUS)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(whole.without(CKA_PRIVATE_EXPONENT)));
  EXPECT_RV(wrong, session.try_create(whole.with({{CKA_MODULUS, other.number(OSSL_PKEY_PARAM_RSA_N)}})));
  EXPECT_RV(wrong, session.try_create(whole.with({{CKA_PRIVATE_EXPONENT, other.number(OSSL_PKEY_PARAM_RSA_D)}})));
  EXPECT_RV(wrong, session.try_create(whole.with({{CKA_MODULUS, Bytes{}}})));
  EXPECT_RV(wrong, session.try_create(whole.with({{CKA_KEY_TYPE, 0x7777}})));
  for (const CK_ATTRIBUTE_TYPE type : {CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE})
    EXPECT_RV(one_of(CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT),
              session.try_create(whole.with({{type, true}})));

  const peer::Key ec = peer::Key::generate_ec("P-256");
  const Template private_ec = ec_private_template(ec, kCurves[0]);
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(private_ec.without(CKA_VALUE)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(private_ec.without(CKA_EC_PARAMS)));
  EXPECT_RV(wrong, session.try_create(private_ec.with({{CKA_VALUE, Bytes(32, 0)}})));
  EXPECT_RV(wrong, session.try_create(private_ec.with({{CKA_VALUE, Bytes(32, 0xFF)}})));
  EXPECT_RV(wrong, session.try_create(private_ec.with({{CKA_VALUE, Bytes(33, 0x11)}})));

  const Template public_ec = {{CKA_CLASS, CKO_PUBLIC_KEY}, {CKA_KEY_TYPE, CKK_EC}, {CKA_EC_PARAMS, kP256}};
  Bytes off_curve = ec.ec_point();
  off_curve.back() ^= 1;
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(public_ec));
  EXPECT_RV(wrong, session.try_create(public_ec.with({{CKA_EC_POINT, peer::octet_string(off_curve)}})));
  EXPECT_RV(wrong, session.try_create(public_ec.with({{CKA_EC_POINT, peer::octet_string(Bytes{0})}})));
  EXPECT_RV(wrong, session.try_create(public_ec.with({{CKA_EC_POINT, Bytes{0x04, 0x41}}})));
  EXPECT_TRUE(session.find({}).empty());
}

TEST_F(Import, PrivateKeysNeedTheUser) {
  const Template whole = ec_private_template(peer::Key::generate_ec("P-256"), kCurves[0]);
  session.logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(whole.with({{CKA_PRIVATE, true}})));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(whole.with({{CKA_TOKEN, true}})));
  EXPECT_RV(CKR_OK, session.try_create(whole)) << "a session object without a login is public";
}

}  // namespace
}  // namespace vtpm::conformance
