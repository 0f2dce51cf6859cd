// SPDX-License-Identifier: Apache-2.0
// C_EncapsulateKey and C_DecapsulateKey (PKCS#11 3.2, 5.18): vectors, comparison with OpenSSL, keys in the TPM and in
// software, templates, errors.
#include <openssl/core_names.h>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

/// The results of C_EncapsulateKey: the cipher text for the peer, and the key for the caller.
struct Encapsulated {
  Bytes cipher;
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
};

Mechanism ecdh(CK_ULONG kdf = CKD_NULL, const Bytes& shared = {}) {
  return Mechanism::with_parameter(
      CKM_ECDH1_DERIVE, bytes_of(CK_ECDH1_DERIVE_PARAMS{kdf, shared.size(),
                                                        shared.empty() ? nullptr : bytes_pointer(shared), 0, nullptr}));
}

const Template kEncapsulates = {{CKA_ENCAPSULATE, true}}, kDecapsulates = {{CKA_DECAPSULATE, true}};

class Encapsulate : public WithUser {
 protected:
  /// The call is preceded by a size query and by a call with a buffer that is one byte too small, neither of which
  /// makes a key.
  CK_RV try_encapsulate(Mechanism mechanism, CK_OBJECT_HANDLE by, Template wanted, Encapsulated* result = nullptr) {
    Encapsulated made;
    const auto call = [&](CK_BYTE* to, CK_ULONG* size) {
      return p11_3().C_EncapsulateKey(session, mechanism.get(), by, wanted.data(), wanted.size(), to, size, &made.key);
    };
    CK_ULONG size = 0;
    CK_RV rv = call(nullptr, &size);
    if (rv != CKR_OK) return rv;
    const CK_ULONG all = size--;
    made.cipher.assign(all + 1, 0xEE);
    EXPECT_RV(CKR_BUFFER_TOO_SMALL, call(made.cipher.data(), &size));
    EXPECT_EQ(size, all);
    EXPECT_EQ(made.cipher, Bytes(all + 1, 0xEE));
    EXPECT_EQ(made.key, CK_INVALID_HANDLE);
    rv = call(made.cipher.data(), &size);
    if (rv != CKR_OK) {
      EXPECT_EQ(made.key, CK_INVALID_HANDLE);
      return rv;
    }
    EXPECT_EQ(size, all);
    EXPECT_EQ(made.cipher.back(), 0xEE) << "written beyond the size that was announced";
    made.cipher.resize(size);
    if (result) *result = made;
    return CKR_OK;
  }
  Encapsulated encapsulate(const Mechanism& mechanism, CK_OBJECT_HANDLE by, const Template& wanted) {
    Encapsulated result;
    must(try_encapsulate(mechanism, by, wanted, &result), "C_EncapsulateKey");
    return result;
  }
  CK_RV try_decapsulate(Mechanism mechanism, CK_OBJECT_HANDLE by, const Bytes& cipher, Template wanted,
                        CK_OBJECT_HANDLE* key = nullptr) {
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    return p11_3().C_DecapsulateKey(session, mechanism.get(), by, wanted.data(), wanted.size(), bytes_pointer(cipher),
                                    cipher.size(), key ? key : &made);
  }
  Bytes decapsulated(const Mechanism& mechanism, CK_OBJECT_HANDLE by, const Bytes& cipher, const Template& wanted) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    must(try_decapsulate(mechanism, by, cipher, wanted, &key), "C_DecapsulateKey");
    return session.get(key, CKA_VALUE);
  }

  KeyPair rsa_pair(bool resident = true) {
    return session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kEncapsulates.with({{CKA_MODULUS_BITS, 2048}}),
                            kDecapsulates.with({{kVtpmResident, resident}}));
  }
  KeyPair ec_pair(const std::string& curve, bool resident = true) {
    const CK_MECHANISM_TYPE type = curve[0] == 'X' ? CKM_EC_MONTGOMERY_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN;
    return session.generate(type, kEncapsulates.with({{CKA_EC_PARAMS, curve_parameters(curve)}}),
                            kDecapsulates.with({{kVtpmResident, resident}}));
  }
  CK_OBJECT_HANDLE public_ec(const std::string& curve, const peer::Key& key) {
    return session.create(kEncapsulates.with({{CKA_CLASS, CKO_PUBLIC_KEY},
                                              {CKA_KEY_TYPE, CKK_EC},
                                              {CKA_EC_PARAMS, curve_parameters(curve)},
                                              {CKA_EC_POINT, peer::octet_string(key.ec_point())}}));
  }
};

