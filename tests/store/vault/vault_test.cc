// SPDX-License-Identifier: Apache-2.0
// The vault as its users see it: one process, one or two vaults on a file.
#include "store/vault/vault.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "store/care/report.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

class VaultTest : public testing::Test {
 protected:
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

TEST_F(VaultTest, R0_10_KeepsWhatWasPut) {
  {
    auto vault = make_store(path);
    put(*vault, "obj/sealed", "secret");
    put(*vault, "obj/clear", "public", Protection::kClear);
    put(*vault, "obj/empty", "");
    put(*vault, "obj/empty clear", "", Protection::kClear);
    vault->change(
        [&](Transaction& transaction) { transaction.put("big", "blob", Protection::kSealed, Bytes(300000, 0xAB)); });
    EXPECT_TRUE(outside_tools_read(path));
  }
  auto vault = Vault::open(path);
  EXPECT_FALSE(vault->unlocked());
  EXPECT_EQ(get(*vault, "obj/clear"), "public");
  EXPECT_FALSE(vault->read("obj/clear")->bound) << "nothing is authenticated before login";
  EXPECT_EQ(code_thrown_by([&] { vault->read("obj/sealed"); }), ErrorCode::kLocked);
  EXPECT_EQ(vault->find("obj/sealed")->size, 6u);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "obj/sealed"), "secret");
  EXPECT_EQ(get(*vault, "obj/empty"), "");
  EXPECT_EQ(get(*vault, "obj/empty clear"), "");
  EXPECT_TRUE(vault->read("obj/clear")->bound);
  EXPECT_TRUE(vault->read("obj/sealed")->bound);
  EXPECT_EQ(vault->read("big")->data.size(), 300000u);
  EXPECT_EQ(vault->read("big")->data[299999], 0xAB);
  EXPECT_FALSE(vault->read("obj/absent"));
  vault->lock();
  EXPECT_EQ(code_thrown_by([&] { vault->read("obj/sealed"); }), ErrorCode::kLocked);
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(VaultTest, SecretsAreNotInTheFile) {
  auto vault = make_store(path);
  put(*vault, "obj/sealed", "a very secret text");
  Bytes contents = load(path);
  std::string_view text = as_text(contents);
  EXPECT_EQ(text.find("very secret"), std::string_view::npos);
  EXPECT_EQ(text.find(kUserPin), std::string_view::npos);
  EXPECT_EQ(text.find(kSoPin), std::string_view::npos);
  EXPECT_NE(text.find("obj/sealed"), std::string_view::npos) << "the directory is readable";
}
#endif

TEST_F(VaultTest, R0_8_ListsByPrefixAndName) {
  auto vault = make_store(path);
  for (const char* name : {"obj/b", "obj/a", "nic0/eeprom", "obj/c"}) put(*vault, name, name, Protection::kClear);
  erase(*vault, "obj/c");
  auto listed = vault->list("obj/");
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].name, "obj/a");
  EXPECT_EQ(listed[1].name, "obj/b");
  EXPECT_EQ(listed[0].type, "p11-object");
  EXPECT_EQ(vault->list().size(), 3u + 2u) << "the key slots are entries too";
}

TEST_F(VaultTest, ATransactionIsAllOrNothing) {
  auto vault = make_store(path);
  put(*vault, "obj/a", "1");
  const Committed committed = vault->change([&](Transaction& transaction) {
    transaction.put("obj/a", "p11-object", Protection::kSealed, as_bytes("2"));
    transaction.put("obj/b", "p11-object", Protection::kClear, as_bytes("x"));
    transaction.put("obj/b", "p11-object", Protection::kClear, as_bytes("y"));
    transaction.put("obj/c", "p11-object", Protection::kClear, as_bytes("z"));
    transaction.erase("obj/c");
    EXPECT_EQ(get(*vault, "obj/a"), "1") << "the thread inside may read";
    EXPECT_FALSE(vault->refresh());
  });
  EXPECT_EQ(get(*vault, "obj/a"), "2");
  EXPECT_EQ(get(*vault, "obj/b"), "y");
  EXPECT_FALSE(vault->find("obj/c"));
  EXPECT_EQ(committed.sequence_of("obj/a"), vault->find("obj/a")->sequence);
  EXPECT_EQ(committed.sequence_of("obj/b"), vault->find("obj/b")->sequence);
  EXPECT_EQ(committed.sequence_of("obj/c"), 0u);
}

