// SPDX-License-Identifier: Apache-2.0
// Published RSA vectors (RFC 8017, FIPS 186; tests/data/crypto): a line of a file is passed to every mechanism that can
// express it. Private keys live in the TPM if it supports their size, and in software.
#include <map>
#include <set>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

constexpr CK_MECHANISM_TYPE kNone = CK_UNAVAILABLE_INFORMATION;  // PKCS#11 has none for this hash

struct RsaHash {
  CK_MECHANISM_TYPE hash, pkcs, pss;
  CK_ULONG mgf;
  const char* digest_info;  // RFC 8017, 9.2 note 1; SHA-3: the object identifiers of NIST's register instead
};
const std::map<std::string, RsaHash> kHashes = {
    {"sha1", {CKM_SHA_1, CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS_PSS, CKG_MGF1_SHA1, "3021300906052b0e03021a05000414"}},
    {"sha224",
     {CKM_SHA224, CKM_SHA224_RSA_PKCS, CKM_SHA224_RSA_PKCS_PSS, CKG_MGF1_SHA224,
      "302d300d06096086480165030402040500041c"}},
    {"sha256",
     {CKM_SHA256, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS, CKG_MGF1_SHA256,
      "3031300d060960864801650304020105000420"}},
    {"sha384",
     {CKM_SHA384, CKM_SHA384_RSA_PKCS, CKM_SHA384_RSA_PKCS_PSS, CKG_MGF1_SHA384,
      "3041300d060960864801650304020205000430"}},
    {"sha512",
     {CKM_SHA512, CKM_SHA512_RSA_PKCS, CKM_SHA512_RSA_PKCS_PSS, CKG_MGF1_SHA512,
      "3051300d060960864801650304020305000440"}},
    {"sha512/224", {CKM_SHA512_224, kNone, kNone, kNone, "302d300d06096086480165030402050500041c"}},
    {"sha512/256", {CKM_SHA512_256, kNone, kNone, kNone, "3031300d060960864801650304020605000420"}},
    {"sha3-224",
     {CKM_SHA3_224, CKM_SHA3_224_RSA_PKCS, CKM_SHA3_224_RSA_PKCS_PSS, CKG_MGF1_SHA3_224,
      "302d300d06096086480165030402070500041c"}},
    {"sha3-256",
     {CKM_SHA3_256, CKM_SHA3_256_RSA_PKCS, CKM_SHA3_256_RSA_PKCS_PSS, CKG_MGF1_SHA3_256,
      "3031300d060960864801650304020805000420"}},
    {"sha3-384",
     {CKM_SHA3_384, CKM_SHA3_384_RSA_PKCS, CKM_SHA3_384_RSA_PKCS_PSS, CKG_MGF1_SHA3_384,
      "3041300d060960864801650304020905000430"}},
    {"sha3-512",
     {CKM_SHA3_512, CKM_SHA3_512_RSA_PKCS, CKM_SHA3_512_RSA_PKCS_PSS, CKG_MGF1_SHA3_512,
      "3051300d060960864801650304020a05000440"}},
};
const RsaHash& hash_of(const Line& line, const char* field = "hash") { return kHashes.at(line.text(field)); }

Bytes digest_of(const Line& line) { return peer::digest(hash_row(line.text("hash")).openssl, line.bytes("message")); }
Bytes digest_info_of(const Line& line) { return from_hex(hash_of(line).digest_info) + digest_of(line); }
bool good(const Line& line) { return line.text("result") == "good"; }

/// EMSA-PKCS1-v1_5 (RFC 8017, 9.2): what a signature is the private operation of.
Bytes padded(const Bytes& info, size_t bytes) {
  return Bytes{0, 1} + Bytes(bytes - info.size() - 3, 0xFF) + Bytes{0} + info;
}

class RsaVectors : public WithUser {
 protected:
  CK_OBJECT_HANDLE public_key(const Line& line) {
    return once("public", line,
                {{CKA_CLASS, CKO_PUBLIC_KEY},
                 {CKA_KEY_TYPE, CKK_RSA},
                 {CKA_VERIFY, true},
                 {CKA_ENCRYPT, true},
                 {CKA_MODULUS, line.bytes("n")},
                 {CKA_PUBLIC_EXPONENT, line.bytes("e")}});
  }
  /// Imports the key into the TPM if that supports it, and always as a software key.
  std::set<CK_OBJECT_HANDLE> private_keys(const Line& line) {
    Template key = {{CKA_CLASS, CKO_PRIVATE_KEY},
                    {CKA_KEY_TYPE, CKK_RSA},
                    {CKA_SIGN, true},
                    {CKA_DECRYPT, true},
                    {CKA_MODULUS, line.bytes("n")},
                    {CKA_PUBLIC_EXPONENT, line.bytes("e")},
                    {CKA_PRIVATE_EXPONENT, line.bytes("d")}};
    if (line.has("p")) key = key.with({{CKA_PRIME_1, line.bytes("p")}});
    const CK_OBJECT_HANDLE at_home = once("home", line, key);
    if (session.flag(at_home, kVtpmResident)) ++in_the_tpm_;
    return {at_home, once("software", line, key.with({{kVtpmResident, false}}))};
  }
  void expect_some_in_the_tpm() const { EXPECT_GT(in_the_tpm_, 0); }

