// SPDX-License-Identifier: Apache-2.0
// PINs that are not passed by the application: the protected authentication path, tokens without a PIN, and PINs that
// are to be changed (PKCS#11 3.2: CK_TOKEN_INFO, C_InitToken, C_InitPIN, C_SetPIN, C_Login).
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/conformance/harness/every_function.h"
#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

namespace vtpm::conformance {
namespace {

const Bytes kNewPin = bytes("another-pin");

/// A test that writes settings, and files with PINs beside them.
class Configured : public Fresh {
 protected:
  void configure(const std::string& settings) {
    std::ofstream(scratch.path() + "/vtpm-pkcs11.toml")
        << "store_dir = \"" << scratch.store() << "\"\nlog = \"" << scratch.path() << "/log\"\n"
        << settings << "\n[kdf]\nmemory_kib = 8192\npasses = 1\n";
    library.restart();
  }
  std::string write(const std::string& name, const Bytes& pin, const std::string& end = "\n") {
    const std::string path = scratch.path() + "/" + name;
    std::ofstream(path) << std::string(pin.begin(), pin.end()) << end;
    return path;
  }
  std::string log() {
    std::ifstream file(scratch.path() + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user = CKU_USER) {
    return p11->C_Login(session, user, nullptr, 0);
  }
  static CK_RV init_token(CK_SLOT_ID slot, std::string label) {
    label.resize(32, ' ');
    return p11->C_InitToken(slot, nullptr, 0, reinterpret_cast<CK_BYTE*>(label.data()));
  }
};

using ProtectedPath = Configured;
using PinLess = Configured;
using InitialPin = Configured;

bool has_path(CK_SLOT_ID slot) { return token_flags(slot) & CKF_PROTECTED_AUTHENTICATION_PATH; }
bool needs_login(CK_SLOT_ID slot) { return token_flags(slot) & CKF_LOGIN_REQUIRED; }

// --- the protected authentication path ---

TEST_F(ProtectedPath, EveryFunctionThatTakesAPin) {
  const std::string user = write("user", kUserPin), so = write("so", kSoPin);
  configure("[[token]]\nuser_pin = \"" + user + "\"\nso_pin = \"" + so + "\"\nnew_user_pin = \"" +
            write("new-user", kNewPin) + "\"\nnew_so_pin = \"" + write("new-so", bytes("new-so-pin")) + "\"\n");
  const CK_SLOT_ID slot = free_slot();
  EXPECT_TRUE(has_path(slot));
  EXPECT_RV(CKR_OK, init_token(slot, "path"));
  EXPECT_TRUE(has_path(slot));
  EXPECT_TRUE(needs_login(slot));
  Session session(slot);
  EXPECT_RV(CKR_USER_PIN_NOT_INITIALIZED, login(session));
  EXPECT_RV(CKR_OK, login(session, CKU_SO));
  EXPECT_RV(CKR_OK, p11->C_InitPIN(session, nullptr, 0));
  EXPECT_RV(CKR_OK, p11->C_SetPIN(session, nullptr, 0, nullptr, 0));
  session.logout();
  EXPECT_RV(CKR_PIN_INCORRECT, login(session, CKU_SO)) << "the file still has the old PIN";
  EXPECT_RV(CKR_OK, session.try_login(CKU_SO, bytes("new-so-pin")));
  session.logout();

  EXPECT_RV(CKR_OK, login(session));
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  EXPECT_RV(CKR_OK, p11->C_SetPIN(session, nullptr, 0, nullptr, 0));
  session.logout();
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, kNewPin)) << "a PIN that is passed is taken too";
  session.logout();
  write("user", kNewPin, "\r is part of it, as in any file\n");
  EXPECT_RV(CKR_PIN_INCORRECT, login(session));
  write("user", kNewPin, "");
  EXPECT_RV(CKR_OK, p11_3().C_LoginUser(session, CKU_USER, nullptr, 0, nullptr, 0));
}

TEST_F(ProtectedPath, ContextSpecificLogin) {
  configure("[[token]]\nuser_pin = \"" + write("user", kUserPin) + "\"\n");
  const CK_SLOT_ID slot = make_token();
  Session session(slot);
  EXPECT_RV(CKR_OK, login(session));
  const KeyPair pair = session.generate(CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}},
                                        {{CKA_SIGN, true}, {CKA_PRIVATE, true}, {CKA_ALWAYS_AUTHENTICATE, true}});
  Mechanism mechanism = CKM_ECDSA;
  MUST(p11->C_SignInit(session, mechanism.get(), pair.private_key));
  EXPECT_RV(CKR_OK, login(session, CKU_CONTEXT_SPECIFIC));
  Bytes digest(32, 7), signature(64);
  CK_ULONG size = signature.size();
  EXPECT_RV(CKR_OK, p11->C_Sign(session, digest.data(), digest.size(), signature.data(), &size));
}

