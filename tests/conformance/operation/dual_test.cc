// SPDX-License-Identifier: Apache-2.0
// Dual-function operations (PKCS#11 3.2, 5.17): two operations on one text together give the results of each alone.
#include <algorithm>

#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

using Update = CK_RV (*)(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG, CK_BYTE*, CK_ULONG*);

class Dual : public WithUser {
 protected:
  CK_OBJECT_HANDLE aes = secret_key(session, CKK_AES, Bytes(16, 1));
  CK_OBJECT_HANDLE hmac_key = secret_key(session, CKK_GENERIC_SECRET, Bytes(20, 2));
  Mechanism cbc = Mechanism::with_parameter(CKM_AES_CBC, Bytes(16, 3));
  Mechanism sha = CKM_SHA256, hmac = CKM_SHA256_HMAC;
  const Bytes text = Bytes(160, 0x5A);
  const Bytes encrypted = session.encrypt(cbc, aes, text);
  const Bytes code = session.sign(hmac, hmac_key, text);

  Bytes digest_of(Bytes data) {
    Bytes digest(32);
    CK_ULONG size = 32;
    MUST(p11->C_DigestInit(session, sha.get()));
    MUST(p11->C_Digest(session, data.data(), data.size(), digest.data(), &size));
    return digest;
  }
  /// In parts of 1, 2, 3 … bytes, each in place: its output lies where its input was.
  Bytes walk(Update update, Bytes data) {
    Bytes out;
    for (size_t at = 0, part = 1; at < data.size(); at += part++) {
      const size_t here = std::min(part, data.size() - at);
      Bytes memory(data.begin() + static_cast<long>(at), data.begin() + static_cast<long>(at + here));
      CK_ULONG size = 0;
      MUST(update(session, memory.data(), here, nullptr, &size));
      memory.resize(std::max<size_t>(size, here) + 1);
      if (size > 0) {
        CK_ULONG small = size - 1;
        EXPECT_RV(CKR_BUFFER_TOO_SMALL, update(session, memory.data(), here, memory.data(), &small));
      }
      MUST(update(session, memory.data(), here, memory.data(), &size));
      out.insert(out.end(), memory.begin(), memory.begin() + static_cast<long>(size));
    }
    return out;
  }
  Bytes final(CK_RV (*finish)(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG*)) {
    Bytes out(64);
    CK_ULONG size = 64;
    MUST(finish(session, out.data(), &size));
    out.resize(size);
    return out;
  }
};

TEST_F(Dual, DigestsAndEncryptsInOneCall) {
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(p11->C_DigestInit(session, sha.get()));
  const Bytes begun = walk(p11->C_DigestEncryptUpdate, text), last = final(p11->C_EncryptFinal);
  EXPECT_EQ(to_hex(begun + last), to_hex(encrypted));
  const Bytes digest = final(p11->C_DigestFinal);
  EXPECT_EQ(to_hex(digest), to_hex(digest_of(text)));
}

TEST_F(Dual, DecryptsAndDigestsInOneCall) {
  MUST(p11->C_DecryptInit(session, cbc.get(), aes));
  MUST(p11->C_DigestInit(session, sha.get()));
  const Bytes begun = walk(p11->C_DecryptDigestUpdate, encrypted), last = final(p11->C_DecryptFinal);
  EXPECT_EQ(to_hex(begun + last), to_hex(text));
  const Bytes digest = final(p11->C_DigestFinal);
  EXPECT_EQ(to_hex(digest), to_hex(digest_of(text)));
}

TEST_F(Dual, SignsAndEncryptsInOneCall) {
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(p11->C_SignInit(session, hmac.get(), hmac_key));
  const Bytes begun = walk(p11->C_SignEncryptUpdate, text), last = final(p11->C_EncryptFinal);
  EXPECT_EQ(to_hex(begun + last), to_hex(encrypted));
  EXPECT_EQ(to_hex(final(p11->C_SignFinal)), to_hex(code));
}

TEST_F(Dual, DecryptsAndVerifiesInOneCall) {
  for (const bool good : {true, false}) {
    Bytes signature = code;
    signature[0] ^= good ? 0 : 1;
    MUST(p11->C_DecryptInit(session, cbc.get(), aes));
    MUST(p11->C_VerifyInit(session, hmac.get(), hmac_key));
    const Bytes begun = walk(p11->C_DecryptVerifyUpdate, encrypted), last = final(p11->C_DecryptFinal);
    EXPECT_EQ(to_hex(begun + last), to_hex(text));
    EXPECT_RV(good ? CKR_OK : CKR_SIGNATURE_INVALID, p11->C_VerifyFinal(session, signature.data(), signature.size()));
  }
}

TEST_F(Dual, ThePairMayPartAndMeetAgain) {
  Bytes data = text, room(64), rest = text;
  CK_ULONG size = 64;
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  MUST(p11->C_DigestInit(session, sha.get()));
  MUST(p11->C_DigestUpdate(session, data.data(), 3));
  MUST(p11->C_EncryptUpdate(session, data.data(), 5, room.data(), &size));
  size = 64;
  MUST(p11->C_DigestEncryptUpdate(session, data.data(), 11, room.data(), &size));
  EXPECT_EQ(to_hex(Bytes(room.begin(), room.begin() + 16)), to_hex(Bytes(encrypted.begin(), encrypted.begin() + 16)));
  const Bytes digest = final(p11->C_DigestFinal);
  EXPECT_EQ(to_hex(digest), to_hex(digest_of(Bytes(14, 0x5A))));
  MUST(p11->C_EncryptInit(session, nullptr, 0));
}

TEST_F(Dual, NeedsBothAndAnErrorEndsBoth) {
  Bytes data = text, room(64);
  CK_ULONG size = 64;
  const auto call = [&] { return p11->C_DigestEncryptUpdate(session, data.data(), 16, room.data(), &size); };
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, call());
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, call());
  MUST(p11->C_EncryptInit(session, cbc.get(), aes));
  EXPECT_RV(CKR_OK, call());
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_DigestEncryptUpdate(session, nullptr, 16, room.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestUpdate(session, data.data(), 1));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, room.data(), &size));
  EXPECT_NE(token_flags(slot) & CKF_DUAL_CRYPTO_OPERATIONS, 0u);
}

}  // namespace
}  // namespace vtpm::conformance
