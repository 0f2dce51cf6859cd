// SPDX-License-Identifier: Apache-2.0
// Users of one group share a store (group_shared_store.sh runs this as root, in an empty directory of a file system
// with or without access control lists): compacting, re-keying and initializing the store again lock no user out.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "store/care/repair.h"
#include "store/format/quarantine.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

constexpr uid_t kAlice = 12341, kBob = 12342, kCarol = 12343, kStranger = 12349;
constexpr gid_t kGroup = 12340;
// The paths are relative, because the users may not be able to search the directories above.
const std::string kDirectory = "shared", kPath = kDirectory + "/store.vtpm";

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

void become(uid_t user) {
  const gid_t groups[] = {kGroup};
  require(::setgroups(user == kStranger ? 0 : 1, groups) == 0 && ::setresgid(user, user, user) == 0 &&
              ::setresuid(user, user, user) == 0,
          "no other user");
}

/// Returns 0 if `work` returned.
int as_user(uid_t user, const std::function<void()>& work) {
  return in_child([&] {
    become(user);
    work();
  });
}

ino_t file_number() {
  struct stat info {};
  require(::stat(kPath.c_str(), &info) == 0, "stat");
  return info.st_ino;
}

class Shared : public testing::Test {
 protected:
  // Shares the directory with the group, as administrators do. `mode` is that of the directory.
  void share(mode_t mode) {
    std::filesystem::remove_all(kDirectory);
    require(::mkdir(kDirectory.c_str(), 0700) == 0 && ::chown(kDirectory.c_str(), 0, kGroup) == 0 &&
                ::chmod(kDirectory.c_str(), mode) == 0,
            "mkdir");
    ASSERT_EQ(as_user(kAlice, [] { make_store(kPath); }), 0);
    require(::chown(kPath.c_str(), kAlice, kGroup) == 0 && ::chmod(kPath.c_str(), 0660) == 0, "chmod");
  }
  void expect_all_use_it() {
    for (uid_t user : {kAlice, kBob, kCarol}) {
      EXPECT_EQ(as_user(user,
                        [] {
                          auto vault = Vault::open(kPath);
                          require(!vault->read_only(), "it cannot be written");
                          require(vault->unlock(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked,
                                  "no login");
                          put(*vault, "obj/mine", "x");
                        }),
                0)
          << user;
    }
    EXPECT_EQ(as_user(kStranger, [] { require(::access(kPath.c_str(), R_OK) != 0, "a stranger may read it"); }), 0);
  }
  static void compact() { Vault::open(kPath)->compact(); }
  static void rekey() {
    auto vault = Vault::open(kPath);
    require(vault->unlock(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked, "no login");
    std::vector<KeptKeySlot> kept;
    kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
    kept.push_back({2, SecretBytes(as_bytes(kUserPin))});
    vault->rekey(kept);
  }
  static void initialize_anew() {
    CreateOptions options = cheap_options();
    options.replace = true;
    make_store(kPath, options);
  }
  // Writes part of an entry behind the end of the log.
  static void tear() {
    Bytes bytes = load(kPath);
    std::fill_n(bytes.end() - 3000, 700, uint8_t{'X'});
    const int file = ::open(kPath.c_str(), O_RDWR);
    require(::pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()), "pwrite");
    ::close(file);
  }
  static void write_much() {
    auto vault = Vault::open(kPath);
    for (int i = 0; i < 30; ++i) put(*vault, "obj/much", std::string(20000, 'm'), Protection::kClear);
  }
};

// --- with access control lists ---

class SharedWithLists : public Shared {};

TEST_F(SharedWithLists, AnyMemberCompactsAndNobodyIsLockedOut) {
  for (mode_t mode : {mode_t{02770}, mode_t{0770}}) {
    share(mode);
    for (uid_t user : {kBob, kCarol, kAlice, kBob}) {
      const ino_t before = file_number();
      ASSERT_EQ(as_user(user, compact), 0) << user;
      ASSERT_NE(file_number(), before);
      expect_all_use_it();
    }
    const ino_t before = file_number();
    EXPECT_EQ(as_user(kCarol, write_much), 0);
    EXPECT_NE(file_number(), before) << "it is compacted by itself";
    expect_all_use_it();
  }
}

TEST_F(SharedWithLists, ARekeyAndANewTokenLockNobodyOut) {
  share(02770);
  ASSERT_EQ(as_user(kBob, rekey), 0);
  expect_all_use_it();
  ASSERT_EQ(as_user(kCarol, initialize_anew), 0);
  expect_all_use_it();
}

TEST_F(SharedWithLists, WhatWasTornIsSetAsideByEveryone) {
  share(02770);
  const std::string path = quarantine_path(kPath);
  uintmax_t size = 0;
  for (uid_t user : {kBob, kCarol, kAlice}) {
    tear();
    ASSERT_EQ(as_user(user, [] { put(*Vault::open(kPath), "obj/after", "x", Protection::kClear); }), 0);
    const uintmax_t now = std::filesystem::file_size(path);
    EXPECT_GE(now, size + 700) << user;
    size = now;
  }
  EXPECT_EQ(as_user(kStranger, [&] { require(::access(path.c_str(), R_OK) != 0, "a stranger may read it"); }), 0);
}

// The directory's default list lets another user read every new file. A file that this user could not read stays
// unreadable.
TEST_F(SharedWithLists, TheDefaultOfTheDirectoryGivesNobodyMore) {
  share(02770);
  std::vector<uint8_t> list = {2, 0, 0, 0};
  const auto entry = [&](uint16_t tag, uint16_t rights, uint32_t id) {
    for (int i = 0; i < 2; ++i) list.push_back(static_cast<uint8_t>(tag >> 8 * i));
    for (int i = 0; i < 2; ++i) list.push_back(static_cast<uint8_t>(rights >> 8 * i));
    for (int i = 0; i < 4; ++i) list.push_back(static_cast<uint8_t>(id >> 8 * i));
  };
  entry(1, 7, UINT32_MAX);
  entry(2, 6, kStranger);
  entry(4, 7, UINT32_MAX);
  entry(16, 7, UINT32_MAX);
  entry(32, 5, UINT32_MAX);
  require(::setxattr(kDirectory.c_str(), "system.posix_acl_default", list.data(), list.size(), 0) == 0, "setxattr");
  require(::chmod(kDirectory.c_str(), 02775) == 0, "chmod");
  for (uid_t user : {kAlice, kBob}) {
    ASSERT_EQ(as_user(user, compact), 0) << user;
    expect_all_use_it();
  }
}

// --- without ---

class SharedWithoutLists : public Shared {
 protected:
  void expect_refused(const std::function<void()>& change) {
    const Bytes before = load(kPath);
    EXPECT_EQ(as_user(kBob,
                      [&] {
                        try {
                          change();
                        } catch (const Error& error) {
                          const std::string sentence = error.what();
                          require(error.code() == ErrorCode::kReadOnly, error.what());
                          require(sentence.find("12341") != sentence.npos, "it does not say who would lose access");
                          return;
                        }
                        throw std::runtime_error("it was done");
                      }),
              0);
    EXPECT_EQ(load(kPath), before);
    expect_all_use_it();
  }
};

TEST_F(SharedWithoutLists, AMemberWritesOnWithoutCompacting) {
  share(02770);
  const ino_t before = file_number();
  EXPECT_EQ(as_user(kBob, write_much), 0);
  EXPECT_EQ(file_number(), before) << "the owner would have lost access";
  expect_all_use_it();
  EXPECT_EQ(as_user(kAlice, write_much), 0);
  EXPECT_NE(file_number(), before) << "the owner compacts it";
  expect_all_use_it();
}

TEST_F(SharedWithoutLists, WhatWouldLockTheOwnerOutIsRefused) {
  share(02770);
  expect_refused(initialize_anew);
  expect_refused(compact);
  tear();
  expect_refused([] { repair(kPath); });
  // A PIN is changed in place.
  EXPECT_EQ(as_user(kBob,
                    [] {
                      auto vault = Vault::open(kPath);
                      require(vault->change_secret(Role::kUser, as_bytes(kUserPin), as_bytes("5678")) ==
                                  UnlockResult::kUnlocked,
                              "no new PIN");
                      require(vault->change_secret(Role::kUser, as_bytes("5678"), as_bytes(kUserPin)) ==
                                  UnlockResult::kUnlocked,
                              "no old PIN");
                    }),
            0);
  expect_all_use_it();
}

TEST_F(SharedWithoutLists, ARekeyThatWouldLockTheOwnerOutIsRefused) {
  share(02770);
  EXPECT_EQ(as_user(kBob,
                    [] {
                      try {
                        rekey();
                      } catch (const Error& error) {
                        return require(error.code() == ErrorCode::kReadOnly, error.what());
                      }
                      throw std::runtime_error("it was done");
                    }),
            0);
  expect_all_use_it();
  EXPECT_EQ(as_user(kAlice, rekey), 0);
  expect_all_use_it();
}

// --- mounts and directories ---

TEST(Mounted, AFileThatIsMountedByItselfServesOn) {
  std::filesystem::remove_all(kDirectory);
  std::filesystem::create_directory(kDirectory);
  make_store(kPath);
  require(::mount(kPath.c_str(), kPath.c_str(), nullptr, MS_BIND, nullptr) == 0, "mount");
  const ino_t before = file_number();
  std::vector<std::string> reports;
  auto vault = Vault::open(kPath);
  vault->report_to([&](const std::string& sentence) { reports.push_back(sentence); });
  for (int i = 0; i < 30; ++i) put(*vault, "obj/much", std::string(20000, 'm'), Protection::kClear);
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes(kUserPin), as_bytes("5678")), UnlockResult::kUnlocked);
  EXPECT_EQ(file_number(), before);
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_NE(reports[0].find("busy"), std::string::npos) << reports[0];
  require(::umount2(kPath.c_str(), MNT_DETACH) == 0, "umount");
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes("5678")), UnlockResult::kUnlocked);
}

// All users may use the files in it, and none may list it.
TEST(Mounted, ADirectoryThatMayNotBeReadIsNoObstacle) {
  std::filesystem::remove_all(kDirectory);
  require(::mkdir(kDirectory.c_str(), 0700) == 0 && ::chmod(kDirectory.c_str(), 0711) == 0, "mkdir");
  make_store(kPath);
  require(::chown(kPath.c_str(), kAlice, kAlice) == 0, "chown");
  EXPECT_EQ(as_user(kAlice, [] { put(*Vault::open(kPath), "obj/a", "x", Protection::kClear); }), 0);
}

}  // namespace
}  // namespace vtpm::store
