// SPDX-License-Identifier: Apache-2.0
// Null pointers and lengths out of range where a caller's mistake would make a module read or write memory that it must
// not. The functions return an error and do not use them. (Null pointers to functions without an operation are in
// general_test.cc.)
#include <functional>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

class HostileArguments : public WithUser {
 protected:
  KeyPair ec = session.generate_ec(kP256);
  Bytes buffer = Bytes(64, 1);
  CK_ULONG size = 64;

  /// No buffer has a length of CK_ULONG's maximum, or of 2^62.
  void for_each_length_out_of_range(const std::function<CK_RV(CK_ULONG)>& call, const char* name) {
    for (const CK_ULONG length : {kAbsurd, kAbsurd - 1, CK_ULONG{1} << 62}) {
      const CK_RV rv = call(length);
      EXPECT_NE(rv, CKR_OK) << name << " with " << length;
      EXPECT_NE(rv, CKR_GENERAL_ERROR) << name << " with " << length;
    }
  }
};

TEST_F(HostileArguments, DataOfAnImpossibleLengthIsRejected) {
  Mechanism sha = CKM_SHA256, ecdsa = CKM_ECDSA, ecdsa_sha = CKM_ECDSA_SHA256;
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        MUST(p11->C_DigestInit(session, sha.get()));
        return p11->C_Digest(session, buffer.data(), length, buffer.data(), &size);
      },
      "C_Digest");
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        MUST(p11->C_DigestInit(session, sha.get()));
        return p11->C_DigestUpdate(session, buffer.data(), length);
      },
      "C_DigestUpdate");
  for (Mechanism* mechanism : {&ecdsa, &ecdsa_sha}) {
    for_each_length_out_of_range(
        [&](CK_ULONG length) {
          MUST(p11->C_SignInit(session, mechanism->get(), ec.private_key));
          return p11->C_Sign(session, buffer.data(), length, buffer.data(), &size);
        },
        "C_Sign");
    for_each_length_out_of_range(
        [&](CK_ULONG length) {
          MUST(p11->C_VerifyInit(session, mechanism->get(), ec.public_key));
          return p11->C_Verify(session, buffer.data(), length, buffer.data(), 64);
        },
        "C_Verify");
  }
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        MUST(p11->C_VerifyInit(session, ecdsa.get(), ec.public_key));
        return p11->C_Verify(session, buffer.data(), 32, buffer.data(), length);
      },
      "C_Verify's signature");
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        MUST(p11->C_SignInit(session, ecdsa_sha.get(), ec.private_key));
        return p11->C_SignUpdate(session, buffer.data(), length);
      },
      "C_SignUpdate");
}

TEST_F(HostileArguments, CiphertextOfAnImpossibleLengthIsRejected) {
  const KeyPair rsa = session.generate_rsa(1024);
  Mechanism mechanism = CKM_RSA_PKCS;
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        MUST(p11->C_EncryptInit(session, mechanism.get(), rsa.public_key));
        return p11->C_Encrypt(session, buffer.data(), length, buffer.data(), &size);
      },
      "C_Encrypt");
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        MUST(p11->C_DecryptInit(session, mechanism.get(), rsa.private_key));
        return p11->C_Decrypt(session, buffer.data(), length, buffer.data(), &size);
      },
      "C_Decrypt");
}

TEST_F(HostileArguments, RandomBytesOfAnImpossibleLengthAreRejected) {
  for_each_length_out_of_range([&](CK_ULONG length) { return p11->C_SeedRandom(session, buffer.data(), length); },
                               "C_SeedRandom");
  for_each_length_out_of_range([&](CK_ULONG length) { return p11->C_GenerateRandom(session, nullptr, length); },
                               "C_GenerateRandom");
}

TEST_F(HostileArguments, PinsOfAnImpossibleLengthAreRejected) {
  Session other(slot);
  for_each_length_out_of_range(
      [&](CK_ULONG length) { return p11->C_SetPIN(other, buffer.data(), length, buffer.data(), 8); },
      "C_SetPIN's old PIN");
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        Bytes old_pin = kUserPin;
        return p11->C_SetPIN(other, old_pin.data(), old_pin.size(), buffer.data(), length);
      },
      "C_SetPIN's new PIN");
  other.logout();
  for_each_length_out_of_range([&](CK_ULONG length) { return p11->C_Login(other, CKU_USER, buffer.data(), length); },
                               "C_Login");
  other.login(CKU_SO);
  for_each_length_out_of_range([&](CK_ULONG length) { return p11->C_InitPIN(other, buffer.data(), length); },
                               "C_InitPIN");
}

