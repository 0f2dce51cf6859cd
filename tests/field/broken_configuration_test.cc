// SPDX-License-Identifier: Apache-2.0
// A configuration with an error: the module serves no token, says so in the slot's description and once in the system's
// log, and does nothing else until the error is corrected.
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "tests/conformance/harness/harness.h"
#include "tests/conformance/harness/process.h"

// Messages to /dev/log are sent to $VTPM_TEST_DEV_LOG instead.
extern "C" [[gnu::visibility("default")]] ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  static auto* const real = reinterpret_cast<decltype(&::sendmsg)>(dlsym(RTLD_NEXT, "sendmsg"));
  const auto* to = static_cast<const sockaddr_un*>(message->msg_name);
  if (!to || to->sun_family != AF_UNIX || strcmp(to->sun_path, "/dev/log") != 0) return real(socket, message, flags);
  sockaddr_un other{};
  other.sun_family = AF_UNIX;
  if (const char* path = getenv("VTPM_TEST_DEV_LOG")) strncpy(other.sun_path, path, sizeof other.sun_path - 1);
  msghdr redirected = *message;
  redirected.msg_name = &other;
  redirected.msg_namelen = sizeof other;
  return real(socket, &redirected, flags);
}

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;

void need(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}
void need_rv(CK_RV expected, CK_RV rv, const char* function) {
  need(rv == expected, std::string(function) + ": " + rv_name(rv) + " and not " + rv_name(expected));
}

std::string trimmed(const unsigned char* field, size_t size) {
  std::string text(reinterpret_cast<const char*>(field), size);
  return text.erase(text.find_last_not_of(' ') + 1);
}

/// Every path below `directory`.
std::vector<std::string> tree(const std::string& directory) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(directory, fs::directory_options::skip_permission_denied))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Checks the only slot of a module with a broken configuration by every function that describes it. Throws.
void need_one_slot_without_a_token() {
  CK_ULONG count = 0;
  MUST(p11->C_GetSlotList(CK_FALSE, nullptr, &count));
  need(count == 1, "there are " + std::to_string(count) + " slots");
  CK_SLOT_ID slot = 0;
  MUST(p11->C_GetSlotList(CK_FALSE, &slot, &count));
  MUST(p11->C_GetSlotList(CK_TRUE, nullptr, &count));
  need(count == 0, "there are " + std::to_string(count) + " slots with a token");
  CK_SLOT_INFO info{};
  MUST(p11->C_GetSlotInfo(slot, &info));
  need(info.flags == 0, "the flags of the slot are " + std::to_string(info.flags));
  const std::string said = trimmed(info.slotDescription, sizeof info.slotDescription);
  need(said == "broken configuration, see vtpm-token config check", "the slot is described as " + said);

  CK_TOKEN_INFO token{};
  need_rv(CKR_TOKEN_NOT_PRESENT, p11->C_GetTokenInfo(slot, &token), "C_GetTokenInfo");
  need_rv(CKR_TOKEN_NOT_PRESENT, p11->C_GetMechanismList(slot, nullptr, &count), "C_GetMechanismList");
  CK_MECHANISM_INFO mechanism{};
  need_rv(CKR_TOKEN_NOT_PRESENT, p11->C_GetMechanismInfo(slot, CKM_SHA256, &mechanism), "C_GetMechanismInfo");
  CK_SESSION_HANDLE session = 0;
  for (const CK_FLAGS flags : {CKF_SERIAL_SESSION, CKF_SERIAL_SESSION | CKF_RW_SESSION})
    need_rv(CKR_TOKEN_NOT_PRESENT, p11->C_OpenSession(slot, flags, nullptr, nullptr, &session), "C_OpenSession");
  need_rv(CKR_TOKEN_NOT_PRESENT, try_init_token(slot, kSoPin, "nowhere"), "C_InitToken");
  std::string label(32, ' ');
  need_rv(CKR_TOKEN_NOT_PRESENT, p11->C_InitToken(slot, nullptr, 0, reinterpret_cast<CK_BYTE*>(label.data())),
          "C_InitToken with the protected authentication path");
  need_rv(CKR_SLOT_ID_INVALID, p11->C_GetSlotInfo(slot + 1, &info), "C_GetSlotInfo of another slot");
  need_rv(CKR_OK, p11->C_CloseAllSessions(slot), "C_CloseAllSessions");
}

