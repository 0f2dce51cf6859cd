// SPDX-License-Identifier: Apache-2.0
// Digests of every kind and message authentication codes: published vectors through the C functions.
#include <openssl/hmac.h>

#include <algorithm>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"
#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

using Macs = WithUser;

Mechanism general(CK_MECHANISM_TYPE type, CK_ULONG bytes) { return Mechanism::with_parameter(type, bytes_of(bytes)); }

Bytes first(Bytes bytes, size_t size) {
  bytes.resize(size);
  return bytes;
}

void expect_code(Session& session, const Mechanism& mechanism, CK_OBJECT_HANDLE key, const Bytes& message,
                 const Bytes& code) {
  EXPECT_EQ(to_hex(session.sign(mechanism, key, message)), to_hex(code));
  EXPECT_EQ(to_hex(session.sign_in_parts(mechanism, key, message)), to_hex(code));
  EXPECT_RV(CKR_OK, session.try_verify(mechanism, key, message, code));
  EXPECT_RV(CKR_OK, session.try_verify_in_parts(mechanism, key, message, code));
  Bytes bad = code;
  bad.back() ^= 1;
  EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mechanism, key, message, bad));
  EXPECT_RV(CKR_SIGNATURE_INVALID, session.try_verify(mechanism, key, message + Bytes{0}, code));
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, session.try_verify(mechanism, key, message, first(code, code.size() - 1)));
  EXPECT_RV(CKR_SIGNATURE_LEN_RANGE, session.try_verify(mechanism, key, message, code + Bytes{0}));
}

void expect_digest(Session& session, Mechanism mechanism, Bytes message, const std::string& expected) {
  Bytes digest(64), parts(64);
  CK_ULONG size = 0, parts_size = 64;
  MUST(p11->C_DigestInit(session, mechanism.get()));
  EXPECT_RV(CKR_OK, p11->C_Digest(session, bytes_pointer(message), message.size(), nullptr, &size));
  EXPECT_EQ(size, expected.size() / 2);
  EXPECT_RV(CKR_OK, p11->C_Digest(session, bytes_pointer(message), message.size(), digest.data(), &size));
  EXPECT_EQ(to_hex(first(digest, size)), expected);
  MUST(p11->C_DigestInit(session, mechanism.get()));
  for (size_t at = 0, part = 1; at < message.size(); at += part++)
    MUST(p11->C_DigestUpdate(session, message.data() + at, std::min(part, message.size() - at)));
  EXPECT_RV(CKR_OK, p11->C_DigestFinal(session, parts.data(), &parts_size));
  EXPECT_EQ(to_hex(first(parts, parts_size)), expected);
}

TEST_F(Macs, DigestsOfEveryHashMatchThePublishedVectors) {
  for_each_line("digest.txt", [&](const Line& line) {
    expect_digest(session, hash_row(line.text("hash")).digest, line.bytes("message"), line.text("digest"));
  });
}

TEST_F(Macs, Sha512TMatchesThePublishedVectors) {
  for_each_sha512_t([&](CK_ULONG bits, const Line& line) {
    if (line.has("digest"))
      return expect_digest(session, sha512_t(CKM_SHA512_T, bits), line.bytes("message"), line.text("digest"));
    for (const CK_KEY_TYPE type : {CKK_GENERIC_SECRET, CKK_SHA512_T_HMAC})
      expect_code(session, sha512_t(CKM_SHA512_T_HMAC, bits), secret_key(session, type, line.bytes("key")),
                  line.bytes("message"), line.bytes("mac"));
  });
}

TEST_F(Macs, Sha512TRejectsTOutOfRange) {
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_SHA512_T_HMAC, Bytes(32, 1));
  const auto expect_refused = [&](CK_MECHANISM_TYPE type, const Bytes& parameter) {
    Mechanism mechanism = Mechanism::with_parameter(type, parameter);
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, p11->C_DigestInit(session, mechanism.get()));
  };
  for (const CK_ULONG bits : {CK_ULONG{0}, CK_ULONG{384}, CK_ULONG{512}, CK_ULONG{1} << 32 | 256, kAbsurd}) {
    expect_refused(CKM_SHA512_T, bytes_of(bits));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(sha512_t(CKM_SHA512_T_HMAC, bits), key, bytes("data")));
  }
  expect_refused(CKM_SHA512_T, {});
  expect_refused(CKM_SHA512_T, Bytes(4, 1));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, session.try_sign(CKM_SHA512_T_HMAC, key, bytes("data")));
}

TEST_F(Macs, HmacMatchesThePublishedVectors) {
  for_each_line("hmac.txt", [&](const Line& line) {
    const HashRow& row = hash_row(line.text("hash"));
    const Bytes message = line.bytes("message"), code = line.bytes("mac");
    for (const CK_KEY_TYPE type : {CKK_GENERIC_SECRET, row.key}) {
      const CK_OBJECT_HANDLE key = secret_key(session, type, line.bytes("key"));
      if (code.size() == row.bytes) expect_code(session, row.hmac, key, message, code);
      expect_code(session, general(row.hmac_general, code.size()), key, message, code);
    }
  });
}

TEST_F(Macs, HmacOfEveryHashAgreesWithOpenssl) {
  const Bytes value(77, 0x4B), message(1000, 0x6D);
  for (const HashRow& row : kEveryHash) {
    if (!*row.openssl) continue;
    SCOPED_TRACE(row.name);
    Bytes code(64);
    unsigned size = 0;
    ASSERT_TRUE(HMAC(EVP_get_digestbyname(row.openssl), value.data(), static_cast<int>(value.size()), message.data(),
                     message.size(), code.data(), &size));
    ASSERT_EQ(size, row.bytes);
    const CK_OBJECT_HANDLE key = secret_key(session, row.key, value);
    expect_code(session, row.hmac, key, message, first(code, size));
    for (const size_t bytes : {size_t{1}, size_t{10}, row.bytes})
      expect_code(session, general(row.hmac_general, bytes), key, message, first(code, bytes));
  }
}