TEST_F(VaultTest, WhatABodyThrowsChangesNothing) {
  auto vault = make_store(path);
  put(*vault, "obj/a", "1");
  const uint64_t before = vault->cursor();
  EXPECT_EQ(code_thrown_by([&] {
              vault->change([](Transaction& transaction) {
                transaction.put("obj/a", "p11-object", Protection::kSealed, as_bytes("2"));
                transaction.erase("obj/a");
                throw Error(ErrorCode::kTpm, "no TPM");
              });
            }),
            ErrorCode::kTpm);
  EXPECT_EQ(get(*vault, "obj/a"), "1");
  EXPECT_EQ(vault->cursor(), before);
  put(*vault, "obj/a", "3");  // the lock is free
  EXPECT_EQ(get(*vault, "obj/a"), "3");
}

TEST_F(VaultTest, ABodyThatPutNothingCommitsNothing) {
  auto vault = make_store(path);
  const Bytes before = load(path);
  const Committed committed = vault->change([](Transaction& transaction) { transaction.erase("obj/never was"); });
  EXPECT_EQ(committed.sequence_of("obj/never was"), 0u);
  EXPECT_EQ(load(path), before);
}

TEST_F(VaultTest, RejectsInvalidNamesAndTypes) {
  auto vault = make_store(path);
  auto refused = [&](std::string_view name, std::string_view type) {
    const auto body = [&](Transaction& transaction) { transaction.put(name, type, Protection::kClear, {}); };
    EXPECT_EQ(code_thrown_by([&] { vault->change(body); }), ErrorCode::kInvalidArgument);
  };
  refused("", "t");
  refused("a\nb", "t");
  refused(std::string(256, 'a'), "t");
  refused("a", "");
  refused("keyslot/1", "p11-object");
  refused("attempt/user", "p11-object");
  for (std::string_view type : {"blobstore", "keyslot", "attempt", "moved", "free"}) refused("a", type);
  vault->change([](Transaction& transaction) {
    EXPECT_EQ(code_thrown_by([&] { transaction.erase("keyslot/1"); }), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code_thrown_by([&] { transaction.put("a", "t", Protection::kClear, Bytes(16 << 20)); }),
              ErrorCode::kNoSpace);
  });
}

TEST_F(VaultTest, AnotherVaultSeesChangesAfterRefresh) {
  auto one = make_store(path);
  auto two = Vault::open(path);
  put(*one, "obj/a", "1", Protection::kClear);
  EXPECT_FALSE(two->find("obj/a")) << "nothing behind the caller's back";
  EXPECT_TRUE(two->refresh());
  EXPECT_FALSE(two->refresh());
  EXPECT_EQ(get(*two, "obj/a"), "1");
  put(*one, "obj/a", "2", Protection::kClear);
  two->change([&](Transaction&) { EXPECT_EQ(get(*two, "obj/a"), "2") << "a change catches up"; });
}

TEST_F(VaultTest, ChangesNameEachNameOnceOldestFirst) {
  auto writer = make_store(path);
  auto vault = Vault::open(path);
  uint64_t start = vault->cursor();
  for (const char* name : {"obj/a", "obj/b", "obj/c", "obj/a"}) put(*writer, name, name, Protection::kClear);
  erase(*writer, "obj/b");
  vault->refresh();
  auto changes = vault->changes(start).entries;
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].name, "obj/c");
  EXPECT_EQ(changes[1].name, "obj/a");
  EXPECT_EQ(changes[2].name, "obj/b");
  EXPECT_TRUE(changes[2].deleted);
  EXPECT_TRUE(vault->changes(vault->cursor()).entries.empty());
  EXPECT_EQ(vault->changes(0).entries.size(), 5u) << "with two key slots";
}

