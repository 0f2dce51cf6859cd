// SPDX-License-Identifier: Apache-2.0
// Return values that PKCS#11 3.2 lists, continued (return_values_test.cc): functions that make objects and keys, with
// errors in their templates; tokens that were removed or cannot be written.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "pkcs11/cryptoki/types.h"
#include "tests/conformance/harness/every_function.h"
#include "tests/conformance/harness/message_parameter.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

// --- every function that makes a key ---

class KeyMaking : public WithUser {
 protected:
  struct Making {
    const char* name;
    std::function<CK_RV(CK_SESSION_HANDLE, Template)> call;
    Template good;
    CK_ATTRIBUTE_TYPE incomplete_without;  // 0: the mechanism needs no base key
  };
  CK_OBJECT_HANDLE secret(CK_KEY_TYPE type) {
    return session.create({{CKA_CLASS, CKO_SECRET_KEY},
                           {CKA_KEY_TYPE, type},
                           {CKA_TOKEN, true},
                           {CKA_PRIVATE, false},
                           {CKA_EXTRACTABLE, true},
                           {CKA_WRAP, true},
                           {CKA_UNWRAP, true},
                           {CKA_DERIVE, true},
                           {CKA_VALUE, Bytes(16, 7)}});
  }
  void SetUp() override {
    Mechanism kwp = CKM_AES_KEY_WRAP;
    CK_ULONG length = wrapped.size();
    MUST(p11->C_WrapKey(session, kwp.get(), aes, generic, wrapped.data(), &length));
    wrapped.resize(length);
    length = sealed.size();
    message.data();
    MUST(p11_3().C_WrapKeyAuthenticated(session, gcm().get(), aes, generic, nullptr, 0, sealed.data(), &length));
    sealed.resize(length);
    length = enclosed.size();
    Mechanism pkcs = CKM_RSA_PKCS;
    Template wanted = secret_template;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    MUST(p11_3().C_EncapsulateKey(session, pkcs.get(), pair.public_key, wanted.data(), wanted.size(), enclosed.data(),
                                  &length, &key));
    enclosed.resize(length);
  }
  Mechanism& gcm() { return gcm_ = Mechanism::with_parameter(CKM_AES_GCM, message.bytes); }
  std::vector<Making> all() {
    return {
        {"C_CreateObject",
         [](CK_SESSION_HANDLE s, Template t) {
           CK_OBJECT_HANDLE key;
           return p11->C_CreateObject(s, t.data(), t.size(), &key);
         },
         secret_template.without(CKA_VALUE_LEN).with({{CKA_VALUE, Bytes(16, 1)}}), CKA_VALUE},
        {"C_GenerateKey",
         [](CK_SESSION_HANDLE s, Template t) {
           CK_OBJECT_HANDLE key;
           Mechanism generate = CKM_GENERIC_SECRET_KEY_GEN;
           return p11->C_GenerateKey(s, generate.get(), t.data(), t.size(), &key);
         },
         secret_template, CKA_VALUE_LEN},
        {"C_UnwrapKey",
         [this](CK_SESSION_HANDLE s, Template t) {
           CK_OBJECT_HANDLE key;
           Mechanism unwrap = CKM_AES_KEY_WRAP;
           return p11->C_UnwrapKey(s, unwrap.get(), aes, wrapped.data(), wrapped.size(), t.data(), t.size(), &key);
         },
         secret_template.without(CKA_VALUE_LEN), CKA_KEY_TYPE},
        {"C_UnwrapKeyAuthenticated",
         [this](CK_SESSION_HANDLE s, Template t) {
           CK_OBJECT_HANDLE key;
           return p11_3().C_UnwrapKeyAuthenticated(s, gcm().get(), aes, sealed.data(), sealed.size(), t.data(),
                                                   t.size(), nullptr, 0, &key);
         },
         secret_template.without(CKA_VALUE_LEN), CKA_KEY_TYPE},
        {"C_DeriveKey",
         [this](CK_SESSION_HANDLE s, Template t) {
           CK_OBJECT_HANDLE key;
           Mechanism derive = CKM_SHA256_KEY_DERIVATION;
           return p11->C_DeriveKey(s, derive.get(), generic, t.data(), t.size(), &key);
         },
         secret_template.with({{CKA_KEY_TYPE, CKK_AES}}), CKA_VALUE_LEN},
        {"C_EncapsulateKey",
         [this](CK_SESSION_HANDLE s, Template t) {
           CK_OBJECT_HANDLE key;
           Mechanism pkcs = CKM_RSA_PKCS;
           Bytes out(256);
           CK_ULONG length = out.size();
           return p11_3().C_EncapsulateKey(s, pkcs.get(), pair.public_key, t.data(), t.size(), out.data(), &length,
                                           &key);
         },
         secret_template, CKA_VALUE_LEN},
        {"C_DecapsulateKey",
         [this](CK_SESSION_HANDLE s, Template t) {
           CK_OBJECT_HANDLE key;
           Mechanism pkcs = CKM_RSA_PKCS;
           return p11_3().C_DecapsulateKey(s, pkcs.get(), pair.private_key, t.data(), t.size(), enclosed.data(),
                                           enclosed.size(), &key);
         },
         secret_template, CKA_KEY_TYPE},
    };
  }
  const Template secret_template = {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                    {CKA_VALUE_LEN, 16},         {CKA_PRIVATE, false},
                                    {CKA_SENSITIVE, false},      {CKA_EXTRACTABLE, true}};
  CK_OBJECT_HANDLE aes = secret(CKK_AES), generic = secret(CKK_GENERIC_SECRET);
  KeyPair pair =
      session.generate(CKM_RSA_PKCS_KEY_PAIR_GEN,
                       {{CKA_MODULUS_BITS, 1024}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}, {CKA_ENCAPSULATE, true}},
                       {{CKA_TOKEN, true}, {CKA_PRIVATE, false}, {CKA_DECAPSULATE, true}});
  MessageParameter message{CKM_AES_GCM, Bytes(12, 1), Bytes(16, 1)};
  Bytes wrapped = Bytes(256), sealed = Bytes(256), enclosed = Bytes(256);

 private:
  Mechanism gcm_ = CKM_AES_GCM;
};

