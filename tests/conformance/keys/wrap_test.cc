// SPDX-License-Identifier: Apache-2.0
// C_WrapKey and C_UnwrapKey (PKCS#11 3.2, 5.18): vectors, exchange with other programs, which keys may be wrapped, and
// errors.
#include <openssl/core_names.h>
#include <openssl/err.h>

#include <algorithm>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

using Wrap = WithUser;

CK_OBJECT_HANDLE aes_wrapper(Session& session, const Bytes& value = Bytes(32, 0x57)) {
  return session.create(
      {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, value}, {CKA_WRAP, true}, {CKA_UNWRAP, true}});
}

Template secret_template(CK_KEY_TYPE type = CKK_GENERIC_SECRET) {
  return {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, type}, {CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
}
Template private_template(CK_KEY_TYPE type) { return {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, type}}; }

const Template kOpen = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};

/// KW ("WRAP") and KWP ("WRAP-PAD") by OpenSSL.
Bytes openssl_unwrap(const std::string& form, const Bytes& key, const Bytes& wrapped) {
  const std::string name = "AES-" + std::to_string(8 * key.size()) + "-" + form;
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  Bytes plain(wrapped.size());
  int size = 0;
  const bool good =
      EVP_DecryptInit_ex(context, cipher, nullptr, key.data(), nullptr) == 1 &&
      EVP_DecryptUpdate(context, plain.data(), &size, wrapped.data(), static_cast<int>(wrapped.size())) == 1;
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
  EXPECT_TRUE(good);
  plain.resize(static_cast<size_t>(size));
  return plain;
}
Bytes openssl_unwrap_kwp(const Bytes& key, const Bytes& wrapped) { return openssl_unwrap("WRAP-PAD", key, wrapped); }

// --- AES key wrap ---

TEST_F(Wrap, KeyWrapMatchesThePublishedVectors) {
  const auto check = [&](const Line& line, CK_MECHANISM_TYPE type) {
    const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, line.bytes("key"));
    const Bytes wrapped = line.bytes("wrapped");
    if (line.text("result") != "good") {
      EXPECT_RV(one_of(CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE),
                try_unwrap(session, type, wrapper, wrapped, secret_template()));
      return;
    }
    const Bytes plain = line.bytes("plain");
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, plain);
    EXPECT_EQ(wrap(session, type, wrapper, key), wrapped);
    EXPECT_EQ(session.get(unwrap(session, type, wrapper, wrapped, secret_template()), CKA_VALUE), plain);
    // The same mechanism as an encryption, which 3.0 allows too.
    const CK_OBJECT_HANDLE cipher = secret_key(session, CKK_AES, line.bytes("key"));
    Bytes out;
    EXPECT_RV(CKR_OK, crypt(session, Way::kEncrypt, type, cipher, plain, &out));
    EXPECT_EQ(out, wrapped);
    EXPECT_RV(CKR_OK, crypt(session, Way::kDecrypt, type, cipher, wrapped, &out));
    EXPECT_EQ(out, plain);
  };
  for_each_line("key_wrap.txt", [&](const Line& line) {
    if (line.text("mode") == "kw") return check(line, CKM_AES_KEY_WRAP);
    check(line, CKM_AES_KEY_WRAP_KWP);
    check(line, CKM_AES_KEY_WRAP_PAD);  // all modules use RFC 5649 here, although 2.40 said otherwise
  });
}

TEST_F(Wrap, KeyWrapWithPaddingMatchesThePublishedVectors) {
  for_each_line("key_wrap_pkcs7.txt", [&](const Line& line) {
    const Bytes plain = line.bytes("plain"), wrapped = line.bytes("wrapped");
    const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, line.bytes("key"));
    const CK_OBJECT_HANDLE cipher = secret_key(session, CKK_AES, line.bytes("key"));
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, plain);
    EXPECT_EQ(to_hex(wrap(session, CKM_AES_KEY_WRAP_PKCS7, wrapper, key)), line.text("wrapped"));
    Bytes out;
    EXPECT_RV(CKR_OK, crypt(session, Way::kEncrypt, CKM_AES_KEY_WRAP_PKCS7, cipher, plain, &out));
    EXPECT_EQ(out, wrapped);
    // Earlier versions of the module wrapped like this with PAD.
    for (const CK_MECHANISM_TYPE type : {CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_PKCS7}) {
      EXPECT_EQ(session.get(unwrap(session, type, wrapper, wrapped, secret_template()), CKA_VALUE), plain);
      EXPECT_RV(CKR_OK, crypt(session, Way::kDecrypt, type, cipher, wrapped, &out));
      EXPECT_EQ(out, plain);
    }
  });
}

TEST_F(Wrap, KeyWrapWithPaddingTakesKeysOfAnyLength) {
  // 3.0, 2.14.2: PKCS7 pads with PKCS #7, then wraps as RFC 3394 says; so did PAD in earlier versions of the module.
  const Bytes kek(24, 0x11);
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, kek);
  const CK_OBJECT_HANDLE cipher = secret_key(session, CKK_AES, kek);
  for (const size_t size : {8, 15, 16, 20, 100}) {
    SCOPED_TRACE(size);
    const Bytes value(size, 0xA5);
    const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, value);
    const size_t padding = 8 - size % 8;
    const Bytes padded = value + Bytes(padding, static_cast<uint8_t>(padding));
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_PKCS7, wrapper, key);
    if (padded.size() >= 16) {
      EXPECT_EQ(session.decrypt(CKM_AES_KEY_WRAP, cipher, wrapped), padded);
    }
    for (const CK_MECHANISM_TYPE type : {CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_PKCS7})
      EXPECT_EQ(session.get(unwrap(session, type, wrapper, wrapped, secret_template()), CKA_VALUE), value);
    // PAD is RFC 5649.
    const Bytes other = wrap(session, CKM_AES_KEY_WRAP_PAD, wrapper, key);
    EXPECT_EQ(openssl_unwrap_kwp(kek, other), value);
    EXPECT_EQ(other, wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, key));
    EXPECT_EQ(session.get(unwrap(session, CKM_AES_KEY_WRAP_PAD, wrapper, other, secret_template()), CKA_VALUE), value);
    // With an initial value of 8 bytes, as KW has it, PAD pads as before.
    const auto with_iv = [](CK_MECHANISM_TYPE type) { return Mechanism::with_parameter(type, Bytes(8, 3)); };
    const Bytes earlier = wrap(session, with_iv(CKM_AES_KEY_WRAP_PAD), wrapper, key);
    EXPECT_EQ(earlier, wrap(session, with_iv(CKM_AES_KEY_WRAP_PKCS7), wrapper, key));
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(session, CKM_AES_KEY_WRAP_PKCS7, wrapper, other, secret_template()));
  }
}

