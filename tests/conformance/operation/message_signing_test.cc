// SPDX-License-Identifier: Apache-2.0
// Message-based signing and verifying (PKCS#11 3.2, 5.14 and 5.16).
#include <algorithm>

#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

class MessageSigning : public WithUser {
 protected:
  CK_RV sign(const Bytes& message, Bytes* signature) {
    Bytes data = message;
    CK_ULONG size = 0;
    CK_RV rv = p11_3().C_SignMessage(session, nullptr, 0, data.data(), data.size(), nullptr, &size);
    signature->assign(size, 0);
    if (rv != CKR_OK) return rv;
    return p11_3().C_SignMessage(session, nullptr, 0, data.data(), data.size(), signature->data(), &size);
  }
  CK_RV sign_in_parts(const Bytes& message, Bytes* signature) {
    Bytes data = message;
    CK_RV rv = p11_3().C_SignMessageBegin(session, nullptr, 0);
    for (size_t at = 0, part = 1; rv == CKR_OK && at < data.size(); at += part++)
      rv = p11_3().C_SignMessageNext(session, nullptr, 0, data.data() + at, std::min(part, data.size() - at), nullptr,
                                     nullptr);
    CK_ULONG size = 0;
    if (rv == CKR_OK) rv = p11_3().C_SignMessageNext(session, nullptr, 0, nullptr, 0, nullptr, &size);
    signature->assign(size, 0);
    return rv != CKR_OK ? rv : p11_3().C_SignMessageNext(session, nullptr, 0, nullptr, 0, signature->data(), &size);
  }
  CK_RV verify(Bytes message, Bytes signature) {
    return p11_3().C_VerifyMessage(session, nullptr, 0, message.data(), message.size(), signature.data(),
                                   signature.size());
  }
  CK_RV verify_in_parts(Bytes message, Bytes signature) {
    MUST(p11_3().C_VerifyMessageBegin(session, nullptr, 0));
    for (size_t at = 0, part = 1; at < message.size(); at += part++)
      MUST(p11_3().C_VerifyMessageNext(session, nullptr, 0, message.data() + at, std::min(part, message.size() - at),
                                       nullptr, 0));
    return p11_3().C_VerifyMessageNext(session, nullptr, 0, nullptr, 0, signature.data(), signature.size());
  }
  void init(Mechanism mechanism, CK_OBJECT_HANDLE signing, CK_OBJECT_HANDLE verifying) {
    MUST(p11_3().C_MessageSignInit(session, mechanism.get(), signing));
    MUST(p11_3().C_MessageVerifyInit(session, mechanism.get(), verifying));
  }
  void final() {
    EXPECT_RV(CKR_OK, p11_3().C_MessageSignFinal(session));
    EXPECT_RV(CKR_OK, p11_3().C_MessageVerifyFinal(session));
  }
  const Bytes text = bytes("a message of some length, longer than a few parts");
};

TEST_F(MessageSigning, HmacMatchesThePublishedVectors) {
  for_each_line("hmac.txt", [&](const Line& line) {
    const HashRow& row = hash_row(line.text("hash"));
    const Bytes message = line.bytes("message"), code = line.bytes("mac");
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, line.bytes("key"));
    init(Mechanism::with_parameter(row.hmac_general, bytes_of(CK_ULONG{code.size()})), key, key);
    for (int round = 0; round < 2; ++round) {  // the second message is signed as the first was
      Bytes made;
      EXPECT_RV(CKR_OK, sign(message, &made));
      EXPECT_EQ(to_hex(made), to_hex(code));
      EXPECT_RV(CKR_OK, sign_in_parts(message, &made));
      EXPECT_EQ(to_hex(made), to_hex(code));
      EXPECT_RV(CKR_OK, verify(message, code));
      EXPECT_RV(CKR_OK, verify_in_parts(message, code));
      EXPECT_RV(CKR_SIGNATURE_INVALID, verify(message + Bytes{0}, code));
      EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, verify(message, code + Bytes{0}));
    }
    final();
  });
}

