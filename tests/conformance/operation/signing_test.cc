// SPDX-License-Identifier: Apache-2.0
// Signatures (PKCS#11 3.2, 5.13 and 5.15): every mechanism in one part and in many, checked by the system's OpenSSL in
// both directions, and every error.
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include <optional>

#include "pkcs11/cryptoki/types.h"
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

using Kind = peer::Scheme::Kind;

struct HashRow {
  const char* name;
  size_t bytes;
  CK_MECHANISM_TYPE hash, rsa_pkcs, rsa_pss, ecdsa;
  CK_ULONG mgf;
};
const HashRow kHashes[] = {
    {"SHA1", 20, CKM_SHA_1, CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS_PSS, CKM_ECDSA_SHA1, CKG_MGF1_SHA1},
    {"SHA224", 28, CKM_SHA224, CKM_SHA224_RSA_PKCS, CKM_SHA224_RSA_PKCS_PSS, CKM_ECDSA_SHA224, CKG_MGF1_SHA224},
    {"SHA256", 32, CKM_SHA256, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS, CKM_ECDSA_SHA256, CKG_MGF1_SHA256},
    {"SHA384", 48, CKM_SHA384, CKM_SHA384_RSA_PKCS, CKM_SHA384_RSA_PKCS_PSS, CKM_ECDSA_SHA384, CKG_MGF1_SHA384},
    {"SHA512", 64, CKM_SHA512, CKM_SHA512_RSA_PKCS, CKM_SHA512_RSA_PKCS_PSS, CKM_ECDSA_SHA512, CKG_MGF1_SHA512},
    {"SHA3-224", 28, CKM_SHA3_224, CKM_SHA3_224_RSA_PKCS, CKM_SHA3_224_RSA_PKCS_PSS, CKM_ECDSA_SHA3_224,
     CKG_MGF1_SHA3_224},
    {"SHA3-256", 32, CKM_SHA3_256, CKM_SHA3_256_RSA_PKCS, CKM_SHA3_256_RSA_PKCS_PSS, CKM_ECDSA_SHA3_256,
     CKG_MGF1_SHA3_256},
    {"SHA3-384", 48, CKM_SHA3_384, CKM_SHA3_384_RSA_PKCS, CKM_SHA3_384_RSA_PKCS_PSS, CKM_ECDSA_SHA3_384,
     CKG_MGF1_SHA3_384},
    {"SHA3-512", 64, CKM_SHA3_512, CKM_SHA3_512_RSA_PKCS, CKM_SHA3_512_RSA_PKCS_PSS, CKM_ECDSA_SHA3_512,
     CKG_MGF1_SHA3_512},
};

struct CurveRow {
  const char* group;
  const Bytes& parameters;
  size_t bytes;
};
const CurveRow kCurves[] = {{"P-256", kP256, 32}, {"P-384", kP384, 48}, {"P-521", kP521, 66}};

/// Bytes with every value and no period that a block cipher or a hash knows.
Bytes message(size_t size) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(i * i + i / 251);
  return out;
}