TEST_F(Wrap, KeyWrapRejectsWrongParametersAndLengths) {
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session);
  const CK_OBJECT_HANDLE even = secret_key(session, CKK_GENERIC_SECRET, Bytes(24, 1));
  const auto with_iv = [](CK_MECHANISM_TYPE type, size_t bytes) {
    return Mechanism::with_parameter(type, Bytes(bytes, 3));
  };
  for (const auto& [type, bytes] : {std::pair{CKM_AES_KEY_WRAP, 8},
                                    {CKM_AES_KEY_WRAP_KWP, 4},
                                    {CKM_AES_KEY_WRAP_PAD, 8},
                                    {CKM_AES_KEY_WRAP_PAD, 4}}) {
    SCOPED_TRACE(type);
    const Bytes wrapped = wrap(session, with_iv(type, static_cast<size_t>(bytes)), wrapper, even);
    EXPECT_NE(wrapped, wrap(session, type, wrapper, even));
    EXPECT_EQ(
        session.get(unwrap(session, with_iv(type, static_cast<size_t>(bytes)), wrapper, wrapped, secret_template()),
                    CKA_VALUE),
        Bytes(24, 1));
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(session, type, wrapper, wrapped, secret_template()));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, with_iv(type, 5), wrapper, even));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_unwrap(session, with_iv(type, 16), wrapper, wrapped, secret_template()));
    for (const size_t size : {0, 1, 8, 15, 17, 31})
      EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, try_unwrap(session, type, wrapper, Bytes(size, 7), secret_template()));
  }
}

// 6.16: CKM_AES_KEY_WRAP fills a key up with zeros; its template, or its encoding, says where it ends.
TEST_F(Wrap, KeyWrapWithZerosTakesKeysOfAnyLength) {
  const Bytes kek(32, 0x57);
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, kek), cipher = secret_key(session, CKK_AES, kek);
  for (const size_t bytes : {9, 15, 16, 17, 23, 24, 4095}) {
    SCOPED_TRACE(bytes);
    const Bytes value(bytes, 0x6C);
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP, wrapper, secret_key(session, CKK_GENERIC_SECRET, value));
    const size_t whole = (bytes + 7) / 8 * 8;
    const Bytes filled = value + Bytes(whole - bytes);
    EXPECT_EQ(openssl_unwrap("WRAP", kek, wrapped), filled);
    const auto answer = [&](CK_ULONG length, CK_OBJECT_HANDLE* key = nullptr) {
      return try_unwrap(session, CKM_AES_KEY_WRAP, wrapper, wrapped, secret_template().with({{CKA_VALUE_LEN, length}}),
                        key);
    };
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_RV(CKR_OK, answer(bytes, &key));
    EXPECT_EQ(session.get(key, CKA_VALUE), value);
    EXPECT_EQ(session.get(unwrap(session, CKM_AES_KEY_WRAP, wrapper, wrapped, secret_template()), CKA_VALUE), filled)
        << "no length was given";
    EXPECT_RV(CKR_OK, answer(whole - 7, &key));
    EXPECT_EQ(session.get(key, CKA_VALUE), Bytes(filled.begin(), filled.end() - 7));
    EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, answer(whole - 8)) << "seven bytes at most are cut";
    if (whole < 4096) {
      EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, answer(whole + 1));
    }
    if (bytes % 8 != 0) {
      Bytes out;
      EXPECT_RV(CKR_DATA_LEN_RANGE, crypt(session, Way::kEncrypt, CKM_AES_KEY_WRAP, cipher, value, &out)) << "as ever";
    }
  }
  // The single length of a key type also shortens the value: to 25 of 32 bytes.
  const Bytes value(25, 0x6C);
  const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP, wrapper, secret_key(session, CKK_GENERIC_SECRET, value));
  EXPECT_EQ(session.get(unwrap(session, CKM_AES_KEY_WRAP, wrapper, wrapped, secret_template(CKK_CHACHA20)), CKA_VALUE),
            value + Bytes(7));
  // RFC 3394 needs two semiblocks.
  CK_ULONG size = 256;
  Bytes out(size);
  EXPECT_RV(CKR_KEY_SIZE_RANGE,
            p11->C_WrapKey(session, Mechanism(CKM_AES_KEY_WRAP).get(), wrapper,
                           secret_key(session, CKK_GENERIC_SECRET, Bytes(8, 1)), out.data(), &size));
}

TEST_F(Wrap, KeyWrapTakesPrivateKeysOfAnyLength) {
  const Bytes kek(32, 0x57);
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, kek), cipher = secret_key(session, CKK_AES, kek);
  size_t filled = 0;
  for (const Bytes& curve : {kP256, kP384, kP521}) {
    const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve}}, kOpen);
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP, wrapper, pair.private_key);
    Bytes info = openssl_unwrap("WRAP", kek, wrapped);
    const unsigned char* at = info.data();
    EVP_PKEY* read = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(info.size()));
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(EVP_PKEY_eq(read, peer::Key::from_spki(session.get(pair.public_key, CKA_PUBLIC_KEY_INFO)).get()), 1);
    EVP_PKEY_free(read);
    const auto zeros = info.data() + info.size() - at;
    EXPECT_LT(zeros, 8);
    EXPECT_TRUE(std::all_of(at, static_cast<const unsigned char*>(info.data() + info.size()),
                            [](unsigned char byte) { return byte == 0; }));
    const CK_OBJECT_HANDLE came =
        unwrap(session, CKM_AES_KEY_WRAP, wrapper, wrapped, private_template(CKK_EC).with({{CKA_SIGN, true}}));
    EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 1),
                                         session.sign(CKM_ECDSA, came, Bytes(32, 1))));
    if (zeros == 0) continue;
    ++filled;
    info.back() = 1;
    const Bytes changed = session.encrypt(CKM_AES_KEY_WRAP, cipher, info);
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
              try_unwrap(session, CKM_AES_KEY_WRAP, wrapper, changed, private_template(CKK_EC)));
  }
  EXPECT_GT(filled, 0u);
}

// --- other ciphers ---