TEST_F(ProtectedPath, WithoutASourceANullPinIsABadArgument) {
  const CK_SLOT_ID slot = make_token();
  EXPECT_FALSE(has_path(slot));
  Session session(slot);
  EXPECT_RV(CKR_ARGUMENTS_BAD, login(session));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetPIN(session, nullptr, 0, nullptr, 0));
  session.login(CKU_SO);
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_InitPIN(session, nullptr, 0));
  EXPECT_RV(CKR_ARGUMENTS_BAD, init_token(free_slot(), "x"));
}

TEST_F(ProtectedPath, ASourceThatIsNotThereCancelsAndIsNotCounted) {
  const std::string file = write("user", kUserPin);
  configure("[[token]]\nuser_pin = \"" + file + "\"\n");
  const CK_SLOT_ID slot = make_token();
  Session session(slot);
  const auto refused = [&](const char* why) {
    EXPECT_RV(CKR_FUNCTION_CANCELED, login(session));
    EXPECT_NE(log().find(why), std::string::npos) << "the log does not say \"" << why << "\":\n" << log();
  };
  std::filesystem::remove(file);
  EXPECT_FALSE(has_path(slot)) << "the application must ask the user then";
  refused("No such file");
  std::filesystem::create_directory(file);
  refused("it is not a file");
  std::filesystem::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  refused("it is not a file");  // and did not wait for somebody to write
  EXPECT_RV(CKR_FUNCTION_CANCELED, p11_3().C_LoginUser(session, CKU_USER, nullptr, 0, nullptr, 0));
  EXPECT_RV(CKR_FUNCTION_CANCELED, p11->C_SetPIN(session, nullptr, 0, nullptr, 0));
  session.login(CKU_SO);
  EXPECT_RV(CKR_FUNCTION_CANCELED, p11->C_InitPIN(session, nullptr, 0));
  session.logout();
  std::filesystem::remove(file);
  write("user", Bytes(300, 'x'));
  refused("its first line is too long");
  write("user", {});
  refused("it is empty, or its first line is");
  EXPECT_FALSE(token_flags(slot) & CKF_USER_PIN_COUNT_LOW) << "none of these was an attempt";
  write("user", Bytes(255, 'x'));
  EXPECT_RV(CKR_PIN_INCORRECT, login(session));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_COUNT_LOW) << "this was one";
  write("user", kUserPin);
  EXPECT_RV(CKR_OK, login(session));
}

