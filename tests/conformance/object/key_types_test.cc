// SPDX-License-Identifier: Apache-2.0
// Key pairs beside RSA and the TPM's curves: P-224, secp256k1, Edwards and Montgomery curves (PKCS#11 3.0, 2.3), DSA
// and DH (2.40 "Current Mechanisms", 2.2 and 2.4), their domain parameters, and signatures that carry their data.
#include <openssl/core_names.h>
#include <openssl/x509.h>

#include <algorithm>
#include <set>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

using KeyTypes = WithUser;

CK_KEY_TYPE type_of(const std::string& curve) {
  if (curve[0] == 'E') return CKK_EC_EDWARDS;
  return curve[0] == 'X' ? CKK_EC_MONTGOMERY : CKK_EC;
}

Template public_on(const std::string& curve, const Bytes& point) {
  return {{CKA_CLASS, CKO_PUBLIC_KEY},
          {CKA_KEY_TYPE, type_of(curve)},
          {CKA_EC_PARAMS, curve_parameters(curve)},
          {CKA_EC_POINT, point}};
}
Template private_on(const std::string& curve, const Bytes& value) {
  return {{CKA_CLASS, CKO_PRIVATE_KEY},
          {CKA_KEY_TYPE, type_of(curve)},
          {CKA_EC_PARAMS, curve_parameters(curve)},
          {CKA_VALUE, value}};
}

const std::map<std::string, CK_MECHANISM_TYPE> kEcdsa = {
    {"sha1", CKM_ECDSA_SHA1},         {"sha224", CKM_ECDSA_SHA224},     {"sha256", CKM_ECDSA_SHA256},
    {"sha384", CKM_ECDSA_SHA384},     {"sha512", CKM_ECDSA_SHA512},     {"sha3-224", CKM_ECDSA_SHA3_224},
    {"sha3-256", CKM_ECDSA_SHA3_256}, {"sha3-384", CKM_ECDSA_SHA3_384}, {"sha3-512", CKM_ECDSA_SHA3_512}};
const std::map<std::string, CK_MECHANISM_TYPE> kDsa = {
    {"sha1", CKM_DSA_SHA1},         {"sha224", CKM_DSA_SHA224},     {"sha256", CKM_DSA_SHA256},
    {"sha384", CKM_DSA_SHA384},     {"sha512", CKM_DSA_SHA512},     {"sha3-224", CKM_DSA_SHA3_224},
    {"sha3-256", CKM_DSA_SHA3_256}, {"sha3-384", CKM_DSA_SHA3_384}, {"sha3-512", CKM_DSA_SHA3_512}};

// --- Weierstrass curves ---

TEST_F(KeyTypes, EcdsaOnEveryCurveMatchesThePublishedVectors) {
  std::map<std::string, int> seen;
  for_each_line("ecdsa.txt", [&](const Line& line) {
    const std::string curve = line.text("curve");
    ++seen[curve];
    const CK_OBJECT_HANDLE key = session.create(public_on(curve, peer::octet_string(line.bytes("point"))));
    const CK_RV expected = line.text("result") == "good" ? CKR_OK : CKR_SIGNATURE_INVALID;
    const Bytes message = line.bytes("message"), signature = line.bytes("signature");
    EXPECT_RV(expected, session.try_verify(kEcdsa.at(line.text("hash")), key, message, signature));
    EXPECT_RV(expected, session.try_verify_in_parts(kEcdsa.at(line.text("hash")), key, message, signature));
    const Bytes digest = peer::digest(hash_row(line.text("hash")).openssl, message);
    EXPECT_RV(expected, session.try_verify(CKM_ECDSA, key, digest, signature)) << "the digest itself";
  });
  EXPECT_EQ(seen.size(), 8u);
}

const char* const kCurvesOfSoftware[] = {"P-224", "secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"};

TEST_F(KeyTypes, KeysOnCurvesUnknownToTheTpmAreSoftwareKeys) {
  for (const std::string curve : kCurvesOfSoftware) {
    SCOPED_TRACE(curve);
    const KeyPair pair = session.generate_ec(curve_parameters(curve));
    EXPECT_FALSE(session.flag(pair.private_key, kVtpmResident));
    EXPECT_TRUE(session.flag(pair.private_key, CKA_NEVER_EXTRACTABLE));
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(pair.private_key, CKA_VALUE));
    const Bytes signature = session.sign(CKM_ECDSA_SHA256, pair.private_key, bytes("message"));
    EXPECT_TRUE(peer::Key::from_spki(session.get(pair.public_key, CKA_PUBLIC_KEY_INFO))
                    .verifies({.kind = peer::Scheme::kEcdsa, .hash = "SHA256"}, bytes("message"), signature));
    EXPECT_RV(
        CKR_TEMPLATE_INCONSISTENT,
        session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve_parameters(curve)}}, {{kVtpmResident, true}}));
  }
}

// --- Edwards ---

TEST_F(KeyTypes, EddsaMatchesThePublishedVectors) {
  for_each_line("eddsa.txt", [&](const Line& line) {
    const std::string curve = line.text("curve");
    const Bytes point = line.bytes("point"), message = line.bytes("message"), signature = line.bytes("signature");
    const CK_OBJECT_HANDLE key = session.create(private_on(curve, line.bytes("private")));
    EXPECT_EQ(session.get(key, CKA_EC_POINT), peer::octet_string(point));
    EXPECT_EQ(session.sign(CKM_EDDSA, key, message), signature);
    EXPECT_EQ(session.sign_in_parts(CKM_EDDSA, key, message), signature);
    // The point raw, as 3.0 has it, and in a DER OCTET STRING, as several applications send it.
    for (const Bytes& given : {point, peer::octet_string(point)}) {
      const CK_OBJECT_HANDLE half = session.create(public_on(curve, given));
      EXPECT_EQ(session.get(half, CKA_EC_POINT), peer::octet_string(point));
      EXPECT_RV(CKR_OK, session.try_verify(CKM_EDDSA, half, message, signature));
      EXPECT_RV(CKR_OK, session.try_verify_in_parts(CKM_EDDSA, half, message, signature));
      EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(CKM_EDDSA, half, message + Bytes{1}, signature));
      Bytes changed = signature;
      changed[0] ^= 1;
      EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(CKM_EDDSA, half, message, changed));
      EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, session.try_verify(CKM_EDDSA, half, message, Bytes(10)));
    }
  });
}