  void expect_signs(const Mechanism& mechanism, const Line& line, const Bytes& data, bool multi_part) {
    for (const CK_OBJECT_HANDLE key : private_keys(line)) {
      EXPECT_EQ(to_hex(session.sign(mechanism, key, data)), line.text("signature"));
      expect_no_overrun(mechanism, key, data);
      if (multi_part) {
        EXPECT_EQ(to_hex(session.sign_in_parts(mechanism, key, data)), line.text("signature"));
      }
    }
  }
  void expect_verifies(CK_RV expected, const Mechanism& mechanism, const Line& line, const Bytes& data,
                       bool multi_part) {
    EXPECT_RV(expected, session.try_verify(mechanism, public_key(line), data, line.bytes("signature")));
    if (multi_part) {
      EXPECT_RV(expected, session.try_verify_in_parts(mechanism, public_key(line), data, line.bytes("signature")));
    }
  }
  /// Decrypts with each key, after a call with a buffer that is too small.
  void expect_decrypts(const Mechanism& mechanism, const Line& line) {
    const Bytes message = line.bytes("message"), cipher = line.bytes("cipher");
    for (const CK_OBJECT_HANDLE key : private_keys(line)) {
      Bytes plain;
      EXPECT_RV(CKR_OK, crypt(session, Way::kDecrypt, mechanism, key, cipher, &plain));
      EXPECT_EQ(plain, message);
      EXPECT_RV(CKR_OK, crypt_in_place(session, Way::kDecrypt, mechanism, key, cipher, &plain));
      EXPECT_EQ(plain, message);
      expect_exact_fit(mechanism, key, cipher, message);
      expect_damage_is_noticed(mechanism, key, cipher);
    }
  }

 private:
  /// Lines of the files repeat keys. Some invalid lines have the modulus of a valid one with another exponent.
  CK_OBJECT_HANDLE once(const std::string& kind, const Line& line, const Template& key) {
    CK_OBJECT_HANDLE& object = keys_[kind + " " + line.text("n") + " " + line.text("e")];
    if (object == CK_INVALID_HANDLE) object = session.create(key);
    return object;
  }
  void expect_no_overrun(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& data) {
    Bytes out(1024, 0xEE);
    CK_ULONG size = 0;
    MUST(p11->C_SignInit(session, mechanism.get(), key));
    EXPECT_RV(CKR_OK, p11->C_Sign(session, bytes_pointer(data), data.size(), nullptr, &size));
    const CK_ULONG whole = size--;
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Sign(session, bytes_pointer(data), data.size(), out.data(), &size));
    EXPECT_EQ(size, whole);
    EXPECT_EQ(out, Bytes(1024, 0xEE));
    EXPECT_RV(CKR_OK, p11->C_Sign(session, bytes_pointer(data), data.size(), out.data(), &size));
    EXPECT_EQ(out[whole], 0xEE);
  }
  void expect_exact_fit(Mechanism mechanism, CK_OBJECT_HANDLE key, const Bytes& cipher, const Bytes& message) {
    if (message.empty()) return;
    Bytes out(message.size() + 1, 0xEE);
    CK_ULONG size = message.size() - 1;
    MUST(p11->C_DecryptInit(session, mechanism.get(), key));
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_Decrypt(session, bytes_pointer(cipher), cipher.size(), out.data(), &size));
    EXPECT_EQ(out, Bytes(message.size() + 1, 0xEE));
    size = message.size();
    EXPECT_RV(CKR_OK, p11->C_Decrypt(session, bytes_pointer(cipher), cipher.size(), out.data(), &size));
    EXPECT_EQ(out, message + Bytes{0xEE});
  }
  void expect_damage_is_noticed(const Mechanism& mechanism, CK_OBJECT_HANDLE key, const Bytes& cipher) {
    EXPECT_RV(CKR_ENCRYPTED_DATA_LEN_RANGE, session.try_decrypt(mechanism, key, cipher + Bytes{0}));
    EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, session.try_decrypt(mechanism, key, Bytes(cipher.size(), 0xFF)));
    EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, session.try_decrypt(mechanism, key, Bytes(cipher.size(), 0)));
  }

  std::map<std::string, CK_OBJECT_HANDLE> keys_;
  int in_the_tpm_ = 0;
};

TEST_F(RsaVectors, Pkcs1SignaturesMatchThePublishedVectors) {
  std::set<std::string> seen;
  for_each_line("pkcs1_sign.txt", [&](const Line& line) {
    const RsaHash& hash = hash_of(line);
    const Bytes message = line.bytes("message"), info = digest_info_of(line);
    const CK_RV expected = good(line) ? CKR_OK : CKR_SIGNATURE_INVALID;
    expect_verifies(expected, CKM_RSA_PKCS, line, info, false);
    if (hash.pkcs != kNone) expect_verifies(expected, hash.pkcs, line, message, true);
    // One signature for each hash and key is enough, because the private operation takes long.
    if (!good(line) || !seen.insert(line.text("hash") + line.text("n")).second) return;
    expect_signs(CKM_RSA_PKCS, line, info, false);
    if (hash.pkcs != kNone) expect_signs(hash.pkcs, line, message, true);
  });
  expect_some_in_the_tpm();
}

