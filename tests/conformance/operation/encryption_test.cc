// SPDX-License-Identifier: Apache-2.0
// RSA encryption (PKCS#11 3.2, 5.8 and 5.10), against the system's OpenSSL in both directions.
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "pkcs11/cryptoki/types.h"
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

struct HashRow {
  const char* name;
  CK_MECHANISM_TYPE hash;
  CK_ULONG mgf;
  size_t bytes;
};
const HashRow kHashes[] = {{"SHA1", CKM_SHA_1, CKG_MGF1_SHA1, 20},
                           {"SHA224", CKM_SHA224, CKG_MGF1_SHA224, 28},
                           {"SHA256", CKM_SHA256, CKG_MGF1_SHA256, 32},
                           {"SHA384", CKM_SHA384, CKG_MGF1_SHA384, 48},
                           {"SHA512", CKM_SHA512, CKG_MGF1_SHA512, 64},
                           {"SHA3-224", CKM_SHA3_224, CKG_MGF1_SHA3_224, 28},
                           {"SHA3-256", CKM_SHA3_256, CKG_MGF1_SHA3_256, 32},
                           {"SHA3-384", CKM_SHA3_384, CKG_MGF1_SHA3_384, 48},
                           {"SHA3-512", CKM_SHA3_512, CKG_MGF1_SHA3_512, 64}};

class Encryption : public WithUser {
 protected:
  KeyPair pair = session.generate_rsa(2048);
  peer::Key key = peer::Key::rsa_public(session.get(pair.public_key, CKA_MODULUS),
                                        session.get(pair.public_key, CKA_PUBLIC_EXPONENT));
  /// A key whose private half OpenSSL holds.
  peer::Key foreign = peer::Key::generate_rsa(2048);
  CK_OBJECT_HANDLE foreign_object = session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                                    {CKA_KEY_TYPE, CKK_RSA},
                                                    {CKA_ENCRYPT, true},
                                                    {CKA_MODULUS, foreign.number(OSSL_PKEY_PARAM_RSA_N)},
                                                    {CKA_PUBLIC_EXPONENT, foreign.number(OSSL_PKEY_PARAM_RSA_E)}});
  const Bytes message = bytes("attack at dawn");
};

TEST_F(Encryption, RsaPkcsAgreesWithOpenssl) {
  for (const size_t size : {0, 1, 32, 245}) {
    SCOPED_TRACE(size);
    const Bytes data(size, 0x3C);
    EXPECT_EQ(session.decrypt(CKM_RSA_PKCS, pair.private_key, key.encrypt(RSA_PKCS1_PADDING, data)), data);
    EXPECT_EQ(foreign.decrypt(RSA_PKCS1_PADDING, session.encrypt(CKM_RSA_PKCS, foreign_object, data)), data);
    EXPECT_EQ(session.decrypt(CKM_RSA_PKCS, pair.private_key, session.encrypt(CKM_RSA_PKCS, pair.public_key, data)),
              data);
  }
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(CKM_RSA_PKCS, pair.public_key, Bytes(246, 1)));
  EXPECT_NE(session.encrypt(CKM_RSA_PKCS, pair.public_key, message),
            session.encrypt(CKM_RSA_PKCS, pair.public_key, message));
}

TEST_F(Encryption, RsaX509AgreesWithOpensslAndPadsWithZeros) {
  Bytes block(256, 0x77);
  EXPECT_EQ(session.decrypt(CKM_RSA_X_509, pair.private_key, key.encrypt(RSA_NO_PADDING, block)), block);
  EXPECT_EQ(foreign.decrypt(RSA_NO_PADDING, session.encrypt(CKM_RSA_X_509, foreign_object, block)), block);
  // A short input is a small number, so zeros precede it.
  EXPECT_EQ(session.decrypt(CKM_RSA_X_509, pair.private_key, session.encrypt(CKM_RSA_X_509, pair.public_key, message)),
            Bytes(256 - message.size(), 0) + message);
  EXPECT_RV(one_of(CKR_DATA_INVALID, CKR_DATA_LEN_RANGE),
            session.try_encrypt(CKM_RSA_X_509, pair.public_key, Bytes(256, 0xFF)));
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(CKM_RSA_X_509, pair.public_key, Bytes(257, 0)));
}

TEST_F(Encryption, OaepWithEveryHashAndMgf) {
  for (const HashRow& hash : kHashes)
    for (const HashRow& mgf : kHashes)
      for (const Bytes& label : {Bytes{}, bytes("a label"), Bytes(300, 0x1B)}) {
        SCOPED_TRACE(std::string(hash.name) + " " + mgf.name + " " + std::to_string(label.size()));
        const Mechanism mechanism = Mechanism::oaep(hash.hash, mgf.mgf, label);
        const Bytes theirs = key.encrypt(RSA_PKCS1_OAEP_PADDING, message, hash.name, mgf.name, label);
        EXPECT_EQ(session.decrypt(mechanism, pair.private_key, theirs), message);
        const Bytes ours = session.encrypt(mechanism, foreign_object, message);
        EXPECT_EQ(foreign.decrypt(RSA_PKCS1_OAEP_PADDING, ours, hash.name, mgf.name, label), message);
      }
}

