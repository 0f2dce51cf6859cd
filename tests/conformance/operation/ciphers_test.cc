// SPDX-License-Identifier: Apache-2.0
// Symmetric ciphers and authenticated encryption (PKCS#11 3.2, 5.8 and 5.10): published vectors in one call, in parts
// and in place; comparison with OpenSSL; every error.
#include <algorithm>
#include <set>

#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

class Ciphers : public WithUser {
 protected:
  CK_OBJECT_HANDLE aes = secret_key(session, CKK_AES, Bytes(16, 0x2B));

  /// Checks encryption and decryption, in one call, in parts and in place.
  void expect_crypts(const Mechanism& mechanism, CK_OBJECT_HANDLE key, const Bytes& plain, const Bytes& cipher) {
    const auto same = [&](Way way, const Bytes& from, const Bytes& to) {
      Bytes out;
      EXPECT_RV(CKR_OK, crypt(session, way, mechanism, key, from, &out));
      EXPECT_EQ(to_hex(out), to_hex(to));
      EXPECT_RV(CKR_OK, crypt_in_parts(session, way, mechanism, key, from, &out));
      EXPECT_EQ(to_hex(out), to_hex(to)) << "in parts";
      EXPECT_RV(CKR_OK, crypt_in_place(session, way, mechanism, key, from, &out));
      EXPECT_EQ(to_hex(out), to_hex(to)) << "in place";
    };
    same(Way::kEncrypt, plain, cipher);
    same(Way::kDecrypt, cipher, plain);
  }
};

Mechanism with_iv(CK_MECHANISM_TYPE type, const Bytes& iv = Bytes(16, 0x11)) {
  return Mechanism::with_parameter(type, iv);
}
Mechanism counter(CK_ULONG bits, const Bytes& block) {
  CK_AES_CTR_PARAMS parameters = {bits, {}};
  std::copy(block.begin(), block.end(), parameters.cb);
  return Mechanism::with_parameter(CKM_AES_CTR, bytes_of(parameters));
}

TEST_F(Ciphers, MatchThePublishedVectors) {
  std::set<std::string> seen;
  for (const char* file : {"cipher.txt", "block_cipher.txt", "xchacha20.txt"}) {
    for_each_line(file, [&](const Line& line) {
      const CipherCase c(line);
      seen.insert(line.text("mode") + std::to_string(c.key_type));
      expect_crypts(c.mechanism, secret_key(session, c.key_type, line.bytes("key")), line.bytes("plain"),
                    line.bytes("cipher"));
    });
  }
  EXPECT_EQ(seen.size(), 12u + 4 + 3) << "a mode without a vector";
}

TEST_F(Ciphers, PaddingAgreesWithOpenssl) {
  const Bytes iv(16, 0x77);
  for (const size_t size : {0, 1, 15, 16, 17, 31, 32, 33, 1000}) {
    SCOPED_TRACE(size);
    const Bytes plain(size, 0x5A);
    expect_crypts(with_iv(CKM_AES_CBC_PAD, iv), aes, plain,
                  openssl_encrypt("AES-128-CBC", Bytes(16, 0x2B), iv, plain, true));
  }
}

TEST_F(Ciphers, AuthenticatedModesMatchThePublishedVectors) {
  std::set<std::string> seen;
  for_each_line("aead.txt", [&](const Line& line) {
    const std::string& mode = line.text("mode");
    seen.insert(mode);
    Bytes nonce = line.bytes("nonce"), associated = line.bytes("associated");
    const Bytes cipher = line.bytes("cipher"), tag = line.bytes("tag");
    const CK_OBJECT_HANDLE key =
        secret_key(session, mode == "chacha20-poly1305" ? CKK_CHACHA20 : CKK_AES, line.bytes("key"));
    const auto mechanism = [&] {
      if (mode == "gcm") {
        const CK_GCM_PARAMS p = {nonce.data(),      nonce.size(),      nonce.size() * 8,
                                 associated.data(), associated.size(), tag.size() * 8};
        return Mechanism::with_parameter(CKM_AES_GCM, bytes_of(p));
      }
      if (mode == "ccm") {
        const CK_CCM_PARAMS p = {cipher.size(),     nonce.data(),      nonce.size(),
                                 associated.data(), associated.size(), tag.size()};
        return Mechanism::with_parameter(CKM_AES_CCM, bytes_of(p));
      }
      const CK_SALSA20_CHACHA20_POLY1305_PARAMS p = {nonce.data(), 8 * nonce.size(), associated.data(),
                                                     associated.size()};
      return Mechanism::with_parameter(CKM_CHACHA20_POLY1305, bytes_of(p));
    }();
    if (line.text("result") == "good") return expect_crypts(mechanism, key, line.bytes("plain"), cipher + tag);
    Bytes out;
    EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, crypt(session, Way::kDecrypt, mechanism, key, cipher + tag, &out));
    EXPECT_TRUE(out.empty());
    EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, crypt_in_parts(session, Way::kDecrypt, mechanism, key, cipher + tag, &out));
    EXPECT_TRUE(out.empty()) << "something came out before the tag was checked";
  });
  EXPECT_EQ(seen.size(), 3u);
}