class Signing : public WithUser {
 protected:
  /// Keys are made at their first use, because RSA key generation is slow.
  const KeyPair& rsa() {
    if (!rsa_) rsa_ = session.generate_rsa(2048);
    return *rsa_;
  }
  const KeyPair& ec() {
    if (!ec_) ec_ = session.generate_ec(kP256);
    return *ec_;
  }
  peer::Key openssl(const KeyPair& pair, const char* group = nullptr) {
    if (!group)
      return peer::Key::rsa_public(session.get(pair.public_key, CKA_MODULUS),
                                   session.get(pair.public_key, CKA_PUBLIC_EXPONENT));
    return peer::Key::ec_public(group, peer::octet_string_contents(session.get(pair.public_key, CKA_EC_POINT)));
  }
  CK_OBJECT_HANDLE public_rsa(const peer::Key& key) {
    return session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                           {CKA_KEY_TYPE, CKK_RSA},
                           {CKA_VERIFY, true},
                           {CKA_MODULUS, key.number(OSSL_PKEY_PARAM_RSA_N)},
                           {CKA_PUBLIC_EXPONENT, key.number(OSSL_PKEY_PARAM_RSA_E)}});
  }
  CK_OBJECT_HANDLE public_ec(const peer::Key& key, const CurveRow& curve) {
    return session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                           {CKA_KEY_TYPE, CKK_EC},
                           {CKA_VERIFY, true},
                           {CKA_EC_PARAMS, curve.parameters},
                           {CKA_EC_POINT, peer::octet_string(key.ec_point())}});
  }

  /// Checks one mechanism with one key: OpenSSL and the token accept the token's signature, and reject changed ones.
  void expect_signs(const Mechanism& mechanism, const KeyPair& pair, const peer::Key& key, const peer::Scheme& scheme,
                    const Bytes& data, bool multi_part) {
    const Bytes signature = session.sign(mechanism, pair.private_key, data);
    EXPECT_TRUE(key.verifies(scheme, data, signature));
    EXPECT_RV(CKR_OK, session.try_verify(mechanism, pair.public_key, data, signature));
    if (multi_part) {
      EXPECT_TRUE(key.verifies(scheme, data, session.sign_in_parts(mechanism, pair.private_key, data)));
      EXPECT_RV(CKR_OK, session.try_verify_in_parts(mechanism, pair.public_key, data, signature));
    }
    expect_rejects(mechanism, pair.public_key, data, signature);
  }
  /// Checks that the token accepts OpenSSL's signature and rejects changed ones.
  void expect_accepts(const Mechanism& mechanism, CK_OBJECT_HANDLE public_key, const Bytes& data,
                      const Bytes& signature, bool multi_part) {
    EXPECT_RV(CKR_OK, session.try_verify(mechanism, public_key, data, signature));
    if (multi_part) {
      EXPECT_RV(CKR_OK, session.try_verify_in_parts(mechanism, public_key, data, signature));
    }
    expect_rejects(mechanism, public_key, data, signature);
  }
  void expect_rejects(const Mechanism& mechanism, CK_OBJECT_HANDLE public_key, const Bytes& data,
                      const Bytes& signature) {
    for (const size_t at : {size_t{0}, signature.size() / 2, signature.size() - 1}) {
      Bytes tampered = signature;
      tampered[at] ^= 0x01;
      EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mechanism, public_key, data, tampered));
    }
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mechanism, public_key, data, Bytes(signature.size(), 0)));
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mechanism, public_key, data, Bytes(signature.size(), 0xFF)));
    Bytes other = data;
    other.back() ^= 0x80;
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mechanism, public_key, other, signature));
    for (const Bytes& wrong : {signature + Bytes{0}, Bytes(signature.begin(), signature.end() - 1), Bytes{1}, Bytes{}})
      EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, session.try_verify(mechanism, public_key, data, wrong));
  }

 private:
  std::optional<KeyPair> rsa_, ec_;
};

// --- RSA, PKCS #1 v1.5 ---

TEST_F(Signing, RsaPkcsWithEveryHashVerifiesWithOpenssl) {
  const peer::Key key = openssl(rsa()), foreign = peer::Key::generate_rsa(1024);
  const auto foreign_object = public_rsa(foreign);
  for (const HashRow& hash : kHashes) {
    SCOPED_TRACE(hash.name);
    const peer::Scheme scheme = {.kind = Kind::kPkcs1, .hash = hash.name};
    expect_signs(hash.rsa_pkcs, rsa(), key, scheme, message(777), true);
    expect_accepts(hash.rsa_pkcs, foreign_object, message(777), foreign.sign(scheme, message(777)), true);
  }
}

TEST_F(Signing, RsaPkcsSignsADigestInfoOrOtherData) {
  const peer::Key key = openssl(rsa());
  const Bytes digest = peer::digest("SHA256", bytes("message"));
  const Bytes digest_info = from_hex("3031300d060960864801650304020105000420") + digest;  // RFC 8017, 9.2 note 1
  const Bytes signature = session.sign(CKM_RSA_PKCS, rsa().private_key, digest_info);
  EXPECT_TRUE(key.verifies({.kind = Kind::kPkcs1, .hash = "SHA256"}, bytes("message"), signature));
  EXPECT_RV(CKR_OK, session.try_verify(CKM_SHA256_RSA_PKCS, rsa().public_key, bytes("message"), signature));
  for (const size_t size : {1, 36, 245})
    expect_signs(CKM_RSA_PKCS, rsa(), key, {.kind = Kind::kPkcs1}, message(size), false);
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_sign(CKM_RSA_PKCS, rsa().private_key, message(246)));
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_sign(CKM_RSA_PKCS, rsa().private_key, message(100000)));
}