TEST_F(Wrap, BlockModesFillUpWithZerosAndCut) {
  const Bytes kek(32, 0x57), value = from_hex("000102030405060708090a0b0c0d0e0f1011121314");
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, kek), key = secret_key(session, CKK_GENERIC_SECRET, value);
  Bytes filled = value;
  filled.resize(32);
  const Bytes iv(16, 9);
  struct Row {
    Mechanism mechanism;
    const char* openssl;
  };
  for (const Row& row :
       {Row{CKM_AES_ECB, "AES-256-ECB"}, Row{Mechanism::with_parameter(CKM_AES_CBC, iv), "AES-256-CBC"}}) {
    SCOPED_TRACE(row.openssl);
    const Bytes wrapped = wrap(session, row.mechanism, wrapper, key);
    EXPECT_EQ(wrapped, openssl_encrypt(row.openssl, kek, iv, filled, false));
    const auto value_of = [&](const Template& wanted) {
      return session.get(unwrap(session, row.mechanism, wrapper, wrapped, wanted), CKA_VALUE);
    };
    EXPECT_EQ(value_of(secret_template().with({{CKA_VALUE_LEN, value.size()}})), value);
    // Without CKA_VALUE_LEN the key of any type has the whole value, padding zeros included.
    for (const CK_KEY_TYPE type : {CKK_GENERIC_SECRET, CKK_AES, CKK_CHACHA20})
      EXPECT_EQ(value_of(secret_template(type)), filled);
    EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE,
              try_unwrap(session, row.mechanism, wrapper, Bytes(48, 1), secret_template(CKK_AES)))
        << "no AES key has 48 bytes";
    const Bytes one_block = wrap(session, row.mechanism, wrapper, secret_key(session, CKK_AES, Bytes(16, 7)));
    EXPECT_EQ(session.get(unwrap(session, row.mechanism, wrapper, one_block, secret_template(CKK_AES)), CKA_VALUE),
              Bytes(16, 7))
        << "one block";
    EXPECT_EQ(value_of(secret_template(CKK_AES).with({{CKA_VALUE_LEN, 16}})).size(), 16u);
    EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE,
              try_unwrap(session, row.mechanism, wrapper, wrapped, secret_template().with({{CKA_VALUE_LEN, 33}})));
    EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, try_unwrap(session, row.mechanism, wrapper, Bytes(31, 1), secret_template()));
    const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, kOpen);
    EXPECT_RV(CKR_KEY_NOT_WRAPPABLE, try_wrap(session, row.mechanism, wrapper, pair.private_key));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_unwrap(session, row.mechanism, wrapper, wrapped, private_template(CKK_EC)));
  }
}

TEST_F(Wrap, OtherBlockCiphersWrapAsAesDoes) {
  const Bytes kek(24, 0x57), iv(16, 9), value(21, 0x5A);
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, value);
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, kOpen);
  Bytes filled = value;
  filled.resize(32);
  for (const BlockCipherRow& cipher : kOtherBlockCiphers) {
    SCOPED_TRACE(cipher.openssl);
    const std::string name = cipher.openssl + std::string("-192-");
    const CK_OBJECT_HANDLE wrapper = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                     {CKA_KEY_TYPE, cipher.key},
                                                     {CKA_VALUE, kek},
                                                     {CKA_WRAP, true},
                                                     {CKA_UNWRAP, true}});
    const Mechanism cbc = Mechanism::with_parameter(cipher.cbc, iv),
                    padded = Mechanism::with_parameter(cipher.cbc_pad, iv);
    EXPECT_EQ(wrap(session, cipher.ecb, wrapper, key), openssl_encrypt((name + "ECB").c_str(), kek, iv, filled, false));
    EXPECT_EQ(wrap(session, cbc, wrapper, key), openssl_encrypt((name + "CBC").c_str(), kek, iv, filled, false));
    EXPECT_EQ(wrap(session, padded, wrapper, key), openssl_encrypt((name + "CBC").c_str(), kek, iv, value, true));
    for (const Mechanism& mechanism : {Mechanism(cipher.ecb), cbc, padded}) {
      const Template wanted = secret_template().with({{CKA_VALUE_LEN, value.size()}});
      const Bytes wrapped = wrap(session, mechanism, wrapper, key);
      EXPECT_EQ(session.get(unwrap(session, mechanism, wrapper, wrapped, wanted), CKA_VALUE), value);
    }
    EXPECT_RV(CKR_KEY_NOT_WRAPPABLE, try_wrap(session, cbc, wrapper, pair.private_key));
    const CK_OBJECT_HANDLE came = unwrap(session, padded, wrapper, wrap(session, padded, wrapper, pair.private_key),
                                         private_template(CKK_EC).with({{CKA_SIGN, true}}));
    EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, pair.public_key, Bytes(32, 1),
                                         session.sign(CKM_ECDSA, came, Bytes(32, 1))));
    EXPECT_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
              try_wrap(session, Mechanism::with_parameter(CKM_AES_CBC_PAD, iv), wrapper, key));
  }
}

TEST_F(Wrap, CbcPadAndCtrKeepTheLengthOfTheKey) {
  const Bytes kek(16, 0x57), value(21, 0x5A);
  Bytes iv(16, 9);
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, kek), key = secret_key(session, CKK_GENERIC_SECRET, value);
  CK_AES_CTR_PARAMS ctr{128, {}};
  std::copy(iv.begin(), iv.end(), ctr.cb);
  const Mechanism cbc = Mechanism::with_parameter(CKM_AES_CBC_PAD, iv);
  const Mechanism counter = Mechanism::with_parameter(CKM_AES_CTR, bytes_of(ctr));
  const Mechanism gcm =
      Mechanism::with_parameter(CKM_AES_GCM, bytes_of(CK_GCM_PARAMS{iv.data(), 12, 96, nullptr, 0, 128}));
  const Mechanism ccm =
      Mechanism::with_parameter(CKM_AES_CCM, bytes_of(CK_CCM_PARAMS{21, iv.data(), 12, nullptr, 0, 16}));
  EXPECT_EQ(wrap(session, cbc, wrapper, key), openssl_encrypt("AES-128-CBC", kek, iv, value, true));
  EXPECT_EQ(wrap(session, counter, wrapper, key), openssl_encrypt("AES-128-CTR", kek, iv, value, true));
  for (const Mechanism& mechanism : {cbc, counter, gcm, ccm}) {
    SCOPED_TRACE(mechanism.type());
    Bytes wrapped = wrap(session, mechanism, wrapper, key);
    EXPECT_EQ(session.get(unwrap(session, mechanism, wrapper, wrapped, secret_template()), CKA_VALUE), value);
    // The length is not secret if there is no padding, or if the tag has been checked.
    const CK_RV wrong_length =
        mechanism.type() == CKM_AES_CBC_PAD ? CKR_WRAPPED_KEY_INVALID : CKR_WRAPPED_KEY_LEN_RANGE;
    EXPECT_RV(wrong_length,
              try_unwrap(session, mechanism, wrapper, wrapped, secret_template().with({{CKA_VALUE_LEN, 20}})));
    EXPECT_RV(wrong_length, try_unwrap(session, mechanism, wrapper, wrapped, secret_template(CKK_AES)));
    wrapped[3] ^= 1;
    if (mechanism.type() == CKM_AES_GCM || mechanism.type() == CKM_AES_CCM) {
      EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(session, mechanism, wrapper, wrapped, secret_template()));
    }
  }
  // CBC: the module returns the same value for a wrong padding and for a correct padding around other contents.
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, kOpen);
  const Bytes wrapped = wrap(session, cbc, wrapper, pair.private_key);
  for (const size_t at : {wrapped.size() - 17, size_t{0}}) {
    Bytes changed = wrapped;
    changed[at] ^= 0x80;
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(session, cbc, wrapper, changed, private_template(CKK_EC)));
  }
}

// --- AES-GCM and AES-CCM ---