TEST_F(KeyMaking, TemplatesWithWrongAttributesAreRejected) {
  for (Making& one : all()) {
    SCOPED_TRACE(one.name);
    EXPECT_RV(CKR_OK, one.call(session, one.good));
    EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, one.call(session, one.good.with({{CKA_LOCAL, true}})));
    EXPECT_RV(CKR_ATTRIBUTE_TYPE_INVALID, one.call(session, one.good.with({{0x7F001234, Bytes(128, 1)}})));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, one.call(session, one.good.with({{CKA_MODULUS, Bytes(128, 1)}})))
        << "an attribute, but not of secret keys (4.1.1)";
    EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, one.call(session, one.good.with({{CKA_TOKEN, Bytes(2, 1)}})));
    EXPECT_RV(one_of(CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_VALUE_INVALID),
              one.call(session, one.good.with({{kVtpmResident, true}})));
    EXPECT_RV(one_of(CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT, CKR_OK),
              one.call(session, one.good.without(one.incomplete_without)));
    Session read_only(slot, Session::kReadOnly);
    EXPECT_RV(CKR_SESSION_READ_ONLY, one.call(read_only, one.good.with({{CKA_TOKEN, true}})));
  }
}

TEST_F(KeyMaking, PrivateKeysNeedTheUser) {
  session.logout();
  for (Making& one : all()) {
    SCOPED_TRACE(one.name);
    EXPECT_RV(CKR_USER_NOT_LOGGED_IN, one.call(session, one.good.with({{CKA_PRIVATE, true}})));
  }
}

// --- the same errors, with the names that other functions have for them ---

using MoreRefusals = WithUser;

TEST_F(MoreRefusals, LoginUserReturnsTheValuesOfLogin) {
  Bytes wrong = bytes("not-the-pin"), right = kUserPin;
  const auto login = [&](CK_SESSION_HANDLE s, CK_USER_TYPE user, Bytes& pin) {
    return p11_3().C_LoginUser(s, user, pin.data(), pin.size(), nullptr, 0);
  };
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, login(session, CKU_CONTEXT_SPECIFIC, right));
  session.logout();
  {
    Session read_only(slot, Session::kReadOnly);
    Bytes so_pin = kSoPin;
    EXPECT_RV(CKR_SESSION_READ_ONLY_EXISTS, login(session, CKU_SO, so_pin));
  }
  for (int i = 0; i < 10; ++i) login(session, CKU_USER, wrong);
  EXPECT_RV(CKR_PIN_LOCKED, login(session, CKU_USER, right));
  const CK_SLOT_ID bare = free_slot();
  MUST(try_init_token(bare, kSoPin, "bare"));
  Session other(bare);
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED, login(other, CKU_USER, right));
}

TEST_F(MoreRefusals, CopiesAndChangesThatAreNotAllowedAreRejected) {
  const auto object = session.create({{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "x"}});
  EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_copy(object, {{CKA_TOKEN, Bytes(2, 1)}}));
  session.logout();
  const auto in_the_open = session.create({{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, false}});
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, session.try_copy(in_the_open, {{CKA_PRIVATE, true}}));
}

TEST_F(MoreRefusals, UnsupportedCurvesAndDomainParametersAreRejected) {
  const Bytes unknown_curve = from_hex("06052b8104001f"), garbage = from_hex("020101");  // secp192k1; an INTEGER
  EXPECT_RV(CKR_CURVE_NOT_SUPPORTED, session.try_create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                                         {CKA_KEY_TYPE, CKK_EC},
                                                         {CKA_EC_PARAMS, unknown_curve},
                                                         {CKA_EC_POINT, Bytes(49, 4)}}));
  EXPECT_RV(CKR_DOMAIN_PARAMS_INVALID, session.try_create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                                           {CKA_KEY_TYPE, CKK_EC},
                                                           {CKA_EC_PARAMS, garbage},
                                                           {CKA_EC_POINT, Bytes(49, 4)}}));
  EXPECT_RV(one_of(CKR_DOMAIN_PARAMS_INVALID, CKR_ATTRIBUTE_VALUE_INVALID),
            session.try_create({{CKA_CLASS, CKO_PUBLIC_KEY},
                                {CKA_KEY_TYPE, CKK_DH},
                                {CKA_PRIME, Bytes(128, 0)},
                                {CKA_BASE, Bytes(1, 2)},
                                {CKA_VALUE, Bytes(128, 1)}}));
}