// --- ECDH ---

TEST_F(Encapsulate, EcdhMatchesThePublishedVectorsInTheTpmAndInSoftware) {
  size_t good_ones = 0;
  for_each_line("ecdh.txt", [&](const Line& line) {
    const std::string& curve = line.text("curve");
    if (curve != "P-256" && curve != "P-384" && curve != "P-521") return;
    for (const bool resident : {true, false}) {
      const CK_OBJECT_HANDLE key = session.create(kDecapsulates.with({{CKA_CLASS, CKO_PRIVATE_KEY},
                                                                      {CKA_KEY_TYPE, CKK_EC},
                                                                      {CKA_EC_PARAMS, curve_parameters(curve)},
                                                                      {CKA_VALUE, line.bytes("scalar")},
                                                                      {kVtpmResident, resident}}));
      if (line.text("result") == "good") {
        ++good_ones;
        EXPECT_EQ(decapsulated(ecdh(), key, line.bytes("point"), shown_secret(0)), line.bytes("secret"));
      } else {
        EXPECT_RV(one_of(CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE),
                  try_decapsulate(ecdh(), key, line.bytes("point"), shown_secret(0)));
      }
      MUST(p11->C_DestroyObject(session, key));
    }
  });
  EXPECT_GT(good_ones, 0u);
}

TEST_F(Encapsulate, EcdhTakesCompressedPoints) {
  for_each_line("ecdh_compressed.txt", [&](const Line& line) {
    const CK_OBJECT_HANDLE key =
        session.create(kDecapsulates.with({{CKA_CLASS, CKO_PRIVATE_KEY},
                                           {CKA_KEY_TYPE, CKK_EC},
                                           {CKA_EC_PARAMS, curve_parameters(line.text("curve"))},
                                           {CKA_VALUE, line.bytes("scalar")}}));
    if (line.text("result") == "good") {
      EXPECT_EQ(decapsulated(ecdh(), key, line.bytes("point"), shown_secret(0)), line.bytes("secret"));
    } else {
      EXPECT_RV(CKR_WRAPPED_KEY_INVALID, try_decapsulate(ecdh(), key, line.bytes("point"), shown_secret(0)));
    }
  });
}

TEST_F(Encapsulate, OpensslDecapsulatesWhatEcdhEncapsulated) {
  const Bytes info = bytes("shared");
  for (const auto& [curve, bytes] : {std::pair{"P-256", 32}, {"P-384", 48}, {"P-521", 66}}) {
    SCOPED_TRACE(curve);
    const peer::Key other = peer::Key::generate_ec(curve);
    const CK_OBJECT_HANDLE by = public_ec(curve, other);
    Bytes latest;
    for (const CK_ULONG kdf : {CKD_NULL, CKD_SHA256_KDF}) {
      const Encapsulated made = encapsulate(ecdh(kdf, kdf == CKD_NULL ? Bytes() : info), by, shown_secret(0));
      EXPECT_NE(made.cipher, latest) << "a key pair for each";
      latest = made.cipher;
      const peer::Key fresh = peer::Key::ec_public(curve, made.cipher);
      EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(other.get(), nullptr);
      Bytes agreed(static_cast<size_t>(bytes));
      size_t size = agreed.size();
      EXPECT_TRUE(EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, fresh.get()) == 1 &&
                  EVP_PKEY_derive(context, agreed.data(), &size) == 1);
      EVP_PKEY_CTX_free(context);
      EXPECT_EQ(session.get(made.key, CKA_VALUE),
                kdf == CKD_NULL ? agreed : peer::digest("SHA256", agreed + from_hex("00000001") + info));
    }
  }
}

