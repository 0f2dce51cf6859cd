// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/harness/workshop.h"

#include "tests/conformance/harness/peer.h"

namespace vtpm::conformance {
namespace {

constexpr CK_FLAGS kEverything = CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MESSAGE_SIGN | CKF_MESSAGE_VERIFY |
                                 CKF_FIND_OBJECTS | CKF_ENCRYPT | CKF_DECRYPT | CKF_DIGEST | CKF_SIGN |
                                 CKF_SIGN_RECOVER | CKF_VERIFY | CKF_VERIFY_RECOVER;
const Template kKept = {{CKA_TOKEN, true}, {CKA_PRIVATE, true}};
const Template kMade = {{CKA_TOKEN, true}, {CKA_PRIVATE, true}, {CKA_LABEL, "made"}};

Template both(Template one, const Template& other) {
  for (const Attribute& attribute : other.attributes()) one = one.with({attribute});
  return one;
}

void nothing() {}

Mechanism cbc() { return Mechanism::with_parameter(CKM_AES_CBC_PAD, Bytes(16, 3)); }

}  // namespace

Workshop::Workshop() {
  const Template every_use = {{CKA_ENCRYPT, true}, {CKA_DECRYPT, true}, {CKA_WRAP, true}, {CKA_UNWRAP, true}};
  aes_ = session.create(both(
      kKept, both(every_use, {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_AES}, {CKA_VALUE, Bytes(32, 0x57)}})));
  hmac_ = session.create(both(kKept, {{CKA_CLASS, CKO_SECRET_KEY},
                                      {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                      {CKA_VALUE, Bytes(32, 0x58)},
                                      {CKA_EXTRACTABLE, true}}));
  data_ = session.create(both(kKept, {{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "data"}, {CKA_VALUE, Bytes(100, 7)}}));
  ec_ = session.generate(CKM_EC_KEY_PAIR_GEN, both(kKept, {{CKA_EC_PARAMS, kP256}, {CKA_LABEL, "ec"}}),
                         both(kKept, {{CKA_DERIVE, true}, {CKA_LABEL, "ec"}}));
  soft_ = session.generate(CKM_EC_KEY_PAIR_GEN, both(kKept, {{CKA_EC_PARAMS, kP256}, {CKA_ENCAPSULATE, true}}),
                           both(kKept, {{CKA_DECAPSULATE, true}, {kVtpmResident, false}}));
  rsa_ =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN, both(kKept, {{CKA_MODULUS_BITS, 1024}, {CKA_VERIFY_RECOVER, true}}),
                       both(kKept, {{CKA_SIGN_RECOVER, true}, {kVtpmResident, false}}));
  parameter_.data();  // its size is known from now on
  mac_ = session.sign(CKM_SHA256_HMAC, hmac_, in_);
  add_general();
  add_objects();
  add_encryption();
  add_digests();
  add_signatures();
  add_messages();
  add_keys();
  add_tpm();
  add_pins();
  kept_count_ = session.find({}).size();
}

void Workshop::heal() {
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  MUST(session.try_create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}}, &object));
  MUST(p11->C_DestroyObject(session, object));
}

void Workshop::tidy() {
  p11_3().C_SessionCancel(session, kEverything);
  if (session.state() != CKS_RW_USER_FUNCTIONS) {
    p11->C_Logout(session);
    session.login();
  }
  for (const CK_OBJECT_HANDLE object : made()) MUST(p11->C_DestroyObject(session, object));
}

void Workshop::add(const char* function, std::function<void()> prepare, std::function<CK_RV()> call, size_t makes) {
  works_.push_back({function, std::move(prepare), std::move(call), makes});
}
void Workshop::add_dear(const char* function, std::function<void()> prepare, std::function<CK_RV()> call) {
  works_.push_back({function, std::move(prepare), std::move(call), 0, true});
}