// --- tokens that were removed ---

TEST_F(MoreRefusals, EverySessionFunctionReportsARemovedToken) {
  std::filesystem::remove_all(scratch.store());
  EXPECT_EQ(slots().size(), 1u);
  for (const Function& function : every_function()) {
    if (!function.uses_session || function.name == std::string("C_CloseSession")) continue;
    SCOPED_TRACE(function.name);
    EXPECT_RV(CKR_DEVICE_REMOVED, function.call(session));
  }
}

TEST_F(MoreRefusals, EverySlotFunctionReportsAFileThatIsNoToken) {
  session.close();
  for (const auto& entry : std::filesystem::directory_iterator(scratch.store()))
    std::ofstream(entry.path()) << "this is no store";
  MUST(p11->C_Finalize(nullptr));
  library.initialize();
  CK_TOKEN_INFO info;
  CK_MECHANISM_INFO mechanism;
  CK_ULONG count = 0;
  CK_SESSION_HANDLE opened = 0;
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED, p11->C_GetTokenInfo(slot, &info));
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED, p11->C_GetMechanismList(slot, nullptr, &count));
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED, p11->C_GetMechanismInfo(slot, CKM_SHA256, &mechanism));
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED, p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &opened));
  EXPECT_RV(CKR_TOKEN_NOT_RECOGNIZED, try_init_token(slot, kSoPin, "again"));
}

// --- a store of another user that can be read and not written ---

/// All users may read the scratch directory, and none may write to it.
void give_to_readers(const std::string& directory) {
  namespace fs = std::filesystem;
  for (const std::string& path : {directory, directory + "/store"}) chmod(path.c_str(), 0755);
  chmod((directory + "/vtpm-pkcs11.toml").c_str(), 0644);
  for (const auto& entry : fs::directory_iterator(directory + "/store")) chmod(entry.path().c_str(), 0444);
}

TEST_F(KeyMaking, ATokenThatCannotBeWrittenIsReported) {
  session.create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}, {CKA_LABEL, "there"}});
  const Template of_token = {{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}};
  session.close();
  MUST(p11->C_Finalize(nullptr));
  give_to_readers(scratch.path());
  const std::string went_wrong = in_child([&] {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) throw std::runtime_error("setuid");
    library.initialize();
    const CK_SLOT_ID there = slot_of("conformance");
    const auto expect_protected = [](CK_RV rv, const char* what) {
      if (rv != CKR_TOKEN_WRITE_PROTECTED) throw std::runtime_error(what + (" answered " + rv_name(rv)));
    };
    if (!(token_flags(there) & CKF_WRITE_PROTECTED)) throw std::runtime_error("no CKF_WRITE_PROTECTED");
    CK_SESSION_HANDLE refused = 0;
    expect_protected(p11->C_OpenSession(there, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &refused),
                     "C_OpenSession");
    Session reading(there, Session::kReadOnly);
    reading.login();
    const CK_OBJECT_HANDLE object = reading.find({{CKA_LABEL, "there"}}).at(0);
    expect_protected(reading.try_create(of_token), "C_CreateObject");
    expect_protected(reading.try_copy(object, {{CKA_LABEL, "copy"}}), "C_CopyObject");
    expect_protected(reading.try_set(object, {{CKA_LABEL, "changed"}}), "C_SetAttributeValue");
    expect_protected(p11->C_DestroyObject(reading, object), "C_DestroyObject");
    expect_protected(
        reading.try_generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}}, {{CKA_TOKEN, true}, {CKA_PRIVATE, true}}),
        "C_GenerateKeyPair");
    // This process has other handles.
    const auto key = [&](CK_KEY_TYPE type) {
      return reading.find({{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, type}}).at(0);
    };
    aes = key(CKK_AES), generic = key(CKK_GENERIC_SECRET);
    pair.public_key = reading.find({{CKA_CLASS, CKO_PUBLIC_KEY}, {CKA_KEY_TYPE, CKK_RSA}}).at(0);
    pair.private_key = reading.find({{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, CKK_RSA}}).at(0);
    Bytes old_pin = kUserPin, new_pin = bytes("another-pin");
    expect_protected(p11->C_SetPIN(reading, old_pin.data(), old_pin.size(), new_pin.data(), new_pin.size()),
                     "C_SetPIN");
    for (Making& one : all()) expect_protected(one.call(reading, one.good.with({{CKA_TOKEN, true}})), one.name);
    reading.close();
    expect_protected(try_init_token(there, kSoPin, "again"), "C_InitToken");
  });
  EXPECT_EQ(went_wrong, "");
}

}  // namespace
}  // namespace vtpm::conformance