Mechanism eddsa(bool prehash, const Bytes& context, size_t bytes) {
  CK_EDDSA_PARAMS parameters{};
  parameters.phFlag = prehash;
  parameters.ulContextDataLen = bytes;
  parameters.pContextData = const_cast<CK_BYTE*>(context.data());
  return Mechanism::with_parameter(CKM_EDDSA, bytes_of(parameters));
}
Mechanism eddsa(bool prehash, const Bytes& context) { return eddsa(prehash, context, context.size()); }

/// Checks the same with the message-based functions and C_VerifySignature…, in one part and in several.
void expect_everywhere(Session& session, Mechanism mechanism, const KeyPair& pair, Bytes message, Bytes signature) {
  const auto& v3 = p11_3();
  MUST(v3.C_MessageSignInit(session, mechanism.get(), pair.private_key));
  Bytes out(signature.size());
  CK_ULONG size = out.size();
  EXPECT_RV(CKR_OK, v3.C_SignMessage(session, nullptr, 0, message.data(), message.size(), out.data(), &size));
  EXPECT_EQ(to_hex(out), to_hex(signature));
  out.assign(out.size(), 0);
  MUST(v3.C_SignMessageBegin(session, nullptr, 0));
  MUST(v3.C_SignMessageNext(session, nullptr, 0, message.data(), 1, nullptr, nullptr));
  EXPECT_RV(CKR_OK,
            v3.C_SignMessageNext(session, nullptr, 0, message.data() + 1, message.size() - 1, out.data(), &size));
  EXPECT_EQ(to_hex(out), to_hex(signature));
  MUST(v3.C_MessageSignFinal(session));
  MUST(v3.C_MessageVerifyInit(session, mechanism.get(), pair.public_key));
  EXPECT_RV(CKR_OK, v3.C_VerifyMessage(session, nullptr, 0, message.data(), message.size(), signature.data(), size));
  MUST(v3.C_MessageVerifyFinal(session));
  for (const bool good : {true, false}) {
    if (!good) message[0] ^= 1;
    MUST(v3.C_VerifySignatureInit(session, mechanism.get(), pair.public_key, signature.data(), signature.size()));
    MUST(v3.C_VerifySignatureUpdate(session, message.data(), 1));
    MUST(v3.C_VerifySignatureUpdate(session, message.data() + 1, message.size() - 1));
    EXPECT_RV(good ? CKR_OK : CKR_SIGNATURE_INVALID, v3.C_VerifySignatureFinal(session));
  }
}

TEST_F(KeyTypes, EddsaWithContextOrPrehashMatchesThePublishedVectors) {
  for_each_line("eddsa_context.txt", [&](const Line& line) {
    const std::string curve = line.text("curve");
    const Bytes message = line.bytes("message"), signature = line.bytes("signature"),
                context = line.has("context") ? line.bytes("context") : Bytes();
    const bool prehash = line.text("form") == "prehashed";
    const Mechanism mechanism = eddsa(prehash, context);
    const KeyPair pair = {session.create(public_on(curve, line.bytes("point"))),
                          session.create(private_on(curve, line.bytes("private")))};
    EXPECT_EQ(to_hex(session.sign(mechanism, pair.private_key, message)), to_hex(signature));
    EXPECT_EQ(to_hex(session.sign_in_parts(mechanism, pair.private_key, message)), to_hex(signature));
    EXPECT_RV(CKR_OK, session.try_verify(mechanism, pair.public_key, message, signature));
    EXPECT_RV(CKR_OK, session.try_verify_in_parts(mechanism, pair.public_key, message, signature));
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mechanism, pair.public_key, message + Bytes{1}, signature));
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(CKM_EDDSA, pair.public_key, message, signature));
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(eddsa(!prehash, context), pair.public_key, message, signature));
    EXPECT_RV(CKR_SIGNATURE_INVALID,
              session.try_verify(eddsa(prehash, context + Bytes{0}), pair.public_key, message, signature));
    EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, session.try_verify(mechanism, pair.public_key, message, Bytes(10)));
    expect_everywhere(session, mechanism, pair, message, signature);
  });
}

TEST_F(KeyTypes, EddsaUsesTheSchemeOfCurveAndParameter) {
  const auto pair_on = [&](const char* curve) {
    return session.generate(CKM_EC_EDWARDS_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve_parameters(curve)}}, {});
  };
  const KeyPair small = pair_on("Ed25519"), large = pair_on("Ed448");
  const Bytes context(256, 'c'), message = bytes("m");
  // 3.0, table 65: the scheme that follows from the curve and the parameter.
  EXPECT_EQ(session.sign(eddsa(false, {}), large.private_key, message),
            session.sign(CKM_EDDSA, large.private_key, message));
  EXPECT_NE(session.sign(eddsa(false, {}), small.private_key, message),
            session.sign(CKM_EDDSA, small.private_key, message))
      << "Ed25519ctx";
  for (const KeyPair& pair : {small, large}) {
    const auto answer = [&](const Mechanism& mechanism) {
      const CK_RV rv = session.try_sign(mechanism, pair.private_key, message);
      EXPECT_RV(rv, rv == CKR_OK ? rv : session.try_verify(mechanism, pair.public_key, message, Bytes(64)));
      return rv;
    };
    for (const bool prehash : {false, true}) {
      EXPECT_RV(CKR_OK, answer(eddsa(prehash, context, 255)));
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(eddsa(prehash, context, 256)));
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(eddsa(prehash, context, kAbsurd)));
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(eddsa(prehash, {}, 1))) << "a null pointer with a length";
    }
    CK_EDDSA_PARAMS neither{};
    neither.phFlag = 2;
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::with_parameter(CKM_EDDSA, bytes_of(neither))));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::with_parameter(CKM_EDDSA, Bytes(3))));
    EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, session.try_sign(CKM_ECDSA, pair.private_key, message));
  }
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, session.try_sign(CKM_EDDSA, session.generate_ec(kP256).private_key, message));
}

