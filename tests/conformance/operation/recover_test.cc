// SPDX-License-Identifier: Apache-2.0
// Signatures with data recovery (PKCS#11 3.2, 5.13 and 5.15) and signatures that come before their data (5.15).
#include <algorithm>

#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

class Recover : public WithUser {
 protected:
  KeyPair rsa = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}, {CKA_VERIFY_RECOVER, true}},
                                 {{CKA_SIGN_RECOVER, true}});
  Mechanism pkcs = CKM_RSA_PKCS, raw = CKM_RSA_X_509;

  Bytes sign(Mechanism mechanism, Bytes data) {
    Bytes signature(128);
    CK_ULONG size = 0;
    MUST(p11->C_SignRecoverInit(session, mechanism.get(), rsa.private_key));
    MUST(p11->C_SignRecover(session, data.data(), data.size(), nullptr, &size));
    EXPECT_EQ(size, 128u);
    size = 127;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_SignRecover(session, data.data(), data.size(), signature.data(), &size));
    MUST(p11->C_SignRecover(session, data.data(), data.size(), signature.data(), &size));
    return signature;
  }
  CK_RV recover(Mechanism mechanism, Bytes signature, Bytes* data) {
    data->assign(128, 0);
    CK_ULONG size = 128;
    MUST(p11->C_VerifyRecoverInit(session, mechanism.get(), rsa.public_key));
    const CK_RV rv = p11->C_VerifyRecover(session, signature.data(), signature.size(), data->data(), &size);
    data->resize(rv == CKR_OK ? size : 0);
    return rv;
  }
};

TEST_F(Recover, ReturnsTheSignedData) {
  for (const Bytes& data : {bytes("recover me"), Bytes{}, Bytes(117, 9)}) {
    Bytes recovered;
    const Bytes signature = sign(pkcs, data);
    EXPECT_RV(CKR_OK, recover(pkcs, signature, &recovered));
    EXPECT_EQ(recovered, data);
    EXPECT_RV(CKR_OK, session.try_verify(pkcs, rsa.public_key, data, signature)) << "an ordinary signature, too";
  }
  Bytes block(128, 1), recovered;
  block[0] = 0;
  EXPECT_RV(CKR_OK, recover(raw, sign(raw, block), &recovered));
  EXPECT_EQ(recovered, block);
}

TEST_F(Recover, RejectsWrongSignaturesAndLengths) {
  Bytes recovered, signature = sign(pkcs, bytes("data"));
  signature[100] ^= 1;
  EXPECT_RV(CKR_SIGNATURE_INVALID, recover(pkcs, signature, &recovered));
  EXPECT_RV(CKR_SIGNATURE_INVALID, recover(raw, Bytes(128, 0xFF), &recovered)) << "not below the modulus";
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, recover(pkcs, Bytes(127), &recovered));
  Bytes long_data(118), room(128);
  CK_ULONG size = 128;
  MUST(p11->C_SignRecoverInit(session, pkcs.get(), rsa.private_key));
  EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_SignRecover(session, long_data.data(), 118, room.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignRecover(session, long_data.data(), 1, room.data(), &size));
}

TEST_F(Recover, RejectsKeysAndMechanismsThatDoNotRecover) {
  const KeyPair idle =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}, {CKA_VERIFY_RECOVER, false}}, {});
  Mechanism hashed = CKM_SHA256_RSA_PKCS;
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_SignRecoverInit(session, pkcs.get(), idle.private_key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_VerifyRecoverInit(session, pkcs.get(), idle.public_key));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_SignRecoverInit(session, hashed.get(), rsa.private_key));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11->C_VerifyRecoverInit(session, pkcs.get(), 0));
  MUST(p11->C_SignRecoverInit(session, pkcs.get(), rsa.private_key));
  MUST(p11->C_VerifyRecoverInit(session, pkcs.get(), rsa.public_key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_SignRecoverInit(session, pkcs.get(), rsa.private_key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_VerifyRecoverInit(session, pkcs.get(), rsa.public_key));
  EXPECT_RV(CKR_OK, p11->C_SignRecoverInit(session, nullptr, 0));
  EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, CKF_VERIFY_RECOVER));
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignRecover(session, nullptr, 0, nullptr, &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_VerifyRecover(session, nullptr, 0, nullptr, &size));
}

// --- C_VerifySignature… ---

class VerifySignature : public WithUser {
 protected:
  CK_RV init(Mechanism mechanism, CK_OBJECT_HANDLE key, Bytes signature) {
    return p11_3().C_VerifySignatureInit(session, mechanism.get(), key, signature.data(), signature.size());
  }
  CK_RV whole(Bytes data) { return p11_3().C_VerifySignature(session, data.data(), data.size()); }
  CK_RV parts(Bytes data) {
    for (size_t at = 0, part = 1; at < data.size(); at += part++)
      MUST(p11_3().C_VerifySignatureUpdate(session, data.data() + at, std::min(part, data.size() - at)));
    return p11_3().C_VerifySignatureFinal(session);
  }
};

TEST_F(VerifySignature, VerifiesWhatVerifyVerifies) {
  const KeyPair rsa = session.generate_rsa(1024), ec = session.generate_ec(kP256);
  const CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1));
  const Bytes text = bytes("signed before it was seen");
  const std::tuple<CK_MECHANISM_TYPE, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE> cases[] = {
      {CKM_SHA256_RSA_PKCS, rsa.private_key, rsa.public_key},
      {CKM_ECDSA_SHA256, ec.private_key, ec.public_key},
      {CKM_SHA256_HMAC, secret, secret}};
  for (const auto& [type, signing, verifying] : cases) {
    SCOPED_TRACE(type);
    Bytes signature = session.sign(type, signing, text);
    for (const bool good : {true, false}) {
      if (!good) signature.back() ^= 1;
      MUST(init(type, verifying, signature));
      EXPECT_RV(good ? CKR_OK : CKR_SIGNATURE_INVALID, whole(text));
      MUST(init(type, verifying, signature));
      EXPECT_RV(good ? CKR_OK : CKR_SIGNATURE_INVALID, parts(text));
    }
    for (const Bytes& wrong : {Bytes(5), signature + Bytes{0}, Bytes(5000)}) {
      MUST(init(type, verifying, wrong));
      EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, whole(text));
    }
  }
}

TEST_F(VerifySignature, CallsOutOfOrderAndBadArgumentsAreRejected) {
  const CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1));
  Mechanism hmac = CKM_SHA256_HMAC, gcm = CKM_AES_GCM;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, whole(bytes("x")));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_3().C_VerifySignatureFinal(session));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_VerifySignatureInit(session, nullptr, secret, nullptr, 0));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_VerifySignatureInit(session, hmac.get(), secret, nullptr, 0));
  EXPECT_RV(CKR_MECHANISM_INVALID, init(CKM_AES_GCM, secret, Bytes(32)));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, init(hmac, 0, Bytes(32)));
  MUST(init(hmac, secret, Bytes(32)));
  EXPECT_RV(CKR_OPERATION_ACTIVE, init(hmac, secret, Bytes(32)));
  Bytes part = bytes("x");
  MUST(p11_3().C_VerifySignatureUpdate(session, part.data(), 1));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, whole(part)) << "an operation in parts ends with its Final function";
  MUST(init(hmac, secret, Bytes(32)));
  EXPECT_RV(CKR_OK, p11_3().C_VerifySignatureInit(session, nullptr, 0, nullptr, 0));
  MUST(init(hmac, secret, Bytes(32)));
  EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, CKF_VERIFY));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_3().C_VerifySignatureFinal(session));
}

}  // namespace
}  // namespace vtpm::conformance