// --- RSA, raw ---

TEST_F(Signing, RsaX509VerifiesWithOpensslAndPadsWithZeros) {
  const peer::Key key = openssl(rsa());
  Bytes block = message(256);
  block[0] = 0;
  expect_signs(CKM_RSA_X_509, rsa(), key, {.kind = Kind::kRaw}, block, false);
  const Bytes short_input = message(17);  // the input is the end of the block, after zeros
  EXPECT_TRUE(
      key.verifies({.kind = Kind::kRaw}, short_input, session.sign(CKM_RSA_X_509, rsa().private_key, short_input)));
  EXPECT_RV(one_of(CKR_DATA_INVALID, CKR_DATA_LEN_RANGE),
            session.try_sign(CKM_RSA_X_509, rsa().private_key, Bytes(256, 0xFF)))
      << "not below the modulus";
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_sign(CKM_RSA_X_509, rsa().private_key, message(257)));
}

TEST_F(Signing, RsaX509CarriesAnApplicationsOwnPadding) {
  // OpenSSL's engine pads PSS itself and asks for the raw operation only.
  const peer::Key key = openssl(rsa()), pad = peer::Key::generate_rsa(2048);
  const peer::Scheme scheme = {.kind = Kind::kPkcs1, .hash = "SHA512"};
  const Bytes padded = pad.encrypt(RSA_NO_PADDING, pad.sign(scheme, bytes("message")));  // s^e = the padded block
  EXPECT_TRUE(key.verifies(scheme, bytes("message"), session.sign(CKM_RSA_X_509, rsa().private_key, padded)));
}

// --- RSA, PSS ---

TEST_F(Signing, RsaPssWithEveryHashVerifiesWithOpenssl) {
  const peer::Key key = openssl(rsa()), foreign = peer::Key::generate_rsa(2048);
  const auto foreign_object = public_rsa(foreign);
  for (const HashRow& hash : kHashes) {
    SCOPED_TRACE(hash.name);
    const Mechanism mechanism = Mechanism::pss(hash.rsa_pss, hash.hash, hash.mgf, hash.bytes);
    const peer::Scheme scheme = {
        .kind = Kind::kPss, .hash = hash.name, .mgf_hash = hash.name, .salt = static_cast<int>(hash.bytes)};
    expect_signs(mechanism, rsa(), key, scheme, message(777), true);
    expect_accepts(mechanism, foreign_object, message(777), foreign.sign(scheme, message(777)), true);
  }
}

TEST_F(Signing, RsaPssSignsADigest) {
  const peer::Key key = openssl(rsa());
  for (const HashRow& hash : kHashes) {
    SCOPED_TRACE(hash.name);
    for (const size_t salt : {size_t{0}, size_t{7}, hash.bytes, 256 - 2 - hash.bytes}) {
      const peer::Scheme scheme = {.kind = Kind::kPss,
                                   .hash = hash.name,
                                   .hash_the_data = false,
                                   .mgf_hash = hash.name,
                                   .salt = static_cast<int>(salt)};
      expect_signs(Mechanism::pss(CKM_RSA_PKCS_PSS, hash.hash, hash.mgf, salt), rsa(), key, scheme, message(hash.bytes),
                   false);
    }
    const Mechanism mechanism = Mechanism::pss(CKM_RSA_PKCS_PSS, hash.hash, hash.mgf, hash.bytes);
    EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_sign(mechanism, rsa().private_key, message(hash.bytes - 1)));
    EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_sign(mechanism, rsa().private_key, message(hash.bytes + 1)));
  }
}