TEST_F(Encapsulate, EcdhDecapsulatesWhatItEncapsulated) {
  const Bytes info = bytes("shared");
  for (const char* curve : {"P-256", "P-384", "P-521", "P-224", "secp256k1", "X25519", "X448"}) {
    for (const bool resident : {true, false}) {
      if (resident && (curve[0] != 'P' || curve == std::string("P-224"))) continue;
      SCOPED_TRACE(std::string(curve) + (resident ? " in the TPM" : " in software"));
      const KeyPair pair = ec_pair(curve, resident);
      ASSERT_EQ(session.flag(pair.private_key, kVtpmResident), resident);
      const Mechanism mechanism = ecdh(CKD_SHA512_KDF, info);
      const Template wanted = shown_secret(0).with({{CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE_LEN, 32}});
      const Encapsulated made = encapsulate(mechanism, pair.public_key, wanted);
      const Bytes value = session.get(made.key, CKA_VALUE);
      EXPECT_EQ(value.size(), 32u);
      EXPECT_EQ(decapsulated(mechanism, pair.private_key, made.cipher, wanted), value);
      EXPECT_NE(decapsulated(ecdh(CKD_SHA512_KDF, bytes("others")), pair.private_key, made.cipher, wanted), value);
      EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE,
                try_decapsulate(mechanism, pair.private_key, Bytes(made.cipher.size() - 1, 4), wanted));
      EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, try_decapsulate(mechanism, pair.private_key, {}, wanted));
    }
  }
}

TEST_F(Encapsulate, EcdhRejectsWrongParameters) {
  const KeyPair pair = ec_pair("P-256");
  const Encapsulated made = encapsulate(ecdh(), pair.public_key, shown_secret(16));
  EXPECT_EQ(session.get(made.key, CKA_VALUE).size(), 16u);
  Bytes point = made.cipher;
  const Bytes data = bytes("data");
  const Mechanism with_point = Mechanism::with_parameter(
      CKM_ECDH1_DERIVE, bytes_of(CK_ECDH1_DERIVE_PARAMS{CKD_NULL, 0, nullptr, point.size(), point.data()}));
  for (const Mechanism& bad : {with_point, ecdh(0x7777), ecdh(CKD_NULL, data), Mechanism(CKM_ECDH1_DERIVE)}) {
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_encapsulate(bad, pair.public_key, shown_secret(16)));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, try_decapsulate(bad, pair.private_key, made.cipher, shown_secret(16)));
  }
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_encapsulate(ecdh(), pair.public_key, shown_secret(33)))
      << "P-256 agrees on 32 bytes";
}

// --- RSA ---

TEST_F(Encapsulate, OpensslDecapsulatesWhatRsaEncapsulated) {
  const peer::Key other = peer::Key::generate_rsa(2048);
  const CK_OBJECT_HANDLE by =
      session.create(kEncapsulates.with({{CKA_CLASS, CKO_PUBLIC_KEY},
                                         {CKA_KEY_TYPE, CKK_RSA},
                                         {CKA_MODULUS, other.number(OSSL_PKEY_PARAM_RSA_N)},
                                         {CKA_PUBLIC_EXPONENT, other.number(OSSL_PKEY_PARAM_RSA_E)}}));
  const Encapsulated pkcs1 = encapsulate(CKM_RSA_PKCS, by, shown_secret(48));
  EXPECT_EQ(pkcs1.cipher.size(), 256u);
  EXPECT_EQ(session.get(pkcs1.key, CKA_VALUE).size(), 48u);
  EXPECT_EQ(other.decrypt(RSA_PKCS1_PADDING, pkcs1.cipher), session.get(pkcs1.key, CKA_VALUE));
  EXPECT_NE(session.get(encapsulate(CKM_RSA_PKCS, by, shown_secret(48)).key, CKA_VALUE),
            session.get(pkcs1.key, CKA_VALUE));
  const Bytes label = bytes("label");
  const Encapsulated oaep = encapsulate(Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA1, label), by, shown_secret(32));
  EXPECT_EQ(other.decrypt(RSA_PKCS1_OAEP_PADDING, oaep.cipher, "SHA256", "SHA1", label),
            session.get(oaep.key, CKA_VALUE));
}