// Root can read every file.
const RegisterAct kFindBroken("find-broken", [](const std::vector<std::string>& arguments) {
  if (!arguments.empty() && geteuid() == 0) need(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
  MUST(p11->C_Initialize(nullptr));
  need_one_slot_without_a_token();
  MUST(p11->C_Finalize(nullptr));
  MUST(p11->C_Initialize(nullptr));
  need_one_slot_without_a_token();
  MUST(p11->C_Finalize(nullptr));
});

class BrokenConfiguration : public testing::Test {
 protected:
  BrokenConfiguration() {
    fs::permissions(scratch.path(), fs::perms(0755));
    const std::string dev_log = scratch.path() + "/dev-log";
    receiver_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    dev_log.copy(address.sun_path, sizeof address.sun_path - 1);
    if (bind(receiver_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("bind");
    fs::permissions(dev_log, fs::perms(0777));
    setenv("VTPM_TEST_DEV_LOG", dev_log.c_str(), 1);
  }
  ~BrokenConfiguration() override {
    p11->C_Finalize(nullptr);
    for (const char* variable : {"VTPM_TEST_DEV_LOG", "VTPM_PKCS11_STORE", "XDG_CONFIG_HOME", "XDG_DATA_HOME"})
      unsetenv(variable);
    close(receiver_);
  }

  std::string file() const { return scratch.path() + "/vtpm-pkcs11.toml"; }
  void configure(const std::string& text) const { std::ofstream(file()) << text; }
  /// The next line that is sent to the system's log, or "" if there is none.
  std::string received() const {
    char buffer[4096];
    const ssize_t size = recv(receiver_, buffer, sizeof buffer, 0);
    return size < 0 ? "" : std::string(buffer, static_cast<size_t>(size));
  }
  /// Another process finds the slot without a token, twice, and writes nothing except one line that contains `reason`.
  void expect_broken(const std::string& reason) { expect_broken_for({"find-broken"}, reason); }
  /// Does the same as a user who is not root.
  void expect_unreadable(const std::string& path) {
    expect_broken_for({"find-broken", "without-privileges"}, path + ": cannot be read: Permission denied");
  }
  void expect_broken_for(const std::vector<std::string>& words, const std::string& reason) {
    SCOPED_TRACE(reason);
    const std::vector<std::string> before = tree(scratch.path());
    const Ran ran = run_act(words);
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.output, "");
    EXPECT_EQ(tree(scratch.path()), before);
    const std::string line = received();
    EXPECT_NE(line.find("error: the configuration is broken, so no token is served: "), std::string::npos) << line;
    EXPECT_NE(line.find(reason), std::string::npos) << line;
    EXPECT_EQ(received(), "");
  }
  /// Does the same with `text` as the configuration file.
  void expect_broken(const std::string& text, const std::string& reason) {
    configure(text);
    expect_broken(file() + reason);
  }
  std::string good() const { return "store_dir = \"" + scratch.store() + "\"\n"; }

  Scratch scratch;

 private:
  int receiver_ = -1;
};

TEST_F(BrokenConfiguration, HasASpellingMistake) {
  expect_broken(good() + "placment = \"tpm-only\"\n", ":2:1: placment is not a setting");
  expect_broken(good() + "placement = \"tpm_only\"\n", ":2:13: placement must be one of \"auto\", \"tpm-only\"");
  expect_broken(good() + "[kdf]\npases = 3\n", ":3:1: kdf.pases is not a setting");
  expect_broken(good() + "[[token]]\n  usr_pin = \"vtpm.user-pin\"\n", ":3:3: token.usr_pin is not a setting");
  expect_broken(good() + "[tokens]\nuser_pin = \"vtpm.user-pin\"\n", ":2:2: tokens is not a setting");
  expect_broken(good() + "log = \"sysolg\"\n", ":2:7: log must be \"stderr\", \"syslog\" or a path");
  expect_broken(good() + "log = \"stderr\"\nfree_slots = true\n", ":3:1: free_slots is not a setting");
}

TEST_F(BrokenConfiguration, IsNotToml) {
  expect_broken(good() + "placement = tpm-only\n", ":2:14: ");
  expect_broken(good() + "\"placement\" \"tpm-only\"\n", ":2:");
  expect_broken(good() + "free_slot = true\nfree_slot = true\n", ":3:");
  expect_broken(good() + "log = \"\xff\"\n", ":2:");
}

TEST_F(BrokenConfiguration, HasAnInvalidValue) {
  expect_broken("store_dir = \"tokens\"\n", ":1:13: store_dir must be an absolute path");
  expect_broken("store_dir = \"/srv\\u0000/tokens\"\n", ":1:13: store_dir must not contain a NUL byte");
  expect_broken(good() + "max_sessions = 0\n", ":2:16: max_sessions must be between 1 and ");
  expect_broken(good() + "lock_timeout = 0.5\n", ":2:16: lock_timeout must be a whole number");
  expect_broken(good() + "tpm_instances = 65\n", ":2:17: tpm_instances must be between 1 and 64");
  expect_broken(good() + "kdf = { memory_kib = 1024 }\n", ":2:22: kdf.memory_kib must be between 8192 and 1048576");
  expect_broken(good() + "pin = 10\n", ":2:7: pin must be a table");
  expect_broken(good() + "free_slot = \"sometimes\"\n", ":2:13: free_slot must be true, false or \"always\"");
  expect_broken(good() + "tpm_objects = true\n", ":2:15: tpm_objects must be a string");
  expect_broken(good() + "mechanisms.hidden = \"CKM_MD5\"\n", ":2:21: mechanisms.hidden must be an array of strings");
  expect_broken(good() + "mechanisms.hidden = [1]\n", ":2:22: mechanisms.hidden must contain only strings");
  expect_broken(good() + "mechanisms.hidden = [\"CKM_MD5\"]\n",
                ":2:22: mechanisms.hidden contains \"CKM_MD5\", which is not a mechanism");
  expect_broken(good() + "[pin]\nuser_limit = -1\n", ":3:14: pin.user_limit must be between 0 and ");
  expect_broken(good() + "[identity]\nauthority = \"ca\"\n", ":3:13: identity.authority must be an absolute path");
  expect_broken(good() + "[[token]]\nautomatic_login = true\n", ":3:19: token.automatic_login needs a user_pin");
  expect_broken(good() + "[[token]]\n[[token]]\n", ":3:1: token.name is missing in two tables");
  expect_broken(good() + "[[token]]\nname = \"a\"\n[[token]]\nname = \"a\"\n",
                ":5:8: token.name is the same in two tables");
}

TEST_F(BrokenConfiguration, TheNamedFileDoesNotExist) {
  fs::remove(file());
  expect_broken(file() + ": does not exist, and $VTPM_PKCS11_CONF names it");
  fs::create_symlink("elsewhere", file());
  expect_broken(file() + ": is a symbolic link to a file that does not exist");
  unsetenv("VTPM_PKCS11_CONF");
  setenv("XDG_CONFIG_HOME", (scratch.path() + "/config").c_str(), 1);
  const std::string directory = scratch.path() + "/config/vtpm-pkcs11", users = directory + "/vtpm-pkcs11.toml";
  fs::create_directories(directory);
  fs::create_symlink("/nowhere/at/all", users);
  expect_broken(users + ": is a symbolic link to a file that does not exist");
}

TEST_F(BrokenConfiguration, MayNotBeRead) {
  fs::permissions(file(), fs::perms::none);
  expect_unreadable(file());
  fs::remove(file());
  fs::create_directory(file());
  expect_broken(file() + ": cannot be read: it is not a regular file");
  fs::remove(file());
  ASSERT_EQ(mkfifo(file().c_str(), 0644), 0);
  expect_broken(file() + ": cannot be read: it is not a regular file");

  unsetenv("VTPM_PKCS11_CONF");
  setenv("XDG_CONFIG_HOME", (scratch.path() + "/config").c_str(), 1);
  const std::string directory = scratch.path() + "/config/vtpm-pkcs11";
  fs::create_directories(directory);
  std::ofstream(directory + "/vtpm-pkcs11.toml") << good();
  fs::permissions(directory, fs::perms::none);
  expect_unreadable(directory + "/vtpm-pkcs11.toml");
  fs::permissions(directory, fs::perms(0700));
}

TEST_F(BrokenConfiguration, IsLargerThanAMebibyte) {
  const std::string text = good() + "#" + std::string(1 << 20, 'x');
  expect_broken(text, ": cannot be read: it is larger than 1048576 bytes");
  configure(text.substr(0, 1 << 20));
  MUST(p11->C_Initialize(nullptr));
  EXPECT_EQ(slots().size(), 1u);
  EXPECT_EQ(token_info(slots()[0]).flags & CKF_TOKEN_INITIALIZED, 0u);
}

TEST_F(BrokenConfiguration, TheVariableForTheStoresIsNotAbsolute) {
  setenv("VTPM_PKCS11_STORE", "tokens", 1);
  expect_broken("$VTPM_PKCS11_STORE: must be an absolute path, not tokens");
}

TEST_F(BrokenConfiguration, HidesTheTokensUntilItIsCorrectedAndReadAgain) {
  const std::string text = good() + "[kdf]\nmemory_kib = 8192\npasses = 1\n";
  configure(text);
  MUST(p11->C_Initialize(nullptr));
  const CK_SLOT_ID slot = make_token("mine");
  configure(text + "lane = 1\n");
  EXPECT_EQ(slot_of("mine"), slot) << "the configuration is that of C_Initialize";
  MUST(p11->C_Finalize(nullptr));
  const std::vector<std::string> before = tree(scratch.path());
  for (int round = 0; round < 3; ++round) {
    MUST(p11->C_Initialize(nullptr));
    EXPECT_NO_THROW(need_one_slot_without_a_token());
    MUST(p11->C_Finalize(nullptr));
  }
  EXPECT_EQ(tree(scratch.path()), before);
  EXPECT_NE(received(), "");
  EXPECT_EQ(received(), "") << "one line for each process";
  EXPECT_EQ(in_child([] {
              MUST(p11->C_Initialize(nullptr));
              need_one_slot_without_a_token();
            }),
            "");
  EXPECT_NE(received(), "") << "a child is another process";
  configure(text);
  MUST(p11->C_Initialize(nullptr));
  Session session(slot_of("mine"));
  session.login();
  EXPECT_EQ(received(), "");
}

// p11-kit loads the module into every program of the machine.
TEST_F(BrokenConfiguration, WithoutAFileTheDefaultsApply) {
  const std::string home = scratch.path() + "/home";
  fs::create_directory(home);
  for (const char* variable : {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "VTPM_PKCS11_STORE"})
    setenv(variable, (home + "/" + variable).c_str(), 1);
  for (const char* conf : {"", "/dev/null"}) {
    setenv("VTPM_PKCS11_CONF", conf, 1);
    MUST(p11->C_Initialize(nullptr));
    ASSERT_EQ(slots().size(), 1u);
    EXPECT_FALSE(token_flags(slots()[0]) & CKF_TOKEN_INITIALIZED);
    MUST(p11->C_Finalize(nullptr));
  }
  EXPECT_TRUE(fs::is_empty(home));
  EXPECT_EQ(received(), "");
}

}  // namespace
}  // namespace vtpm::conformance