void Workshop::add_general() {
  static CK_INFO info;
  static CK_SLOT_INFO slot_info;
  static CK_TOKEN_INFO token_info;
  static CK_SESSION_INFO session_info;
  static CK_MECHANISM_INFO mechanism_info;
  static CK_SESSION_HANDLE opened;
  static CK_FLAGS flags;
  add("C_GetInfo", nothing, [] { return p11->C_GetInfo(&info); });
  add("C_GetSlotList", nothing, [&] { return p11->C_GetSlotList(CK_TRUE, nullptr, &size_); });
  add("C_GetSlotInfo", nothing, [&] { return p11->C_GetSlotInfo(slot, &slot_info); });
  add("C_GetTokenInfo", nothing, [&] { return p11->C_GetTokenInfo(slot, &token_info); });
  add("C_GetMechanismList", nothing, [&] { return p11->C_GetMechanismList(slot, nullptr, &size_); });
  add("C_GetMechanismInfo", nothing, [&] { return p11->C_GetMechanismInfo(slot, CKM_SHA256, &mechanism_info); });
  add("C_OpenSession", nothing, [&] {
    const CK_RV rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &opened);
    if (rv == CKR_OK) p11->C_CloseSession(opened);
    return rv;
  });
  add(
      "C_CloseSession",
      [&] {
        MUST(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &opened));
        MUST(p11->C_DigestInit(opened, Mechanism(CKM_SHA256).get()));
      },
      [] { return p11->C_CloseSession(opened); });
  add("C_GetSessionInfo", nothing, [&] { return p11->C_GetSessionInfo(session, &session_info); });
  add("C_GetSessionValidationFlags", nothing,
      [&] { return p11_3().C_GetSessionValidationFlags(session, CKS_LAST_VALIDATION_OK, &flags); });
  add(
      "C_SessionCancel", [&] { MUST(p11->C_DigestInit(session, Mechanism(CKM_SHA256).get())); },
      [&] { return p11_3().C_SessionCancel(session, kEverything); });
  add("C_SeedRandom", nothing, [&] { return p11->C_SeedRandom(session, in_.data(), in_.size()); });
  add("C_GenerateRandom", nothing, [&] { return p11->C_GenerateRandom(session, out_.data(), out_.size()); });
}

void Workshop::add_objects() {
  static CK_OBJECT_HANDLE object, found[8];
  static CK_ATTRIBUTE row;
  static Template wanted;
  const auto creates = [&](const Template& what) {
    add(
        "C_CreateObject", nothing,
        [this, what] {
          Template rows = what;
          return session.try_create(rows);
        },
        1);
  };
  creates(both(kMade, {{CKA_CLASS, CKO_DATA}, {CKA_VALUE, Bytes(300, 9)}}));
  creates(both(kMade, {{CKA_CLASS, CKO_DATA}, {CKA_APPLICATION, "tpm-nv"}, {CKA_VALUE, Bytes(30, 9)}}));
  const peer::Key key = peer::Key::generate_ec("P-256");
  const peer::Certificate certificate = peer::self_signed(key, "made");
  creates({{CKA_CLASS, CKO_CERTIFICATE},
           {CKA_CERTIFICATE_TYPE, CKC_X_509},
           {CKA_TOKEN, true},
           {CKA_LABEL, "made"},
           {CKA_SUBJECT, certificate.subject},
           {CKA_VALUE, certificate.der}});
  creates(both(kMade, {{CKA_CLASS, CKO_PRIVATE_KEY},
                       {CKA_KEY_TYPE, CKK_EC},
                       {CKA_EC_PARAMS, kP256},
                       {CKA_VALUE, key.number("priv", 32)}}));
  add(
      "C_CopyObject", nothing,
      [&] {
        return session.try_copy(data_, {{CKA_LABEL, "made"}});
      },
      1);
  add(
      "C_DestroyObject",
      [&] {
        object = session.create(both(kMade, {{CKA_CLASS, CKO_DATA}, {CKA_VALUE, Bytes(300, 9)}}));
      },
      [&] { return p11->C_DestroyObject(session, object); });
  add("C_GetObjectSize", nothing, [&] { return p11->C_GetObjectSize(session, data_, &size_); });
  add("C_GetAttributeValue", nothing, [&] {
    row = {CKA_VALUE, out_.data(), out_.size()};
    return p11->C_GetAttributeValue(session, data_, &row, 1);
  });
  add("C_SetAttributeValue", nothing, [&] { return session.try_set(data_, {{CKA_VALUE, Bytes(100, 7)}}); });
  add("C_FindObjectsInit", nothing, [&] {
    wanted = {{CKA_LABEL, "data"}};
    return p11->C_FindObjectsInit(session, wanted.data(), wanted.size());
  });
  add(
      "C_FindObjects",
      [&] {
        wanted = {{CKA_LABEL, "data"}};
        MUST(p11->C_FindObjectsInit(session, wanted.data(), wanted.size()));
      },
      [&] { return p11->C_FindObjects(session, found, 8, &size_); });
  add(
      "C_FindObjectsFinal",
      [&] {
        wanted = {{CKA_LABEL, "data"}};
        MUST(p11->C_FindObjectsInit(session, wanted.data(), wanted.size()));
      },
      [&] { return p11->C_FindObjectsFinal(session); });
}

