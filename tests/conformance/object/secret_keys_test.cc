// SPDX-License-Identifier: Apache-2.0
// Secret key objects (PKCS#11 3.2, 4.11) and C_GenerateKey.
#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"
#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

using SecretKeys = WithUser;

const Template kAes = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(16, 0x2B)}};

TEST_F(SecretKeys, HaveTheAttributesOfTheStandard) {
  const CK_OBJECT_HANDLE key = session.create(kAes.with({{CKA_EXTRACTABLE, true}, {CKA_LABEL, "one"}}));
  EXPECT_EQ(session.get(key, CKA_VALUE), Bytes(16, 0x2B));
  EXPECT_EQ(session.number(key, CKA_VALUE_LEN), 16u);
  EXPECT_TRUE(session.flag(key, CKA_PRIVATE));
  EXPECT_FALSE(session.flag(key, CKA_SENSITIVE)) << "the default of 4.10";
  EXPECT_FALSE(session.flag(key, CKA_LOCAL));
  EXPECT_FALSE(session.flag(key, CKA_ALWAYS_SENSITIVE));
  EXPECT_FALSE(session.flag(key, CKA_NEVER_EXTRACTABLE));
  EXPECT_FALSE(session.flag(key, CKA_TRUSTED));
  EXPECT_FALSE(session.flag(key, kVtpmResident));
  EXPECT_EQ(session.number(key, CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
  EXPECT_TRUE(session.flag(key, CKA_ENCRYPT));
  EXPECT_TRUE(session.flag(key, CKA_DECRYPT));
  EXPECT_TRUE(session.flag(key, CKA_WRAP));
  EXPECT_TRUE(session.flag(key, CKA_UNWRAP));
  EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, session.try_get(key, CKA_MODULUS));
  EXPECT_EQ(session.find({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_LABEL, "one"}}).size(), 1u);
}

TEST_F(SecretKeys, HaveTheStandardsCheckValues) {
  // 4.10.2: the check value of a block cipher's key is the encryption of a block of zeros; other keys are hashed.
  Bytes block = openssl_encrypt("AES-128-ECB", Bytes(16, 0x2B), {}, Bytes(16), false);
  block.resize(3);
  EXPECT_EQ(session.get(session.create(kAes), CKA_CHECK_VALUE), block);
  Bytes digest = peer::digest("SHA1", bytes("secret"));
  digest.resize(3);
  EXPECT_EQ(session.get(secret_key(session, CKK_GENERIC_SECRET, bytes("secret")), CKA_CHECK_VALUE), digest);
  for (const BlockCipherRow& cipher : kOtherBlockCiphers) {
    Bytes own =
        openssl_encrypt((cipher.openssl + std::string("-192-ECB")).c_str(), Bytes(24, 0x2B), {}, Bytes(16), false);
    own.resize(3);
    EXPECT_EQ(session.get(secret_key(session, cipher.key, Bytes(24, 0x2B)), CKA_CHECK_VALUE), own);
  }
  const Bytes two_keys = Bytes(16, 0x11) + Bytes(16, 0x22);
  Bytes unit = openssl_encrypt("AES-128-XTS", two_keys, Bytes(16), Bytes(16), false);
  unit.resize(3);
  EXPECT_EQ(session.get(secret_key(session, CKK_AES_XTS, two_keys), CKA_CHECK_VALUE), unit);
  EXPECT_RV(CKR_OK, session.try_create(kAes.with({{CKA_CHECK_VALUE, block}})));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kAes.with({{CKA_CHECK_VALUE, digest}})));
  EXPECT_EQ(session.get(session.create(kAes.with({{CKA_CHECK_VALUE, Bytes{}}})), CKA_CHECK_VALUE), Bytes{})
      << "empty: this key has none";
}

TEST_F(SecretKeys, TakeTheirOwnLengthsOnly) {
  struct Row {
    CK_KEY_TYPE type;
    std::vector<size_t> good, bad;
  };
  const Row rows[] = {{CKK_AES, {16, 24, 32}, {0, 1, 15, 17, 20, 33, 64}},
                      {CKK_AES_XTS, {32, 64}, {0, 16, 48, 65}},
                      {CKK_CHACHA20, {32}, {0, 16, 31, 33}},
                      {CKK_GENERIC_SECRET, {1, 7, 16320}, {0, 16321}},
                      {CKK_SHA256_HMAC, {1, 100, 16320}, {0, 16321}}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.type);
    const auto answer = [&](size_t size) {
      Bytes value(size);
      for (size_t i = 0; i < size; ++i) value[i] = static_cast<uint8_t>(i);
      return session.try_create({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, row.type}, {CKA_VALUE, value}});
    };
    for (const size_t size : row.good) EXPECT_RV(CKR_OK, answer(size));
    for (const size_t size : row.bad) EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, answer(size));
  }
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID,
            session.try_create(kAes.with({{CKA_KEY_TYPE, CKK_AES_XTS}, {CKA_VALUE, Bytes(64, 1)}})))
      << "two equal keys";
}