TEST_F(ProtectedPath, CredentialsAndTokensByName) {
  write("one.pin", kUserPin);
  write("two.pin", kNewPin);
  configure(
      "[[token]]\nuser_pin = \"missing.pin\"\n"
      "[[token]]\nname = \"one\"\nuser_pin = \"one.pin\"\n"
      "[[token]]\nname = \"two\"\nuser_pin = \"two.pin\"\n");
  const CK_SLOT_ID one = make_token("one"), two = make_token("two"), three = make_token("three");
  EXPECT_FALSE(has_path(one)) << "this process was given no credentials";
  Session session(one), other(two), last(three);
  EXPECT_RV(CKR_FUNCTION_CANCELED, login(session));
  setenv("CREDENTIALS_DIRECTORY", scratch.path().c_str(), 1);
  EXPECT_TRUE(has_path(one));
  EXPECT_TRUE(has_path(two));
  EXPECT_FALSE(has_path(three));
  EXPECT_RV(CKR_OK, login(session));
  EXPECT_RV(CKR_PIN_INCORRECT, login(other));
  EXPECT_RV(CKR_FUNCTION_CANCELED, login(last)) << "the one for all others";
  unsetenv("CREDENTIALS_DIRECTORY");
}

// What is wrong with it: tests/field/broken_configuration_test.cc.
TEST_F(ProtectedPath, AMistakeInTheConfigurationGivesNoPathAndNoToken) {
  configure("[[token]]\nso_pin = \"/nowhere/at/all\"\n");
  EXPECT_RV(CKR_FUNCTION_CANCELED, init_token(free_slot(), "x"));
  const CK_SLOT_ID slot = make_token();
  for (const char* mistake : {"[[token]]\nuser_pin = \"relative/path\"\n", "[[token]]\nautomatic_login = true\n",
                              "[token]\nname = \"x\"\n"}) {
    configure(mistake);
    CK_TOKEN_INFO info;
    CK_SESSION_HANDLE session;
    EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_GetTokenInfo(slots()[0], &info)) << mistake;
    EXPECT_RV(CKR_TOKEN_NOT_PRESENT, p11->C_OpenSession(slots()[0], CKF_SERIAL_SESSION, nullptr, nullptr, &session));
    EXPECT_RV(CKR_TOKEN_NOT_PRESENT, init_token(slots()[0], "x")) << mistake;
  }
  configure("");
  EXPECT_EQ(slot_of("conformance"), slot);
}

TEST_F(ProtectedPath, TheModuleLogsInByItself) {
  const std::string file = write("user", kUserPin);
  make_token("self");
  configure("[[token]]\nname = \"self\"\nuser_pin = \"" + file + "\"\nautomatic_login = true\n");
  const CK_SLOT_ID slot = slot_of("self");
  EXPECT_FALSE(needs_login(slot));
  {
    Session session(slot, Session::kReadOnly);
    EXPECT_EQ(session.state(), CKS_RO_USER_FUNCTIONS);
    EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, login(session));
  }
  std::filesystem::remove(file);
  EXPECT_TRUE(needs_login(slot));
  Session session(slot);
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
  session.login();
}

TEST_F(ProtectedPath, AWrongPinIsTriedOnceAndNotByEverySession) {
  make_token("self");
  configure("[[token]]\nuser_pin = \"" + write("user", bytes("not-the-pin")) + "\"\nautomatic_login = true\n");
  const CK_SLOT_ID slot = slot_of("self");
  for (int i = 0; i < 20; ++i) {
    Session session(slot);
    EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
  }
  EXPECT_TRUE(needs_login(slot));
  EXPECT_FALSE(token_flags(slot) & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY));
  Session session(slot);
  session.login();
}

// --- tokens without a PIN ---

CK_RV set_pin(CK_SESSION_HANDLE session, Bytes old_pin, Bytes new_pin) {
  CK_BYTE none = 0;
  return p11->C_SetPIN(session, old_pin.empty() ? &none : old_pin.data(), old_pin.size(),
                       new_pin.empty() ? &none : new_pin.data(), new_pin.size());
}
CK_RV init_pin(CK_SESSION_HANDLE session, Bytes pin) {
  CK_BYTE none = 0;
  return p11->C_InitPIN(session, pin.empty() ? &none : pin.data(), pin.size());
}

