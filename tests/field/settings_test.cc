// SPDX-License-Identifier: Apache-2.0
// Statements of vtpm-pkcs11.toml(5) about settings that no other test covers. settings_page.sh compares names,
// defaults and ranges with the program.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <tuple>

#include "tests/conformance/harness/harness.h"

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;

// DER OBJECT IDENTIFIER of edwards25519 (RFC 8410) as CKA_EC_PARAMS: no TPM has it.
const Bytes kEd25519 = from_hex("06032b6570");

class Settings : public testing::Test {
 protected:
  ~Settings() override { p11->C_Finalize(nullptr); }
  /// From now on the module uses these settings.
  void set(const std::string& before, const std::string& after = "") {
    p11->C_Finalize(nullptr);
    std::ofstream(scratch.path() + "/vtpm-pkcs11.toml") << "store_dir = \"" << scratch.store() << "\"\n"
                                                        << before << "\n[kdf]\nmemory_kib = 8192\npasses = 1\n"
                                                        << after;
    MUST(p11->C_Initialize(nullptr));
  }
  std::string log() const {
    std::ifstream file(scratch.path() + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string log_there(const std::string& name = "log") const {
    return "log = \"" + scratch.path() + "/" + name + "\"\n";
  }
  static std::vector<CK_RV> wrong_pins(Session& session, int count) {
    std::vector<CK_RV> answers;
    while (count-- > 0) answers.push_back(session.try_login(CKU_USER, bytes("not-the-pin")));
    return answers;
  }
  Scratch scratch;
};

TEST_F(Settings, PlacementDecidesWhereAPrivateKeyLives) {
  const auto generate = [](Session& session, const Bytes& curve, KeyPair* pair, bool extractable = false) {
    const CK_MECHANISM_TYPE mechanism = curve == kEd25519 ? CKM_EC_EDWARDS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN;
    return session.try_generate(mechanism, {{CKA_EC_PARAMS, curve}},
                                {{CKA_SENSITIVE, !extractable}, {CKA_EXTRACTABLE, extractable}}, pair);
  };
  set("");
  const CK_SLOT_ID slot = make_token();
  KeyPair pair;
  {
    Session session(slot);
    session.login();
    EXPECT_RV(CKR_OK, generate(session, kP256, &pair));
    EXPECT_TRUE(session.flag(pair.private_key, kVtpmResident)) << "auto is the default";
    EXPECT_RV(CKR_OK, generate(session, kEd25519, &pair));
    EXPECT_FALSE(session.flag(pair.private_key, kVtpmResident));
  }
  set("placement = \"tpm-only\"");
  {
    Session session(slot);
    session.login();
    EXPECT_RV(CKR_OK, generate(session, kP256, &pair));
    EXPECT_TRUE(session.flag(pair.private_key, kVtpmResident));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, generate(session, kEd25519, &pair));
    EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, generate(session, kP256, &pair, /*extractable=*/true));
  }
  set("placement = \"software\"");
  Session session(slot);
  session.login();
  EXPECT_RV(CKR_OK, generate(session, kP256, &pair));
  EXPECT_FALSE(session.flag(pair.private_key, kVtpmResident));
}

TEST_F(Settings, PublicWritesMayNeedALogin) {
  set("");
  const CK_SLOT_ID slot = make_token();
  const auto write = [&](Session& session) {
    return session.try_create({{CKA_CLASS, CKO_DATA}, {CKA_TOKEN, true}, {CKA_PRIVATE, false}, {CKA_LABEL, "public"}});
  };
  {
    Session session(slot);
    EXPECT_RV(CKR_OK, write(session));
  }
  set("public_writes = \"login\"");
  Session session(slot);
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, write(session));
  EXPECT_RV(CKR_USER_NOT_LOGGED_IN, p11->C_DestroyObject(session, session.find({{CKA_LABEL, "public"}}).at(0)));
  session.login();
  EXPECT_RV(CKR_OK, write(session));
}

TEST_F(Settings, FreeSlotSaysWhenTheFreeSlotIsListed) {
  const auto with_token = [] {
    CK_ULONG count = 0;
    MUST(p11->C_GetSlotList(CK_TRUE, nullptr, &count));
    return count;
  };
  for (const auto& [line, empty, used, all] :
       {std::tuple("free_slot = true", 1u, 1u, 2u), std::tuple("free_slot = \"always\"", 1u, 2u, 2u),
        std::tuple("free_slot = false", 0u, 1u, 1u)}) {
    std::error_code ignored;
    fs::remove_all(scratch.store(), ignored);
    set(line);
    EXPECT_EQ(with_token(), empty) << line;
    set("");
    const CK_SLOT_ID slot = make_token(), next = free_slot();
    set(line);
    EXPECT_EQ(with_token(), used) << line;
    EXPECT_EQ(slots().size(), all) << line;
    EXPECT_EQ(slots().front(), slot);
    CK_SLOT_INFO info{};
    EXPECT_RV(all == 1 ? CKR_SLOT_ID_INVALID : CKR_OK, p11->C_GetSlotInfo(next, &info)) << line;
    EXPECT_RV(CKR_SLOT_ID_INVALID, try_init_token(next + 1, kSoPin, "beyond")) << line;
    EXPECT_RV(CKR_OK, try_init_token(next, kSoPin, "by its number")) << line << ": listed or not";
    EXPECT_EQ(slot_of("by its number"), next);
  }
}