TEST_F(Encryption, OaepRejectsMessagesThatAreTooLong) {
  for (const HashRow& hash : kHashes) {
    SCOPED_TRACE(hash.name);
    const Mechanism mechanism = Mechanism::oaep(hash.hash, hash.mgf);
    const size_t most = 256 - 2 * hash.bytes - 2;
    for (const size_t size : {size_t{0}, size_t{1}, most}) {
      const Bytes data(size, 0xA7);
      EXPECT_EQ(session.decrypt(mechanism, pair.private_key, session.encrypt(mechanism, pair.public_key, data)), data);
    }
    EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(mechanism, pair.public_key, Bytes(most + 1, 1)));
  }
}

TEST_F(Encryption, OaepRejectsWrongParameters) {
  const auto answer = [&](const Mechanism& mechanism) {
    return session.try_encrypt(mechanism, pair.public_key, message);
  };
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(CKM_RSA_PKCS_OAEP));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::with_parameter(CKM_RSA_PKCS_OAEP, Bytes(39, 0))));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::oaep(CKM_MD5, CKG_MGF1_SHA1)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::oaep(CKM_SHA256, 0)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::oaep(CKM_SHA256, 99)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(Mechanism::oaep(CKM_BLAKE2B_256, CKG_MGF1_SHA1)));
  CK_RSA_PKCS_OAEP_PARAMS bad[] = {{CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, nullptr, 5},
                                   {CKM_SHA256, CKG_MGF1_SHA256, 7, nullptr, 0}};
  for (CK_RSA_PKCS_OAEP_PARAMS& parameters : bad) {
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &parameters, sizeof parameters};
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11->C_EncryptInit(session, &mechanism, pair.public_key));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11->C_DecryptInit(session, &mechanism, pair.private_key));
  }
}

TEST_F(Encryption, RejectsBadCiphertext) {
  const ReturnValues by_length = {CKR_ENCRYPTED_DATA_LEN_RANGE}, by_contents = {CKR_ENCRYPTED_DATA_INVALID};
  const Mechanism oaep = Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA256, bytes("label"));
  Bytes modulus = session.get(pair.public_key, CKA_MODULUS);
  for (const Mechanism& mechanism : {Mechanism(CKM_RSA_PKCS), oaep}) {
    SCOPED_TRACE(mechanism.type());
    const auto answer = [&](const Bytes& data) { return session.try_decrypt(mechanism, pair.private_key, data); };
    Bytes good = session.encrypt(mechanism, pair.public_key, message);
    for (const size_t size : {0, 1, 255, 257, 512}) EXPECT_RV(by_length, answer(Bytes(size, 1)));
    EXPECT_RV(by_contents, answer(Bytes(256, 0xFF))) << "not below the modulus";
    EXPECT_RV(by_contents, answer(modulus));
    EXPECT_RV(by_contents, answer(Bytes(256, 0)));
    EXPECT_RV(by_contents, answer(key.encrypt(RSA_NO_PADDING, Bytes(256, 0x11)))) << "padding of neither kind";
    good[200] ^= 1;
    if (mechanism.type() == CKM_RSA_PKCS_OAEP) {
      EXPECT_RV(by_contents, answer(good));
    }
  }
  EXPECT_RV(by_length, session.try_decrypt(CKM_RSA_X_509, pair.private_key, Bytes(255, 1)));
  EXPECT_RV(by_contents, session.try_decrypt(CKM_RSA_X_509, pair.private_key, Bytes(256, 0xFF)));
  EXPECT_RV(by_contents, session.try_decrypt(Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA256, bytes("other")),
                                             pair.private_key, session.encrypt(oaep, pair.public_key, message)));
  // Invalid cipher texts of a remote peer do not make the key unusable.
  EXPECT_EQ(session.decrypt(CKM_RSA_PKCS, pair.private_key, key.encrypt(RSA_PKCS1_PADDING, message)), message);
}

TEST_F(Encryption, Pkcs1PaddingIsCheckedWhole) {
  // RFC 8017, 7.2.2: 00 02 PS 00 M with at least eight bytes of PS.
  Bytes block(256, 0x55);
  block[0] = 0;
  block[1] = 2;
  block[255 - 4] = 0;
  const auto answer = [&] {
    return session.try_decrypt(CKM_RSA_PKCS, pair.private_key, key.encrypt(RSA_NO_PADDING, block));
  };
  EXPECT_RV(CKR_OK, answer());
  block[1] = 1;
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, answer());
  block[1] = 2;
  block[0] = 1;
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, answer());
  block[0] = 0;
  block[9] = 0;  // seven bytes of padding
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, answer());
  block[9] = 0x55;
  block[255 - 4] = 0x55;  // no separator
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, answer());
}