TEST_F(Encapsulate, RsaFromOthersWithKeysInTheTpmAndInSoftware) {
  const Bytes value(32, 0x42);
  for (const bool resident : {true, false}) {
    SCOPED_TRACE(resident);
    const KeyPair pair = rsa_pair(resident);
    ASSERT_EQ(session.flag(pair.private_key, kVtpmResident), resident);
    const peer::Key half = peer::Key::rsa_public(session.get(pair.public_key, CKA_MODULUS),
                                                 session.get(pair.public_key, CKA_PUBLIC_EXPONENT));
    const Bytes pkcs1 = half.encrypt(RSA_PKCS1_PADDING, value);
    EXPECT_EQ(decapsulated(CKM_RSA_PKCS, pair.private_key, pkcs1, shown_secret(32)), value);
    EXPECT_EQ(decapsulated(CKM_RSA_PKCS, pair.private_key, pkcs1, shown_secret(0)), value);
    const Mechanism oaep = Mechanism::oaep(CKM_SHA256, CKG_MGF1_SHA256);
    EXPECT_EQ(decapsulated(oaep, pair.private_key, half.encrypt(RSA_PKCS1_OAEP_PADDING, value, "SHA256", "SHA256"),
                           shown_secret(32).with({{CKA_KEY_TYPE, CKK_AES}})),
              value);
    // The module returns the same value for every error inside the cipher text.
    const auto answer = [&](const Mechanism& how, const Bytes& cipher, size_t bytes = 32) {
      return try_decapsulate(how, pair.private_key, cipher, shown_secret(bytes));
    };
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_RSA_PKCS, half.encrypt(RSA_NO_PADDING, Bytes(256, 1)))) << "padding";
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_RSA_PKCS, pkcs1, 31)) << "length";
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(oaep, pkcs1));
    EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, answer(CKM_RSA_PKCS, Bytes(255, 1)));
    EXPECT_RV(CKR_MECHANISM_PARAM_INVALID, answer(CKM_RSA_PKCS_OAEP, pkcs1));
  }
}

// RSASVE (SP 800-56B, 7.2.1): the secret is a number below the modulus and has the modulus' length.
TEST_F(Encapsulate, RsasveSecretsAreNumbersBelowTheModulus) {
  const peer::Key other = peer::Key::generate_rsa(2048);
  const CK_OBJECT_HANDLE by =
      session.create(kEncapsulates.with({{CKA_CLASS, CKO_PUBLIC_KEY},
                                         {CKA_KEY_TYPE, CKK_RSA},
                                         {CKA_MODULUS, other.number(OSSL_PKEY_PARAM_RSA_N)},
                                         {CKA_PUBLIC_EXPONENT, other.number(OSSL_PKEY_PARAM_RSA_E)}}));
  const Encapsulated whole = encapsulate(CKM_RSA_X_509, by, shown_secret(0));
  EXPECT_EQ(whole.cipher.size(), 256u);
  EXPECT_EQ(session.get(whole.key, CKA_VALUE).size(), 256u);
  EXPECT_EQ(other.decrypt(RSA_NO_PADDING, whole.cipher), session.get(whole.key, CKA_VALUE));
  const Encapsulated end = encapsulate(CKM_RSA_X_509, by, shown_secret(32));
  const Bytes number = other.decrypt(RSA_NO_PADDING, end.cipher);
  EXPECT_EQ(Bytes(number.end() - 32, number.end()), session.get(end.key, CKA_VALUE));
  EXPECT_NE(end.cipher, whole.cipher);
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, try_encapsulate(CKM_RSA_X_509, by, shown_secret(257)));
  Bytes value(256, 0x42);
  for (const bool resident : {true, false}) {
    const KeyPair pair = rsa_pair(resident);
    const peer::Key half = peer::Key::rsa_public(session.get(pair.public_key, CKA_MODULUS),
                                                 session.get(pair.public_key, CKA_PUBLIC_EXPONENT));
    const Bytes cipher = half.encrypt(RSA_NO_PADDING, value);
    EXPECT_EQ(decapsulated(CKM_RSA_X_509, pair.private_key, cipher, shown_secret(0)), value);
    EXPECT_EQ(decapsulated(CKM_RSA_X_509, pair.private_key, cipher, shown_secret(16)), Bytes(16, 0x42));
    const auto answer = [&](const Mechanism& how, const Bytes& sent) {
      return try_decapsulate(how, pair.private_key, sent, shown_secret(0));
    };
    EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, answer(CKM_RSA_X_509, Bytes(255, 1)));
    EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_RSA_X_509, Bytes(256, 0xFF))) << "not below the modulus";
    EXPECT_RV(CKR_OK, answer(Mechanism::with_parameter(CKM_RSA_X_509, Bytes(4)), cipher)) << "which it ignores";
  }
}