TEST_F(MessageSigning, RsaAndEcAgreeWithTheOrdinaryFunctions) {
  const KeyPair rsa = session.generate_rsa(2048), ec = session.generate_ec(kP256);
  const std::pair<Mechanism, KeyPair> cases[] = {
      {CKM_SHA256_RSA_PKCS, rsa},
      {CKM_RSA_PKCS, rsa},
      {Mechanism::pss(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32), rsa},
      {CKM_ECDSA_SHA256, ec},
  };
  for (const auto& [mechanism, pair] : cases) {
    SCOPED_TRACE(mechanism.type());
    init(mechanism, pair.private_key, pair.public_key);
    for (const Bytes& message : {text, Bytes{}, bytes("x"), text}) {
      Bytes one, two;
      EXPECT_RV(CKR_OK, sign(message, &one));
      EXPECT_RV(CKR_OK, sign_in_parts(message, &two));
      EXPECT_RV(CKR_OK, session.try_verify(mechanism, pair.public_key, message, one));
      EXPECT_RV(CKR_OK, session.try_verify(mechanism, pair.public_key, message, two));
      EXPECT_RV(CKR_OK, verify(message, two));
      EXPECT_RV(CKR_OK, verify_in_parts(message, session.sign(mechanism, pair.private_key, message)));
      EXPECT_RV(CKR_SIGNATURE_INVALID, verify_in_parts(message + Bytes{1}, one));
    }
    final();
  }
}

TEST_F(MessageSigning, BeginNextAndFinalFollowTheStandard) {
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1));
  Mechanism code = CKM_SHA256_HMAC, gcm = CKM_AES_GCM;
  Bytes out, data = text;
  CK_ULONG size = 10;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_3().C_MessageSignFinal(session));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, sign(text, &out));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_MessageSignInit(session, nullptr, key));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_3().C_MessageSignInit(session, gcm.get(), key));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11_3().C_MessageSignInit(session, code.get(), 0));
  init(code, key, key);
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11_3().C_MessageSignInit(session, code.get(), key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11_3().C_MessageVerifyInit(session, code.get(), key));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_3().C_SignMessageNext(session, nullptr, 0, data.data(), 5, nullptr, nullptr));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11_3().C_SignMessageBegin(session, data.data(), 4));
  MUST(p11_3().C_SignMessageBegin(session, nullptr, 0));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11_3().C_SignMessageBegin(session, nullptr, 0));
  EXPECT_RV(CKR_OPERATION_ACTIVE, sign(text, &out));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11_3().C_MessageSignFinal(session));
  Bytes room(32);
  EXPECT_RV(CKR_BUFFER_TOO_SMALL,
            p11_3().C_SignMessageNext(session, nullptr, 0, data.data(), data.size(), room.data(), &size));
  EXPECT_EQ(size, 32u);
  EXPECT_RV(CKR_OK, p11_3().C_SignMessageNext(session, nullptr, 0, data.data(), data.size(), room.data(), &size));
  EXPECT_RV(CKR_OK, verify(text, room)) << "the part was taken once";
  MUST(p11_3().C_SignMessageBegin(session, nullptr, 0));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_SignMessageNext(session, nullptr, 0, nullptr, 5, nullptr, nullptr));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED,
            p11_3().C_SignMessageNext(session, nullptr, 0, data.data(), 5, nullptr, nullptr))
      << "an error ends the message";
  EXPECT_RV(CKR_OK, sign(text, &out)) << "and not the process";
  EXPECT_RV(CKR_OK, p11_3().C_MessageSignInit(session, nullptr, 0));
  EXPECT_RV(CKR_OK, p11_3().C_SessionCancel(session, CKF_MESSAGE_VERIFY));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_3().C_MessageSignFinal(session));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11_3().C_MessageVerifyFinal(session));
}

// The same initialization vector for several messages would reveal the authentication key of GMAC.
TEST_F(MessageSigning, RejectsGmac) {
  Bytes iv(12);
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, Bytes(16, 1));
  Mechanism gmac = Mechanism::with_parameter(CKM_AES_GMAC, bytes_of(CK_GCM_PARAMS{iv.data(), 12, 96, nullptr, 0, 128}));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_3().C_MessageSignInit(session, gmac.get(), key));
  EXPECT_RV(CKR_MECHANISM_INVALID, p11_3().C_MessageVerifyInit(session, gmac.get(), key));
}