TEST_F(HostileArguments, TemplatesOfAnImpossibleCountAreRejected) {
  CK_OBJECT_HANDLE object = 0;
  CK_OBJECT_CLASS data = CKO_DATA;
  CK_ATTRIBUTE one = {CKA_CLASS, &data, sizeof data};
  for_each_length_out_of_range([&](CK_ULONG count) { return p11->C_CreateObject(session, &one, count, &object); },
                               "C_CreateObject");
  for_each_length_out_of_range(
      [&](CK_ULONG count) { return p11->C_CopyObject(session, ec.private_key, &one, count, &object); }, "C_CopyObject");
  for_each_length_out_of_range(
      [&](CK_ULONG count) { return p11->C_GetAttributeValue(session, ec.public_key, &one, count); },
      "C_GetAttributeValue");
  for_each_length_out_of_range(
      [&](CK_ULONG count) { return p11->C_SetAttributeValue(session, ec.public_key, &one, count); },
      "C_SetAttributeValue");
  for_each_length_out_of_range([&](CK_ULONG count) { return p11->C_FindObjectsInit(session, &one, count); },
                               "C_FindObjectsInit");
}

TEST_F(HostileArguments, AttributesOfAnImpossibleLengthAreRejected) {
  CK_OBJECT_HANDLE object = 0;
  CK_OBJECT_CLASS data = CKO_DATA;
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        CK_ATTRIBUTE attributes[] = {{CKA_CLASS, &data, sizeof data}, {CKA_VALUE, buffer.data(), length}};
        return p11->C_CreateObject(session, attributes, 2, &object);
      },
      "C_CreateObject");
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        CK_ATTRIBUTE attribute = {CKA_LABEL, buffer.data(), length};
        return p11->C_SetAttributeValue(session, ec.public_key, &attribute, 1);
      },
      "C_SetAttributeValue");
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        CK_ATTRIBUTE attribute = {CKA_EC_PARAMS, buffer.data(), length};
        KeyPair pair;
        Mechanism mechanism = CKM_EC_KEY_PAIR_GEN;
        return p11->C_GenerateKeyPair(session, mechanism.get(), &attribute, 1, nullptr, 0, &pair.public_key,
                                      &pair.private_key);
      },
      "C_GenerateKeyPair");
}

TEST_F(HostileArguments, ParametersOfAnImpossibleLengthAreRejected) {
  const KeyPair rsa = session.generate_rsa(1024);
  CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, buffer.data(), 0};
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &oaep, length};
        return p11->C_EncryptInit(session, &mechanism, rsa.public_key);
      },
      "the length of the parameter");
  for_each_length_out_of_range(
      [&](CK_ULONG length) {
        oaep.ulSourceDataLen = length;
        CK_MECHANISM mechanism = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
        return p11->C_EncryptInit(session, &mechanism, rsa.public_key);
      },
      "the length of the label");
  CK_MECHANISM null_parameter = {CKM_RSA_PKCS_PSS, nullptr, sizeof(CK_RSA_PKCS_PSS_PARAMS)};
  EXPECT_RV(one_of(CKR_MECHANISM_PARAM_INVALID, CKR_ARGUMENTS_BAD),
            p11->C_SignInit(session, &null_parameter, rsa.private_key));
}

TEST_F(HostileArguments, AHugeLengthOfABufferWritesOnlyTheOutput) {
  // The module cannot check a length that is far too large for an output buffer: it writes only the bytes of its
  // output.
  Mechanism mechanism = CKM_ECDSA;
  MUST(p11->C_SignInit(session, mechanism.get(), ec.private_key));
  Bytes out(65, 0xEE);
  size = kAbsurd;
  EXPECT_RV(CKR_OK, p11->C_Sign(session, buffer.data(), 32, out.data(), &size));
  EXPECT_EQ(size, 64u);
  EXPECT_EQ(out[64], 0xEE);
}

}  // namespace
}  // namespace vtpm::conformance