/// CK_GCM_WRAP_PARAMS or CK_CCM_WRAP_PARAMS (3.2), or the shorter structure of encryption, around a nonce of its own.
struct AeadWrap {
  CK_MECHANISM_TYPE type;
  Bytes nonce = Bytes(12, 9);
  CK_ULONG fixed_bits = 0;
  CK_GENERATOR_FUNCTION generator = CKG_NO_GENERATE;
  CK_ULONG said_bytes = 0;  // CCM
  Bytes associated = bytes("beside"), tag = Bytes(16);

  Mechanism mechanism() {
    if (type == CKM_AES_GCM) {
      return Mechanism::with_parameter(
          type, bytes_of(CK_GCM_WRAP_PARAMS{nonce.data(), nonce.size(), fixed_bits, generator, associated.data(),
                                            associated.size(), 8 * tag.size()}));
    }
    return Mechanism::with_parameter(
        type, bytes_of(CK_CCM_WRAP_PARAMS{said_bytes, nonce.data(), nonce.size(), fixed_bits, generator,
                                          associated.data(), associated.size(), tag.size()}));
  }
  Mechanism shorter() {
    if (type == CKM_AES_GCM) {
      return Mechanism::with_parameter(type, bytes_of(CK_GCM_PARAMS{nonce.data(), nonce.size(), 0, associated.data(),
                                                                    associated.size(), 8 * tag.size()}));
    }
    return Mechanism::with_parameter(type, bytes_of(CK_CCM_PARAMS{said_bytes, nonce.data(), nonce.size(),
                                                                  associated.data(), associated.size(), tag.size()}));
  }
};

TEST_F(Wrap, AeadMatchesThePublishedVectors) {
  size_t wrapped = 0, bad = 0;
  for_each_line("aead.txt", [&](const Line& line) {
    const Bytes cipher = line.bytes("cipher"), tag = line.bytes("tag");
    if (line.text("mode") == "chacha20-poly1305" || cipher.empty())
      return;  // there is nothing to unwrap, because no key is empty
    const CK_OBJECT_HANDLE by = aes_wrapper(session, line.bytes("key"));
    AeadWrap given{line.text("mode") == "gcm" ? CKM_AES_GCM : CKM_AES_CCM, line.bytes("nonce")};
    given.associated = line.bytes("associated");
    given.tag = tag;
    const bool good = line.text("result") == "good";
    for (const Mechanism& mechanism : {given.mechanism(), given.shorter()}) {
      CK_OBJECT_HANDLE came = CK_INVALID_HANDLE;
      EXPECT_RV(good ? CKR_OK : CKR_WRAPPED_KEY_INVALID,
                try_unwrap(session, mechanism, by, cipher + tag, secret_template(), &came));
      if (!good) continue;
      EXPECT_EQ(to_hex(session.get(came, CKA_VALUE)), line.text("plain"));
      EXPECT_EQ(to_hex(wrap(session, mechanism, by, came)), to_hex(cipher + tag));
    }
    ++(good ? wrapped : bad);
  });
  EXPECT_GT(wrapped, 0u);
  EXPECT_GT(bad, 0u);
}

TEST_F(Wrap, GeneratedNoncesDoNotRepeat) {
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, Bytes(32, 0x57)),
                         key = secret_key(session, CKK_GENERIC_SECRET, Bytes(21, 0x5A));
  for (const CK_MECHANISM_TYPE type : {CKM_AES_GCM, CKM_AES_CCM}) {
    SCOPED_TRACE(type);
    for (const CK_GENERATOR_FUNCTION generator : {CKG_GENERATE, CKG_GENERATE_RANDOM}) {
      std::set<Bytes> nonces;
      for (int i = 0; i < 8; ++i) {
        AeadWrap parameter{type, Bytes(12, 9), 20, generator};
        Mechanism mechanism = parameter.mechanism();
        CK_ULONG size = 0;
        EXPECT_RV(CKR_OK, p11->C_WrapKey(session, mechanism.get(), wrapper, key, nullptr, &size));
        EXPECT_EQ(size, 21u + 16u);
        EXPECT_EQ(parameter.nonce, Bytes(12, 9)) << "a size query makes none";
        const Bytes wrapped = wrap(session, mechanism, wrapper, key);
        EXPECT_EQ(Bytes(parameter.nonce.begin(), parameter.nonce.begin() + 2), Bytes(2, 9)) << "the fixed part";
        EXPECT_EQ(parameter.nonce[2] >> 4, 0);
        nonces.insert(parameter.nonce);
        // The token returns the nonce that it used, and unwrapping needs nothing else.
        EXPECT_RV(CKR_OK, try_unwrap(session, parameter.shorter(), wrapper, wrapped, secret_template()));
        parameter.fixed_bits = kAbsurd;
        parameter.generator = 77;
        EXPECT_RV(CKR_OK, try_unwrap(session, parameter.mechanism(), wrapper, wrapped, secret_template()));
      }
      EXPECT_EQ(nonces.size(), 8u);
    }
    for (const CK_ULONG said : {CK_ULONG{0}, CK_ULONG{20}, kAbsurd}) {
      AeadWrap parameter{type};
      parameter.said_bytes = said;
      for (const Mechanism& mechanism : {parameter.mechanism(), parameter.shorter()}) {
        const Bytes wrapped = wrap(session, mechanism, wrapper, key);
        EXPECT_RV(CKR_OK, try_unwrap(session, mechanism, wrapper, wrapped, secret_template()));
      }
    }
    const auto expect_refused = [&](const AeadWrap& given) {
      AeadWrap parameter = given;
      EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, parameter.mechanism(), wrapper, key));
    };
    expect_refused({type, Bytes(12, 9), 0, CKG_GENERATE_COUNTER});  // a counter would start anew with each key
    expect_refused({type, Bytes(12, 9), 0, CKG_GENERATE_COUNTER_XOR});
    expect_refused({type, Bytes(12, 9), 0, 77});
    expect_refused({type, Bytes(12, 9), 97, CKG_GENERATE});
    expect_refused({type, Bytes(12, 9), 40, CKG_GENERATE});  // too few bits are left for a random nonce
    expect_refused({type, {}});
    AeadWrap no_tag{type};
    no_tag.tag.clear();
    expect_refused(no_tag);
    Mechanism cut_off = Mechanism::with_parameter(type, Bytes(40, 1));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, cut_off, wrapper, key));
  }
}

// --- RSA ---

Template rsa_public_template(const peer::Key& key) {
  return {{CKA_CLASS, CKO_PUBLIC_KEY},
          {CKA_KEY_TYPE, CKK_RSA},
          {CKA_WRAP, true},
          {CKA_MODULUS, key.number(OSSL_PKEY_PARAM_RSA_N)},
          {CKA_PUBLIC_EXPONENT, key.number(OSSL_PKEY_PARAM_RSA_E)}};
}

KeyPair rsa_wrapper(Session& session, CK_ULONG bits = 2048) {
  return session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, bits}, {CKA_WRAP, true}, {CKA_ENCRYPT, true}},
                          {{CKA_UNWRAP, true}, {CKA_DECRYPT, true}});
}

