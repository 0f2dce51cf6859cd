// SPDX-License-Identifier: Apache-2.0
// An application passes a wrong length: INT_MAX + 1 (an int that wrapped, or the size of another variable) for four
// bytes at the end of a page. Reading that many bytes would end the process.
#include <sys/mman.h>
#include <unistd.h>

#include <climits>
#include <cstring>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

constexpr CK_ULONG kWrong = CK_ULONG{INT_MAX} + 1;

class Lengths : public WithUser {
 protected:
  Lengths() {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* pages = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(static_cast<char*>(pages) + page, page, PROT_NONE) != 0)
      throw std::runtime_error("mmap");
    four = static_cast<CK_BYTE*>(pages) + page - 4;
    memset(four, '1', 4);
  }
  CK_BYTE* four;  // the buffer has exactly that length, and nothing behind it can be read
  CK_OBJECT_HANDLE made = 0;
};

TEST_F(Lengths, ASeedOfMoreThanOneMebibyteIsRejected) {
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SeedRandom(session, four, kWrong));
  EXPECT_RV(CKR_OK, p11->C_SeedRandom(session, four, 4));
  Bytes large(1 << 20, 1);
  EXPECT_RV(CKR_OK, p11->C_SeedRandom(session, large.data(), large.size()));
  large.push_back(1);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SeedRandom(session, large.data(), large.size()));
}

TEST_F(Lengths, PinsOverTheirLimitAreRejected) {
  Bytes pin = kUserPin;
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetPIN(session, four, kWrong, four, 4));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetPIN(session, pin.data(), pin.size(), four, kWrong));
  session.logout();
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_Login(session, CKU_USER, four, kWrong));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_LoginUser(session, CKU_USER, four, 4, four, kWrong));
  session.login(CKU_SO);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_InitPIN(session, four, kWrong));
  CK_BYTE label[32] = {};
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_InitToken(free_slot(), four, kWrong, label));
}

TEST_F(Lengths, AttributeValuesOverTheirLimitAreRejected) {
  CK_OBJECT_CLASS data = CKO_DATA;
  for (const CK_ATTRIBUTE_TYPE type : {CKA_LABEL, CKA_VALUE, CKA_APPLICATION, CKA_OBJECT_ID}) {
    CK_ATTRIBUTE rows[] = {{CKA_CLASS, &data, sizeof data}, {type, four, kWrong}};
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_CreateObject(session, rows, 2, &made));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_FindObjectsInit(session, rows, 2));
    made = session.create({{CKA_CLASS, CKO_DATA}});
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_SetAttributeValue(session, made, rows + 1, 1));
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_CopyObject(session, made, rows + 1, 1, &made));
  }
  // The template contains a template.
  CK_ATTRIBUTE inner = {CKA_LABEL, four, kWrong};
  CK_ATTRIBUTE nested[] = {{CKA_UNWRAP_TEMPLATE, &inner, sizeof inner}};
  CK_MECHANISM aes = {CKM_AES_KEY_GEN, nullptr, 0};
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_GenerateKey(session, &aes, nested, 1, &made));
}

TEST_F(Lengths, MechanismParametersOverTheirLimitAreRejected) {
  const CK_OBJECT_HANDLE aes = [&] {
    Template wanted = {{CKA_VALUE_LEN, 32}, {CKA_ENCRYPT, true}, {CKA_DERIVE, true}, {CKA_SIGN, true}};
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
    MUST(p11->C_GenerateKey(session, &mechanism, wanted.data(), wanted.size(), &made));
    return made;
  }();
  const KeyPair rsa = session.generate_rsa();
  const auto begins = [&](CK_MECHANISM_TYPE type, auto parameter, CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism = {type, &parameter, sizeof parameter};
    return p11->C_EncryptInit(session, &mechanism, key);
  };
  const CK_RV invalid = CKR_MECHANISM_PARAM_INVALID;
  EXPECT_RV(invalid, begins(CKM_AES_GCM, CK_GCM_PARAMS{four, kWrong, 0, nullptr, 0, 128}, aes));
  EXPECT_RV(invalid, begins(CKM_AES_GCM, CK_GCM_PARAMS{four, 4, 0, four, kWrong, 128}, aes));
  EXPECT_RV(invalid, begins(CKM_AES_CCM, CK_CCM_PARAMS{4, four, kWrong, nullptr, 0, 16}, aes));
  EXPECT_RV(invalid, begins(CKM_RSA_PKCS_OAEP,
                            CK_RSA_PKCS_OAEP_PARAMS{CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, four, kWrong},
                            rsa.public_key));
  CK_MECHANISM cbc = {CKM_AES_CBC, four, kWrong};
  EXPECT_RV(invalid, p11->C_EncryptInit(session, &cbc, aes));
  CK_KEY_DERIVATION_STRING_DATA text = {four, kWrong};
  CK_MECHANISM derive = {CKM_CONCATENATE_BASE_AND_DATA, &text, sizeof text};
  EXPECT_RV(one_of(CKR_MECHANISM_PARAM_INVALID, CKR_KEY_TYPE_INCONSISTENT),
            p11->C_DeriveKey(session, &derive, aes, nullptr, 0, &made));
}

TEST_F(Lengths, SignaturesAndWrappedKeysOverTheirLimitAreRejected) {
  const KeyPair ec = session.generate_ec(kP256);
  CK_BYTE digest[32] = {};
  CK_MECHANISM ecdsa = {CKM_ECDSA, nullptr, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, nullptr, 0};
  MUST(p11->C_VerifyInit(session, &ecdsa, ec.public_key));
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, p11->C_Verify(session, digest, sizeof digest, four, kWrong));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_3().C_VerifySignatureInit(session, &ecdsa, ec.public_key, four, kWrong));
  Template wanted = {{CKA_VALUE_LEN, 32}, {CKA_UNWRAP, true}, {CKA_DECRYPT, true}};
  CK_MECHANISM generate = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE aes = 0;
  MUST(p11->C_GenerateKey(session, &generate, wanted.data(), wanted.size(), &aes));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_UnwrapKey(session, &kwp, aes, four, kWrong, nullptr, 0, &made));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetOperationState(session, four, kWrong, 0, 0));
}

TEST_F(Lengths, DataOfMoreThanTwoGibibytesIsDigested) {
  CK_MECHANISM sha = {CKM_SHA_1, nullptr, 0};
  // The size exceeds an int. Pages that were never written use no memory.
  void* zeros = mmap(nullptr, kWrong, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(zeros, MAP_FAILED);
  CK_BYTE digest[20];
  CK_ULONG size = sizeof digest;
  MUST(p11->C_DigestInit(session, &sha));
  EXPECT_RV(CKR_OK, p11->C_Digest(session, static_cast<CK_BYTE*>(zeros), kWrong, digest, &size));
  munmap(zeros, kWrong);
  // head -c 2147483648 /dev/zero | sha1sum
  EXPECT_EQ(to_hex(Bytes(digest, digest + sizeof digest)), "91d50642dd930e9542c39d36f0516d45f4e1af0d");
}

}  // namespace
}  // namespace vtpm::conformance