TEST_F(SecretKeys, RefuseWhatTheTemplateMayNotSay) {
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(kAes.without(CKA_VALUE)));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(kAes.without(CKA_KEY_TYPE)));
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kAes.with({{CKA_KEY_TYPE, CKK_DES}})));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_create(kAes.with({{CKA_VALUE_LEN, 16}})));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_create(kAes.with({{CKA_LOCAL, true}})));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_create(kAes.with({{CKA_TRUSTED, true}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(kAes.with({{CKA_MODULUS, Bytes(3, 1)}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(kAes.with({{CKA_SUBJECT, Bytes(3, 1)}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_create(kAes.with({{kVtpmResident, true}})));
}

TEST_F(SecretKeys, HideTheirValue) {
  const Template kShown = kAes.with({{CKA_EXTRACTABLE, true}});
  const CK_OBJECT_HANDLE sensitive = session.create(kShown.with({{CKA_SENSITIVE, true}}));
  const CK_OBJECT_HANDLE kept = session.create(kAes);
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(sensitive, CKA_VALUE));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(kept, CKA_VALUE));
  EXPECT_TRUE(session.find(kShown.with({{CKA_SENSITIVE, true}})).empty()) << "nor can it be guessed by a search";
  const CK_OBJECT_HANDLE shown = session.create(kShown);
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(sensitive, {{CKA_SENSITIVE, false}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(kept, {{CKA_EXTRACTABLE, true}}));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(shown, {{CKA_VALUE, Bytes(16, 1)}}));
  CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_OK, session.try_copy(shown, {{CKA_SENSITIVE, true}}, &copy));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(copy, CKA_VALUE));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_copy(sensitive, {{CKA_SENSITIVE, false}}));
  EXPECT_RV(CKR_OK, session.try_set(shown, {{CKA_EXTRACTABLE, false}}));
  EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(shown, CKA_VALUE));
}

TEST_F(SecretKeys, OfEveryTypeAreGenerated) {
  struct Row {
    CK_MECHANISM_TYPE mechanism;
    CK_KEY_TYPE type;
    CK_ULONG bytes;
  };
  std::vector<Row> rows = {{CKM_AES_KEY_GEN, CKK_AES, 16},
                           {CKM_AES_KEY_GEN, CKK_AES, 24},
                           {CKM_AES_KEY_GEN, CKK_AES, 32},
                           {CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, 32},
                           {CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, 64},
                           {CKM_CHACHA20_KEY_GEN, CKK_CHACHA20, 32},
                           {CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, 1},
                           {CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, 4096}};
  rows.push_back({CKM_SHA512_T_KEY_GEN, CKK_SHA512_T_HMAC, 33});
  for (const HashRow& hash : kEveryHash) rows.push_back({hash.key_gen, hash.key, 33});
  for (const BlockCipherRow& cipher : kOtherBlockCiphers) {
    for (const CK_ULONG bytes : {16, 24, 32}) rows.push_back({cipher.key_gen, cipher.key, bytes});
  }
  for (const Row& row : rows) {
    SCOPED_TRACE(row.mechanism);
    const Template wanted = {{CKA_VALUE_LEN, row.bytes}, {CKA_EXTRACTABLE, true}};
    CK_OBJECT_HANDLE one = 0, two = 0, hidden = 0;
    EXPECT_RV(CKR_OK, try_generate_key(session, row.mechanism, wanted, &one));
    EXPECT_RV(CKR_OK, try_generate_key(session, row.mechanism, wanted, &two));
    EXPECT_EQ(session.number(one, CKA_CLASS), CKO_SECRET_KEY);
    EXPECT_EQ(session.number(one, CKA_KEY_TYPE), row.type);
    EXPECT_EQ(session.number(one, CKA_VALUE_LEN), row.bytes);
    EXPECT_EQ(session.number(one, CKA_KEY_GEN_MECHANISM), row.mechanism);
    EXPECT_TRUE(session.flag(one, CKA_LOCAL));
    EXPECT_FALSE(session.flag(one, CKA_NEVER_EXTRACTABLE));
    EXPECT_EQ(session.get(one, CKA_VALUE).size(), row.bytes);
    if (row.bytes >= 16) {
      EXPECT_NE(session.get(one, CKA_VALUE), session.get(two, CKA_VALUE));
    }
    EXPECT_RV(CKR_OK,
              try_generate_key(session, row.mechanism,
                               {{CKA_VALUE_LEN, row.bytes}, {CKA_SENSITIVE, true}, {CKA_KEY_TYPE, row.type}}, &hidden));
    EXPECT_TRUE(session.flag(hidden, CKA_ALWAYS_SENSITIVE));
    EXPECT_TRUE(session.flag(hidden, CKA_NEVER_EXTRACTABLE));
    EXPECT_RV(CKR_ATTRIBUTE_SENSITIVE, session.try_get(hidden, CKA_VALUE));
  }
  CK_OBJECT_HANDLE key = 0;
  EXPECT_RV(CKR_OK, try_generate_key(session, CKM_CHACHA20_KEY_GEN, {}, &key));
  EXPECT_EQ(session.number(key, CKA_VALUE_LEN), 32u);
  EXPECT_RV(CKR_OK, try_generate_key(session, CKM_SHA384_KEY_GEN, {}, &key));
  EXPECT_EQ(session.number(key, CKA_VALUE_LEN), 48u) << "the size of the hash";
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, try_generate_key(session, CKM_SHA512_T_KEY_GEN, {})) << "no t, so no size";
}