TEST_F(Ciphers, RejectWrongLengths) {
  Bytes out;
  for (const CK_MECHANISM_TYPE type : {CKM_AES_ECB, CKM_AES_CBC}) {
    const Mechanism mechanism = type == CKM_AES_ECB ? Mechanism(type) : with_iv(type);
    for (const size_t size : {1, 15, 17}) {
      SCOPED_TRACE(size);
      EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(mechanism, aes, Bytes(size)));
      EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, session.try_decrypt(mechanism, aes, Bytes(size)));
      EXPECT_RV(CKR_DATA_LEN_RANGE, crypt_in_parts(session, Way::kEncrypt, mechanism, aes, Bytes(size), &out));
      EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE,
                crypt_in_parts(session, Way::kDecrypt, mechanism, aes, Bytes(size), &out));
    }
    EXPECT_RV(CKR_OK, crypt(session, Way::kEncrypt, mechanism, aes, {}, &out));
    EXPECT_TRUE(out.empty());
  }
  for (const size_t size : {0, 1, 15, 17})
    EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, session.try_decrypt(with_iv(CKM_AES_CBC_PAD), aes, Bytes(size)));
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, session.try_decrypt(with_iv(CKM_AES_CBC_PAD), aes, Bytes(32)));
  for (const size_t size : {0, 1, 15}) {
    EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(with_iv(CKM_AES_CTS), aes, Bytes(size)));
    EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, session.try_decrypt(with_iv(CKM_AES_CTS), aes, Bytes(size)));
  }
  Bytes two_keys(64, 1);
  two_keys[0] = 2;
  const CK_OBJECT_HANDLE xts = secret_key(session, CKK_AES_XTS, two_keys);
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(with_iv(CKM_AES_XTS), xts, Bytes(15)));
  // A counter of one bit is enough for two blocks.
  EXPECT_RV(CKR_OK, session.try_encrypt(counter(1, Bytes(16)), aes, Bytes(32)));
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(counter(1, Bytes(16)), aes, Bytes(33)));
}