TEST_F(Macs, AesMatchesThePublishedVectors) {
  for_each_line("mac.txt", [&](const Line& line) {
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, line.bytes("key"));
    const Bytes message = line.bytes("message"), code = line.bytes("mac");
    if (line.text("algorithm") == "gmac") {
      Bytes iv = line.bytes("iv");
      CK_GCM_PARAMS parameters = {iv.data(), iv.size(), iv.size() * 8, nullptr, 0, code.size() * 8};
      expect_code(session, Mechanism::with_parameter(CKM_AES_GMAC, bytes_of(parameters)), key, message, code);
      parameters.ulTagBits = 96;
      expect_code(session, Mechanism::with_parameter(CKM_AES_GMAC, bytes_of(parameters)), key, message,
                  first(code, 12));
      return;
    }
    const bool cmac = line.text("algorithm") == "cmac";
    ASSERT_EQ(code.size(), 16u);
    expect_code(session, cmac ? CKM_AES_CMAC : CKM_AES_XCBC_MAC, key, message, code);
    if (cmac) {
      for (const size_t bytes : {1, 8, 16})
        expect_code(session, general(CKM_AES_CMAC_GENERAL, bytes), key, message, first(code, bytes));
    } else {
      expect_code(session, CKM_AES_XCBC_MAC_96, key, message, first(code, 12));
    }
  });
}

TEST_F(Macs, RejectWrongParametersAndKeys) {
  const CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, Bytes(32, 1)),
                         aes = secret_key(session, CKK_AES, Bytes(32, 1)),
                         sha1 = secret_key(session, CKK_SHA_1_HMAC, Bytes(32, 1));
  const Bytes data = bytes("data");
  const auto answer = [&](const Mechanism& mechanism, CK_OBJECT_HANDLE key) {
    const CK_RV rv = session.try_sign(mechanism, key, data);
    EXPECT_RV(rv, session.try_verify(mechanism, key, data, Bytes(20, 0)));
    return rv;
  };
  for (const CK_ULONG bytes : {CK_ULONG{0}, CK_ULONG{33}, kAbsurd})
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(general(CKM_SHA256_HMAC_GENERAL, bytes), secret));
  for (const CK_ULONG bytes : {CK_ULONG{0}, CK_ULONG{17}, kAbsurd})
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(general(CKM_AES_CMAC_GENERAL, bytes), aes));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(CKM_SHA256_HMAC_GENERAL, secret));
  Bytes iv(129);
  const auto gmac = [&](CK_ULONG iv_bytes, CK_ULONG tag_bits, bool null = false) {
    const CK_GCM_PARAMS parameters = {null ? nullptr : iv.data(), iv_bytes, 0, nullptr, 0, tag_bits};
    return answer(Mechanism::with_parameter(CKM_AES_GMAC, bytes_of(parameters)), aes);
  };
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, gmac(0, 128));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, gmac(129, 128));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, gmac(12, 127));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, gmac(12, 136));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, gmac(12, 0));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, gmac(12, 128, true));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, gmac(kAbsurd, 128));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(CKM_AES_GMAC, aes));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_SHA256_HMAC, aes));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_SHA256_HMAC, sha1));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_AES_CMAC, secret));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_SHA256_HMAC, session.generate_ec(kP256).private_key));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_ECDSA, secret));
  EXPECT_RV(CKR_KEY_SIZE_RANGE, answer(CKM_AES_XCBC_MAC, aes)) << "16 bytes only (RFC 3566)";
  const CK_OBJECT_HANDLE no_sign = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                   {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                                   {CKA_VALUE, Bytes(9, 1)},
                                                   {CKA_SIGN, false},
                                                   {CKA_VERIFY, false}});
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, answer(CKM_SHA256_HMAC, no_sign));
  const CK_OBJECT_HANDLE other = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                 {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                                 {CKA_VALUE, Bytes(9, 1)},
                                                 {CKA_ALLOWED_MECHANISMS, bytes_of(CK_ULONG{CKM_SHA_1_HMAC})}});
  EXPECT_RV(CKR_MECHANISM_INVALID, answer(CKM_SHA256_HMAC, other));
  EXPECT_EQ(session.sign(CKM_SHA_1_HMAC, other, data).size(), 20u);
}

TEST_F(Macs, SmallBuffersKeepTheOperation) {
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, Bytes(32, 1));
  Mechanism mechanism = CKM_SHA256_HMAC;
  Bytes data = bytes("data"), code(32, 0xEE);
  MUST(p11->C_SignInit(session, mechanism.get(), key));
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_SignInit(session, mechanism.get(), key));
  MUST(p11->C_SignUpdate(session, data.data(), data.size()));
  CK_ULONG size = 31;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_SignFinal(session, code.data(), &size));
  EXPECT_EQ(size, 32u);
  EXPECT_EQ(code, Bytes(32, 0xEE));
  EXPECT_RV(CKR_OK, p11->C_SignFinal(session, code.data(), &size));
  EXPECT_EQ(code, session.sign(mechanism, key, data));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_SignFinal(session, code.data(), &size));
}

}  // namespace
}  // namespace vtpm::conformance