TEST_F(SecretKeys, GenerationReturnsTheListedErrors) {
  const Template good = {{CKA_VALUE_LEN, 16}};
  const auto answer = [&](Template wanted) { return try_generate_key(session, CKM_AES_KEY_GEN, std::move(wanted)); };
  EXPECT_RV(CKR_OK, answer(good));
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, answer({}));
  for (const size_t bad : {size_t{0}, size_t{15}, size_t{20}, size_t{64}, size_t{kAbsurd}})
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, answer(good.with({{CKA_VALUE_LEN, bad}})));
  EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, answer(good.with({{CKA_VALUE, Bytes(16, 1)}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(good.with({{CKA_CLASS, CKO_PRIVATE_KEY}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(good.with({{CKA_KEY_TYPE, CKK_GENERIC_SECRET}})));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, answer(good.with({{CKA_EC_PARAMS, kP256}})));
  EXPECT_RV(CKR_MECHANISM_INVALID, try_generate_key(session, CKM_AES_CBC, good));
  EXPECT_RV(CKR_MECHANISM_INVALID, try_generate_key(session, CKM_DES_KEY_GEN, good));
  CK_ATTRIBUTE length = {CKA_VALUE_LEN, nullptr, 8};
  Mechanism mechanism = CKM_AES_KEY_GEN;
  CK_OBJECT_HANDLE key = 0;
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_GenerateKey(session, mechanism.get(), &length, 1, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GenerateKey(session, mechanism.get(), nullptr, 1, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GenerateKey(session, mechanism.get(), nullptr, 0, nullptr));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GenerateKey(session, nullptr, nullptr, 0, &key));
  Session reader(slot, Session::kReadOnly);
  EXPECT_RV(CKR_SESSION_READ_ONLY, try_generate_key(reader, CKM_AES_KEY_GEN, good.with({{CKA_TOKEN, true}})));
  EXPECT_RV(CKR_OK, try_generate_key(reader, CKM_AES_KEY_GEN, good));
}

TEST_F(SecretKeys, OnTheTokenSurviveFinalize) {
  CK_OBJECT_HANDLE key = 0;
  MUST(try_generate_key(session, CKM_GENERIC_SECRET_KEY_GEN,
                        {{CKA_VALUE_LEN, 32}, {CKA_TOKEN, true}, {CKA_LABEL, "kept"}, {CKA_SENSITIVE, true}}, &key));
  const Bytes code = session.sign(CKM_SHA256_HMAC, key, bytes("message"));
  session.close();
  library.restart();
  Session again(slot);
  EXPECT_TRUE(again.find({{CKA_LABEL, "kept"}}).empty()) << "before login";
  again.login();
  const auto found = again.find({{CKA_LABEL, "kept"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(again.sign(CKM_SHA256_HMAC, found[0], bytes("message")), code);
  EXPECT_EQ(again.number(found[0], CKA_VALUE_LEN), 32u);
}

TEST_F(SecretKeys, BelongToTheUser) {
  const CK_OBJECT_HANDLE open = session.create(kAes.with({{CKA_PRIVATE, false}, {CKA_EXTRACTABLE, true}}));
  const CK_OBJECT_HANDLE closed = session.create(kAes.with({{CKA_TOKEN, true}}));
  Mechanism ecb = CKM_AES_ECB, cmac = CKM_AES_CMAC;
  Bytes block(16), out(16);
  CK_ULONG size = 16;
  MUST(p11->C_EncryptInit(session, ecb.get(), closed));
  MUST(p11->C_VerifyInit(session, cmac.get(), closed));
  session.logout();
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_Encrypt(session, block.data(), 16, out.data(), &size));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_Verify(session, block.data(), 16, out.data(), 16));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, session.try_encrypt(CKM_AES_ECB, closed, block));
  EXPECT_EQ(session.encrypt(CKM_AES_ECB, open, block).size(), 16u) << "a public session key works without login";
  EXPECT_EQ(session.get(open, CKA_VALUE), Bytes(16, 0x2B));
  const Template wanted = {{CKA_VALUE_LEN, 16}};
  for (const CK_ATTRIBUTE_TYPE demand : {CKA_PRIVATE, CKA_TOKEN}) {
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(kAes.with({{demand, true}})));
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, try_generate_key(session, CKM_AES_KEY_GEN, wanted.with({{demand, true}})));
  }
}

// Applications that have not logged in (pkcs11-provider) make session keys with a template without CKA_PRIVATE.
TEST_F(SecretKeys, OfASessionWithoutALoginArePublic) {
  const CK_OBJECT_HANDLE open = session.create(kAes.with({{CKA_PRIVATE, false}, {CKA_WRAP, true}, {CKA_UNWRAP, true}}));
  const auto makes = [&](bool is_private) {
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE, derived = CK_INVALID_HANDLE;
    EXPECT_EQ(session.flag(session.create(kAes), CKA_PRIVATE), is_private);
    MUST(try_generate_key(session, CKM_GENERIC_SECRET_KEY_GEN, {{CKA_VALUE_LEN, 16}, {CKA_EXTRACTABLE, true}}, &made));
    EXPECT_EQ(session.flag(made, CKA_PRIVATE), is_private);
    MUST(try_derive(session, CKM_SHA256_KEY_DERIVATION, made, {}, &derived));
    EXPECT_EQ(session.flag(derived, CKA_PRIVATE), is_private);
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP, open, made);
    const Template wanted = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}};
    EXPECT_EQ(session.flag(unwrap(session, CKM_AES_KEY_WRAP, open, wrapped, wanted), CKA_PRIVATE), is_private);
    const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {});
    EXPECT_EQ(session.flag(pair.private_key, CKA_PRIVATE), is_private);
    EXPECT_RV(CKR_OK, session.try_sign(CKM_ECDSA, pair.private_key, Bytes(32, 1)));
    const Bytes point = session.get(pair.public_key, CKA_EC_POINT);
    const Mechanism ecdh = Mechanism::with_parameter(
        CKM_ECDH1_DERIVE, bytes_of(CK_ECDH1_DERIVE_PARAMS{CKD_NULL, 0, nullptr, point.size(), bytes_pointer(point)}));
    EXPECT_EQ(session.flag(derive(session, ecdh, pair.private_key, {}), CKA_PRIVATE), is_private);
    EXPECT_FALSE(session.flag(session.create({{CKA_CLASS, CKO_DATA}}), CKA_PRIVATE));
  };
  makes(true);
  session.logout();
  makes(false);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN,
            session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_TOKEN, true}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            session.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_ALWAYS_AUTHENTICATE, true}}));
  session.login(CKU_SO);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_create(kAes))
      << "with a login the key is private, and the SO may not make it";
}