TEST_F(Signing, RsaPssTakesAnotherHashForTheMask) {
  const peer::Scheme scheme = {.kind = Kind::kPss, .hash = "SHA256", .mgf_hash = "SHA1", .salt = 20};
  expect_signs(Mechanism::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA1, 20), rsa(), openssl(rsa()), scheme,
               message(50), true);
}

TEST_F(Signing, RsaPssChecksTheSaltLengthThatWasAsked) {
  const auto with_salt = [](CK_ULONG salt) {
    return Mechanism::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, salt);
  };
  const Bytes signature = session.sign(with_salt(32), rsa().private_key, message(9));
  EXPECT_RV(CKR_OK, session.try_verify(with_salt(32), rsa().public_key, message(9), signature));
  for (const CK_ULONG other : {0, 20, 31, 33})
    EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(with_salt(other), rsa().public_key, message(9), signature));
}

TEST_F(Signing, RsaPssRejectsWrongParameters) {
  const auto answer = [&](const Mechanism& mechanism) {
    return session.try_sign(mechanism, rsa().private_key, message(32));
  };
  const CK_MECHANISM_TYPE pss = CKM_RSA_PKCS_PSS, with_hash = CKM_SHA256_RSA_PKCS_PSS;
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(pss));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(with_hash));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::with_parameter(pss, Bytes(23, 0))));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::with_parameter(pss, Bytes(25, 0))));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::pss(pss, CKM_MD5, CKG_MGF1_SHA256, 32)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::pss(pss, CKM_SHA256, 0, 32)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::pss(pss, CKM_SHA256, 99, 32)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::pss(with_hash, CKM_SHA384, CKG_MGF1_SHA256, 32)))
      << "the mechanism's hash is not the parameter's";
  const ReturnValues too_long = {CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE};
  EXPECT_RV(too_long, answer(Mechanism::pss(pss, CKM_SHA256, CKG_MGF1_SHA256, 256 - 2 - 32 + 1)));
  EXPECT_RV(too_long, answer(Mechanism::pss(pss, CKM_SHA256, CKG_MGF1_SHA256, kAbsurd)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_verify(pss, rsa().public_key, message(32), Bytes(256, 1)));
}

TEST_F(Signing, RsaPssDoesNotFitASmallKey) {
  const KeyPair small = session.generate_rsa(1024);  // 128 bytes: 64 of digest, 64 of salt and 2 do not fit
  EXPECT_RV(one_of(CKR_MECHANISM_PARAM_INVALID, CKR_KEY_SIZE_RANGE),
            session.try_sign(Mechanism::pss(CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 64),
                             small.private_key, message(5)));
  EXPECT_RV(CKR_OK, session.try_sign(Mechanism::pss(CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 62),
                                     small.private_key, message(5)));
}

// --- ECDSA ---

TEST_F(Signing, EcdsaWithEveryHashVerifiesWithOpenssl) {
  for (const CurveRow& curve : kCurves) {
    const KeyPair pair = session.generate_ec(curve.parameters);
    const peer::Key key = openssl(pair, curve.group), foreign = peer::Key::generate_ec(curve.group);
    const auto foreign_object = public_ec(foreign, curve);
    for (const HashRow& hash : kHashes) {
      SCOPED_TRACE(std::string(curve.group) + " " + hash.name);
      const peer::Scheme scheme = {.kind = Kind::kEcdsa, .hash = hash.name};
      expect_signs(hash.ecdsa, pair, key, scheme, message(777), true);
      expect_accepts(hash.ecdsa, foreign_object, message(777), foreign.sign(scheme, message(777)), true);
    }
  }
}

TEST_F(Signing, EcdsaSignsADigestOfAnyLength) {
  // Longer than the curve's order: its leftmost bits count (FIPS 186-4, 6.4); shorter: the number that it is.
  for (const CurveRow& curve : kCurves) {
    const KeyPair pair = session.generate_ec(curve.parameters);
    const peer::Key key = openssl(pair, curve.group);
    for (const size_t size : {1, 20, 28, 31, 32, 33, 47, 48, 49, 63, 64}) {
      SCOPED_TRACE(std::string(curve.group) + " " + std::to_string(size));
      const Bytes digest = Bytes(1, 0xC5) + message(size - 1);
      const Bytes signature = session.sign(CKM_ECDSA, pair.private_key, digest);
      EXPECT_EQ(signature.size(), 2 * curve.bytes);
      EXPECT_TRUE(key.verifies({.kind = Kind::kEcdsa}, digest, signature));
      EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, digest, signature));
    }
    expect_signs(CKM_ECDSA, pair, key, {.kind = Kind::kEcdsa}, Bytes(32, 0x99), false);
  }
}