TEST_F(Wrap, OpensslUnwrapsWhatRsaWrapped) {
  const peer::Key other = peer::Key::generate_rsa(2048);
  const CK_OBJECT_HANDLE wrapper = session.create(rsa_public_template(other));
  const Bytes value(32, 0x42), label = bytes("label");
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, value);
  EXPECT_EQ(other.decrypt(RSA_PKCS1_PADDING, wrap(session, CKM_RSA_PKCS, wrapper, key)), value);
  struct Row {
    CK_MECHANISM_TYPE hash;
    CK_ULONG mgf;
    const char *hash_name, *mgf_name;
  };
  for (const Row& row :
       {Row{CKM_SHA_1, CKG_MGF1_SHA1, "SHA1", "SHA1"}, Row{CKM_SHA256, CKG_MGF1_SHA256, "SHA256", "SHA256"},
        Row{CKM_SHA512, CKG_MGF1_SHA1, "SHA512", "SHA1"},
        Row{CKM_SHA3_256, CKG_MGF1_SHA3_256, "SHA3-256", "SHA3-256"}}) {
    SCOPED_TRACE(row.hash_name);
    const Bytes wrapped = wrap(session, Mechanism::oaep(row.hash, row.mgf, label), wrapper, key);
    EXPECT_EQ(other.decrypt(RSA_PKCS1_OAEP_PADDING, wrapped, row.hash_name, row.mgf_name, label), value);
  }
}

TEST_F(Wrap, RsaUnwrapsWhatOpensslWrapped) {
  const KeyPair pair = rsa_wrapper(session);
  ASSERT_TRUE(session.flag(pair.private_key, kVtpmResident)) << "the TPM unwraps";
  const peer::Key half = peer::Key::rsa_public(session.get(pair.public_key, CKA_MODULUS),
                                               session.get(pair.public_key, CKA_PUBLIC_EXPONENT));
  const Bytes value(16, 0x42);
  const Bytes pkcs1 = half.encrypt(RSA_PKCS1_PADDING, value);
  EXPECT_EQ(session.get(unwrap(session, CKM_RSA_PKCS, pair.private_key, pkcs1, secret_template(CKK_AES)), CKA_VALUE),
            value);
  const Bytes oaep = half.encrypt(RSA_PKCS1_OAEP_PADDING, value, "SHA256", "SHA1", bytes("l"));
  const Mechanism mechanism = Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA1, bytes("l"));
  EXPECT_EQ(session.get(unwrap(session, mechanism, pair.private_key, oaep, secret_template(CKK_AES)), CKA_VALUE),
            value);
  const auto answer = [&](const Mechanism& how, const Bytes& wrapped, CK_KEY_TYPE type = CKK_AES) {
    return try_unwrap(session, how, pair.private_key, wrapped, secret_template(type));
  };
  // The module returns the same value for every error inside the wrapped key.
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_RSA_PKCS, half.encrypt(RSA_NO_PADDING, Bytes(256, 1)))) << "padding";
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_RSA_PKCS, half.encrypt(RSA_PKCS1_PADDING, Bytes(17, 1)))) << "length";
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_RSA_PKCS, pkcs1, CKK_CHACHA20)) << "length of the type";
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_RSA_PKCS, Bytes(256, 0xFF))) << "not below the modulus";
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA1), oaep)) << "label";
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(Mechanism::oaep(CKM_SHA_1, CKG_MGF1_SHA1, bytes("l")), oaep)) << "hash";
  EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, answer(CKM_RSA_PKCS, Bytes(255, 1)));
  EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, answer(mechanism, Bytes(257, 1)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(CKM_RSA_PKCS_OAEP, oaep));
  CK_ULONG size = 256;
  Bytes out(size);
  EXPECT_RV(CKR_KEY_SIZE_RANGE,
            p11->C_WrapKey(session, Mechanism(CKM_RSA_PKCS).get(), pair.public_key,
                           secret_key(session, CKK_GENERIC_SECRET, Bytes(246, 1)), out.data(), &size));
}

// --- two mechanisms in one ---

Mechanism rsa_aes(CK_ULONG bits, CK_RSA_PKCS_OAEP_PARAMS* oaep) {
  return Mechanism::with_parameter(CKM_RSA_AES_KEY_WRAP, bytes_of(CK_RSA_AES_KEY_WRAP_PARAMS{bits, oaep}));
}

TEST_F(Wrap, RsaAesKeyWrapIsOpenedByOpenssl) {
  CK_RSA_PKCS_OAEP_PARAMS oaep{CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, nullptr, 0};
  const peer::Key other = peer::Key::generate_rsa(2048);
  const CK_OBJECT_HANDLE for_other = session.create(rsa_public_template(other));
  const KeyPair mine = rsa_wrapper(session);
  const KeyPair leaves = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, kOpen);
  const CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, bytes("a secret of any length"));
  for (const CK_ULONG bits : {128, 192, 256}) {
    SCOPED_TRACE(bits);
    const Bytes wrapped = wrap(session, rsa_aes(bits, &oaep), for_other, secret);
    const Bytes kek =
        other.decrypt(RSA_PKCS1_OAEP_PADDING, Bytes(wrapped.begin(), wrapped.begin() + 256), "SHA256", "SHA256");
    ASSERT_EQ(kek.size(), bits / 8);
    EXPECT_EQ(openssl_unwrap_kwp(kek, Bytes(wrapped.begin() + 256, wrapped.end())), bytes("a secret of any length"));

    Bytes back = wrap(session, rsa_aes(bits, &oaep), mine.public_key, leaves.private_key);
    const CK_OBJECT_HANDLE came =
        unwrap(session, rsa_aes(bits, &oaep), mine.private_key, back,
               private_template(CKK_EC).with({{CKA_EXTRACTABLE, false}, {CKA_SENSITIVE, true}}));
    EXPECT_TRUE(session.flag(came, kVtpmResident));
    EXPECT_RV(CKR_OK, session.try_verify(CKM_ECDSA, leaves.public_key, Bytes(32, 1),
                                         session.sign(CKM_ECDSA, came, Bytes(32, 1))));
    for (const size_t at : {size_t{5}, size_t{260}}) {
      Bytes changed = back;
      changed[at] ^= 1;
      EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
                try_unwrap(session, rsa_aes(bits, &oaep), mine.private_key, changed, private_template(CKK_EC)));
    }
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(session, rsa_aes(bits == 128 ? 256 : 128, &oaep), mine.private_key,
                                                  back, private_template(CKK_EC)));
  }
  EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE,
            try_unwrap(session, rsa_aes(128, &oaep), mine.private_key, Bytes(256, 1), private_template(CKK_EC)));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, rsa_aes(100, &oaep), mine.public_key, secret));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, rsa_aes(128, nullptr), mine.public_key, secret));
  EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, CKM_RSA_AES_KEY_WRAP, mine.public_key, secret));
}