TEST_F(PinLess, IsRefusedUnlessTheConfigurationAllowsIt) {
  const CK_SLOT_ID slot = make_token();
  Session session(slot);
  EXPECT_RV(CKR_PIN_LEN_RANGE, set_pin(session, kUserPin, {}));
  session.login(CKU_SO);
  EXPECT_RV(CKR_PIN_LEN_RANGE, init_pin(session, {}));
  configure("[pin]\nempty = true\n");
  Session later(slot_of("conformance"));
  EXPECT_EQ(token_info(slot).ulMinPinLen, 0u);
  later.login(CKU_SO);
  EXPECT_RV(CKR_PIN_LEN_RANGE, init_pin(later, Bytes(3, '1'))) << "none, or four bytes";
  EXPECT_RV(CKR_PIN_LEN_RANGE, set_pin(later, kSoPin, {})) << "the SO always has a PIN";
  EXPECT_RV(CKR_OK, init_pin(later, {}));
}

class PinLessToken : public Configured {
 protected:
  PinLessToken() {
    configure("[pin]\nempty = true\n");
    MUST(try_init_token(slot, kSoPin, "open"));
    Session session(slot);
    session.login(CKU_SO);
    MUST(init_pin(session, {}));
  }
  CK_SLOT_ID slot = free_slot();
};

const RegisterAct kUseOpenToken("use-open-token", [](const std::vector<std::string>&) {
  Library library;
  Session session(slot_of("open"), Session::kReadOnly);
  printf("%s", to_hex(session.sign(CKM_SHA256_HMAC, session.find({{CKA_LABEL, "key"}}).at(0), bytes("m"))).c_str());
});

TEST_F(PinLessToken, NeedsNoLogin) {
  EXPECT_FALSE(needs_login(slot));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_INITIALIZED);
  Session session(slot);
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  const auto key = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                   {CKA_KEY_TYPE, CKK_GENERIC_SECRET},
                                   {CKA_TOKEN, true},
                                   {CKA_PRIVATE, true},
                                   {CKA_SIGN, true},
                                   {CKA_LABEL, "key"},
                                   {CKA_VALUE, Bytes(32, 7)}});
  const Ran stranger = run_act({"use-open-token"});
  EXPECT_EQ(stranger.status, 0) << stranger.output;
  EXPECT_EQ(stranger.output, to_hex(session.sign(CKM_SHA256_HMAC, key, bytes("m"))));
}

TEST_F(PinLessToken, LoginAndLogoutKeepTheirMeaning) {
  Session session(slot);
  EXPECT_RV(CKR_USER_ALREADY_LOGGED_IN, session.try_login(CKU_USER, {}));
  session.logout();
  EXPECT_EQ(session.state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_USER, kUserPin));
  EXPECT_RV(CKR_OK, session.try_login(CKU_USER, {}));
  EXPECT_RV(CKR_USER_ANOTHER_ALREADY_LOGGED_IN, session.try_login(CKU_SO, kSoPin)) << "somebody asked for this login";
  session.logout();
  Session another(slot);
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS) << "a session that is opened needs no login";
}

TEST_F(PinLessToken, TheSoTakesOver) {
  Session session(slot);
  const auto object = session.create({{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, true}});
  EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_SO, bytes("not-the-pin")));
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  EXPECT_RV(CKR_OK, session.try_login(CKU_SO, kSoPin));
  EXPECT_EQ(session.state(), CKS_RW_SO_FUNCTIONS);
  EXPECT_RV(CKR_OBJECT_HANDLE_INVALID, session.try_get(object, CKA_CLASS));
  EXPECT_RV(CKR_OK, init_pin(session, kUserPin));
  EXPECT_TRUE(needs_login(slot));
  session.logout();
  Session another(slot);
  EXPECT_EQ(another.state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_RV(CKR_PIN_INCORRECT, another.try_login(CKU_USER, {}));
  another.login();
  EXPECT_RV(CKR_OK, set_pin(another, kUserPin, {})) << "and back";
  EXPECT_FALSE(needs_login(slot));
}