// --- Montgomery ---

Mechanism ecdh(const Bytes& point) {
  return Mechanism::with_parameter(
      CKM_ECDH1_DERIVE, bytes_of(CK_ECDH1_DERIVE_PARAMS{CKD_NULL, 0, nullptr, point.size(), bytes_pointer(point)}));
}

TEST_F(KeyTypes, XdhMatchesThePublishedVectors) {
  for_each_line("xdh.txt", [&](const Line& line) {
    const CK_OBJECT_HANDLE key = session.create(private_on(line.text("curve"), line.bytes("private")));
    const Bytes point = line.bytes("point"), wrapped = peer::octet_string(point);
    EXPECT_EQ(derived_value(session, ecdh(point), key, 0), line.bytes("secret"));
    EXPECT_EQ(derived_value(session, ecdh(wrapped), key, 0), line.bytes("secret"));
    const Bytes zero(point.size());
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, ecdh(zero), key, {})) << "a point of small order";
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, ecdh(Bytes(31, 9)), key, {}));
  });
}

TEST_F(KeyTypes, EcdhOnCurvesUnknownToTheTpmMatchesThePublishedVectors) {
  std::set<std::string> seen;
  for_each_line("ecdh.txt", [&](const Line& line) {
    const std::string curve = line.text("curve");
    if (std::find(std::begin(kCurvesOfSoftware), std::end(kCurvesOfSoftware), curve) == std::end(kCurvesOfSoftware))
      return;
    seen.insert(curve);
    const CK_OBJECT_HANDLE key = session.create(private_on(curve, line.bytes("scalar")));
    const Bytes point = line.bytes("point");
    if (line.text("result") == "good") {
      EXPECT_EQ(derived_value(session, ecdh(point), key, 0), line.bytes("secret"));
    } else {
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_derive(session, ecdh(point), key, {}));
    }
  });
  EXPECT_EQ(seen.size(), 4u) << "all but secp256k1";
}

// --- all curves without X and Y ---

TEST_F(KeyTypes, GeneratedPairsOnEdwardsAndMontgomeryCurvesWork) {
  struct Row {
    const char* curve;
    CK_MECHANISM_TYPE generation;
    size_t bytes;
    const char* name;
  };
  for (const Row& row :
       {Row{"Ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, 32, "edwards25519"},
        Row{"Ed448", CKM_EC_EDWARDS_KEY_PAIR_GEN, 57, "edwards448"},
        Row{"Ed25519", CKM_EDDSA, 32, "edwards25519"},  // GnuTLS 3.7, Knot
        Row{"Ed448", CKM_EDDSA, 57, "edwards448"}, Row{"X25519", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, 32, "curve25519"},
        Row{"X448", CKM_EC_MONTGOMERY_KEY_PAIR_GEN, 56, "curve448"}}) {
    SCOPED_TRACE(row.curve);
    const std::string name = row.name;
    const Bytes printable = Bytes{0x13, static_cast<uint8_t>(name.size())} + bytes(name);
    for (const Bytes& parameters : {curve_parameters(row.curve), printable}) {
      const KeyPair pair = session.generate(row.generation, {{CKA_EC_PARAMS, parameters}}, {{CKA_TOKEN, true}});
      EXPECT_EQ(session.number(pair.private_key, CKA_KEY_TYPE), type_of(row.curve));
      EXPECT_EQ(session.get(pair.public_key, CKA_EC_PARAMS), curve_parameters(row.curve));
      const Bytes point = peer::octet_string_contents(session.get(pair.public_key, CKA_EC_POINT));
      EXPECT_EQ(point.size(), row.bytes);
      EXPECT_FALSE(session.flag(pair.private_key, kVtpmResident));
      EXPECT_TRUE(session.flag(pair.private_key, CKA_LOCAL));
      EXPECT_EQ(session.number(pair.private_key, CKA_KEY_GEN_MECHANISM),
                row.generation == CKM_EDDSA ? CKM_EC_EDWARDS_KEY_PAIR_GEN : row.generation);
      EXPECT_EQ(session.get(pair.private_key, CKA_ID), peer::digest("SHA1", point));
      const bool signs = row.generation != CKM_EC_MONTGOMERY_KEY_PAIR_GEN;
      EXPECT_EQ(session.flag(pair.private_key, CKA_SIGN), signs);
      EXPECT_EQ(session.flag(pair.private_key, CKA_DERIVE), !signs);
      const peer::Key half = peer::Key::from_spki(session.get(pair.public_key, CKA_PUBLIC_KEY_INFO));
      if (signs) {
        const Bytes signature = session.sign(CKM_EDDSA, pair.private_key, bytes("message"));
        EVP_MD_CTX* context = EVP_MD_CTX_new();
        EXPECT_EQ(EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, half.get()), 1);
        EXPECT_EQ(EVP_DigestVerify(context, signature.data(), signature.size(),
                                   reinterpret_cast<const uint8_t*>("message"), 7),
                  1);
        EVP_MD_CTX_free(context);
      } else {
        const KeyPair other = session.generate(row.generation, {{CKA_EC_PARAMS, parameters}}, {});
        const Bytes mine = session.get(pair.public_key, CKA_EC_POINT),
                    its = session.get(other.public_key, CKA_EC_POINT);
        EXPECT_EQ(derived_value(session, ecdh(its), pair.private_key, 0),
                  derived_value(session, ecdh(mine), other.private_key, 0));
      }
    }
    for (const CK_MECHANISM_TYPE wrong :
         {CKM_EC_KEY_PAIR_GEN,
          row.generation != CKM_EC_MONTGOMERY_KEY_PAIR_GEN ? CKM_EC_MONTGOMERY_KEY_PAIR_GEN : CKM_EDDSA})
      EXPECT_RV(CKR_CURVE_NOT_SUPPORTED,
                session.try_generate(wrong, {{CKA_EC_PARAMS, curve_parameters(row.curve)}}, {}));
    EXPECT_RV(CKR_CURVE_NOT_SUPPORTED, session.try_generate(row.generation, {{CKA_EC_PARAMS, kP256}}, {}));
    EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_generate(row.generation, {}, {}));
    EXPECT_RV(
        CKR_TEMPLATE_INCONSISTENT,
        session.try_generate(row.generation, {{CKA_EC_PARAMS, curve_parameters(row.curve)}}, {{kVtpmResident, true}}));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(private_on(row.curve, Bytes(31, 1))));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(public_on(row.curve, Bytes(31, 1))));
  }
}