// A deletion that a later put of the same transaction replaces counts all the same: what was deleted is new again.
TEST_F(VaultTest, ANameThatOneTransactionDeletesAndPutsIsNew) {
  auto vault = make_store(path);
  const auto put_kept = [](Transaction& transaction) {
    transaction.put_registered("obj/a", "p11-object", Protection::kSealed, 100, as_bytes("value"));
    transaction.keep_birth("obj/a");
    transaction.forbid_rollback("obj/a");
  };
  vault->change(put_kept);
  vault->change(put_kept);
  EXPECT_LT(vault->find("obj/a")->born, vault->find("obj/a")->sequence);
  vault->change([](Transaction& transaction) {
    transaction.erase("obj/a");
    transaction.put("obj/a", "p11-object", Protection::kSealed, as_bytes("value"));
    transaction.keep_birth("obj/a");
  });
  EXPECT_EQ(vault->find("obj/a")->born, vault->find("obj/a")->sequence);
  EXPECT_EQ(vault->find("obj/a")->capacity, 0u);
}

TEST_F(VaultTest, MoreEntriesThanTheLogTakesInOneChangeAreRejected) {
  auto vault = make_store(path);
  put(*vault, "obj/0", "before", Protection::kClear);
  const uint64_t before = vault->cursor();
  EXPECT_EQ(code_thrown_by([&] {
              vault->change([](Transaction& transaction) {
                for (int i = 0; i < 65'536; ++i) {
                  transaction.put("obj/" + std::to_string(i), "t", Protection::kClear, as_bytes("x"));
                }
              });
            }),
            ErrorCode::kNoSpace);
  EXPECT_EQ(vault->cursor(), before);
  EXPECT_EQ(get(*vault, "obj/0"), "before");
}

// For listings: a change gives a name another number, not another age.
TEST_F(VaultTest, ANameKeepsItsBirthWhereThatIsWanted) {
  auto vault = make_store(path);
  const auto write = [&](std::string_view name, Protection protection, bool keep) {
    vault->change([&](Transaction& transaction) {
      transaction.put(name, "p11-object", protection, as_bytes("value"));
      if (keep) transaction.keep_birth(name);
    });
  };
  std::map<std::string, uint64_t> born;
  for (const char* name : {"sealed", "clear", "of before", "without"}) {
    const Protection protection = name[0] == 'c' ? Protection::kClear : Protection::kSealed;
    write(name, protection, /*keep=*/name[0] != 'o');
    born[name] = vault->find(name)->sequence;
    EXPECT_EQ(vault->find(name)->born, born[name]);
  }
  for (const char* name : {"sealed", "clear", "of before"}) {
    for (int i = 0; i < 2; ++i) write(name, name[0] == 'c' ? Protection::kClear : Protection::kSealed, true);
  }
  write("sealed", Protection::kSealed, /*keep=*/false);  // by a writer that does not ask for it
  write("without", Protection::kSealed, false);
  born["without"] = vault->find("without")->sequence;
  const auto expect_all = [&](const Vault& seen) {
    for (const auto& [name, number] : born) {
      EXPECT_EQ(seen.find(name)->born, number) << name;
      if (!seen.unlocked()) continue;
      EXPECT_EQ(seen.read(name)->born, number) << name;
    }
  };
  expect_all(*vault);
  vault->compact();
  expect_all(*vault);
  EXPECT_TRUE(outside_tools_read(path));
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  kept.push_back({2, SecretBytes(as_bytes(kUserPin))});
  vault->rekey(kept);
  expect_all(*vault);
  expect_all(*Vault::open(path));
  erase(*vault, "sealed");
  write("sealed", Protection::kSealed, true);
  EXPECT_EQ(vault->find("sealed")->born, vault->find("sealed")->sequence) << "a name that was deleted is new";
}