TEST_F(Encryption, LengthsFollowSection52) {
  Mechanism mechanism = CKM_RSA_PKCS;
  Bytes cipher = key.encrypt(RSA_PKCS1_PADDING, message), out(256, 0xEE);
  MUST(p11->C_DecryptInit(session, mechanism.get(), pair.private_key));
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OK, p11->C_Decrypt(session, cipher.data(), cipher.size(), nullptr, &size));
  EXPECT_GE(size, message.size());
  EXPECT_LE(size, 256u);
  size = message.size() - 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Decrypt(session, cipher.data(), cipher.size(), out.data(), &size));
  EXPECT_GE(size, message.size());
  EXPECT_EQ(out, Bytes(256, 0xEE));
  size = message.size();  // the buffer is large enough for the output
  EXPECT_RV(CKR_OK, p11->C_Decrypt(session, cipher.data(), cipher.size(), out.data(), &size));
  EXPECT_EQ(size, message.size());
  EXPECT_EQ(out[message.size()], 0xEE);
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Decrypt(session, cipher.data(), cipher.size(), out.data(), &size));

  Bytes data = message;
  MUST(p11->C_EncryptInit(session, mechanism.get(), pair.public_key));
  EXPECT_RV(CKR_OK, p11->C_Encrypt(session, data.data(), data.size(), nullptr, &size));
  EXPECT_EQ(size, 256u);
  size = 255;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Encrypt(session, data.data(), data.size(), out.data(), &size));
  EXPECT_EQ(size, 256u);
  EXPECT_RV(CKR_OK, p11->C_Encrypt(session, data.data(), data.size(), out.data(), &size));
  EXPECT_EQ(session.decrypt(CKM_RSA_PKCS, pair.private_key, out), message);
}

TEST_F(Encryption, AnErrorEndsTheOperation) {
  Mechanism mechanism = CKM_RSA_PKCS;
  Bytes data(256, 1), out(256);
  CK_ULONG size = out.size();
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Encrypt(session, data.data(), 10, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Decrypt(session, data.data(), 256, out.data(), &size));
  MUST(p11->C_EncryptInit(session, mechanism.get(), pair.public_key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_EncryptInit(session, mechanism.get(), pair.public_key));
  EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_Encrypt(session, data.data(), 256, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Encrypt(session, data.data(), 10, out.data(), &size));
  MUST(p11->C_EncryptInit(session, mechanism.get(), pair.public_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Encrypt(session, data.data(), 10, out.data(), nullptr));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Encrypt(session, data.data(), 10, out.data(), &size));
  MUST(p11->C_DecryptInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_DecryptInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, p11->C_Decrypt(session, data.data(), 10, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Decrypt(session, data.data(), 256, out.data(), &size));
  MUST(p11->C_DecryptInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Decrypt(session, nullptr, 256, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Decrypt(session, data.data(), 256, out.data(), &size));
}

TEST_F(Encryption, TheKeyMustFitAndAllowTheOperation) {
  const KeyPair ec = session.generate_ec(kP256);
  const KeyPair signs = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}, {CKA_ENCRYPT, false}},
                                         {{CKA_SIGN, true}, {CKA_DECRYPT, false}});
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, session.try_encrypt(CKM_RSA_PKCS, ec.public_key, message));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, session.try_decrypt(CKM_RSA_PKCS, ec.private_key, Bytes(256, 1)));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, session.try_encrypt(CKM_RSA_PKCS, signs.public_key, message));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, session.try_decrypt(CKM_RSA_X_509, signs.private_key, Bytes(128, 1)));
  for (const CK_OBJECT_HANDLE bad : {CK_OBJECT_HANDLE{0}, kAbsurd}) {
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, session.try_encrypt(CKM_RSA_PKCS, bad, message));
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, session.try_decrypt(CKM_RSA_PKCS, bad, message));
  }
  for (const CK_MECHANISM_TYPE type : {CKM_SHA256, CKM_SHA256_RSA_PKCS, CKM_AES_CBC, CKM_ECDSA}) {
    const ReturnValues refused = {type == CKM_AES_CBC ? CKR_KEY_TYPE_INCONSISTENT : CKR_MECHANISM_INVALID};
    EXPECT_RV(refused, session.try_encrypt(type, pair.public_key, message));
    EXPECT_RV(refused, session.try_decrypt(type, pair.private_key, message));
  }
}

TEST_F(Encryption, EncryptingNeedsNoLogin) {
  session.logout();
  EXPECT_EQ(foreign.decrypt(RSA_PKCS1_PADDING, session.encrypt(CKM_RSA_PKCS, foreign_object, message)), message);
}

}  // namespace
}  // namespace vtpm::conformance