TEST_F(Encapsulate, RsaSecretsHaveTheLengthOfTheTemplate) {
  const KeyPair pair = rsa_pair();
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, [&] {
    Bytes room(256);
    CK_ULONG size = room.size();
    Template wanted = shown_secret(0);
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    Mechanism mechanism = CKM_RSA_PKCS;
    return p11_3().C_EncapsulateKey(session, mechanism.get(), pair.public_key, wanted.data(), wanted.size(),
                                    room.data(), &size, &key);
  }());
  EXPECT_EQ(encapsulate(CKM_RSA_PKCS, pair.public_key, shown_secret(245)).cipher.size(), 256u);
  EXPECT_RV(CKR_KEY_SIZE_RANGE, try_encapsulate(CKM_RSA_PKCS, pair.public_key, shown_secret(246)));
  EXPECT_RV(CKR_KEY_SIZE_RANGE, try_encapsulate(CKM_RSA_PKCS, pair.public_key, shown_secret(4096)));
  // A key type with a single length needs no CKA_VALUE_LEN.
  const Template chacha = shown_secret(0).with({{CKA_KEY_TYPE, CKK_CHACHA20}});
  EXPECT_EQ(session.get(encapsulate(CKM_RSA_PKCS, pair.public_key, chacha).key, CKA_VALUE).size(), 32u);
}

// --- the new key, and the keys that may make it ---

TEST_F(Encapsulate, ASecretThatIsNoKeyOfTheTypeNeedsALength) {
  const KeyPair pair = ec_pair("P-521");
  const Bytes cipher = encapsulate(ecdh(), pair.public_key, shown_secret(0)).cipher;
  const Template aes = {{CKA_KEY_TYPE, CKK_AES}};
  EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, try_decapsulate(ecdh(), pair.private_key, cipher, aes)) << "66 bytes";
  EXPECT_RV(CKR_OK, try_decapsulate(ecdh(), pair.private_key, cipher, aes.with({{CKA_VALUE_LEN, 32}})));
}

TEST_F(Encapsulate, TheNewKeyHasTheTemplatesAttributes) {
  const KeyPair rsa = rsa_pair(), ec = ec_pair("P-256");
  const Template wanted = {{CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE_LEN, 32}, {CKA_LABEL, "new"}};
  for (const auto& [mechanism, pair] : {std::pair{Mechanism(CKM_RSA_PKCS), rsa}, {ecdh(), ec}}) {
    SCOPED_TRACE(mechanism.type());
    const Encapsulated made = encapsulate(mechanism, pair.public_key, wanted.with({{CKA_SENSITIVE, true}}));
    CK_OBJECT_HANDLE came = CK_INVALID_HANDLE;
    MUST(try_decapsulate(mechanism, pair.private_key, made.cipher, wanted.with({{CKA_EXTRACTABLE, false}}), &came));
    for (const CK_OBJECT_HANDLE key : {made.key, came}) {
      EXPECT_EQ(session.number(key, CKA_CLASS), CKO_SECRET_KEY);
      EXPECT_EQ(session.number(key, CKA_VALUE_LEN), 32u);
      EXPECT_EQ(session.text(key, CKA_LABEL), "new");
      EXPECT_EQ(session.flag(key, CKA_EXTRACTABLE), key == made.key) << "true is the default";
      for (const CK_ATTRIBUTE_TYPE no : {CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE})
        EXPECT_FALSE(session.flag(key, no));
    }
    const Mechanism cbc = Mechanism::with_parameter(CKM_AES_CBC_PAD, Bytes(16, 1));
    EXPECT_EQ(session.decrypt(cbc, came, session.encrypt(cbc, made.key, bytes("message"))), bytes("message"));
    Session reader(slot, Session::kReadOnly);
    Template lasting = wanted.with({{CKA_TOKEN, true}});
    Mechanism how = mechanism;
    CK_OBJECT_HANDLE none = CK_INVALID_HANDLE;
    Bytes room(512);
    CK_ULONG size = room.size();
    EXPECT_RV(CKR_SESSION_READ_ONLY, p11_3().C_EncapsulateKey(reader, how.get(), pair.public_key, lasting.data(),
                                                              lasting.size(), room.data(), &size, &none));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
              try_encapsulate(mechanism, pair.public_key, wanted.with({{CKA_CLASS, CKO_PRIVATE_KEY}})));
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY,
              try_encapsulate(mechanism, pair.public_key, wanted.with({{CKA_VALUE, Bytes(32, 1)}})));
  }
}