void Workshop::add_pins() {
  Bytes* const pin = const_cast<Bytes*>(&kUserPin);
  add_dear(
      "C_Login", [&] { session.logout(); }, [&] { return session.try_login(CKU_USER, kUserPin); });
  add_dear(
      "C_LoginUser", [&] { session.logout(); },
      [this, pin] { return p11_3().C_LoginUser(session, CKU_USER, pin->data(), pin->size(), nullptr, 0); });
  add("C_Logout", nothing, [&] { return p11->C_Logout(session); });
  add_dear("C_SetPIN", nothing,
           [this, pin] { return p11->C_SetPIN(session, pin->data(), pin->size(), pin->data(), pin->size()); });
  add_dear(
      "C_InitPIN",
      [&] {
        session.logout();
        session.login(CKU_SO);
      },
      [this, pin] { return p11->C_InitPIN(session, pin->data(), pin->size()); });
  add_dear("C_InitToken", nothing, [] { return try_init_token(free_slot(), kSoPin, "another"); });
}

void Workshop::encrypts() { MUST(p11->C_EncryptInit(session, cbc().get(), aes_)); }

void Workshop::add_encryption() {
  kept_ = session.encrypt(cbc(), aes_, in_);
  const auto decrypts = [&] { MUST(p11->C_DecryptInit(session, cbc().get(), aes_)); };
  add("C_EncryptInit", nothing, [&] { return p11->C_EncryptInit(session, cbc().get(), aes_); });
  add(
      "C_Encrypt", [&] { encrypts(); },
      [&] { return room(), p11->C_Encrypt(session, in_.data(), in_.size(), out_.data(), &size_); });
  add(
      "C_EncryptUpdate", [&] { encrypts(); },
      [&] { return room(), p11->C_EncryptUpdate(session, in_.data(), in_.size(), out_.data(), &size_); });
  add(
      "C_EncryptFinal", [&] { encrypts(); }, [&] { return room(), p11->C_EncryptFinal(session, out_.data(), &size_); });
  add("C_DecryptInit", nothing, [&] { return p11->C_DecryptInit(session, cbc().get(), aes_); });
  add("C_Decrypt", decrypts,
      [&] { return room(), p11->C_Decrypt(session, kept_.data(), kept_.size(), out_.data(), &size_); });
  add("C_DecryptUpdate", decrypts,
      [&] { return room(), p11->C_DecryptUpdate(session, kept_.data(), kept_.size(), out_.data(), &size_); });
  add(
      "C_DecryptFinal",
      [this, decrypts] {
        decrypts();
        room();
        MUST(p11->C_DecryptUpdate(session, kept_.data(), kept_.size(), out_.data(), &size_));
      },
      [&] { return room(), p11->C_DecryptFinal(session, out_.data(), &size_); });
  add(
      "C_DigestEncryptUpdate",
      [&] {
        encrypts();
        MUST(p11->C_DigestInit(session, Mechanism(CKM_SHA256).get()));
      },
      [&] { return room(), p11->C_DigestEncryptUpdate(session, in_.data(), in_.size(), out_.data(), &size_); });
  add(
      "C_DecryptDigestUpdate",
      [this, decrypts] {
        decrypts();
        MUST(p11->C_DigestInit(session, Mechanism(CKM_SHA256).get()));
      },
      [&] { return room(), p11->C_DecryptDigestUpdate(session, kept_.data(), kept_.size(), out_.data(), &size_); });
  add(
      "C_SignEncryptUpdate",
      [&] {
        encrypts();
        signs(p11->C_SignInit);
      },
      [&] { return room(), p11->C_SignEncryptUpdate(session, in_.data(), in_.size(), out_.data(), &size_); });
  add(
      "C_DecryptVerifyUpdate",
      [this, decrypts] {
        decrypts();
        signs(p11->C_VerifyInit);
      },
      [&] { return room(), p11->C_DecryptVerifyUpdate(session, kept_.data(), kept_.size(), out_.data(), &size_); });
}