TEST_F(Ciphers, RejectWrongParameters) {
  const CK_OBJECT_HANDLE chacha = secret_key(session, CKK_CHACHA20, Bytes(32, 1));
  const auto answer = [&](const Mechanism& mechanism, CK_OBJECT_HANDLE key) {
    const CK_RV rv = session.try_encrypt(mechanism, key, Bytes(16));
    EXPECT_RV(rv, session.try_decrypt(mechanism, key, Bytes(32)));
    return rv;
  };
  const CK_RV invalid = CKR_MECHANISM_PARAM_INVALID;
  for (const CK_MECHANISM_TYPE type :
       {CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTS, CKM_AES_OFB, CKM_AES_CFB1, CKM_AES_CFB8, CKM_AES_CFB64,
        CKM_AES_CFB128, CKM_AES_CTR, CKM_AES_GCM, CKM_AES_CCM}) {
    SCOPED_TRACE(type);
    EXPECT_RV(invalid, answer(type, aes));
    EXPECT_RV(invalid, answer(with_iv(type, Bytes(15)), aes));
    EXPECT_RV(invalid, answer(with_iv(type, Bytes(17)), aes));
    CK_MECHANISM null = {type, nullptr, 16};
    EXPECT_RV(invalid, p11->C_EncryptInit(session, &null, aes));
  }
  for (const CK_ULONG bits : {CK_ULONG{0}, CK_ULONG{129}, kAbsurd})
    EXPECT_RV(invalid, answer(counter(bits, Bytes(16)), aes));

  Bytes some(64);
  const auto chacha20 = [&](CK_BYTE* block, CK_ULONG counter_bits, CK_BYTE* nonce, CK_ULONG nonce_bits) {
    const CK_CHACHA20_PARAMS p = {block, counter_bits, nonce, nonce_bits};
    return answer(Mechanism::with_parameter(CKM_CHACHA20, bytes_of(p)), chacha);
  };
  EXPECT_RV(invalid, chacha20(some.data(), 32, some.data(), 64));
  EXPECT_RV(invalid, chacha20(some.data(), 64, some.data(), 96));
  EXPECT_RV(invalid, chacha20(some.data(), 96, some.data(), 192));
  EXPECT_RV(invalid, chacha20(some.data(), 32, some.data(), 128));
  EXPECT_RV(invalid, chacha20(some.data(), 0, some.data(), 128));
  EXPECT_RV(invalid, chacha20(nullptr, 64, some.data(), 192));
  EXPECT_RV(invalid, chacha20(some.data(), 64, nullptr, 192));
  EXPECT_RV(invalid, chacha20(nullptr, 32, some.data(), 96));
  EXPECT_RV(invalid, chacha20(some.data(), 32, nullptr, 96));

  const auto gcm = [&](CK_BYTE* iv, CK_ULONG iv_bytes, CK_BYTE* aad, CK_ULONG aad_bytes, CK_ULONG tag_bits) {
    const CK_GCM_PARAMS p = {iv, iv_bytes, 0, aad, aad_bytes, tag_bits};
    return answer(Mechanism::with_parameter(CKM_AES_GCM, bytes_of(p)), aes);
  };
  EXPECT_RV(invalid, gcm(some.data(), 0, nullptr, 0, 128));
  EXPECT_RV(invalid, gcm(nullptr, 12, nullptr, 0, 128));
  EXPECT_RV(invalid, gcm(some.data(), 12, nullptr, 5, 128));
  EXPECT_RV(invalid, gcm(some.data(), 12, some.data(), kAbsurd, 128));
  for (const CK_ULONG bits : {CK_ULONG{0}, CK_ULONG{24}, CK_ULONG{127}, CK_ULONG{136}, kAbsurd})
    EXPECT_RV(invalid, gcm(some.data(), 12, nullptr, 0, bits));
  const auto ccm = [&](CK_ULONG nonce_bytes, CK_ULONG tag_bytes) {
    const CK_CCM_PARAMS p = {16, some.data(), nonce_bytes, nullptr, 0, tag_bytes};
    return answer(Mechanism::with_parameter(CKM_AES_CCM, bytes_of(p)), aes);
  };
  EXPECT_RV(invalid, ccm(6, 16));
  EXPECT_RV(invalid, ccm(14, 16));
  EXPECT_RV(invalid, ccm(13, 5));
  EXPECT_RV(invalid, ccm(13, 18));
  for (const CK_ULONG nonce : {CK_ULONG{0}, CK_ULONG{8}, CK_ULONG{64}, CK_ULONG{128}, CK_ULONG{193}, kAbsurd}) {
    const CK_SALSA20_CHACHA20_POLY1305_PARAMS poly = {some.data(), nonce, nullptr, 0};
    EXPECT_RV(invalid, answer(Mechanism::with_parameter(CKM_CHACHA20_POLY1305, bytes_of(poly)), chacha));
  }
}

TEST_F(Ciphers, APoly1305NonceMayBeCountedInBytes) {
  Bytes nonce(24, 5);
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_CHACHA20, Bytes(32, 1));
  for (const CK_ULONG size : {12, 24}) {
    const auto with = [&](CK_ULONG length) {
      return Mechanism::with_parameter(CKM_CHACHA20_POLY1305,
                                       bytes_of(CK_SALSA20_CHACHA20_POLY1305_PARAMS{nonce.data(), length, nullptr, 0}));
    };
    EXPECT_EQ(session.encrypt(with(size), key, bytes("data")), session.encrypt(with(8 * size), key, bytes("data")));
  }
}