TEST_F(Encapsulate, RejectsKeysThatMayNotEncapsulate) {
  const KeyPair ec = ec_pair("P-256"), rsa = rsa_pair(), plain = session.generate_ec(kP256);
  EXPECT_FALSE(session.flag(plain.public_key, CKA_ENCAPSULATE)) << "the default";
  EXPECT_FALSE(session.flag(plain.private_key, CKA_DECAPSULATE)) << "the default";
  const Bytes cipher = encapsulate(ecdh(), ec.public_key, shown_secret(0)).cipher;
  const auto makes = [&](const Mechanism& how, CK_OBJECT_HANDLE by) {
    return try_encapsulate(how, by, shown_secret(32));
  };
  const auto opens = [&](const Mechanism& how, CK_OBJECT_HANDLE by) {
    return try_decapsulate(how, by, cipher, shown_secret(32));
  };
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, makes(ecdh(), plain.public_key));
  EXPECT_RV(CKR_KEY_FUNCTION_NOT_PERMITTED, opens(ecdh(), plain.private_key));
  MUST(session.try_set(plain.public_key, kEncapsulates));
  MUST(session.try_set(plain.private_key, kDecapsulates));
  EXPECT_RV(CKR_OK, makes(ecdh(), plain.public_key));
  EXPECT_RV(CKR_OK, opens(ecdh(), plain.private_key));
  for (const CK_OBJECT_HANDLE none : {CK_OBJECT_HANDLE{0}, kAbsurd, session.create({{CKA_CLASS, CKO_DATA}})}) {
    EXPECT_RV(CKR_KEY_HANDLE_INVALID, makes(ecdh(), none));
    EXPECT_RV(CKR_UNWRAPPING_KEY_HANDLE_INVALID, opens(ecdh(), none));
  }
  for (const CK_OBJECT_HANDLE other : {ec.private_key, rsa.public_key})
    EXPECT_RV(CKR_KEY_TYPE_INCONSISTENT, makes(ecdh(), other));
  for (const CK_OBJECT_HANDLE other : {ec.public_key, rsa.private_key})
    EXPECT_RV(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT, opens(ecdh(), other));
  for (const CK_MECHANISM_TYPE type : {CKM_ECDSA, CKM_RSA_AES_KEY_WRAP, CKM_AES_KEY_WRAP}) {
    EXPECT_RV(CKR_MECHANISM_INVALID, makes(type, ec.public_key));
    EXPECT_RV(CKR_MECHANISM_INVALID, opens(type, ec.private_key));
  }
  EXPECT_RV(
      CKR_KEY_SIZE_RANGE,
      makes(Mechanism::oaep(CKM_SHA512, CKG_MGF1_SHA512),
            session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, kEncapsulates.with({{CKA_MODULUS_BITS, 1024}}), {}).public_key))
      << "1024 bits are too few for SHA-512";
}

