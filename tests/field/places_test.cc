// SPDX-License-Identifier: Apache-2.0
// The places of stores and configuration for users without a usable home directory: services, containers, incomplete
// accounts.
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/conformance/harness/harness.h"

namespace {

uid_t the_user = 0;                      // the user id that the module sees
std::optional<std::string> passwd_home;  // the home directory of the_user; nothing if the passwd file has no such user

}  // namespace

extern "C" [[gnu::visibility("default")]] uid_t geteuid() noexcept { return the_user; }

extern "C" [[gnu::visibility("default")]] int getpwuid_r(uid_t, passwd* entry, char* buffer, size_t size,
                                                         passwd** found) {
  *found = nullptr;
  if (!passwd_home || passwd_home->size() >= size) return 0;
  static char name[] = "service";
  *entry = {};
  entry->pw_name = name;
  entry->pw_dir = strcpy(buffer, passwd_home->c_str());
  *found = entry;
  return 0;
}

namespace vtpm::conformance {
namespace {

namespace fs = std::filesystem;

class Places : public testing::Test {
 protected:
  Places() {
    the_user = getuid() == 0 ? 12345 : getuid();
    passwd_home.reset();
    std::ofstream(scratch.path() + "/vtpm-pkcs11.toml") << "[kdf]\nmemory_kib = 8192\npasses = 1\n";
    for (const char* variable : kVariables) unsetenv(variable);
  }
  ~Places() override {
    p11->C_Finalize(nullptr);
    for (const char* variable : kVariables) unsetenv(variable);
    the_user = getuid();
  }

  std::string in_scratch(const std::string& name) const { return scratch.path() + "/" + name; }
  /// A new directory that belongs to the user.
  std::string directory(const std::string& name) const {
    fs::create_directory(in_scratch(name));
    if (getuid() == 0 && chown(in_scratch(name).c_str(), the_user, the_user) != 0) throw std::runtime_error("chown");
    return in_scratch(name);
  }
  /// From now on the files that the tests make belong to another user.
  static void become_another() { ++the_user; }

  /// The directory, below the scratch directory, of the store that C_InitToken makes; "none" if it cannot.
  std::string where_a_token_is_made(const std::string& label = "token") {
    MUST(p11->C_Initialize(nullptr));
    const std::vector<std::string> before = stores();
    const CK_RV rv = try_init_token(free_slot(), kSoPin, label);
    MUST(p11->C_Finalize(nullptr));
    std::string found = rv == CKR_OK ? "elsewhere" : "none";
    for (const std::string& store : stores()) {
      if (std::find(before.begin(), before.end(), store) == before.end())
        found = fs::path(store).parent_path().string().substr(scratch.path().size() + 1);
    }
    return found;
  }
  /// Whether the module finds a token of this label.
  static bool finds(const std::string& label) {
    MUST(p11->C_Initialize(nullptr));
    bool found = false;
    for (const CK_SLOT_ID slot : slots()) {
      CK_TOKEN_INFO info{};
      if (p11->C_GetTokenInfo(slot, &info) != CKR_OK) continue;  // the free slot
      found |= memcmp(info.label, (label + std::string(32, ' ')).data(), sizeof info.label) == 0;
    }
    MUST(p11->C_Finalize(nullptr));
    return found;
  }
  std::vector<std::string> stores() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(scratch.path())) {
      if (entry.path().extension() == ".vtpm") found.push_back(entry.path());
    }
    return found;
  }

  static constexpr const char* kVariables[] = {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "STATE_DIRECTORY",
                                               "VTPM_PKCS11_STORE"};
  Scratch scratch;
};

TEST_F(Places, AreInTheHomeDirectoryOfThePasswdFile) {
  passwd_home = directory("home");
  // The environment as sudo may leave it.
  setenv("HOME", directory("other").c_str(), 1);
  setenv("STATE_DIRECTORY", directory("state").c_str(), 1);
  EXPECT_EQ(where_a_token_is_made(), "home/.local/share/vtpm-pkcs11");
}