TEST_F(Settings, HiddenMechanismsAreNeitherListedNorUsable) {
  const auto count = [](CK_SLOT_ID slot) {
    CK_ULONG number = 0;
    MUST(p11->C_GetMechanismList(slot, nullptr, &number));
    return number;
  };
  set("");
  CK_SLOT_ID slot = make_token();
  const CK_ULONG all = count(slot);
  set("", "[mechanisms]\nhidden = [\"CKM_SHA256\", \"CKM_ECDSA\", \"CKM_AES_KEY_GEN\", \"CKM_EDDSA\"]\n");
  EXPECT_EQ(count(slot), all - 4);
  std::vector<CK_MECHANISM_TYPE> list(all);
  CK_ULONG room = all - 4;
  MUST(p11->C_GetMechanismList(slot, list.data(), &room));
  list.resize(room);
  CK_MECHANISM_INFO info;
  for (const CK_MECHANISM_TYPE type : {CKM_SHA256, CKM_ECDSA, CKM_AES_KEY_GEN, CKM_EDDSA}) {
    EXPECT_EQ(std::count(list.begin(), list.end(), type), 0);
    EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_GetMechanismInfo(slot, type, &info));
  }
  EXPECT_RV(CKR_OK, p11->C_GetMechanismInfo(slot, CKM_SHA384, &info));
  Session session(slot);
  session.login();
  CK_MECHANISM digest = {CKM_SHA256, nullptr, 0}, generate = {CKM_AES_KEY_GEN, nullptr, 0};
  EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_DigestInit(session, &digest));
  CK_OBJECT_HANDLE key = 0;
  Template length = {{CKA_VALUE_LEN, 16}};
  EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_GenerateKey(session, &generate, length.data(), length.size(), &key));
  CK_MECHANISM edwards = {CKM_EDDSA, nullptr, 0};
  CK_OBJECT_HANDLE half = 0;
  EXPECT_RV(CKR_MECHANISM_INVALID, p11->C_GenerateKeyPair(session, &edwards, nullptr, 0, nullptr, 0, &half, &key));
  const KeyPair pair = session.generate_ec(kP256);
  EXPECT_RV(CKR_MECHANISM_INVALID, session.try_sign(CKM_ECDSA, pair.private_key, Bytes(32)));
  EXPECT_RV(CKR_OK, session.try_sign(CKM_ECDSA_SHA256, pair.private_key, Bytes(32))) << "a hash inside of another one";
  constexpr CK_OBJECT_CLASS kMechanisms = 0x7;  // CKO_MECHANISM
  EXPECT_EQ(session.find({{CKA_CLASS, kMechanisms}}).size(), all - 4);
  set("");
  EXPECT_EQ(count(slot), all);
}

TEST_F(Settings, MaxSessionsIsForTheProcess) {
  set("max_sessions = 3");
  const CK_SLOT_ID one = make_token("one"), two = make_token("two");
  const Session first(one), second(two), third(two, Session::kReadOnly);
  CK_SESSION_HANDLE fourth = 0;
  EXPECT_RV(CKR_SESSION_COUNT, p11->C_OpenSession(one, CKF_SERIAL_SESSION, nullptr, nullptr, &fourth));
  EXPECT_EQ(token_info(one).ulMaxSessionCount, 3u);
}

TEST_F(Settings, UserLimitIsOfTheTokensThatAInitializedThen) {
  set("", "[pin]\nuser_limit = 2\n");
  const CK_SLOT_ID slot = make_token("two");
  set("", "[pin]\nuser_limit = 0\n");
  const CK_SLOT_ID without = make_token("unlimited");
  {
    Session session(slot);
    EXPECT_EQ(wrong_pins(session, 2).front(), CKR_PIN_INCORRECT);
    EXPECT_RV(CKR_PIN_LOCKED, session.try_login(CKU_USER, kUserPin)) << "the right one";
    session.login(CKU_SO);
    Bytes pin = bytes("a-new-pin");
    EXPECT_RV(CKR_OK, p11->C_InitPIN(session, pin.data(), pin.size()));
    session.logout();
    EXPECT_RV(CKR_OK, session.try_login(CKU_USER, pin));
  }
  Session session(without);
  EXPECT_EQ(wrong_pins(session, 12), std::vector<CK_RV>(12, CKR_PIN_INCORRECT));
  session.login();
}