/// `travels`: the bytes in front of a point of P-256.
void expect_ecdh_wraps(Session& session, CK_MECHANISM_TYPE type, const Bytes& travels) {
  const Bytes info = bytes("shared"), value = bytes("a secret of any length");
  const CK_OBJECT_HANDLE secret = secret_key(session, CKK_GENERIC_SECRET, value);
  const auto with = [&](CK_ULONG bits, CK_ULONG kdf, bool shared) {
    return Mechanism::with_parameter(type,
                                     bytes_of(CK_ECDH_AES_KEY_WRAP_PARAMS{bits, kdf, shared ? info.size() : 0,
                                                                          shared ? bytes_pointer(info) : nullptr}));
  };
  // The recipient has the private key in OpenSSL.
  const peer::Key other = peer::Key::generate_ec("P-256");
  const CK_OBJECT_HANDLE for_other = session.create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                                     {CKA_KEY_TYPE, CKK_EC},
                                                     {CKA_WRAP, true},
                                                     {CKA_EC_PARAMS, kP256},
                                                     {CKA_EC_POINT, peer::octet_string(other.ec_point())}});
  for (const auto& [bits, kdf] :
       {std::pair<CK_ULONG, CK_ULONG>{256, CKD_SHA256_KDF}, {256, CKD_NULL}, {128, CKD_NULL}}) {
    SCOPED_TRACE(kdf);
    const Bytes wrapped = wrap(session, with(bits, kdf, kdf != CKD_NULL), for_other, secret);
    const auto point = wrapped.begin() + static_cast<ptrdiff_t>(travels.size());
    EXPECT_EQ(Bytes(wrapped.begin(), point), travels);
    const peer::Key fresh = peer::Key::ec_public("P-256", Bytes(point, point + 65));
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(other.get(), nullptr);
    Bytes agreed(32);
    size_t size = agreed.size();
    ASSERT_TRUE(EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, fresh.get()) == 1 &&
                EVP_PKEY_derive(context, agreed.data(), &size) == 1);
    EVP_PKEY_CTX_free(context);
    Bytes kek = kdf == CKD_NULL ? agreed : peer::digest("SHA256", agreed + from_hex("00000001") + info);
    kek.resize(bits / 8);  // "the first ulAESKeyBits bits"
    EXPECT_EQ(openssl_unwrap_kwp(kek, Bytes(point + 65, wrapped.end())), value);
  }
  // The recipient is this token, with the private key in the TPM.
  for (const Bytes& curve : {kP256, kP384, kP521}) {
    const KeyPair mine =
        session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve}, {CKA_WRAP, true}}, {{CKA_UNWRAP, true}});
    ASSERT_TRUE(session.flag(mine.private_key, kVtpmResident));
    for (const auto& [bits, kdf] :
         {std::pair<CK_ULONG, CK_ULONG>{128, CKD_NULL}, {256, CKD_SHA512_KDF}, {192, CKD_SHA256_KDF_SP800}}) {
      const Mechanism mechanism = with(bits, kdf, kdf != CKD_NULL);
      Bytes back = wrap(session, mechanism, mine.public_key, secret);
      EXPECT_EQ(session.get(unwrap(session, mechanism, mine.private_key, back, secret_template()), CKA_VALUE), value);
      for (const size_t at : {size_t{0}, size_t{5}, back.size() - 1}) {
        Bytes changed = back;
        changed[at] ^= 1;
        EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
                  try_unwrap(session, mechanism, mine.private_key, changed, secret_template()));
      }
      EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE,
                try_unwrap(session, mechanism, mine.private_key, Bytes(20, 4), secret_template()));
    }
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, with(128, CKD_NULL, true), mine.public_key, secret));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_wrap(session, with(64, CKD_NULL, false), mine.public_key, secret));
  }
}

TEST_F(Wrap, EcdhAesKeyWrapIsOpenedByOpenssl) { expect_ecdh_wraps(session, CKM_ECDH_AES_KEY_WRAP, {}); }
TEST_F(Wrap, EcdhCofactorAesKeyWrapIsOpenedByOpenssl) {
  expect_ecdh_wraps(session, CKM_ECDH_COF_AES_KEY_WRAP, {0x04, 65});
}

// --- private keys ---

TEST_F(Wrap, TheTemplatesCurveIsThatOfTheKey) {
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, Bytes(32, 0x31));
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, kOpen);
  const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, pair.private_key);
  const auto answer = [&](const Bytes& curve) {
    return try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped,
                      private_template(CKK_EC).with({{CKA_EC_PARAMS, curve}}));
  };
  EXPECT_RV(CKR_OK, answer(kP256));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(kP384));
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, answer(Bytes(4, 1)));
}

TEST_F(Wrap, PrivateKeysAreWrappedAsPkcs8) {
  const Bytes kek(32, 0x31);
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session, kek);
  std::vector<KeyPair> pairs;
  for (const Bytes& curve : {kP256, kP384, kP521})
    pairs.push_back(session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, curve}}, kOpen));
  pairs.push_back(session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 2048}}, kOpen));
  for (const KeyPair& pair : pairs) {
    const CK_KEY_TYPE type = session.number(pair.private_key, CKA_KEY_TYPE);
    const CK_MECHANISM_TYPE sign = type == CKK_RSA ? CKM_SHA256_RSA_PKCS : CKM_ECDSA_SHA256;
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, pair.private_key);
    // OpenSSL reads what is inside.
    const Bytes info = openssl_unwrap_kwp(kek, wrapped);
    const unsigned char* at = info.data();
    EVP_PKEY* read = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(info.size()));
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(EVP_PKEY_eq(read, peer::Key::from_spki(session.get(pair.public_key, CKA_PUBLIC_KEY_INFO)).get()), 1);
    // The module unwraps what OpenSSL has written.
    unsigned char* der = nullptr;
    PKCS8_PRIV_KEY_INFO* theirs = EVP_PKEY2PKCS8(read);
    const int length = i2d_PKCS8_PRIV_KEY_INFO(theirs, &der);
    const Bytes their_info(der, der + length);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(theirs);
    EVP_PKEY_free(read);
    const CK_OBJECT_HANDLE cipher = secret_key(session, CKK_AES, kek);
    Bytes their_wrapped;
    MUST(crypt(session, Way::kEncrypt, CKM_AES_KEY_WRAP_KWP, cipher, their_info, &their_wrapped));
    // A key that is not extractable is stored in the TPM. By default C_UnwrapKey makes an extractable key.
    for (const bool stays : {true, false}) {
      const Template wanted = private_template(type).with({{CKA_SIGN, true}, {CKA_TOKEN, stays}});
      const CK_OBJECT_HANDLE key =
          unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, their_wrapped,
                 stays ? wanted.with({{CKA_EXTRACTABLE, false}, {CKA_SENSITIVE, true}}) : wanted);
      EXPECT_EQ(session.flag(key, kVtpmResident), stays);
      EXPECT_EQ(session.flag(key, CKA_EXTRACTABLE), !stays);
      EXPECT_FALSE(session.flag(key, CKA_LOCAL));
      EXPECT_FALSE(session.flag(key, CKA_ALWAYS_SENSITIVE));
      EXPECT_FALSE(session.flag(key, CKA_NEVER_EXTRACTABLE));
      EXPECT_EQ(session.get(key, CKA_ID), session.get(pair.public_key, CKA_ID));
      EXPECT_RV(CKR_OK, session.try_verify(sign, pair.public_key, bytes("m"), session.sign(sign, key, bytes("m"))));
    }
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped,
                                                  private_template(type == CKK_RSA ? CKK_EC : CKK_RSA)))
        << "of another type than the template says";
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped,
                                                    private_template(type).with({{kVtpmResident, true}})))
        << "the TPM gives nothing back";
  }
  // The contents are not a private key.
  for (const Bytes& info : {Bytes{0x30, 0x00}, bytes("no key at all, not at all"), Bytes(64, 0x30)}) {
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, secret_key(session, CKK_GENERIC_SECRET, info));
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID,
              try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped, private_template(CKK_EC)));
  }
}