TEST_F(Signing, EcdsaSignaturesOfOneMessageDiffer) {
  const Bytes digest(32, 0x42);
  EXPECT_NE(session.sign(CKM_ECDSA, ec().private_key, digest), session.sign(CKM_ECDSA, ec().private_key, digest));
}

// --- the empty message ---

TEST_F(Signing, TheEmptyMessageIsAMessage) {
  const Bytes signature = session.sign(CKM_SHA256_RSA_PKCS, rsa().private_key, {});
  EXPECT_TRUE(openssl(rsa()).verifies({.kind = Kind::kPkcs1, .hash = "SHA256"}, {}, signature));
  EXPECT_EQ(session.sign_in_parts(CKM_SHA256_RSA_PKCS, rsa().private_key, {}), signature);
  // A null pointer is allowed if the length is zero.
  Mechanism ecdsa = CKM_ECDSA_SHA256;
  Bytes short_signature(64);
  CK_ULONG short_size = short_signature.size();
  MUST(p11->C_SignInit(session, ecdsa.get(), ec().private_key));
  EXPECT_RV(CKR_OK, p11->C_Sign(session, nullptr, 0, short_signature.data(), &short_size));
  MUST(p11->C_VerifyInit(session, ecdsa.get(), ec().public_key));
  EXPECT_RV(CKR_OK, p11->C_Verify(session, nullptr, 0, short_signature.data(), short_size));
  MUST(p11->C_VerifyInit(session, ecdsa.get(), ec().public_key));
  EXPECT_RV(one_of(CKR_SIGNATURE_LEN_RANGE, CKR_ARGUMENTS_BAD), p11->C_Verify(session, nullptr, 0, nullptr, 0));
  // C_SignFinal without any C_SignUpdate signs the empty message too.
  Mechanism mechanism = CKM_SHA256_RSA_PKCS;
  MUST(p11->C_SignInit(session, mechanism.get(), rsa().private_key));
  Bytes again(256);
  CK_ULONG size = again.size();
  EXPECT_RV(CKR_OK, p11->C_SignFinal(session, again.data(), &size));
  EXPECT_EQ(again, signature);
}

// --- lengths: section 5.2 ---

TEST_F(Signing, SizeQueriesAndSmallBuffersKeepTheOperation) {
  struct Row {
    CK_MECHANISM_TYPE mechanism;
    CK_OBJECT_HANDLE key;
    CK_ULONG size;
  };
  for (const Row& row : {Row{CKM_SHA256_RSA_PKCS, rsa().private_key, 256}, {CKM_ECDSA_SHA256, ec().private_key, 64}}) {
    Mechanism mechanism = row.mechanism;
    Bytes data = message(100), signature(row.size + 8, 0xEE);
    MUST(p11->C_SignInit(session, mechanism.get(), row.key));
    CK_ULONG size = 0;
    EXPECT_RV(CKR_OK, p11->C_Sign(session, data.data(), data.size(), nullptr, &size));
    EXPECT_EQ(size, row.size);
    for (const CK_ULONG small : {CK_ULONG{0}, CK_ULONG{1}, row.size - 1}) {
      size = small;
      EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Sign(session, data.data(), data.size(), signature.data(), &size));
      EXPECT_EQ(size, row.size);
    }
    EXPECT_EQ(signature, Bytes(row.size + 8, 0xEE)) << "wrote into a buffer that is too small";
    size = signature.size();
    EXPECT_RV(CKR_OK, p11->C_Sign(session, data.data(), data.size(), signature.data(), &size));
    EXPECT_EQ(size, row.size);
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Sign(session, data.data(), data.size(), signature.data(), &size));

    MUST(p11->C_SignInit(session, mechanism.get(), row.key));
    MUST(p11->C_SignUpdate(session, data.data(), data.size()));
    EXPECT_RV(CKR_OK, p11->C_SignFinal(session, nullptr, &size));
    EXPECT_EQ(size, row.size);
    size = row.size - 1;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_SignFinal(session, signature.data(), &size));
    EXPECT_EQ(size, row.size);
    EXPECT_RV(CKR_OK, p11->C_SignFinal(session, signature.data(), &size));
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignFinal(session, signature.data(), &size));
  }
}