TEST_F(Places, AreInHomeWhereThePasswdFileHasNoUsableOne) {
  int round = 0;
  using Home = std::optional<std::string>;
  // The last of these directories belongs to root, and no user's store may be made in it.
  for (const Home& none : {Home(), Home(""), Home("/"), Home("//"), Home(in_scratch("absent")),
                           Home(in_scratch("vtpm-pkcs11.toml")), Home("/proc")}) {
    passwd_home = none;
    const std::string home = "home" + std::to_string(++round);
    setenv("HOME", directory(home).c_str(), 1);
    EXPECT_EQ(where_a_token_is_made(), home + "/.local/share/vtpm-pkcs11") << none.value_or("no entry");
    EXPECT_TRUE(finds("token"));
  }
}

TEST_F(Places, AreInTheStateDirectoryWhereNothingElseYieldsOne) {
  passwd_home = "/";
  const std::string state = directory("state");
  setenv("STATE_DIRECTORY", (state + ":" + directory("another")).c_str(), 1);
  for (const std::string& home :
       {std::string(), std::string("/"), std::string("/proc"), std::string("relative"), in_scratch("absent")}) {
    setenv("HOME", home.c_str(), 1);
    EXPECT_EQ(where_a_token_is_made(), "state/vtpm-pkcs11") << home;
  }
  setenv("HOME", directory("home").c_str(), 1);
  EXPECT_EQ(where_a_token_is_made(), "home/.local/share/vtpm-pkcs11");
  // The variable decides for every user.
  setenv("XDG_DATA_HOME", directory("data").c_str(), 1);
  EXPECT_EQ(where_a_token_is_made(), "data/vtpm-pkcs11");
  setenv("XDG_DATA_HOME", "relative", 1);
  EXPECT_EQ(where_a_token_is_made(), "home/.local/share/vtpm-pkcs11");
}

TEST_F(Places, DoNotExistWithoutAnyDirectory) {
  passwd_home = "/";
  setenv("HOME", directory("home").c_str(), 1);
  become_another();
  EXPECT_EQ(where_a_token_is_made(), "none");
  EXPECT_TRUE(fs::is_empty(in_scratch("home")));
  setenv("STATE_DIRECTORY", "relative", 1);
  EXPECT_EQ(where_a_token_is_made(), "none");
}

// Earlier versions did not check the owner of the home directory and have made a store there.
TEST_F(Places, OfAStoreThatWasFoundBeforeStay) {
  passwd_home = directory("home");
  EXPECT_EQ(where_a_token_is_made("of passwd"), "home/.local/share/vtpm-pkcs11");
  become_another();
  setenv("STATE_DIRECTORY", in_scratch("home").c_str(), 1);
  EXPECT_TRUE(finds("of passwd"));
  EXPECT_EQ(where_a_token_is_made("beside it"), "home/.local/share/vtpm-pkcs11");

  passwd_home.reset();
  setenv("HOME", in_scratch("home").c_str(), 1);
  EXPECT_TRUE(finds("beside it"));
}

TEST_F(Places, OfTheConfigurationFollowTheSameRules) {
  const std::string home = directory("home"), file = home + "/.config/vtpm-pkcs11/vtpm-pkcs11.toml";
  setenv("VTPM_PKCS11_CONF", "", 1);
  fs::create_directories(fs::path(file).parent_path());
  std::ofstream(file) << "store_dir = \"" << in_scratch("configured") << "\"\n[kdf]\nmemory_kib = 8192\npasses = 1\n";
  passwd_home = "/nonexistent";
  setenv("HOME", home.c_str(), 1);
  EXPECT_EQ(where_a_token_is_made("of HOME"), "configured");
  passwd_home = home;
  setenv("HOME", directory("other").c_str(), 1);
  EXPECT_TRUE(finds("of HOME"));
  become_another();
  EXPECT_TRUE(finds("of HOME")) << "a configuration that was found before is found after";
}

// A service may not read the home directory of the passwd file (ProtectHome= of systemd).
TEST_F(Places, ThatCannotBeReadAreNotABrokenConfiguration) {
  passwd_home = directory("home") + "/service";
  setenv("VTPM_PKCS11_CONF", "", 1);
  setenv("XDG_DATA_HOME", directory("data").c_str(), 1);
  fs::permissions(in_scratch("home"), fs::perms::none);
  EXPECT_FALSE(finds("token"));  // and no slot without a token
  fs::permissions(in_scratch("home"), fs::perms(0700));
}

}  // namespace
}  // namespace vtpm::conformance