TEST_F(VaultTest, ACompactionIsFollowedAndItsDeletionsAreSeen) {
  auto one = make_store(path);
  auto two = Vault::open(path);
  for (int i = 0; i < 50; ++i) put(*one, "obj/" + std::to_string(i % 5), std::string(2000, 'a'), Protection::kClear);
  two->refresh();
  uint64_t cursor = two->cursor();
  erase(*one, "obj/1");
  put(*one, "obj/2", "new", Protection::kClear);
  [[maybe_unused]] const auto before = std::filesystem::file_size(path);
  auto sequence = one->find("obj/0")->sequence;
  one->compact();
#ifndef VTPM_SHARED_LOG
  EXPECT_LT(std::filesystem::file_size(path), before);
#endif
  EXPECT_TRUE(outside_tools_read(path));
  EXPECT_TRUE(dump(path).clean());
  EXPECT_EQ(get(*two, "obj/0"), std::string(2000, 'a')) << "the old file is still readable";
  EXPECT_TRUE(two->refresh());
  auto changes = two->changes(cursor).entries;
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].name, "obj/1");
  EXPECT_TRUE(changes[0].deleted);
  EXPECT_EQ(changes[1].name, "obj/2");
  EXPECT_EQ(two->find("obj/0")->sequence, sequence) << "numbers are kept";
  put(*two, "obj/9", "by the other", Protection::kClear);
  one->refresh();
  EXPECT_EQ(get(*one, "obj/9"), "by the other");
  EXPECT_FALSE(std::filesystem::exists(scratch.file(".store.vtpm.tmp")));
}

// Rewriting the same few names must not let the file grow for ever.
TEST_F(VaultTest, CompactsByItself) {
  auto vault = make_store(path);
  for (int i = 0; i < 400; ++i)
    put(*vault, "tpm0/state", std::string(4000, static_cast<char>('a' + i % 26)), Protection::kSealed);
  EXPECT_LT(std::filesystem::file_size(path), 600000u);
  EXPECT_EQ(get(*vault, "tpm0/state"), std::string(4000, static_cast<char>('a' + 399 % 26)));
}