void Workshop::add_digests() {
  static Bytes state;
  const auto digests = [&] { MUST(p11->C_DigestInit(session, Mechanism(CKM_SHA256).get())); };
  add("C_DigestInit", nothing, [&] { return p11->C_DigestInit(session, Mechanism(CKM_SHA256).get()); });
  add("C_Digest", digests, [&] { return room(), p11->C_Digest(session, in_.data(), in_.size(), out_.data(), &size_); });
  add("C_DigestUpdate", digests, [&] { return p11->C_DigestUpdate(session, in_.data(), in_.size()); });
  add("C_DigestKey", digests, [&] { return p11->C_DigestKey(session, hmac_); });
  add("C_DigestFinal", digests, [&] { return room(), p11->C_DigestFinal(session, out_.data(), &size_); });
  add("C_GetOperationState", digests, [&] { return room(), p11->C_GetOperationState(session, out_.data(), &size_); });
  add(
      "C_SetOperationState",
      [this, digests] {
        digests();
        room();
        MUST(p11->C_GetOperationState(session, out_.data(), &size_));
        state.assign(out_.begin(), out_.begin() + static_cast<long>(size_));
        MUST(p11_3().C_SessionCancel(session, kEverything));
      },
      [&] { return p11->C_SetOperationState(session, state.data(), state.size(), 0, 0); });
}

void Workshop::signs(CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE)) {
  MUST(init(session, Mechanism(CKM_SHA256_HMAC).get(), hmac_));
}