// Only the function list that C_GetAttributeValue is called through decides about the form (3.2: bare bytes; before: a
// DER OCTET STRING, which p11tool, certtool, keymgr and libp11 expect). Templates may have either form everywhere.
TEST_F(KeyTypes, PointsAreShownByTheTableAndTakenInEitherForm) {
  CK_VERSION v30{3, 0};
  CK_INTERFACE* interface_3_0 = nullptr;
  MUST(module_list_3().C_GetInterface(nullptr, &v30, &interface_3_0, 0));
  using GetAttributeValue = CK_RV (*)(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE*, CK_ULONG);
  const auto symbol = reinterpret_cast<GetAttributeValue>(module_symbol("C_GetAttributeValue"));
  const GetAttributeValue from_3_0 =
      static_cast<CK_FUNCTION_LIST_3_0*>(interface_3_0->pFunctionList)->C_GetAttributeValue;
  const GetAttributeValue from_3_2 = module_list_3().C_GetAttributeValue,
                          from_2_40 = module_list()->C_GetAttributeValue;
  const auto shows = [&](GetAttributeValue get, CK_OBJECT_HANDLE key, const Bytes& expected) {
    Bytes value(expected.size());
    CK_ATTRIBUTE row = {CKA_EC_POINT, nullptr, 0};
    EXPECT_RV(CKR_OK, get(session, key, &row, 1)) << "its size";
    EXPECT_EQ(row.ulValueLen, expected.size());
    row = {CKA_EC_POINT, value.data(), expected.size() - 1};
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, get(session, key, &row, 1));
    EXPECT_EQ(row.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    EXPECT_EQ(value, Bytes(expected.size()));
    row.ulValueLen = value.size();
    EXPECT_RV(CKR_OK, get(session, key, &row, 1));
    EXPECT_EQ(value, expected);
  };
  const CK_OBJECT_HANDLE wrapper =
      session.create({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(32, 0x57)}});
  for (const auto& [curve, generation] : {std::pair{"Ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN},
                                          {"Ed448", CKM_EC_EDWARDS_KEY_PAIR_GEN},
                                          {"X25519", CKM_EC_MONTGOMERY_KEY_PAIR_GEN},
                                          {"X448", CKM_EC_MONTGOMERY_KEY_PAIR_GEN},
                                          {"P-256", CKM_EC_KEY_PAIR_GEN}}) {
    SCOPED_TRACE(curve);
    const Template open = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}, {CKA_TOKEN, true}};
    const KeyPair pair =
        session.generate(generation, {{CKA_EC_PARAMS, curve_parameters(curve)}, {CKA_TOKEN, true}}, open);
    const Bytes info = session.get(pair.public_key, CKA_PUBLIC_KEY_INFO);
    const Bytes der = session.get(pair.public_key, CKA_EC_POINT), bare = peer::octet_string_contents(der);
    EXPECT_EQ(Bytes(info.end() - static_cast<ptrdiff_t>(bare.size()), info.end()), bare);
    const bool is_ec = generation == CKM_EC_KEY_PAIR_GEN;
    for (const CK_OBJECT_HANDLE key : {pair.public_key, pair.private_key}) {
      shows(symbol, key, der);
      shows(from_2_40, key, der);
      shows(from_3_0, key, der);
      shows(from_3_2, key, is_ec ? der : bare);
    }
    Bytes other = bare;
    other.back() ^= 1;
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, pair.private_key);
    for (const Bytes& form : {bare, der}) {
      EXPECT_EQ(session.find({{CKA_CLASS, CKO_PUBLIC_KEY}, {CKA_EC_POINT, form}}), std::vector{pair.public_key});
      EXPECT_EQ(session.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_EC_POINT, form}}), std::vector{pair.private_key});
      const CK_OBJECT_HANDLE made = session.create(public_on(curve, form));
      shows(from_3_2, made, is_ec ? der : bare);
      EXPECT_EQ(session.get(made, CKA_PUBLIC_KEY_INFO), info);
      EXPECT_EQ(session.get(made, CKA_ID), peer::digest("SHA1", bare));
      CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE, half = CK_INVALID_HANDLE, came = CK_INVALID_HANDLE;
      EXPECT_RV(CKR_OK, session.try_copy(made, {{CKA_EC_POINT, form}}, &copy));
      EXPECT_RV(CKR_OK,
                try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, {{CKA_EC_POINT, form}}, &half));
      const Template wanted = {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, type_of(curve)}};
      EXPECT_RV(CKR_OK, try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped, wanted.with({{CKA_EC_POINT, form}}),
                                   &came));
      const Bytes value = session.get(pair.private_key, CKA_VALUE);
      const CK_OBJECT_HANDLE brought = session.create(private_on(curve, value).with({{CKA_EC_POINT, form}}));
      for (const CK_OBJECT_HANDLE key : {copy, half, came, brought}) {
        shows(from_3_2, key, is_ec ? der : bare);
        shows(from_2_40, key, der);
        p11->C_DestroyObject(session, key);
      }
      EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(made, {{CKA_EC_POINT, form}}));
      p11->C_DestroyObject(session, made);
      const Bytes wrong = form == der ? peer::octet_string(other) : other;
      EXPECT_TRUE(session.find({{CKA_EC_POINT, wrong}}).empty());
      EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
                try_derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, pair.private_key, {{CKA_EC_POINT, wrong}}));
      EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
                try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped, wanted.with({{CKA_EC_POINT, wrong}})));
    }
  }
}