// --- which keys may be wrapped, and by which keys ---

TEST_F(Wrap, RejectsKeysThatAreNotExtractable) {
  const CK_OBJECT_HANDLE wrapper = aes_wrapper(session);
  const Template secret = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(16, 1)}};
  const auto answer = [&](CK_OBJECT_HANDLE key) { return try_wrap(session, CKM_AES_KEY_WRAP, wrapper, key); };
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE, answer(session.create(secret))) << "the default";
  EXPECT_RV(CKR_KEY_UNEXTRACTABLE, answer(session.generate_ec(kP256).private_key)) << "in the TPM";
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE, answer(session.generate_ec(kP256).public_key));
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE,
            answer(session.create(secret.with({{CKA_EXTRACTABLE, true}, {CKA_WRAP_WITH_TRUSTED, true}}))));
  EXPECT_RV(CKR_OK, answer(session.create(secret.with({{CKA_EXTRACTABLE, true}, {CKA_SENSITIVE, true}}))))
      << "sensitive and extractable: only wrapped";
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer(0));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, answer(session.create({{CKA_CLASS, CKO_DATA}})));
}

TEST_F(Wrap, TrustedWrappingKeysAreMadeByTheSo) {
  const Template wrapper = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(16, 2)},
                            {CKA_TOKEN, true},           {CKA_PRIVATE, false},    {CKA_WRAP, true},
                            {CKA_LABEL, "trusted"}};
  EXPECT_RV(one_of(CKR_ATTRIBUTE_READ_ONLY), session.try_create(wrapper.with({{CKA_TRUSTED, true}})));
  session.logout();
  session.login(CKU_SO);
  session.create(wrapper.with({{CKA_TRUSTED, true}}));
  session.logout();
  session.login();
  const CK_OBJECT_HANDLE trusted = session.find({{CKA_LABEL, "trusted"}}).at(0);
  EXPECT_TRUE(session.flag(trusted, CKA_TRUSTED));
  const CK_OBJECT_HANDLE key = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                               {CKA_KEY_TYPE, CKK_AES},
                                               {CKA_VALUE, Bytes(16, 1)},
                                               {CKA_EXTRACTABLE, true},
                                               {CKA_WRAP_WITH_TRUSTED, true}});
  EXPECT_RV(CKR_OK, try_wrap(session, CKM_AES_KEY_WRAP, trusted, key));
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE, try_wrap(session, CKM_AES_KEY_WRAP, aes_wrapper(session), key));
}

TEST_F(Wrap, WrapAndUnwrapTemplatesAreEnforced) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_KEY_TYPE aes = CKK_AES;
  CK_ATTRIBUTE leaving[] = {{CKA_KEY_TYPE, &aes, sizeof aes}, {CKA_DECRYPT, &yes, sizeof yes}};
  CK_ATTRIBUTE coming[] = {{CKA_EXTRACTABLE, &no, sizeof no}, {CKA_SENSITIVE, &yes, sizeof yes}};
  const auto view = [](const auto& array) {
    const auto* raw = reinterpret_cast<const uint8_t*>(&array);
    return Bytes(raw, raw + sizeof array);
  };
  const CK_OBJECT_HANDLE wrapper = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                   {CKA_KEY_TYPE, CKK_AES},
                                                   {CKA_VALUE, Bytes(16, 2)},
                                                   {CKA_WRAP, true},
                                                   {CKA_UNWRAP, true},
                                                   {CKA_WRAP_TEMPLATE, view(leaving)},
                                                   {CKA_UNWRAP_TEMPLATE, view(coming)}});
  const CK_OBJECT_HANDLE fits = secret_key(session, CKK_AES, Bytes(16, 1));
  const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP, wrapper, fits);
  EXPECT_RV(CKR_KEY_HANDLE_INVALID,
            try_wrap(session, CKM_AES_KEY_WRAP, wrapper, secret_key(session, CKK_GENERIC_SECRET, Bytes(16, 1))));
  MUST(session.try_set(fits, {{CKA_DECRYPT, false}}));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, try_wrap(session, CKM_AES_KEY_WRAP, wrapper, fits));
  const Template wanted = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}};
  const CK_OBJECT_HANDLE came = unwrap(session, CKM_AES_KEY_WRAP, wrapper, wrapped, wanted);
  EXPECT_FALSE(session.flag(came, CKA_EXTRACTABLE));
  EXPECT_TRUE(session.flag(came, CKA_SENSITIVE));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_unwrap(session, CKM_AES_KEY_WRAP, wrapper, wrapped, wanted.with({{CKA_EXTRACTABLE, true}})));
  EXPECT_RV(CKR_OK, try_unwrap(session, CKM_AES_KEY_WRAP, wrapper, wrapped, wanted.with({{CKA_EXTRACTABLE, false}})));
}