void Workshop::add_signatures() {
  static Bytes recoverable;
  recoverable.resize(128);
  const auto signs_with = [this](CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
    return [this, type, key] { MUST(p11->C_SignInit(session, Mechanism(type).get(), key)); };
  };
  const auto fed = [this](auto init, auto update) {
    return [this, init, update] {
      signs(init);
      MUST(update(session, in_.data(), in_.size()));
    };
  };
  add("C_SignInit", nothing,
      [&] { return p11->C_SignInit(session, Mechanism(CKM_ECDSA_SHA256).get(), soft_.private_key); });
  const auto sign = [&] { return room(), p11->C_Sign(session, in_.data(), in_.size(), out_.data(), &size_); };
  add("C_Sign", signs_with(CKM_SHA256_HMAC, hmac_), sign);
  add("C_Sign", signs_with(CKM_ECDSA_SHA256, ec_.private_key), sign);
  add("C_Sign", signs_with(CKM_SHA256_RSA_PKCS, rsa_.private_key), sign);
  add(
      "C_SignUpdate", [&] { signs(p11->C_SignInit); },
      [&] { return p11->C_SignUpdate(session, in_.data(), in_.size()); });
  add("C_SignFinal", fed(p11->C_SignInit, p11->C_SignUpdate),
      [&] { return room(), p11->C_SignFinal(session, out_.data(), &size_); });
  const auto recovers = [&] { MUST(p11->C_SignRecoverInit(session, Mechanism(CKM_RSA_PKCS).get(), rsa_.private_key)); };
  add("C_SignRecoverInit", nothing,
      [&] { return p11->C_SignRecoverInit(session, Mechanism(CKM_RSA_PKCS).get(), rsa_.private_key); });
  add("C_SignRecover", recovers,
      [&] { return room(), p11->C_SignRecover(session, in_.data(), in_.size(), out_.data(), &size_); });
  add("C_VerifyInit", nothing, [&] { return p11->C_VerifyInit(session, Mechanism(CKM_SHA256_HMAC).get(), hmac_); });
  add(
      "C_Verify", [&] { signs(p11->C_VerifyInit); },
      [&] { return p11->C_Verify(session, in_.data(), in_.size(), mac_.data(), mac_.size()); });
  add(
      "C_VerifyUpdate", [&] { signs(p11->C_VerifyInit); },
      [&] { return p11->C_VerifyUpdate(session, in_.data(), in_.size()); });
  add("C_VerifyFinal", fed(p11->C_VerifyInit, p11->C_VerifyUpdate),
      [&] { return p11->C_VerifyFinal(session, mac_.data(), mac_.size()); });
  const auto verifies_recovered = [&] {
    return p11->C_VerifyRecoverInit(session, Mechanism(CKM_RSA_PKCS).get(), rsa_.public_key);
  };
  add("C_VerifyRecoverInit", nothing, verifies_recovered);
  add(
      "C_VerifyRecover",
      [this, recovers, verifies_recovered] {
        recovers();
        CK_ULONG size = recoverable.size();
        MUST(p11->C_SignRecover(session, in_.data(), in_.size(), recoverable.data(), &size));
        MUST(verifies_recovered());
      },
      [&] {
        return room(), p11->C_VerifyRecover(session, recoverable.data(), recoverable.size(), out_.data(), &size_);
      });
  const auto begin = [&] {
    return p11_3().C_VerifySignatureInit(session, Mechanism(CKM_SHA256_HMAC).get(), hmac_, mac_.data(), mac_.size());
  };
  const auto begun = [begin] { MUST(begin()); };
  add("C_VerifySignatureInit", nothing, begin);
  add("C_VerifySignature", begun, [&] { return p11_3().C_VerifySignature(session, in_.data(), in_.size()); });
  add("C_VerifySignatureUpdate", begun,
      [&] { return p11_3().C_VerifySignatureUpdate(session, in_.data(), in_.size()); });
  add(
      "C_VerifySignatureFinal",
      [this, begin] {
        MUST(begin());
        MUST(p11_3().C_VerifySignatureUpdate(session, in_.data(), in_.size()));
      },
      [&] { return p11_3().C_VerifySignatureFinal(session); });
}