// The SO's attempt waits out a delay, and the read-only session is opened meanwhile.
TEST_F(PinLessToken, TheSoWhoIsRefusedAfterTheRightPinLeavesTheUserLoggedIn) {
  Session session(slot);
  const auto object = session.create(
      {{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, true}, {CKA_LABEL, "of the session"}, {CKA_VALUE, Bytes(3, 1)}});
  const KeyPair pair = session.generate_ec(kP256);
  for (int i = 0; i < 13; ++i) EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_SO, bytes("not-the-pin")));
  CK_RV answer = CKR_OK;
  std::thread so([&] { answer = session.try_login(CKU_SO, kSoPin); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Session reader(slot, Session::kReadOnly);
  so.join();
  EXPECT_RV(CKR_SESSION_READ_ONLY_EXISTS, answer);
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS);
  EXPECT_EQ(session.get(object, CKA_VALUE), Bytes(3, 1));
  EXPECT_EQ(session.sign(CKM_ECDSA, pair.private_key, Bytes(32, 1)).size(), 64u) << "the TPM is still there";
}

TEST_F(PinLessToken, ALockedOneIsUnlockedByTheSo) {
  Session session(slot);
  session.logout();
  for (int i = 0; i < 10; ++i) session.try_login(CKU_USER, bytes("not-the-pin"));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_LOCKED);
  Session another(slot);
  EXPECT_EQ(another.state(), CKS_RW_PUBLIC_SESSION);
  EXPECT_TRUE(needs_login(slot));
  session.login(CKU_SO);
  EXPECT_RV(CKR_OK, init_pin(session, {}));
  session.logout();
  Session last(slot);
  EXPECT_EQ(last.state(), CKS_RW_USER_FUNCTIONS);
}

// --- PINs that are to be changed ---

// clang-format off
/// Those whose page lists CKR_PIN_EXPIRED.
const std::vector<std::string> kEndWithAnExpiredPin = {
    "C_CreateObject", "C_CopyObject", "C_DestroyObject", "C_FindObjectsInit",
    "C_EncryptInit", "C_DecryptInit", "C_MessageEncryptInit", "C_EncryptMessageBegin",
    "C_MessageDecryptInit", "C_DecryptMessageBegin", "C_DigestInit", "C_SignInit",
    "C_SignRecoverInit", "C_MessageSignInit", "C_SignMessageBegin", "C_VerifyInit",
    "C_VerifyRecoverInit", "C_VerifySignatureInit", "C_MessageVerifyInit", "C_VerifyMessageBegin",
    "C_GenerateKey", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey",
    "C_DeriveKey", "C_EncapsulateKey", "C_DecapsulateKey", "C_WrapKeyAuthenticated",
    "C_UnwrapKeyAuthenticated",
};
// clang-format on

TEST_F(InitialPin, MustBeChangedBeforeAnythingElse) {
  configure("[pin]\nchange_initial = true\n");
  const CK_SLOT_ID slot = make_token();
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_TO_BE_CHANGED);
  EXPECT_FALSE(token_flags(slot) & CKF_SO_PIN_TO_BE_CHANGED);
  Session session(slot);
  session.login();
  EXPECT_EQ(session.state(), CKS_RW_USER_FUNCTIONS) << "logging in succeeds";
  size_t met = 0;
  for (const Function& function : every_function()) {
    if (!function.uses_session || function.name == std::string("C_CloseSession")) continue;
    const CK_RV rv = function.call(session);
    const auto& all = kEndWithAnExpiredPin;
    const bool expected = std::find(all.begin(), all.end(), function.name) != all.end();
    EXPECT_EQ(rv == CKR_PIN_EXPIRED, expected) << function.name << " answered " << rv_name(rv);
    met += expected;
    if (function.name == std::string("C_Logout")) session.login();
  }
  EXPECT_EQ(met, kEndWithAnExpiredPin.size());
  EXPECT_RV(CKR_PIN_INCORRECT, set_pin(session, bytes("not-the-pin"), kNewPin));
  EXPECT_RV(CKR_PIN_EXPIRED, session.try_create({{CKA_CLASS, CKO_DATA}}));
  EXPECT_RV(CKR_PIN_INVALID, set_pin(session, kUserPin, kUserPin)) << "the same is no change";
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_TO_BE_CHANGED);
  EXPECT_RV(CKR_OK, set_pin(session, kUserPin, kNewPin));
  EXPECT_FALSE(token_flags(slot) & CKF_USER_PIN_TO_BE_CHANGED);
  EXPECT_RV(CKR_OK, session.try_create({{CKA_CLASS, CKO_DATA}, {CKA_PRIVATE, true}}));
}