TEST_F(Wrap, RejectsKeysThatMayNotWrap) {
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, Bytes(16, 1)), good = aes_wrapper(session);
  const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP, good, key);
  MUST(session.try_set(key, {{CKA_WRAP, false}, {CKA_UNWRAP, false}}));
  const KeyPair rsa = rsa_wrapper(session, 1024);
  const auto wraps = [&](const Mechanism& mechanism, CK_OBJECT_HANDLE by) {
    return try_wrap(session, mechanism, by, key);
  };
  const auto unwraps = [&](const Mechanism& mechanism, CK_OBJECT_HANDLE by) {
    return try_unwrap(session, mechanism, by, wrapped, secret_template(CKK_AES));
  };
  for (const CK_OBJECT_HANDLE none : {CK_OBJECT_HANDLE{0}, kAbsurd, session.create({{CKA_CLASS, CKO_DATA}})}) {
    EXPECT_RV(CKR_WRAPPING_KEY_HANDLE_INVALID, wraps(CKM_AES_KEY_WRAP, none));
    EXPECT_RV(CKR_UNWRAPPING_KEY_HANDLE_INVALID, unwraps(CKM_AES_KEY_WRAP, none));
  }
  EXPECT_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, wraps(CKM_AES_KEY_WRAP, rsa.public_key));
  EXPECT_RV(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, unwraps(CKM_AES_KEY_WRAP, rsa.private_key));
  EXPECT_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, wraps(CKM_RSA_PKCS, good));
  EXPECT_RV(CKR_WRAPPING_KEY_TYPE_INCONSISTENT, wraps(CKM_RSA_PKCS, rsa.private_key));
  EXPECT_RV(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, unwraps(CKM_RSA_PKCS, rsa.public_key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, wraps(CKM_AES_KEY_WRAP, key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, unwraps(CKM_AES_KEY_WRAP, key));
  EXPECT_RV(CKR_MECHANISM_INVALID, wraps(CKM_AES_OFB, good));
  EXPECT_RV(CKR_MECHANISM_INVALID, unwraps(CKM_SHA256, good));
  EXPECT_RV(CKR_WRAPPING_KEY_SIZE_RANGE, wraps(Mechanism::oaep(CKM_SHA512, CKG_MGF1_SHA512), rsa.public_key))
      << "1024 bits are too few for SHA-512";
  EXPECT_RV(CKR_UNWRAPPING_KEY_SIZE_RANGE, unwraps(Mechanism::oaep(CKM_SHA512, CKG_MGF1_SHA512), rsa.private_key));
}

TEST_F(Wrap, RejectsBadArguments) {
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, Bytes(16, 1)), wrapper = aes_wrapper(session);
  Mechanism mechanism = CKM_AES_KEY_WRAP;
  Bytes wrapped = wrap(session, mechanism, wrapper, key);
  CK_ULONG size = wrapped.size();
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_WrapKey(session, nullptr, wrapper, key, wrapped.data(), &size));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_WrapKey(session, mechanism.get(), wrapper, key, wrapped.data(), nullptr));
  Template wanted = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}};
  CK_OBJECT_HANDLE out;
  const auto call = [&](CK_MECHANISM* how, CK_BYTE* bytes, CK_ULONG length, CK_ATTRIBUTE* rows, CK_ULONG count,
                        CK_OBJECT_HANDLE* to) {
    return p11->C_UnwrapKey(session, how, wrapper, bytes, length, rows, count, to);
  };
  CK_ATTRIBUTE* rows = wanted.data();
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(nullptr, wrapped.data(), size, rows, 2, &out));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(mechanism.get(), nullptr, size, rows, 2, &out));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(mechanism.get(), wrapped.data(), kAbsurd, rows, 2, &out));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(mechanism.get(), wrapped.data(), size, nullptr, 2, &out));
  EXPECT_RV(CKR_ARGUMENTS_BAD, call(mechanism.get(), wrapped.data(), size, rows, 2, nullptr));
  const auto answer = [&](const Template& given) { return try_unwrap(session, mechanism, wrapper, wrapped, given); };
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer({}));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer(wanted.without(CKA_KEY_TYPE)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer(wanted.without(CKA_CLASS)));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(wanted.with({{CKA_CLASS, CKO_PUBLIC_KEY}})));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, answer(wanted.with({{CKA_VALUE, Bytes(16, 1)}})));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, answer(wanted.with({{CKA_LOCAL, true}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(wanted.with({{CKA_MODULUS, Bytes(16, 1)}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, answer(wanted.with({{CKA_KEY_TYPE, CKK_DES}})));
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(wanted.with({{CKA_CHECK_VALUE, Bytes(3, 1)}})));
  Session reader(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_READ_ONLY, try_unwrap(reader, mechanism, wrapper, wrapped, wanted.with({{CKA_TOKEN, true}})));
  EXPECT_RV(CKR_OK, try_unwrap(reader, mechanism, wrapper, wrapped, wanted));
  // The key was unwrapped, with the attributes that C_UnwrapKey sets.
  const CK_OBJECT_HANDLE came = unwrap(session, mechanism, wrapper, wrapped, wanted);
  EXPECT_TRUE(session.flag(came, CKA_EXTRACTABLE)) << "5.13: the default";
  EXPECT_FALSE(session.flag(came, CKA_LOCAL));
  EXPECT_FALSE(session.flag(came, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(session.flag(came, CKA_NEVER_EXTRACTABLE));
  EXPECT_EQ(session.get(came, CKA_CHECK_VALUE), session.get(key, CKA_CHECK_VALUE));
}

// CKM_RSA_X_509 treats the key as a number (PKCS#11 3.2, 6.1, "X.509 (raw) RSA").
TEST_F(Wrap, RawRsaWrapsAKeyAsANumber) {
  const KeyPair pair =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}, {CKA_WRAP, true}, {CKA_ENCRYPT, true}},
                       {{CKA_UNWRAP, true}, {CKA_DECRYPT, true}});
  const Bytes value = from_hex("000102030405060708090a0b0c0d0e0f"), number = Bytes(112, 0) + value;
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_AES, value);
  Bytes wrapped(128);
  CK_ULONG size = wrapped.size();
  Mechanism raw = CKM_RSA_X_509;
  MUST(p11->C_WrapKey(session, raw.get(), pair.public_key, key, wrapped.data(), &size));
  ASSERT_EQ(size, 128u);
  EXPECT_EQ(session.decrypt(raw, pair.private_key, wrapped), number);

  const auto unwrap = [&](Bytes from, Template wanted, CK_OBJECT_HANDLE* made) {
    return p11->C_UnwrapKey(session, raw.get(), pair.private_key, from.data(), from.size(), wanted.data(),
                            wanted.size(), made);
  };
  const Template readable = {{CKA_CLASS, CKO_SECRET_KEY},
                             {CKA_KEY_TYPE, CKK_AES},
                             {CKA_SENSITIVE, false},
                             {CKA_EXTRACTABLE, true},
                             {CKA_VALUE_LEN, 16}};
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_OK, unwrap(session.encrypt(raw, pair.public_key, number), readable, &made));
  EXPECT_EQ(session.get(made, CKA_VALUE), value);
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, unwrap(wrapped, readable.without(CKA_VALUE_LEN), &made));
  Bytes larger = number;
  larger[1] = 1;
  EXPECT_RV(CKR_OK, unwrap(session.encrypt(raw, pair.public_key, larger), readable, &made));
  EXPECT_EQ(session.get(made, CKA_VALUE), value) << "taken from the end, whatever is before it";
  EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, unwrap(Bytes(127, 1), readable, &made));
  const KeyPair other = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                         {{CKA_EXTRACTABLE, true}, {CKA_SENSITIVE, false}});
  EXPECT_RV(CKR_KEY_NOT_WRAPPABLE,
            p11->C_WrapKey(session, raw.get(), pair.public_key, other.private_key, wrapped.data(), &size));
}

}  // namespace
}  // namespace vtpm::conformance