TEST_F(KeyTypes, EcdhAesKeyWrapOnMontgomeryCurves) {
  for (const char* curve : {"X25519", "X448"}) {
    const KeyPair pair =
        session.generate(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve_parameters(curve)}, {CKA_WRAP, true}},
                         {{CKA_UNWRAP, true}});
    // "will work as CKM_ECDH_AES_KEY_WRAP applied to CKK_EC_MONTGOMERY keys" (3.2, 6.3)
    const auto with = [](CK_MECHANISM_TYPE type) {
      return Mechanism::with_parameter(type, bytes_of(CK_ECDH_AES_KEY_WRAP_PARAMS{256, CKD_SHA256_KDF, 0, nullptr}));
    };
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, Bytes(16, 7));
    for (const CK_MECHANISM_TYPE out : {CKM_ECDH_AES_KEY_WRAP, CKM_ECDH_X_AES_KEY_WRAP}) {
      const Bytes wrapped = wrap(session, with(out), pair.public_key, key);
      for (const CK_MECHANISM_TYPE in : {CKM_ECDH_AES_KEY_WRAP, CKM_ECDH_X_AES_KEY_WRAP})
        EXPECT_EQ(session.get(unwrap(session, with(in), pair.private_key, wrapped, shown_secret(0)), CKA_VALUE),
                  Bytes(16, 7));
    }
    EXPECT_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
              try_wrap(session, with(CKM_ECDH_COF_AES_KEY_WRAP), pair.public_key, key));
  }
}

// --- DSA and DH ---

Template field_key(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type, const Line& line, const char* value) {
  Template key = {{CKA_CLASS, object_class},
                  {CKA_KEY_TYPE, type},
                  {CKA_PRIME, line.bytes("p")},
                  {CKA_BASE, line.bytes("g")},
                  {CKA_VALUE, line.bytes(value)}};
  return type == CKK_DSA ? key.with({{CKA_SUBPRIME, line.bytes("q")}}) : key;
}

TEST_F(KeyTypes, DsaMatchesThePublishedVectors) {
  std::map<std::string, int> seen;
  for_each_line("dsa.txt", [&](const Line& line) {
    ++seen[line.text("hash")];
    const CK_OBJECT_HANDLE half = session.create(field_key(CKO_PUBLIC_KEY, CKK_DSA, line, "y"));
    const Bytes message = line.bytes("message"), signature = line.bytes("signature");
    const CK_MECHANISM_TYPE type = kDsa.at(line.text("hash"));
    const Bytes digest = peer::digest(hash_row(line.text("hash")).openssl, message);
    const CK_RV expected = line.text("result") == "good" ? CKR_OK : CKR_SIGNATURE_INVALID;
    EXPECT_RV(expected, session.try_verify(type, half, message, signature));
    EXPECT_RV(expected, session.try_verify_in_parts(type, half, message, signature));
    EXPECT_RV(expected, session.try_verify(CKM_DSA, half, digest, signature)) << "the digest itself";
    if (line.text("result") != "good") return;  // in some of those the halves do not belong together
    const CK_OBJECT_HANDLE key = session.create(field_key(CKO_PRIVATE_KEY, CKK_DSA, line, "x"));
    EXPECT_EQ(session.get(key, CKA_PUBLIC_KEY_INFO), session.get(half, CKA_PUBLIC_KEY_INFO));
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(key, CKA_VALUE));
    EXPECT_FALSE(session.flag(key, kVtpmResident));
    EXPECT_RV(CKR_OK, session.try_verify(type, half, message, session.sign(type, key, message)));
    EXPECT_RV(CKR_OK, session.try_verify(type, half, message, session.sign(CKM_DSA, key, digest)));
    EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, session.try_verify(type, half, message, Bytes(39)));
  });
  EXPECT_EQ(seen.size(), kDsa.size());
}

TEST_F(KeyTypes, DsaKeysOfGeneratedDomainParametersSign) {
  CK_OBJECT_HANDLE domain = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DSA_PARAMETER_GEN, {{CKA_PRIME_BITS, 1024}, {CKA_SUB_PRIME_BITS, 160}}, &domain));
  EXPECT_EQ(session.number(domain, CKA_CLASS), CKO_DOMAIN_PARAMETERS);
  EXPECT_EQ(session.get(domain, CKA_PRIME).size(), 128u);
  EXPECT_EQ(session.get(domain, CKA_SUBPRIME).size(), 20u);
  EXPECT_TRUE(session.flag(domain, CKA_LOCAL));
  const Template parameters = {{CKA_PRIME, session.get(domain, CKA_PRIME)},
                               {CKA_SUBPRIME, session.get(domain, CKA_SUBPRIME)},
                               {CKA_BASE, session.get(domain, CKA_BASE)}};
  const KeyPair pair = session.generate(CKM_DSA_KEY_PAIR_GEN, parameters, {});
  const peer::Key half = peer::Key::from_spki(session.get(pair.public_key, CKA_PUBLIC_KEY_INFO));
  for (const auto& [type, name] : {std::pair{CKM_DSA_SHA384, "SHA384"},
                                   {CKM_DSA_SHA512, "SHA512"},
                                   {CKM_DSA_SHA3_224, "SHA3-224"},
                                   {CKM_DSA_SHA3_256, "SHA3-256"},
                                   {CKM_DSA_SHA3_384, "SHA3-384"},
                                   {CKM_DSA_SHA3_512, "SHA3-512"}}) {
    const Bytes signature = session.sign(type, pair.private_key, bytes("message"));
    EXPECT_RV(CKR_OK, session.try_verify(type, pair.public_key, bytes("message"), signature));
    EXPECT_RV(CKR_OK, session.try_verify(CKM_DSA, pair.public_key, peer::digest(name, bytes("message")), signature))
        << "it is a signature of that digest";
  }
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_generate(CKM_DSA_KEY_PAIR_GEN, parameters.without(CKA_BASE), {}));
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID,
            session.try_generate(CKM_DSA_KEY_PAIR_GEN, parameters.with({{CKA_PRIME, Bytes(128, 0xFE)}}), {}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_generate(CKM_DSA_KEY_PAIR_GEN, parameters, {{kVtpmResident, true}}));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, try_generate_key(session, CKM_DSA_PARAMETER_GEN, {{CKA_PRIME_BITS, 512}}));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            try_generate_key(session, CKM_DSA_PARAMETER_GEN, {{CKA_PRIME_BITS, 1024}, {CKA_SUB_PRIME_BITS, 256}}));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, try_generate_key(session, CKM_DSA_PARAMETER_GEN, {}));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, session.try_sign(CKM_DSA, domain, bytes("m"))) << "parameters are no key";
  // Domain parameters from elsewhere.
  const CK_OBJECT_HANDLE brought =
      session.create(parameters.with({{CKA_CLASS, CKO_DOMAIN_PARAMETERS}, {CKA_KEY_TYPE, CKK_DSA}, {CKA_TOKEN, true}}));
  EXPECT_FALSE(session.flag(brought, CKA_LOCAL));
  EXPECT_EQ(session.number(brought, CKA_PRIME_BITS), 1024u);
  EXPECT_EQ(session.number(brought, CKA_SUB_PRIME_BITS), 160u);
  EXPECT_RV(
      CKR_TEMPLATE_INCOMPLETE,
      session.try_create({{CKA_CLASS, CKO_DOMAIN_PARAMETERS}, {CKA_KEY_TYPE, CKK_DSA}, {CKA_PRIME, Bytes(128, 1)}}));
}