void Workshop::add_messages() {
  static Bytes sealed(32);
  const auto& f = p11_3();
  const auto gcm = [this](auto init) {
    return [this, init] { return init(session, Mechanism(CKM_AES_GCM).get(), aes_); };
  };
  const auto mac = [this](auto init) {
    return [this, init] { return init(session, Mechanism(CKM_SHA256_HMAC).get(), hmac_); };
  };
  const auto done = [](auto call) { return [call] { MUST(call()); }; };
  const auto encrypt = [this, &f] {
    CK_ULONG size = sealed.size();
    return f.C_EncryptMessage(session, parameter_.data(), parameter_.size(), nullptr, 0, in_.data(), in_.size(),
                              sealed.data(), &size);
  };
  const auto begin_encrypting = [this, &f] {
    return f.C_EncryptMessageBegin(session, parameter_.data(), parameter_.size(), nullptr, 0);
  };
  add("C_MessageEncryptInit", nothing, gcm(f.C_MessageEncryptInit));
  add("C_EncryptMessage", done(gcm(f.C_MessageEncryptInit)), encrypt);
  add("C_EncryptMessageBegin", done(gcm(f.C_MessageEncryptInit)), begin_encrypting);
  add(
      "C_EncryptMessageNext",
      [gcm, begin_encrypting, &f] {
        MUST(gcm(f.C_MessageEncryptInit)());
        MUST(begin_encrypting());
      },
      [this, &f] {
        return room(), f.C_EncryptMessageNext(session, parameter_.data(), parameter_.size(), in_.data(), in_.size(),
                                              out_.data(), &size_, CKF_END_OF_MESSAGE);
      });
  add("C_MessageEncryptFinal", done(gcm(f.C_MessageEncryptInit)), [&] { return f.C_MessageEncryptFinal(session); });
  const auto sealed_before = [gcm, encrypt, &f] {
    MUST(gcm(f.C_MessageEncryptInit)());
    MUST(encrypt());
    MUST(gcm(f.C_MessageDecryptInit)());
  };
  const auto begin_decrypting = [this, &f] {
    return f.C_DecryptMessageBegin(session, parameter_.data(), parameter_.size(), nullptr, 0);
  };
  add("C_MessageDecryptInit", nothing, gcm(f.C_MessageDecryptInit));
  add("C_DecryptMessage", sealed_before, [this, &f] {
    return room(), f.C_DecryptMessage(session, parameter_.data(), parameter_.size(), nullptr, 0, sealed.data(),
                                      sealed.size(), out_.data(), &size_);
  });
  add("C_DecryptMessageBegin", sealed_before, begin_decrypting);
  add(
      "C_DecryptMessageNext",
      [sealed_before, begin_decrypting] {
        sealed_before();
        MUST(begin_decrypting());
      },
      [this, &f] {
        return room(), f.C_DecryptMessageNext(session, parameter_.data(), parameter_.size(), sealed.data(),
                                              sealed.size(), out_.data(), &size_, CKF_END_OF_MESSAGE);
      });
  add("C_MessageDecryptFinal", done(gcm(f.C_MessageDecryptInit)), [&] { return f.C_MessageDecryptFinal(session); });

  add("C_MessageSignInit", nothing, mac(f.C_MessageSignInit));
  add("C_SignMessage", done(mac(f.C_MessageSignInit)),
      [this, &f] { return room(), f.C_SignMessage(session, nullptr, 0, in_.data(), in_.size(), out_.data(), &size_); });
  add("C_SignMessageBegin", done(mac(f.C_MessageSignInit)),
      [this, &f] { return f.C_SignMessageBegin(session, nullptr, 0); });
  add(
      "C_SignMessageNext",
      [this, mac, &f] {
        MUST(mac(f.C_MessageSignInit)());
        MUST(f.C_SignMessageBegin(session, nullptr, 0));
      },
      [this, &f] {
        return room(), f.C_SignMessageNext(session, nullptr, 0, in_.data(), in_.size(), out_.data(), &size_);
      });
  add("C_MessageSignFinal", done(mac(f.C_MessageSignInit)), [&] { return f.C_MessageSignFinal(session); });
  add("C_MessageVerifyInit", nothing, mac(f.C_MessageVerifyInit));
  add("C_VerifyMessage", done(mac(f.C_MessageVerifyInit)),
      [this, &f] { return f.C_VerifyMessage(session, nullptr, 0, in_.data(), in_.size(), mac_.data(), mac_.size()); });
  add("C_VerifyMessageBegin", done(mac(f.C_MessageVerifyInit)),
      [this, &f] { return f.C_VerifyMessageBegin(session, nullptr, 0); });
  add(
      "C_VerifyMessageNext",
      [this, mac, &f] {
        MUST(mac(f.C_MessageVerifyInit)());
        MUST(f.C_VerifyMessageBegin(session, nullptr, 0));
      },
      [this, &f] {
        return f.C_VerifyMessageNext(session, nullptr, 0, in_.data(), in_.size(), mac_.data(), mac_.size());
      });
  add("C_MessageVerifyFinal", done(mac(f.C_MessageVerifyInit)), [&] { return f.C_MessageVerifyFinal(session); });
}