TEST_F(Encapsulate, EncapsulateTemplatesAreEnforced) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE stays[] = {{CKA_EXTRACTABLE, &no, sizeof no}, {CKA_SENSITIVE, &yes, sizeof yes}};
  const auto* raw = reinterpret_cast<const uint8_t*>(&stays);
  const Bytes demands(raw, raw + sizeof stays);
  const KeyPair pair = session.generate(
      CKM_EC_KEY_PAIR_GEN, kEncapsulates.with({{CKA_EC_PARAMS, kP256}, {CKA_ENCAPSULATE_TEMPLATE, demands}}),
      kDecapsulates.with({{CKA_DECAPSULATE_TEMPLATE, demands}}));
  const Encapsulated made = encapsulate(ecdh(), pair.public_key, {});
  CK_OBJECT_HANDLE came = CK_INVALID_HANDLE;
  MUST(try_decapsulate(ecdh(), pair.private_key, made.cipher, {{CKA_EXTRACTABLE, false}}, &came));
  for (const CK_OBJECT_HANDLE key : {made.key, came}) {
    EXPECT_FALSE(session.flag(key, CKA_EXTRACTABLE));
    EXPECT_TRUE(session.flag(key, CKA_SENSITIVE));
  }
  // 5.18.8 and 5.18.9 name these codes.
  EXPECT_RV(CKR_KEY_HANDLE_INVALID, try_encapsulate(ecdh(), pair.public_key, {{CKA_EXTRACTABLE, true}}));
  EXPECT_RV(CKR_TEMPLATE_INCONSISTENT,
            try_decapsulate(ecdh(), pair.private_key, made.cipher, {{CKA_EXTRACTABLE, true}}));
}