TEST_F(Ciphers, AuthenticatedModesRejectWrongTagsAndLengths) {
  Bytes nonce(12, 3);
  const CK_GCM_PARAMS p = {nonce.data(), 12, 96, nullptr, 0, 128};
  const Mechanism gcm = Mechanism::with_parameter(CKM_AES_GCM, bytes_of(p));
  Bytes out;
  for (const size_t size : {0, 1, 15}) {
    EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, session.try_decrypt(gcm, aes, Bytes(size)));
    EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, crypt_in_parts(session, Way::kDecrypt, gcm, aes, Bytes(size), &out));
  }
  EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, session.try_decrypt(gcm, aes, Bytes(16)));
  // CCM: the length in the parameter must be that of the data.
  const auto ccm = [&](CK_ULONG length) {
    const CK_CCM_PARAMS given = {length, nonce.data(), 12, nullptr, 0, 16};
    return Mechanism::with_parameter(CKM_AES_CCM, bytes_of(given));
  };
  const Bytes sealed = session.encrypt(ccm(20), aes, Bytes(20, 9));
  EXPECT_RV(CKR_DATA_LEN_RANGE, session.try_encrypt(ccm(21), aes, Bytes(20)));
  EXPECT_RV(CKR_DATA_LEN_RANGE, crypt_in_parts(session, Way::kEncrypt, ccm(19), aes, Bytes(20), &out));
  EXPECT_EQ(session.decrypt(ccm(20), aes, sealed), Bytes(20, 9));
  EXPECT_EQ(session.decrypt(ccm(36), aes, sealed), Bytes(20, 9)) << "some count the code";
  EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, session.try_decrypt(ccm(21), aes, sealed));
  // The output overlaps its input without beginning at the same address.
  Bytes buffer(100), plain(40, 0x61);
  std::copy(plain.begin(), plain.end(), buffer.begin() + 7);
  Mechanism mechanism = gcm;
  CK_ULONG size = 80;
  MUST(p11->C_EncryptInit(session, mechanism.get(), aes));
  MUST(p11->C_Encrypt(session, buffer.data() + 7, 40, buffer.data() + 9, &size));
  EXPECT_EQ(Bytes(buffer.begin() + 9, buffer.begin() + 9 + 56), session.encrypt(gcm, aes, plain));
}

TEST_F(Ciphers, SizesFollowSection52) {
  Mechanism pad = with_iv(CKM_AES_CBC_PAD);
  const Bytes plain = bytes("twenty bytes in all.");
  Bytes cipher = session.encrypt(pad, aes, plain), out(64, 0xEE);
  ASSERT_EQ(cipher.size(), 32u);
  CK_ULONG size = 0;
  MUST(p11->C_DecryptInit(session, pad.get(), aes));
  EXPECT_RV(CKR_OK, p11->C_Decrypt(session, cipher.data(), 32, nullptr, &size));
  EXPECT_EQ(size, 32u) << "a bound";
  size = 19;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Decrypt(session, cipher.data(), 32, out.data(), &size));
  EXPECT_EQ(size, 20u) << "now it is known";
  EXPECT_EQ(out, Bytes(64, 0xEE));
  EXPECT_RV(CKR_OK, p11->C_Decrypt(session, cipher.data(), 32, out.data(), &size));
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 20), plain);
  EXPECT_EQ(out[20], 0xEE);

  MUST(p11->C_DecryptInit(session, pad.get(), aes));
  size = 64;
  EXPECT_RV(CKR_OK, p11->C_DecryptUpdate(session, cipher.data(), 32, out.data(), &size));
  EXPECT_EQ(size, 16u);
  EXPECT_RV(CKR_OK, p11->C_DecryptFinal(session, nullptr, &size));
  EXPECT_EQ(size, 4u);
  size = 3;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_DecryptFinal(session, out.data(), &size));
  EXPECT_EQ(size, 4u);
  EXPECT_RV(CKR_OK, p11->C_DecryptFinal(session, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DecryptFinal(session, out.data(), &size));

  Bytes data(20, 1);
  MUST(p11->C_EncryptInit(session, pad.get(), aes));
  size = 15;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_EncryptUpdate(session, data.data(), 20, out.data(), &size));
  EXPECT_EQ(size, 16u);
  EXPECT_RV(CKR_OK, p11->C_EncryptUpdate(session, data.data(), 20, out.data(), &size));
  size = 15;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_EncryptFinal(session, out.data() + 16, &size));
  size = 16;
  EXPECT_RV(CKR_OK, p11->C_EncryptFinal(session, out.data() + 16, &size));
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 32), session.encrypt(pad, aes, data));
}