// --- the order of calls ---

TEST_F(Signing, WithoutInitIsRejected) {
  Bytes data(32, 1), signature(256);
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Sign(session, data.data(), data.size(), signature.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignUpdate(session, data.data(), data.size()));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignFinal(session, signature.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Verify(session, data.data(), data.size(), signature.data(), 64));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_VerifyUpdate(session, data.data(), data.size()));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_VerifyFinal(session, signature.data(), 64));
}

TEST_F(Signing, OneSignatureAtATimeInASession) {
  Mechanism mechanism = CKM_ECDSA;
  MUST(p11->C_SignInit(session, mechanism.get(), ec().private_key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_SignInit(session, mechanism.get(), ec().private_key));
  Session other(slot);
  EXPECT_RV(CKR_OK, other.try_sign(CKM_ECDSA, ec().private_key, Bytes(32, 1)));
  Bytes digest(32, 1), signature(64);
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_OK, p11->C_Sign(session, digest.data(), digest.size(), signature.data(), &size))
      << "the refused C_SignInit must not have ended the first";
}

TEST_F(Signing, OnePartAfterPartsIsAnErrorThatEndsIt) {
  Bytes data(32, 1), signature(256);
  CK_ULONG size = signature.size();
  const ReturnValues refused = {CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_FUNCTION_FAILED};
  Mechanism mechanism = CKM_ECDSA_SHA256;
  MUST(p11->C_SignInit(session, mechanism.get(), ec().private_key));
  MUST(p11->C_SignUpdate(session, data.data(), data.size()));
  EXPECT_RV(refused, p11->C_Sign(session, data.data(), data.size(), signature.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignFinal(session, signature.data(), &size));

  MUST(p11->C_VerifyInit(session, mechanism.get(), ec().public_key));
  MUST(p11->C_VerifyUpdate(session, data.data(), data.size()));
  EXPECT_RV(refused, p11->C_Verify(session, data.data(), data.size(), signature.data(), 64));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_VerifyFinal(session, signature.data(), 64));
}