void Workshop::add_keys() {
  static Bytes wrapped, sealed, encapsulated;
  static CK_OBJECT_HANDLE key;
  const Template secret = both(kMade, {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET}});
  const Template derived = both(secret, {{CKA_VALUE_LEN, 32}});
  add(
      "C_GenerateKey", nothing,
      [this] {
        return try_generate_key(session, CKM_AES_KEY_GEN, both(kMade, {{CKA_VALUE_LEN, 32}}));
      },
      1);
  const auto pair = [this](CK_MECHANISM_TYPE type, const char* curve) {
    add(
        "C_GenerateKeyPair", nothing,
        [this, type, curve] {
          return session.try_generate(type, both(kMade, {{CKA_EC_PARAMS, curve_parameters(curve)}}), kMade);
        },
        2);
  };
  pair(CKM_EC_KEY_PAIR_GEN, "P-256");
  pair(CKM_EC_EDWARDS_KEY_PAIR_GEN, "Ed25519");
  wrapped = wrap(session, CKM_AES_KEY_WRAP, aes_, hmac_);
  add("C_WrapKey", nothing, [this] {
    return room(), p11->C_WrapKey(session, Mechanism(CKM_AES_KEY_WRAP).get(), aes_, hmac_, out_.data(), &size_);
  });
  add(
      "C_UnwrapKey", nothing, [this, secret] { return try_unwrap(session, CKM_AES_KEY_WRAP, aes_, wrapped, secret); },
      1);
  const auto authenticated = [this](auto&& body) {
    CK_MECHANISM mechanism{CKM_AES_GCM, parameter_.data(), parameter_.size()};
    return body(&mechanism);
  };
  const auto wrap_authenticated = [this, authenticated] {
    return authenticated([&](CK_MECHANISM* mechanism) {
      return room(), p11_3().C_WrapKeyAuthenticated(session, mechanism, aes_, hmac_, nullptr, 0, out_.data(), &size_);
    });
  };
  add("C_WrapKeyAuthenticated", nothing, wrap_authenticated);
  add(
      "C_UnwrapKeyAuthenticated",
      [this, wrap_authenticated] {
        MUST(wrap_authenticated());
        sealed.assign(out_.begin(), out_.begin() + static_cast<long>(size_));
      },
      [this, authenticated, secret] {
        Template wanted = secret;
        return authenticated([&](CK_MECHANISM* mechanism) {
          return p11_3().C_UnwrapKeyAuthenticated(session, mechanism, aes_, sealed.data(), sealed.size(), wanted.data(),
                                                  wanted.size(), nullptr, 0, &key);
        });
      },
      1);
  const auto ecdh = [](Bytes& other) {
    return Mechanism::with_parameter(
        CKM_ECDH1_DERIVE,
        bytes_of(CK_ECDH1_DERIVE_PARAMS{CKD_NULL, 0, nullptr, other.size(), other.empty() ? nullptr : other.data()}));
  };
  static Bytes point = peer::Key::generate_ec("P-256").ec_point();
  add(
      "C_DeriveKey", nothing,
      [this, ecdh, derived] { return try_derive(session, ecdh(point), soft_.private_key, derived); }, 1);
  static Bytes none;
  const auto encapsulate = [this, ecdh, derived] {
    Template wanted = derived;
    Mechanism mechanism = ecdh(none);
    return room(), p11_3().C_EncapsulateKey(session, mechanism.get(), soft_.public_key, wanted.data(), wanted.size(),
                                            out_.data(), &size_, &key);
  };
  add("C_EncapsulateKey", nothing, encapsulate, 1);
  add(
      "C_DecapsulateKey",
      [this, encapsulate] {
        MUST(encapsulate());
        encapsulated.assign(out_.begin(), out_.begin() + static_cast<long>(size_));
        MUST(p11->C_DestroyObject(session, key));
      },
      [this, ecdh, derived] {
        Template wanted = derived;
        Mechanism mechanism = ecdh(none);
        return p11_3().C_DecapsulateKey(session, mechanism.get(), soft_.private_key, wanted.data(), wanted.size(),
                                        encapsulated.data(), encapsulated.size(), &key);
      },
      1);
}

}  // namespace vtpm::conformance