TEST_F(Encapsulate, RejectsBadArguments) {
  const KeyPair pair = ec_pair("P-256");
  Mechanism mechanism = ecdh();
  Template wanted = shown_secret(0);
  CK_ATTRIBUTE* rows = wanted.data();
  const CK_ULONG count = wanted.size();
  Bytes room(65);
  CK_ULONG size = room.size();
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  const auto makes = [&](CK_MECHANISM* how, CK_ATTRIBUTE* first, CK_ULONG* length, CK_OBJECT_HANDLE* to) {
    return p11_3().C_EncapsulateKey(session, how, pair.public_key, first, count, room.data(), length, to);
  };
  EXPECT_RV(CKR_ARGUMENTS_BAD, makes(nullptr, rows, &size, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, makes(mechanism.get(), nullptr, &size, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, makes(mechanism.get(), rows, nullptr, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, makes(mechanism.get(), rows, &size, nullptr));
  EXPECT_RV(CKR_OK, makes(mechanism.get(), rows, &size, &key));
  const auto opens = [&](CK_MECHANISM* how, CK_ATTRIBUTE* first, CK_BYTE* bytes, CK_ULONG length,
                         CK_OBJECT_HANDLE* to) {
    return p11_3().C_DecapsulateKey(session, how, pair.private_key, first, count, bytes, length, to);
  };
  EXPECT_RV(CKR_ARGUMENTS_BAD, opens(nullptr, rows, room.data(), size, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, opens(mechanism.get(), nullptr, room.data(), size, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, opens(mechanism.get(), rows, nullptr, size, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, opens(mechanism.get(), rows, room.data(), kAbsurd, &key));
  EXPECT_RV(CKR_ARGUMENTS_BAD, opens(mechanism.get(), rows, room.data(), size, nullptr));
  EXPECT_RV(CKR_OK, opens(mechanism.get(), rows, room.data(), size, &key));
  room[40] ^= 1;
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, opens(mechanism.get(), rows, room.data(), size, &key)) << "not on the curve";
}

// --- Diffie-Hellman: the cipher text is a public value, as long as the prime ---

TEST_F(Encapsulate, DiffieHellmanMatchesThePublishedVectors) {
  for_each_line("dh.txt", [&](const Line& line) {
    const CK_OBJECT_HANDLE key = session.create(kDecapsulates.with({{CKA_CLASS, CKO_PRIVATE_KEY},
                                                                    {CKA_KEY_TYPE, CKK_DH},
                                                                    {CKA_PRIME, line.bytes("p")},
                                                                    {CKA_BASE, line.bytes("g")},
                                                                    {CKA_VALUE, line.bytes("x")}}));
    EXPECT_EQ(to_hex(decapsulated(CKM_DH_PKCS_DERIVE, key, line.bytes("peer"), shown_secret(0))), line.text("secret"));
  });
}

TEST_F(Encapsulate, DiffieHellmanDecapsulatesWhatItEncapsulated) {
  CK_OBJECT_HANDLE domain = CK_INVALID_HANDLE;
  MUST(try_generate_key(session, CKM_DH_PKCS_PARAMETER_GEN, {{CKA_PRIME_BITS, 2048}}, &domain));
  const Template parameters = {{CKA_PRIME, session.get(domain, CKA_PRIME)}, {CKA_BASE, session.get(domain, CKA_BASE)}};
  const KeyPair pair =
      session.generate(CKM_DH_PKCS_KEY_PAIR_GEN, parameters.with({{CKA_ENCAPSULATE, true}}), kDecapsulates);
  for (const CK_ULONG bytes : {0, 32}) {
    const Encapsulated made = encapsulate(CKM_DH_PKCS_DERIVE, pair.public_key, shown_secret(bytes));
    EXPECT_EQ(made.cipher.size(), 256u);
    const Bytes value = session.get(made.key, CKA_VALUE);
    EXPECT_EQ(value.size(), bytes ? bytes : 256u);
    EXPECT_EQ(decapsulated(CKM_DH_PKCS_DERIVE, pair.private_key, made.cipher, shown_secret(bytes)), value);
    // C_DeriveKey derives the same secret.
    EXPECT_EQ(
        derived_value(session, Mechanism::with_parameter(CKM_DH_PKCS_DERIVE, made.cipher), pair.private_key, bytes),
        value);
  }
  const auto answer = [&](const Mechanism& how, const Bytes& sent) {
    return try_decapsulate(how, pair.private_key, sent, shown_secret(0));
  };
  EXPECT_RV(CKR_WRAPPED_KEY_LEN_RANGE, answer(CKM_DH_PKCS_DERIVE, Bytes(257, 1)));
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_DH_PKCS_DERIVE, Bytes(256, 0xFF))) << "not below the prime";
  EXPECT_RV(CKR_WRAPPED_KEY_INVALID, answer(CKM_DH_PKCS_DERIVE, {1}));
  const Mechanism with_parameter = Mechanism::with_parameter(CKM_DH_PKCS_DERIVE, Bytes(8));
  const Encapsulated made = encapsulate(with_parameter, pair.public_key, shown_secret(0));
  EXPECT_EQ(decapsulated(with_parameter, pair.private_key, made.cipher, shown_secret(0)),
            session.get(made.key, CKA_VALUE))
      << "a parameter is ignored";
}

// The cofactor of all these curves is 1, or their function clears it (RFC 7748), so both mechanisms make the same key.
TEST_F(Encapsulate, CofactorDerivationGivesTheSameKey) {
  const Bytes parameter = bytes_of(CK_ECDH1_DERIVE_PARAMS{CKD_SHA256_KDF, 0, nullptr, 0, nullptr});
  const Mechanism plain = Mechanism::with_parameter(CKM_ECDH1_DERIVE, parameter);
  const Mechanism cofactor = Mechanism::with_parameter(CKM_ECDH1_COFACTOR_DERIVE, parameter);
  const KeyPair pair =
      session.generate(CKM_EC_KEY_PAIR_GEN, kEncapsulates.with({{CKA_EC_PARAMS, kP384}}), kDecapsulates);
  const Template wanted = {{CKA_CLASS, CKO_SECRET_KEY},
                           {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                           {CKA_VALUE_LEN, 32},
                           {CKA_SENSITIVE, false},
                           {CKA_EXTRACTABLE, true}};
  const Encapsulated made = encapsulate(cofactor, pair.public_key, wanted);
  for (const Mechanism& by : {cofactor, plain}) {
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    EXPECT_RV(CKR_OK, try_decapsulate(by, pair.private_key, made.cipher, wanted, &key));
    EXPECT_EQ(session.get(key, CKA_VALUE), session.get(made.key, CKA_VALUE));
  }
}

}  // namespace
}  // namespace vtpm::conformance