TEST_F(Ciphers, AnErrorEndsTheOperation) {
  Mechanism ecb = CKM_AES_ECB;
  Bytes data(16), out(64);
  CK_ULONG size = 64;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptUpdate(session, data.data(), 16, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DecryptUpdate(session, data.data(), 16, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DecryptFinal(session, out.data(), &size));
  const auto begun = [&] {
    MUST(p11->C_EncryptInit(session, ecb.get(), aes));
    MUST(p11->C_EncryptUpdate(session, data.data(), 16, out.data(), &(size = 64)));
  };
  const auto over = [&] {
    EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, out.data(), &(size = 64)));
  };
  begun();
  EXPECT_RV(CKR_OPERATION_ACTIVE, p11->C_EncryptInit(session, ecb.get(), aes));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_Encrypt(session, data.data(), 16, out.data(), &size))
      << "one part after many";
  over();
  begun();
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_EncryptUpdate(session, nullptr, 16, out.data(), &size));
  over();
  begun();
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_EncryptUpdate(session, data.data(), 16, out.data(), nullptr));
  over();
  begun();
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_EncryptUpdate(session, data.data(), kAbsurd, out.data(), &size));
  over();
  begun();
  EXPECT_RV(CKR_OK, p11->C_EncryptUpdate(session, nullptr, 0, out.data(), &size)) << "an empty part is legal";
  MUST(p11->C_EncryptUpdate(session, data.data(), 3, out.data(), &(size = 64)));
  EXPECT_EQ(size, 0u);
  EXPECT_RV(CKR_DATA_LEN_RANGE, p11->C_EncryptFinal(session, out.data(), &(size = 64)));
  over();
}

TEST_F(Ciphers, RsaInSeveralPartsIsRejected) {
  const KeyPair pair = session.generate_rsa(1024);
  Mechanism mechanism = CKM_RSA_PKCS;
  Bytes data(8), out(256);
  CK_ULONG size = out.size();
  MUST(p11->C_EncryptInit(session, mechanism.get(), pair.public_key));
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED, p11->C_EncryptUpdate(session, data.data(), 8, out.data(), &size));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, out.data(), &size));
  MUST(p11->C_DecryptInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_FUNCTION_NOT_SUPPORTED, p11->C_DecryptFinal(session, out.data(), &size));
}

TEST_F(Ciphers, TheKeyMustFitAndAllowTheOperation) {
  const CK_OBJECT_HANDLE generic = secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1)),
                         chacha = secret_key(session, CKK_CHACHA20, Bytes(32, 1)),
                         fixed = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                 {CKA_KEY_TYPE, CKK_AES},
                                                 {CKA_VALUE, Bytes(16, 1)},
                                                 {CKA_ENCRYPT, false},
                                                 {CKA_DECRYPT, false}});
  const auto answer = [&](const Mechanism& mechanism, CK_OBJECT_HANDLE key) {
    const CK_RV rv = session.try_encrypt(mechanism, key, Bytes(16));
    EXPECT_RV(rv, session.try_decrypt(mechanism, key, Bytes(16)));
    return rv;
  };
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_AES_ECB, generic));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_AES_ECB, chacha));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(with_iv(CKM_AES_XTS), aes));
  EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, answer(CKM_RSA_PKCS, aes));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, answer(CKM_AES_ECB, fixed));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer(CKM_AES_ECB, 0));
  EXPECT_RV(CKR_MECHANISM_INVALID, answer(CKM_AES_CMAC, aes));
  EXPECT_RV(CKR_MECHANISM_INVALID, session.try_sign(CKM_AES_ECB, aes, Bytes(16)));
}

}  // namespace
}  // namespace vtpm::conformance