TEST_F(KeyTypes, DhMatchesThePublishedVectors) {
  for_each_line("dh.txt", [&](const Line& line) {
    const CK_OBJECT_HANDLE key = session.create(field_key(CKO_PRIVATE_KEY, CKK_DH, line, "x"));
    const Mechanism peer = Mechanism::with_parameter(CKM_DH_PKCS_DERIVE, line.bytes("peer"));
    EXPECT_EQ(derived_value(session, peer, key, 0), line.bytes("secret"));
    const Bytes secret = line.bytes("secret");
    EXPECT_EQ(derived_value(session, peer, key, 16), Bytes(secret.end() - 16, secret.end())) << "the beginning goes";
    EXPECT_EQ(session.number(derive(session, peer, key, {{CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE_LEN, 32}}), CKA_VALUE_LEN),
              32u);
    for (const Bytes& bad : {Bytes{}, Bytes{0}, Bytes{1}, line.bytes("p")})
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID,
                try_derive(session, Mechanism::with_parameter(CKM_DH_PKCS_DERIVE, bad), key, {}));
    if (line.has("y")) {
      const CK_OBJECT_HANDLE half = session.create(field_key(CKO_PUBLIC_KEY, CKK_DH, line, "y"));
      EXPECT_EQ(session.get(half, CKA_PUBLIC_KEY_INFO), session.get(key, CKA_PUBLIC_KEY_INFO));
      EXPECT_EQ(session.get(derive(session, CKM_PUB_KEY_FROM_PRIV_KEY, key, {}), CKA_VALUE),
                session.get(half, CKA_VALUE));
    }
  });
}

TEST_F(KeyTypes, DhPairsDeriveTheSameSecret) {
  CK_OBJECT_HANDLE domain = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DH_PKCS_PARAMETER_GEN, {{CKA_PRIME_BITS, 2048}, {CKA_TOKEN, true}}, &domain));
  EXPECT_EQ(session.number(domain, CKA_KEY_TYPE), CKK_DH);
  const Template parameters = {{CKA_PRIME, session.get(domain, CKA_PRIME)}, {CKA_BASE, session.get(domain, CKA_BASE)}};
  // RFC 7919, A.1: ffdhe2048 begins and ends with 64 ones.
  const Bytes prime = session.get(domain, CKA_PRIME);
  EXPECT_EQ(Bytes(prime.begin(), prime.begin() + 16), from_hex("ffffffffffffffffadf85458a2bb4a9a"));
  const KeyPair mine = session.generate(CKM_DH_PKCS_KEY_PAIR_GEN, parameters, {});
  const KeyPair its = session.generate(CKM_DH_PKCS_KEY_PAIR_GEN, parameters, {{CKA_VALUE_BITS, 256}});
  EXPECT_EQ(session.number(its.private_key, CKA_VALUE_BITS), 256u);
  EXPECT_TRUE(session.flag(mine.private_key, CKA_DERIVE));
  EXPECT_FALSE(session.flag(mine.private_key, CKA_SIGN));
  const auto with = [&](CK_OBJECT_HANDLE half) {
    return Mechanism::with_parameter(CKM_DH_PKCS_DERIVE, session.get(half, CKA_VALUE));
  };
  EXPECT_EQ(derived_value(session, with(its.public_key), mine.private_key, 0),
            derived_value(session, with(mine.public_key), its.private_key, 0));
  for (const CK_ULONG bits : {1024, 2056})
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              try_generate_key(session, CKM_DH_PKCS_PARAMETER_GEN, {{CKA_PRIME_BITS, bits}}));
  for (const CK_ULONG bits : {CK_ULONG{0}, CK_ULONG{1}, CK_ULONG{159}, CK_ULONG{2048}, CK_ULONG{4000}, kAbsurd})
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
              session.try_generate(CKM_DH_PKCS_KEY_PAIR_GEN, parameters, {{CKA_VALUE_BITS, bits}}))
        << bits;
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID,
            session.try_generate(CKM_DH_PKCS_KEY_PAIR_GEN, parameters.with({{CKA_PRIME, Bytes(256, 0xFE)}}),
                                 {{CKA_VALUE_BITS, 256}}));
}