TEST_F(SecretKeys, C_DigestKeyDigestsTheValue) {
  const CK_OBJECT_HANDLE key = secret_key(session, CKK_GENERIC_SECRET, bytes("key")),
                         pair = session.generate_ec(kP256).private_key;
  Mechanism sha = CKM_SHA256;
  Bytes before = bytes("before"), digest(32);
  CK_ULONG size = 32;
  MUST(p11->C_DigestInit(session, sha.get()));
  MUST(p11->C_DigestUpdate(session, before.data(), before.size()));
  EXPECT_RV(CKR_OK, p11->C_DigestKey(session, key));
  MUST(p11->C_DigestFinal(session, digest.data(), &size));
  EXPECT_EQ(digest, peer::digest("SHA256", bytes("beforekey")));
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestKey(session, key));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_KEY_INDIGESTIBLE, p11->C_DigestKey(session, pair));
  const CK_OBJECT_HANDLE for_codes = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                     {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                                     {CKA_VALUE, bytes("key")},
                                                     {CKA_ALLOWED_MECHANISMS, bytes_of(CK_ULONG{CKM_SHA256_HMAC})}});
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_KEY_INDIGESTIBLE, p11->C_DigestKey(session, for_codes)) << "CKA_ALLOWED_MECHANISMS";
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_DigestFinal(session, digest.data(), &size));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, p11->C_DigestKey(session, 0));
}

}  // namespace
}  // namespace vtpm::conformance