TEST_F(Settings, AnAuthorityThatCannotBeReadMakesNoToken) {
  set("", "[identity]\nauthority = \"" + scratch.path() + "/nowhere\"\n");
  EXPECT_NE(try_init_token(free_slot(), kSoPin, "none"), CKR_OK);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(scratch.store(), ignored)) ADD_FAILURE() << entry.path();
}

TEST_F(Settings, ATokenIsNamedByItsSerialNumberToo) {
  set("");
  const CK_SLOT_ID slot = make_token();
  const CK_TOKEN_INFO info = token_info(slot);
  const std::string serial(reinterpret_cast<const char*>(info.serialNumber), sizeof info.serialNumber);
  std::ofstream(scratch.path() + "/pin") << std::string(kUserPin.begin(), kUserPin.end()) << "\n";
  set("", "[[token]]\nuser_pin = \"/nowhere/at/all\"\n[[token]]\nname = \"" + serial + "\"\nuser_pin = \"" +
              scratch.path() + "/pin\"\n");
  EXPECT_TRUE(token_flags(slot) & CKF_PROTECTED_AUTHENTICATION_PATH);
  Session session(slot);
  EXPECT_RV(CKR_OK, p11->C_Login(session, CKU_USER, nullptr, 0));
  // If two tables name the same token, the first one counts.
  const std::string by_label = "[[token]]\nname = \"conformance\"\nuser_pin = \"/nowhere/at/all\"\n";
  const std::string by_serial = "[[token]]\nname = \"" + serial + "\"\nuser_pin = \"" + scratch.path() + "/pin\"\n";
  set("", by_label + by_serial);
  EXPECT_FALSE(token_flags(slot) & CKF_PROTECTED_AUTHENTICATION_PATH);
  set("", by_serial + by_label);
  EXPECT_TRUE(token_flags(slot) & CKF_PROTECTED_AUTHENTICATION_PATH);
}

TEST_F(Settings, LogIsAFileThatTheUserAloneReads) {
  std::ofstream(scratch.path() + "/target") << "";
  fs::create_symlink("target", scratch.path() + "/link");
  set(log_there("link") + "log_level = \"debug\"");
  EXPECT_TRUE(fs::is_empty(scratch.path() + "/target"));
  set(log_there() + "log_level = \"debug\"");
  struct stat about {};
  ASSERT_EQ(stat((scratch.path() + "/log").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  const std::string before = log();
  set(log_there() + "log_level = \"debug\"");
  EXPECT_TRUE(log().starts_with(before) && log().size() > before.size());
  set("log = \"/dev/null\"");
  set("log = \"\"");
}

TEST_F(Settings, LogLevelSelectsTheLines) {
  const auto lines_at = [&](const std::string& level) {
    fs::remove(scratch.path() + "/log");
    set(log_there() + level);
    CK_INFO info;
    MUST(p11->C_GetInfo(&info));
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetInfo(nullptr));
    const std::string text = log();
    const auto has = [&](const char* word) { return text.find(word) != std::string::npos; };
    return std::pair(has(" info: "), has(" debug: "));
  };
  EXPECT_EQ(lines_at(""), std::pair(false, false));
  EXPECT_EQ(lines_at("log_level = \"error\""), std::pair(false, false));
  EXPECT_EQ(lines_at("log_level = \"warning\""), std::pair(false, false));
  EXPECT_EQ(lines_at("log_level = \"info\""), std::pair(true, false));
  EXPECT_EQ(lines_at("log_level = \"debug\""), std::pair(true, true));
}

// The environment, the user's own file and the machine's are not merged.
TEST_F(Settings, AreReadFromOneFileOnly) {
  set("free_slot = false");
  EXPECT_TRUE(slots().empty());
  const std::string config = scratch.path() + "/config";
  fs::create_directories(config + "/vtpm-pkcs11");
  setenv("XDG_CONFIG_HOME", config.c_str(), 1);
  std::ofstream(config + "/vtpm-pkcs11/vtpm-pkcs11.toml") << "max_sessions = 2\nstore_dir = \"" << config << "\"\n";
  set("");
  EXPECT_EQ(token_info(free_slot()).ulMaxSessionCount, 4096u);
  MUST(p11->C_Finalize(nullptr));
  fs::rename(scratch.path() + "/vtpm-pkcs11.toml", scratch.path() + "/set-aside");
  const std::string named = getenv("VTPM_PKCS11_CONF");
  setenv("VTPM_PKCS11_CONF", "", 1);
  MUST(p11->C_Initialize(nullptr));
  EXPECT_EQ(token_info(free_slot()).ulMaxSessionCount, 2u);
  setenv("VTPM_PKCS11_CONF", named.c_str(), 1);
  unsetenv("XDG_CONFIG_HOME");
}

}  // namespace
}  // namespace vtpm::conformance