TEST_F(KeyTypes, InvalidDomainParametersMakeNoKeys) {
  const auto dh = [&](const Bytes& prime) {
    return session.try_generate(CKM_DH_PKCS_KEY_PAIR_GEN, {{CKA_PRIME, prime}, {CKA_BASE, Bytes{2}}}, {});
  };
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, dh(Bytes(64, 0xFF))) << "not of 1024 bits";
  // RFC 2409, 6.1: a prime, of 768 bits.
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID,
            dh(from_hex("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
                        "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
                        "4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF")));
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, dh(Bytes(128, 0xFF))) << "2^1024 - 1 is no prime";
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, dh(Bytes(256, 0xFF))) << "nor is 2^2048 - 1";

  // A prime that is in no list is accepted too: here the one of DSA's parameters.
  CK_OBJECT_HANDLE domain = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DSA_PARAMETER_GEN, {{CKA_PRIME_BITS, 1024}, {CKA_SUB_PRIME_BITS, 160}}, &domain));
  const Bytes prime = session.get(domain, CKA_PRIME), base = session.get(domain, CKA_BASE);
  EXPECT_RV(CKR_OK, session.try_generate(CKM_DH_PKCS_KEY_PAIR_GEN, {{CKA_PRIME, prime}, {CKA_BASE, base}}, {}));
  const Template dsa = {{CKA_PRIME, prime}, {CKA_SUBPRIME, session.get(domain, CKA_SUBPRIME)}, {CKA_BASE, base}};
  EXPECT_RV(CKR_OK, session.try_generate(CKM_DSA_KEY_PAIR_GEN, dsa, {}));
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, session.try_generate(CKM_DSA_KEY_PAIR_GEN, dsa.with({{CKA_BASE, Bytes{2}}}), {}))
      << "2 has another order";
}

// 6.4.4: "Length in bits of private value x", of every key.
TEST_F(KeyTypes, DhKeysHaveTheBitsOfTheirValue) {
  const auto bits = [](const Bytes& number) {
    BIGNUM* value = BN_bin2bn(number.data(), static_cast<int>(number.size()), nullptr);
    const auto length = static_cast<CK_ULONG>(BN_num_bits(value));
    BN_free(value);
    return length;
  };
  std::set<CK_ULONG> seen;
  for_each_line("dh.txt", [&](const Line& line) {
    const Bytes x = line.bytes("x");
    const CK_OBJECT_HANDLE key = session.create(field_key(CKO_PRIVATE_KEY, CKK_DH, line, "x"));
    EXPECT_EQ(session.number(key, CKA_VALUE_BITS), bits(x));
    seen.insert(bits(x));
  });
  EXPECT_GT(seen.size(), 1u);
  CK_OBJECT_HANDLE dh = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DH_PKCS_PARAMETER_GEN, {{CKA_PRIME_BITS, 2048}}, &dh));
  const Template parameters = {{CKA_PRIME, session.get(dh, CKA_PRIME)}, {CKA_BASE, session.get(dh, CKA_BASE)}};
  const CK_OBJECT_HANDLE wrapper = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                   {CKA_KEY_TYPE, CKK_AES},
                                                   {CKA_VALUE, Bytes(32, 0x31)},
                                                   {CKA_WRAP, true},
                                                   {CKA_UNWRAP, true}});
  const Template open = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
  const CK_OBJECT_HANDLE made = session.generate(CKM_DH_PKCS_KEY_PAIR_GEN, parameters, open).private_key;
  const CK_ULONG length = bits(session.get(made, CKA_VALUE));
  EXPECT_EQ(session.number(made, CKA_VALUE_BITS), length);
  const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, made);
  const Template wanted = {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_DH}};
  for (const Template& one : {wanted, wanted.with({{CKA_VALUE_BITS, 7}})})
    EXPECT_EQ(session.number(unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped, one), CKA_VALUE_BITS), length);
}

// --- rules for all key types ---

TEST_F(KeyTypes, EveryTypeIsWrappedAsPkcs8AndComesBack) {
  const Bytes kek(32, 0x31);
  const CK_OBJECT_HANDLE wrapper = session.create(
      {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, kek}, {CKA_WRAP, true}, {CKA_UNWRAP, true}});
  const CK_OBJECT_HANDLE cipher = secret_key(session, CKK_AES, kek);
  const Template open = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
  CK_OBJECT_HANDLE dsa = CK_INVALID_HANDLE, dh = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DSA_PARAMETER_GEN, {{CKA_PRIME_BITS, 1024}}, &dsa));
  MUST(try_generate_key(session, CKM_DH_PKCS_PARAMETER_GEN, {{CKA_PRIME_BITS, 2048}}, &dh));
  const auto on = [&](const char* curve) { return Template{{CKA_EC_PARAMS, curve_parameters(curve)}}; };
  const Template dh_domain = {{CKA_PRIME, session.get(dh, CKA_PRIME)}, {CKA_BASE, session.get(dh, CKA_BASE)}};
  const Template dsa_domain = {{CKA_PRIME, session.get(dsa, CKA_PRIME)},
                               {CKA_SUBPRIME, session.get(dsa, CKA_SUBPRIME)},
                               {CKA_BASE, session.get(dsa, CKA_BASE)}};
  const std::vector<std::pair<CK_MECHANISM_TYPE, Template>> kinds = {{CKM_EC_KEY_PAIR_GEN, on("P-224")},
                                                                     {CKM_EC_KEY_PAIR_GEN, on("secp256k1")},
                                                                     {CKM_EC_EDWARDS_KEY_PAIR_GEN, on("Ed25519")},
                                                                     {CKM_EC_EDWARDS_KEY_PAIR_GEN, on("Ed448")},
                                                                     {CKM_EC_MONTGOMERY_KEY_PAIR_GEN, on("X25519")},
                                                                     {CKM_EC_MONTGOMERY_KEY_PAIR_GEN, on("X448")},
                                                                     {CKM_DSA_KEY_PAIR_GEN, dsa_domain},
                                                                     {CKM_DH_PKCS_KEY_PAIR_GEN, dh_domain}};
  for (const auto& [generation, wanted] : kinds) {
    SCOPED_TRACE(generation);
    const KeyPair pair = session.generate(generation, wanted, open);
    const Bytes info_of_public = session.get(pair.public_key, CKA_PUBLIC_KEY_INFO);
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, pair.private_key);
    const Bytes info = session.decrypt(CKM_AES_KEY_WRAP_KWP, cipher, wrapped);
    const unsigned char* at = info.data();
    EVP_PKEY* read = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(info.size()));
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(EVP_PKEY_eq(read, peer::Key::from_spki(info_of_public).get()), 1);
    EVP_PKEY_free(read);
    const CK_KEY_TYPE type = session.number(pair.private_key, CKA_KEY_TYPE);
    const CK_OBJECT_HANDLE came = unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped,
                                         {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, type}, {CKA_SENSITIVE, false}});
    EXPECT_EQ(session.get(came, CKA_VALUE), session.get(pair.private_key, CKA_VALUE));
    EXPECT_EQ(session.get(came, CKA_PUBLIC_KEY_INFO), info_of_public);
    // Copies, to the token and back, are the same key.
    CK_OBJECT_HANDLE kept = CK_INVALID_HANDLE, back = CK_INVALID_HANDLE;
    MUST(session.try_copy(came, {{CKA_TOKEN, true}}, &kept));
    MUST(session.try_copy(kept, {{CKA_TOKEN, false}}, &back));
    EXPECT_EQ(session.get(back, CKA_VALUE), session.get(pair.private_key, CKA_VALUE));
    EXPECT_NE(session.get(back, kUniqueId), session.get(kept, kUniqueId));
  }
}