TEST_F(RsaVectors, Pkcs1SignaturesOfOtherProgramsAreVerified) {
  for_each_line("pkcs1_verify.txt", [&](const Line& line) {
    const CK_RV expected = good(line) ? CKR_OK : CKR_SIGNATURE_INVALID;
    expect_verifies(expected, hash_of(line).pkcs, line, line.bytes("message"), true);
    expect_verifies(expected, CKM_RSA_PKCS, line, digest_info_of(line), false);
  });
}

TEST_F(RsaVectors, MalformedPkcs1SignaturesAreRefused) {
  for_each_line("pkcs1_sign_malformed.txt", [&](const Line& line) {
    expect_verifies(CKR_SIGNATURE_INVALID, hash_of(line).pkcs, line, line.bytes("message"), true);
    expect_verifies(CKR_SIGNATURE_INVALID, CKM_RSA_PKCS, line, digest_info_of(line), false);
  });
}

// A published signature is the raw private operation of a block that the standard describes, and the block is the raw
// public operation of the signature.
TEST_F(RsaVectors, RawOperationsMatchThePublishedVectors) {
  std::set<std::string> keys;
  for_each_line("pkcs1_sign.txt", [&](const Line& line) {
    if (!good(line) || !keys.insert(line.text("n")).second) return;
    const Bytes signature = line.bytes("signature"), block = padded(digest_info_of(line), signature.size());
    EXPECT_EQ(session.encrypt(CKM_RSA_X_509, public_key(line), signature), block);
    expect_verifies(CKR_OK, CKM_RSA_X_509, line, block, false);
    expect_signs(CKM_RSA_X_509, line, block, false);
    for (const CK_OBJECT_HANDLE key : private_keys(line))
      EXPECT_EQ(session.decrypt(CKM_RSA_X_509, key, block), signature);
  });
}

TEST_F(RsaVectors, PssSignaturesAreVerified) {
  for_each_line("pss.txt", [&](const Line& line) {
    const RsaHash& hash = hash_of(line);
    if (hash.pss == kNone) return;  // no CKG_MGF1_… either, so not as CKM_RSA_PKCS_PSS
    const Bytes message = line.bytes("message"), digest = digest_of(line);
    const CK_ULONG salt = std::stoul(line.text("salt"));
    const CK_RV expected = good(line) ? CKR_OK : CKR_SIGNATURE_INVALID;
    const auto pss = [&](CK_MECHANISM_TYPE type, CK_ULONG bytes) {
      return Mechanism::pss(type, hash.hash, hash.mgf, bytes);
    };
    expect_verifies(expected, pss(hash.pss, salt), line, message, true);
    expect_verifies(expected, pss(CKM_RSA_PKCS_PSS, salt), line, digest, false);
    expect_verifies(CKR_SIGNATURE_INVALID, pss(hash.pss, salt + 1), line, message, true);
    expect_verifies(CKR_SIGNATURE_INVALID, pss(CKM_RSA_PKCS_PSS, salt + 1), line, digest, false);
  });
}

TEST_F(RsaVectors, OaepMatchesWycheproof) {
  for_each_line("oaep.txt", [&](const Line& line) {
    const RsaHash &hash = hash_of(line), &mgf = hash_of(line, "mgf");
    if (mgf.mgf == kNone) return;
    const Bytes label = line.bytes("label");
    expect_decrypts(Mechanism::oaep(hash.hash, mgf.mgf, label), line);
    const CK_ULONG other = mgf.mgf == CKG_MGF1_SHA1 ? CKG_MGF1_SHA256 : CKG_MGF1_SHA1;
    for (const Mechanism& wrong :
         {Mechanism::oaep(hash.hash, mgf.mgf, label + Bytes{1}), Mechanism::oaep(hash.hash, other, label)})
      for (const CK_OBJECT_HANDLE key : private_keys(line))
        EXPECT_RV(CKR_ENCRYPTED_DATA_INVALID, session.try_decrypt(wrong, key, line.bytes("cipher")));
  });
  expect_some_in_the_tpm();
}

TEST_F(RsaVectors, Pkcs1EncryptionMatchesWycheproof) {
  for_each_line("pkcs1_encrypt.txt", [&](const Line& line) {
    expect_decrypts(CKM_RSA_PKCS, line);
    // The contents of the block: 00 02, at least eight bytes without zeros, 00, the message.
    const Bytes message = line.bytes("message");
    for (const CK_OBJECT_HANDLE key : private_keys(line)) {
      const Bytes block = session.decrypt(CKM_RSA_X_509, key, line.bytes("cipher"));
      EXPECT_EQ(Bytes(block.end() - static_cast<ptrdiff_t>(message.size() + 1), block.end()), Bytes{0} + message);
    }
  });
  expect_some_in_the_tpm();
}

}  // namespace
}  // namespace vtpm::conformance
