// SPDX-License-Identifier: Apache-2.0
// Calls of the file system that fail: what was confirmed before stays, the store remains usable, and no reader sees a
// partial change.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "tests/store/disk/scratch.h"
#include "tests/store/disk/simulated_disk.h"

namespace vtpm::store {
namespace {

const std::string kPath = "dir/store.vtpm";

std::unique_ptr<Vault> open_on(SimulatedDisk& disk) {
  OpenOptions options;
  options.file_system = &disk;
  return Vault::open(kPath, options);
}

std::unique_ptr<Vault> make_on(SimulatedDisk& disk) {
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  return make_store(kPath, options);
}

struct Case {
  const char* name;
  std::function<void(Vault&)> work;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"commit", [](Vault& vault) { put(vault, "obj/a", "new", Protection::kClear); }},
      {"growth", [](Vault& vault) { put(vault, "obj/a", std::string(200000, 'n'), Protection::kClear); }},
      {"compaction", [](Vault& vault) { vault.compact(); }},
      {"key slot", [](Vault& vault) { vault.set_secret(Role::kUser, as_bytes("5678")); }},
      {"login", [](Vault& vault) { vault.verify(Role::kUser, as_bytes("wrong")); }},
  };
  return all;
}

TEST(Fault, EveryFailedFileCallLeavesOldOrNewContents) {
  size_t runs = 0;
  for (ErrorCode code : {ErrorCode::kIo, ErrorCode::kNoSpace}) {
    for (const Case& operation : cases()) {
      for (size_t call = 1;; ++call) {
        SimulatedDisk disk;
        auto vault = make_on(disk);
        put(*vault, "obj/a", "old", Protection::kClear);
        put(*vault, "obj/b", "other");
        disk.fail_after(call, code);
        bool threw = false;
        try {
          operation.work(*vault);
        } catch (const Error& error) {
          threw = true;
          EXPECT_TRUE(error.code() == code || error.code() == ErrorCode::kIo) << operation.name << call << error.what();
        }
        if (!disk.has_failed()) {
          EXPECT_FALSE(threw);
          break;  // the operation makes fewer calls
        }
        ++runs;
        SCOPED_TRACE(std::string(operation.name) + ", call " + std::to_string(call));
        // A failed operation changed nothing that others see, or all of it.
        auto reader = open_on(disk);
        std::string a = get(*reader, "obj/a");
        EXPECT_TRUE(a == "old" || a == "new" || a == std::string(200000, 'n')) << a;
        bool is_commit = std::string(operation.name) == "commit";
        if (is_commit && call == 1) {  // the write; after a failed sync the outcome is open
          EXPECT_EQ(a, "old");
        }
        if (is_commit && !threw) {
          EXPECT_EQ(a, "new");
        }
        bool old_opens = reader->verify(Role::kUser, as_bytes(kUserPin)) == UnlockResult::kUnlocked;
        bool new_opens = reader->verify(Role::kUser, as_bytes("5678")) == UnlockResult::kUnlocked;
        EXPECT_NE(old_opens, new_opens);
        // The vault that met the failure continues, and so do other processes.
        put(*vault, "obj/c", "later");
        reader->refresh();
        EXPECT_TRUE(reader->find("obj/c"));
        EXPECT_EQ(reader->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
        EXPECT_EQ(get(*reader, "obj/c"), "later");
        EXPECT_EQ(get(*reader, "obj/b"), "other");
        ASSERT_FALSE(HasFailure());
      }
    }
  }
  std::printf("%zu failed calls\n", runs);
  EXPECT_GE(runs, 50u);
}

// After a failed sync the contents of the disk are unknown: it is read, nothing is confirmed, and the next change
// rewrites the file.
TEST(Fault, AFailedSyncIsFollowedByARewriteNotByARetry) {
  SimulatedDisk disk;
  auto vault = make_on(disk);
  put(*vault, "obj/a", "old");
  put(*vault, "obj/warm", "up");
  FileId before = disk.id_of(kPath).value();
  disk.fail_after(2, ErrorCode::kIo);  // the write, then the sync
  EXPECT_EQ(code_thrown_by([&] { put(*vault, "obj/a", "new"); }), ErrorCode::kIo);
  ASSERT_TRUE(disk.has_failed());
  EXPECT_EQ(get(*vault, "obj/a"), "new") << "read, and not promised";
  EXPECT_TRUE(disk.id_of(kPath).value() == before);
  put(*vault, "obj/b", "next");
  EXPECT_FALSE(disk.id_of(kPath).value() == before) << "rewritten";
  EXPECT_EQ(get(*vault, "obj/b"), "next");
  EXPECT_TRUE(open_on(disk)->find("obj/warm"));
}

// Who promises that what was read will last makes sure first, and says so where that cannot be done.
TEST(Fault, WhatIsConfirmedAfterAFailedSyncWasWrittenAgain) {
  for (const bool in_place : {false, true}) {
    SimulatedDisk disk;
    auto vault = make_on(disk);
    put(*vault, "obj/a", "old");
    put(*vault, "obj/warm", "up");
    disk.fail_after(2, ErrorCode::kIo);
    EXPECT_EQ(code_thrown_by([&] { put(*vault, "obj/a", "new"); }), ErrorCode::kIo);
    const size_t before = disk.steps().size();
    if (in_place) disk.fail_rename(ErrorCode::kIo);
    vault->make_durable();
    EXPECT_TRUE(std::any_of(disk.steps().begin() + static_cast<ptrdiff_t>(before), disk.steps().end(),
                            [](const DiskStep& step) { return step.kind == DiskStep::Kind::kWrite; }));
    const size_t done = disk.steps().size();
    vault->make_durable();
    EXPECT_EQ(disk.steps().size(), done) << "once";
    EXPECT_EQ(get(*vault, "obj/a"), "new");
    EXPECT_TRUE(open_on(disk)->findings().empty());
  }
}

// A file-size limit, met through the real system: the commit fails whole, logins still count, and the host does not
// get the signal that would kill it.
TEST(Fault, AFileSizeLimitFailsTheCommitAndLoginsStillCount) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  int status = in_child([&] {
    auto vault = make_store(path);
    put(*vault, "obj/a", "old", Protection::kClear);
    struct rlimit limit {
      65536, 65536
    };
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("no limit");
    bool refused = false;
    try {
      put(*vault, "obj/a", std::string(100000, 'n'), Protection::kClear);
    } catch (const Error& error) {
      refused = error.code() == ErrorCode::kNoSpace;
    }
    if (!refused) throw std::runtime_error("it was not refused for want of space");
    for (int i = 0; i < 5; ++i) {
      if (vault->verify(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked)
        throw std::runtime_error("no login");
    }
    if (get(*vault, "obj/a") != "old") throw std::runtime_error("the old value is gone");
    put(*vault, "obj/b", "fits", Protection::kClear);
  });
  EXPECT_EQ(status, 0);
  auto vault = Vault::open(path);
  EXPECT_EQ(get(*vault, "obj/a"), "old");
  EXPECT_EQ(get(*vault, "obj/b"), "fits");
  EXPECT_TRUE(outside_tools_read(path));
}

// A full store: ordinary commits stop while the reserve still counts logins.
TEST(Fault, TheReserveIsKeptForLogins) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  int status = in_child([&] {
    auto vault = make_store(path);
    struct rlimit limit {
      65536, 65536
    };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int stored = 0;
    try {
      for (;; ++stored) put(*vault, "obj/" + std::to_string(stored), std::string(300, 'x'), Protection::kClear);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNoSpace) throw;
    }
    if (stored < 50) throw std::runtime_error("too few fit");
    for (int i = 0; i < 8; ++i) {
      if (vault->verify(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked)
        throw std::runtime_error("no login");
    }
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace vtpm::store