TEST_F(KeyTypes, ExplicitCurveParametersAreRefused) {
  // ECParameters (RFC 3279, 2.3.5) that describe P-256 by its numbers, as OpenSSL writes them.
  EVP_PKEY* key = EVP_EC_gen("P-256");
  EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit");
  unsigned char* der = nullptr;
  const int size = i2d_KeyParams(key, &der);
  ASSERT_GT(size, 100);
  const Bytes parameters(der, der + size);
  OPENSSL_free(der);
  EVP_PKEY_free(key);
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, parameters}}, {}));
}

// --- signatures that carry their data ---

CK_RV try_recover(Session& session, const Mechanism& how, CK_OBJECT_HANDLE key, const Bytes& signature, Bytes* data) {
  Mechanism mechanism = how;
  CK_RV rv = p11->C_VerifyRecoverInit(session, mechanism.get(), key);
  if (rv != CKR_OK) return rv;
  CK_ULONG size = 0;
  rv = p11->C_VerifyRecover(session, bytes_pointer(signature), signature.size(), nullptr, &size);
  if (rv != CKR_OK) return rv;
  data->resize(size);
  if (size > 0) {
    CK_ULONG little = size - 1;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL,
              p11->C_VerifyRecover(session, bytes_pointer(signature), signature.size(), data->data(), &little));
  }
  return p11->C_VerifyRecover(session, bytes_pointer(signature), signature.size(),
                              size ? data->data() : bytes_pointer({}), &size);
}

TEST_F(KeyTypes, DataAreRecoveredFromRsaSignatures) {
  const KeyPair pair = session.generate(
      CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}, {CKA_VERIFY_RECOVER, true}}, {{CKA_SIGN_RECOVER, true}});
  const peer::Key half = peer::Key::rsa_public(session.get(pair.public_key, CKA_MODULUS),
                                               session.get(pair.public_key, CKA_PUBLIC_EXPONENT));
  for (const CK_MECHANISM_TYPE type : {CKM_RSA_PKCS, CKM_RSA_X_509}) {
    const Bytes data = type == CKM_RSA_PKCS ? bytes("data") : Bytes(128, 0x11);
    Mechanism mechanism = type;
    MUST(p11->C_SignRecoverInit(session, mechanism.get(), pair.private_key));
    EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_SignRecoverInit(session, mechanism.get(), pair.private_key));
    CK_ULONG size = 0;
    EXPECT_RV(CKR_OK, p11->C_SignRecover(session, bytes_pointer(data), data.size(), nullptr, &size));
    ASSERT_EQ(size, 128u);
    Bytes signature(size);
    size = 127;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL,
              p11->C_SignRecover(session, bytes_pointer(data), data.size(), signature.data(), &size));
    EXPECT_RV(CKR_OK, p11->C_SignRecover(session, bytes_pointer(data), data.size(), signature.data(), &size));
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
              p11->C_SignRecover(session, bytes_pointer(data), data.size(), signature.data(), &size));
    EXPECT_EQ(signature, session.sign(type, pair.private_key, data)) << "it is the signature of C_Sign";
    Bytes recovered;
    EXPECT_RV(CKR_OK, try_recover(session, type, pair.public_key, signature, &recovered));
    EXPECT_EQ(recovered, data);
    EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, try_recover(session, type, pair.public_key, Bytes(127), &recovered));
    EXPECT_RV(CKR_SIGNATURE_INVALID, try_recover(session, type, pair.public_key, Bytes(128, 0xFF), &recovered));
    if (type == CKM_RSA_PKCS) {
      signature[5] ^= 1;
      EXPECT_RV(CKR_SIGNATURE_INVALID, try_recover(session, type, pair.public_key, signature, &recovered));
    }
    MUST(p11->C_SignRecoverInit(session, mechanism.get(), pair.private_key));
    const Bytes too_long(129, 1);
    size = 128;
    EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_SignRecover(session, bytes_pointer(too_long), 129, signature.data(), &size));
  }
  const KeyPair plain =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}, {CKA_VERIFY_RECOVER, false}}, {});
  Mechanism pkcs = CKM_RSA_PKCS, hashing = CKM_SHA256_RSA_PKCS;
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_SignRecoverInit(session, pkcs.get(), plain.private_key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_VerifyRecoverInit(session, pkcs.get(), plain.public_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_SignRecoverInit(session, hashing.get(), pair.private_key));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, p11->C_SignRecoverInit(session, pkcs.get(), pair.public_key));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11->C_VerifyRecoverInit(session, pkcs.get(), 0));
}

}  // namespace
}  // namespace vtpm::conformance