TEST_F(Signing, AnErrorEndsTheOperation) {
  Bytes data(400, 1), signature(256);
  CK_ULONG size = signature.size();
  const auto expect_ended = [&] {
    size = signature.size();
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Sign(session, data.data(), 32, signature.data(), &size));
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignUpdate(session, data.data(), 1));
  };
  Mechanism raw = CKM_RSA_PKCS, hashing = CKM_ECDSA_SHA256;
  MUST(p11->C_SignInit(session, raw.get(), rsa().private_key));
  EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_Sign(session, data.data(), 400, signature.data(), &size));
  expect_ended();
  MUST(p11->C_SignInit(session, hashing.get(), ec().private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Sign(session, data.data(), 32, signature.data(), nullptr));
  expect_ended();
  MUST(p11->C_SignInit(session, hashing.get(), ec().private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Sign(session, nullptr, 32, signature.data(), &size));
  expect_ended();
  MUST(p11->C_SignInit(session, hashing.get(), ec().private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SignUpdate(session, nullptr, 32));
  expect_ended();
  MUST(p11->C_SignInit(session, hashing.get(), ec().private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SignFinal(session, signature.data(), nullptr));
  expect_ended();

  MUST(p11->C_VerifyInit(session, hashing.get(), ec().public_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Verify(session, nullptr, 32, signature.data(), 64));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_VerifyUpdate(session, data.data(), 1));
  MUST(p11->C_VerifyInit(session, hashing.get(), ec().public_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Verify(session, data.data(), 32, nullptr, 64));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_VerifyUpdate(session, data.data(), 1));
}

TEST_F(Signing, VerifyEndsTheOperationWithEveryResult) {
  Mechanism mechanism = CKM_ECDSA;
  Bytes digest(32, 1), signature(64, 1);
  MUST(p11->C_VerifyInit(session, mechanism.get(), ec().public_key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_VerifyInit(session, mechanism.get(), ec().public_key));
  EXPECT_RV(CKR_SIGNATURE_INVALID,
            p11->C_Verify(session, digest.data(), digest.size(), signature.data(), signature.size()));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11->C_Verify(session, digest.data(), digest.size(), signature.data(), signature.size()));
}

TEST_F(Signing, MechanismsOfOnePartCollectWhatUpdateBrings) {
  // The standard calls these mechanisms single-part; the module accepts C_SignUpdate all the same (docs/pkcs11.md), up
  // to the size that a single part could have.
  const peer::Key rsa_key = openssl(rsa()), ec_key = openssl(ec(), "P-256");
  const Mechanism pss = Mechanism::pss(CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32);
  expect_signs(CKM_RSA_PKCS, rsa(), rsa_key, {.kind = Kind::kPkcs1}, message(100), true);
  expect_signs(CKM_RSA_X_509, rsa(), rsa_key, {.kind = Kind::kRaw}, message(100), true);
  expect_signs(CKM_ECDSA, ec(), ec_key, {.kind = Kind::kEcdsa}, message(32), true);
  expect_signs(pss, rsa(), rsa_key,
               {.kind = Kind::kPss, .hash = "SHA256", .hash_the_data = false, .mgf_hash = "SHA256", .salt = 32},
               message(32), true);

  Bytes part(200, 1), signature(256);
  Mechanism mechanism = CKM_RSA_PKCS;
  MUST(p11->C_SignInit(session, mechanism.get(), rsa().private_key));
  EXPECT_RV(CKR_OK, p11->C_SignUpdate(session, part.data(), part.size()));
  CK_RV rv = p11->C_SignUpdate(session, part.data(), part.size());  // 400 bytes: more than any block holds
  CK_ULONG size = signature.size();
  if (rv == CKR_OK) rv = p11->C_SignFinal(session, signature.data(), &size);
  EXPECT_RV(CKR_DATA_LEN_RANGE, rv);
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignFinal(session, signature.data(), &size));
}

// --- which keys a mechanism accepts ---

TEST_F(Signing, TheKeyTypeMustFitTheMechanism) {
  const auto init = [&](CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
    Mechanism mechanism = type;
    return p11->C_SignInit(session, mechanism.get(), key);
  };
  const auto verify_init = [&](CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
    Mechanism mechanism = type;
    return p11->C_VerifyInit(session, mechanism.get(), key);
  };
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, init(CKM_RSA_PKCS, ec().private_key));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, init(CKM_ECDSA, rsa().private_key));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, verify_init(CKM_SHA256_RSA_PKCS, ec().public_key));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, verify_init(CKM_ECDSA_SHA256, rsa().public_key));
  const ReturnValues wrong_half = {CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID};
  EXPECT_RV(wrong_half, init(CKM_ECDSA, ec().public_key));
  EXPECT_RV(wrong_half, verify_init(CKM_ECDSA, ec().private_key));
  const auto data = session.create({{CKA_CLASS, CKO_DATA}});
  for (const CK_OBJECT_HANDLE bad : {data, CK_OBJECT_HANDLE{0}, kAbsurd}) {
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, init(CKM_ECDSA, bad));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, verify_init(CKM_ECDSA, bad));
  }
  EXPECT_RV(CKR_MECHANISM_INVALID, init(CKM_SHA256, ec().private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, init(CKM_EC_KEY_PAIR_GEN, ec().private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, init(CKM_RSA_PKCS_OAEP, rsa().private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, init(0x7FFFFFFF, ec().private_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, verify_init(CKM_SHA256, ec().public_key));
  // After all these errors no operation is active.
  EXPECT_RV(CKR_OK, session.try_sign(CKM_ECDSA, ec().private_key, Bytes(32, 1)));
}

TEST_F(Signing, TheKeyMustAllowTheOperation) {
  const KeyPair mute =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_VERIFY, false}}, {{CKA_SIGN, false}});
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, session.try_sign(CKM_ECDSA, mute.private_key, Bytes(32, 1)));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, session.try_verify(CKM_ECDSA, mute.public_key, Bytes(32, 1), Bytes(64, 1)));
  // The TPM itself would let the key both sign and decrypt, so only the module enforces the attributes.
  const KeyPair decrypts =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 2048}}, {{CKA_SIGN, false}, {CKA_DECRYPT, true}});
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, session.try_sign(CKM_RSA_PKCS, decrypts.private_key, Bytes(32, 1)));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, session.try_sign(CKM_RSA_X_509, decrypts.private_key, Bytes(256, 0)));
}