TEST_F(MessageSigning, AsksForThePinBeforeEachMessageWhereTheKeyDoes) {
  KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                  {{CKA_ALWAYS_AUTHENTICATE, true}, {CKA_PRIVATE, true}});
  Mechanism mechanism = CKM_ECDSA_SHA256;
  MUST(p11_3().C_MessageSignInit(session, mechanism.get(), pair.private_key));
  for (int round = 0; round < 2; ++round) {
    Bytes out;
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, sign(text, &out));
    EXPECT_RV(CKR_OK, session.try_login(CKU_CONTEXT_SPECIFIC, kUserPin));
    EXPECT_RV(CKR_OK, sign(text, &out));
    EXPECT_RV(CKR_OK, session.try_verify(mechanism, pair.public_key, text, out));
  }
}

// The authentication lasts until the message has "successfully or unsuccessfully been completed" (4.10).
TEST_F(MessageSigning, AsksForThePinAgainAfterAMessageThatFailed) {
  const KeyPair pair = session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}},
                                        {{CKA_ALWAYS_AUTHENTICATE, true}, {CKA_PRIVATE, true}});
  Mechanism mechanism = CKM_RSA_PKCS;
  MUST(p11_3().C_MessageSignInit(session, mechanism.get(), pair.private_key));
  const auto& v3 = p11_3();
  Bytes data(20, 1), much(200, 1), out(128);
  CK_ULONG size = out.size(), little = 1;
  const auto whole = [&](Bytes& message, CK_ULONG* room) {
    return v3.C_SignMessage(session, nullptr, 0, message.data(), message.size(), out.data(), room);
  };
  const auto next = [&](Bytes& message, CK_ULONG* room) {
    return v3.C_SignMessageNext(session, nullptr, 0, message.data(), message.size(), out.data(), room);
  };
  const auto begin = [&] { return v3.C_SignMessageBegin(session, nullptr, 0); };
  const auto expect_asks = [&] {
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, whole(data, &(size = out.size())));
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, begin());
    session.login(CKU_CONTEXT_SPECIFIC);
  };
  expect_asks();
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, whole(data, &little));
  EXPECT_RV(CKR_OK, whole(data, &(size = out.size()))) << "a buffer that is too small ends nothing";
  expect_asks();
  EXPECT_RV(CKR_DATA_LEN_RANGE, whole(much, &(size = out.size())));
  expect_asks();
  EXPECT_RV(CKR_ARGUMENTS_BAD, whole(data, nullptr));
  expect_asks();
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, v3.C_SignMessageBegin(session, data.data(), 4));
  expect_asks();
  MUST(begin());
  EXPECT_RV(CKR_OPERATION_ACTIVE, whole(data, &(size = out.size()))) << "which is not about the message in parts";
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, next(data, &(little = 1)));
  EXPECT_RV(CKR_OK, next(data, &(size = out.size())));
  expect_asks();
  MUST(begin());
  EXPECT_RV(CKR_DATA_LEN_RANGE, next(much, &(size = out.size())));
  expect_asks();
}

TEST_F(MessageSigning, MechanismsThatOfferItSaySo) {
  for (const CK_MECHANISM_TYPE type : {CKM_SHA256_RSA_PKCS, CKM_ECDSA, CKM_SHA512_HMAC, CKM_AES_CMAC}) {
    CK_MECHANISM_INFO info;
    MUST(p11->C_GetMechanismInfo(slot, type, &info));
    EXPECT_EQ(info.flags & 0x3E, CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY | CKF_MULTI_MESSAGE) << type;
  }
  for (const CK_MECHANISM_TYPE type : {CKM_AES_GCM, CKM_AES_CCM, CKM_CHACHA20_POLY1305}) {
    CK_MECHANISM_INFO info;
    MUST(p11->C_GetMechanismInfo(slot, type, &info));
    EXPECT_EQ(info.flags & 0x3E, CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE) << type;
  }
}

}  // namespace
}  // namespace vtpm::conformance