TEST_F(VaultTest, ReplacingAStoreLocksTheOthersOut) {
  auto old = make_store(path);
  put(*old, "obj/a", "old");
  auto reader = Vault::open(path);
  EXPECT_EQ(code_thrown_by([&] { make_store(path); }), ErrorCode::kExists);
  CreateOptions options = cheap_options();
  options.replace = true;
  auto fresh = make_store(path, options);
  EXPECT_FALSE(fresh->find("obj/a"));
  EXPECT_EQ(code_thrown_by([&] { reader->refresh(); }), ErrorCode::kReplaced);
  EXPECT_EQ(code_thrown_by([&] { reader->find("obj/a"); }), ErrorCode::kReplaced);
  EXPECT_EQ(code_thrown_by([&] { old->change(change_nothing); }), ErrorCode::kReplaced);
  put(*fresh, "obj/b", "new");
  EXPECT_EQ(get(*fresh, "obj/b"), "new");
  EXPECT_FALSE(equal(fresh->uuid(), old->uuid()));
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(VaultTest, ARemovedStoreIsNotWrittenTo) {
  auto vault = make_store(path);
  std::filesystem::remove(path);
  EXPECT_EQ(code_thrown_by([&] { put(*vault, "obj/a", "x"); }), ErrorCode::kReplaced);
  EXPECT_FALSE(std::filesystem::exists(path));
}
#endif

TEST_F(VaultTest, AFailedPopulationLeavesNothing) {
  EXPECT_THROW(Vault::create(path, cheap_options(), {{Role::kSo, as_bytes("x")}},
                             [](Transaction&) { throw Error(ErrorCode::kTpm, "no TPM"); }),
               Error);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
  EXPECT_EQ(code_thrown_by([&] { Vault::create(path, cheap_options(), {}, nullptr); }), ErrorCode::kInvalidArgument);
}

TEST_F(VaultTest, FilesAreForTheirOwnerAlone) {
  auto vault = make_store(path);
  auto mode = [&] {
    struct stat info;
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  };
  EXPECT_EQ(mode(), 0600u);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  vault->compact();
  EXPECT_EQ(mode(), 0640u) << "what the administrator allowed stays";
}

TEST_F(VaultTest, ASymbolicLinkIsRefused) {
  make_store(path);
  std::filesystem::create_symlink(path, scratch.file("link.vtpm"));
  EXPECT_EQ(code_thrown_by([&] { Vault::open(scratch.file("link.vtpm")); }), ErrorCode::kIo);
}

TEST_F(VaultTest, ReadOnlyServesWhatIsThere) {
  auto writer = make_store(path);
  put(*writer, "obj/a", "sealed");
  OpenOptions options;
  options.read_only = true;
  auto vault = Vault::open(path, options);
  EXPECT_TRUE(vault->read_only());
  EXPECT_EQ(code_thrown_by([&] { vault->change(change_nothing); }), ErrorCode::kReadOnly);
  EXPECT_EQ(code_thrown_by([&] { vault->compact(); }), ErrorCode::kReadOnly);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("wrong")), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 0u) << "a read-only login is not counted";
  EXPECT_EQ(get(*vault, "obj/a"), "sealed");
  writer->compact();
  put(*writer, "obj/b", "later");
  EXPECT_TRUE(vault->refresh());
  EXPECT_EQ(get(*vault, "obj/b"), "later");
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(VaultTest, AnUnwritableFileOpensReadOnlyByItself) {
  make_store(path);
  ASSERT_EQ(::chmod(path.c_str(), 0444), 0);
  std::filesystem::permissions(scratch.path(), std::filesystem::perms::others_exec, std::filesystem::perm_options::add);
  int status = in_child([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) throw std::runtime_error("no other user");
    auto vault = Vault::open(path);
    if (!vault->read_only() || !vault->has_slot(Role::kUser)) throw std::runtime_error("it is writable");
  });
  EXPECT_EQ(status, 0);
}
#endif

// --- entries without a key ---

TEST_F(VaultTest, WithoutTheKeyNothingBoundIsReplaced) {
  auto owner = make_store(path);
  put(*owner, "obj/bound", "bound", Protection::kClear);
  put(*owner, "obj/sealed", "sealed");
  auto guest = Vault::open(path);
  put(*guest, "obj/guest", "unbound", Protection::kClear);
  guest->change([&](Transaction& transaction) {
    for (const char* name : {"obj/bound", "obj/sealed"}) {
      EXPECT_EQ(code_thrown_by([&] { transaction.put(name, "p11-object", Protection::kClear, as_bytes("x")); }),
                ErrorCode::kLocked);
      EXPECT_EQ(code_thrown_by([&] { transaction.erase(name); }), ErrorCode::kLocked);
    }
    EXPECT_EQ(code_thrown_by([&] { transaction.put("obj/s", "p11-object", Protection::kSealed, {}); }),
              ErrorCode::kLocked);
    transaction.put("obj/guest", "p11-object", Protection::kClear, as_bytes("still mine"));
  });
  owner->refresh();
  EXPECT_FALSE(owner->read("obj/guest")->bound);
  EXPECT_EQ(get(*owner, "obj/guest"), "still mine");
  put(*owner, "obj/guest", "adopted", Protection::kClear);
  EXPECT_TRUE(owner->read("obj/guest")->bound);
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(VaultTest, ReserveMakesRoomAhead) {
  auto vault = make_store(path);
  uintmax_t size = 0;
  vault->change([&](Transaction& transaction) {
    transaction.reserve(500000, 1);
    size = std::filesystem::file_size(path);
    EXPECT_GT(size, 500000u);
    transaction.put("big", "blob", Protection::kSealed, Bytes(500000));
  });
  EXPECT_EQ(std::filesystem::file_size(path), size);
  EXPECT_TRUE(outside_tools_read(path));
}
#endif

}  // namespace
}  // namespace vtpm::store