TEST_F(Signing, WorksInReadOnlySessions) {
  Session reader(slot, Session::kReadOnly);
  const Bytes signature = reader.sign(CKM_ECDSA, ec().private_key, Bytes(32, 1));
  EXPECT_RV(CKR_OK, reader.try_verify(CKM_ECDSA, ec().public_key, Bytes(32, 1), signature));
}

TEST_F(Signing, VerifyingNeedsNoLogin) {
  const KeyPair pair =
      session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}}, {});
  const Bytes signature = session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 1));
  session.logout();
  const auto found = session.find({{CKA_CLASS, CKO_PUBLIC_KEY}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, found[0], Bytes(32, 1), signature));
}

TEST_F(Signing, MoreKeysThanTheTpmHoldsSignInTurn) {
  // The TPM can hold three loaded keys, and a token has more.
  std::vector<KeyPair> pairs;
  for (int i = 0; i < 12; ++i) pairs.push_back(session.generate_ec(kP256));
  for (int round = 0; round < 3; ++round)
    for (const KeyPair& pair : pairs) {
      const Bytes signature = session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 1));
      EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 1), signature));
    }
}

// 3.2, 6.3: both numbers of a signature may lack their leading zeros when it is verified.
TEST_F(Signing, AShorterEcdsaSignatureIsVerified) {
  const KeyPair pair = session.generate_ec(kP521);
  const Bytes data = bytes("data"), digest(32, 1);
  Bytes whole;  // of numbers below 2^521 in 66 bytes: the first is 0 or 1
  do {
    whole = session.sign(CKM_ECDSA_SHA256, pair.private_key, data);
  } while (whole[0] != 0 || whole[66] != 0);
  Bytes shorter(whole.begin() + 1, whole.begin() + 66);
  shorter.insert(shorter.end(), whole.begin() + 67, whole.end());
  Mechanism mechanism = CKM_ECDSA_SHA256;
  const auto verified = [&](Bytes signature) {
    const CK_RV rv = session.try_verify(mechanism, pair.public_key, data, signature);
    EXPECT_RV(rv, session.try_verify_in_parts(mechanism, pair.public_key, data, signature));
    MUST(p11_3().C_VerifySignatureInit(session, mechanism.get(), pair.public_key, signature.data(), signature.size()));
    EXPECT_RV(rv, p11_3().C_VerifySignature(session, const_cast<CK_BYTE*>(data.data()), data.size()));
    MUST(p11_3().C_MessageVerifyInit(session, mechanism.get(), pair.public_key));
    EXPECT_RV(rv, p11_3().C_VerifyMessage(session, nullptr, 0, const_cast<CK_BYTE*>(data.data()), data.size(),
                                          signature.data(), signature.size()));
    MUST(p11_3().C_MessageVerifyFinal(session));
    return rv;
  };
  EXPECT_RV(CKR_OK, verified(whole));
  EXPECT_RV(CKR_OK, verified(shorter));
  EXPECT_RV(CKR_SIGNATURE_INVALID, verified(Bytes(2, 1)));
  EXPECT_RV(CKR_SIGNATURE_INVALID, verified(Bytes(shorter.begin(), shorter.end() - 2)));
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, verified(Bytes(shorter.begin(), shorter.end() - 1)));
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, verified(Bytes{0} + whole + Bytes{0}));
}

}  // namespace
}  // namespace vtpm::conformance