const RegisterAct kChangePin("change-pin", [](const std::vector<std::string>&) {
  Library library;
  Session session(slot_of("conformance"));
  MUST(set_pin(session, kUserPin, kNewPin));
});

TEST_F(InitialPin, AnotherProcessMayChangeIt) {
  configure("[pin]\nchange_initial = true\n");
  Session session(make_token());
  session.login();
  EXPECT_RV(CKR_PIN_EXPIRED, session.try_create({{CKA_CLASS, CKO_DATA}}));
  ASSERT_EQ(run_act({"change-pin"}).status, 0);
  EXPECT_RV(CKR_OK, session.try_create({{CKA_CLASS, CKO_DATA}}));
}

TEST_F(InitialPin, IsAskedForOnceAndNotOfTheSo) {
  configure("[pin]\nchange_initial = true\n");
  const CK_SLOT_ID slot = make_token();
  Session session(slot);
  session.login(CKU_SO);
  EXPECT_RV(CKR_OK, session.try_create({{CKA_CLASS, CKO_DATA}}));
  session.logout();
  EXPECT_RV(CKR_OK, session.try_create({{CKA_CLASS, CKO_DATA}})) << "a public session needs nobody's PIN";
  EXPECT_RV(CKR_OK, set_pin(session, kUserPin, kNewPin)) << "in a public session too";
  library.restart();
  Session later(slot_of("conformance"));
  MUST(later.try_login(CKU_USER, kNewPin));
  EXPECT_RV(CKR_OK, later.try_create({{CKA_CLASS, CKO_DATA}}));
  later.logout();
  later.login(CKU_SO);
  EXPECT_RV(CKR_OK, init_pin(later, kUserPin));
  EXPECT_TRUE(token_flags(slot) & CKF_USER_PIN_TO_BE_CHANGED) << "the SO has set one again";
}

// --- the security officer's counter ---

TEST_F(Configured, TheSoIsCountedAndLockedWhereTheTokenWasMadeSo) {
  configure("[pin]\nso_limit = 3\n");
  const CK_SLOT_ID slot = make_token();
  Session session(slot);
  const CK_FLAGS all = CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY | CKF_SO_PIN_LOCKED;
  const CK_FLAGS after[] = {CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY,
                            CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_LOCKED};
  EXPECT_EQ(token_flags(slot) & all, 0u);
  for (const CK_FLAGS flags : after) {
    EXPECT_RV(CKR_PIN_INCORRECT, session.try_login(CKU_SO, bytes("not-the-pin")));
    EXPECT_EQ(token_flags(slot) & all, flags);
  }
  EXPECT_RV(CKR_PIN_LOCKED, session.try_login(CKU_SO, kSoPin));
  session.close();
  EXPECT_RV(CKR_PIN_LOCKED, try_init_token(slot, kSoPin, "again"));
  Session user(slot);
  EXPECT_RV(CKR_OK, user.try_login(CKU_USER, kUserPin)) << "the user is not concerned";
}

}  // namespace
}  // namespace vtpm::conformance
