// SPDX-License-Identifier: Apache-2.0
// A store that cannot be compacted: its directory is not writable, its file is mounted by itself, another user's
// temporary file exists, or the disk has no space for a copy. Logins, changes and deletions still work.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/numbers.h"
#include "store/care/repair.h"
#include "store/log/file_log.h"
#include "store/vault/vault_impl.h"
#include "tests/store/disk/scratch.h"
#include "tests/store/disk/simulated_disk.h"

namespace vtpm::store {
namespace {

const std::string kPath = "dir/store.vtpm", kTemporary = "dir/.store.vtpm.tmp";

class NoRoom : public testing::Test {
 protected:
  NoRoom() {
    CreateOptions options = cheap_options();
    options.file_system = &disk;
    make_store(kPath, options);
    store = open();
  }

  std::unique_ptr<FileLog> open() {
    auto opened = FileLog::open(disk, kPath, false);
    opened->report_to([this](const std::string& sentence) { reports.push_back(sentence); });
    return opened;
  }

  void append(Draft draft) {
    auto writer = store->begin();
    writer.append({std::move(draft)});
    writer.release_and_sync();
  }
  // Writes what a login writes, without the second of stretching the PIN.
  void charge(uint32_t failures) { append(attempt_draft(Role::kUser, {failures, 0})); }
  void put(const std::string& name, size_t bytes) {
    Draft draft;
    draft.entry = {"t", name, {realsize_attribute(bytes)}, {}, Bytes(bytes, 'x')};
    append(std::move(draft));
  }
  void erase(const std::string& name) {
    Draft draft;
    draft.entry = {"t", name, {{std::string(attribute::kDeleted), {}}, realsize_attribute(0)}, {}, Bytes(1)};
    append(std::move(draft));
  }
  template <typename Change>
  bool is_refused(Change&& change) {
    try {
      change();
      return false;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNoSpace) throw;
      return true;
    }
  }

  uint32_t failures() {
    const auto stored = open()->read("attempt/user");
    return static_cast<uint32_t>(read_be(parse_entry(stored->bytes)->data().first(4)));
  }
  uint64_t live() {
    uint64_t bytes = 0;
    Index index;
    index.apply(scan_log(*disk.open(kPath, false), store->header()));
    for (const auto& [name, record] : index.names()) {
      if (!record.deleted) bytes += record.entry.length + record.twin_length;
    }
    return bytes;
  }
  size_t files_made() const {
    return static_cast<size_t>(std::count_if(disk.steps().begin(), disk.steps().end(), [](const DiskStep& step) {
      return step.kind == DiskStep::Kind::kCreate;
    }));
  }
  bool is_well() {
    RepairOptions options;
    options.file_system = &disk;
    return repair(kPath, options).entries.empty();
  }
  // Writes as much as two logins a second in a quarter of an hour; the space must become free again.
  void log_in_and_out(const std::function<void()>& make_way) {
    const FileId before = disk.id_of(kPath).value();
    for (uint32_t i = 1; i <= 3000; ++i) ASSERT_NO_THROW(charge(i)) << "login " << i;
    EXPECT_EQ(failures(), 3000u);
    EXPECT_EQ(disk.id_of(kPath).value(), before) << "it was not compacted";
    ASSERT_EQ(reports.size(), 1u) << "the reason is reported once";
    EXPECT_NE(reports[0].find(kPath), std::string::npos) << reports[0];
    make_way();
    for (uint32_t i = 1; i <= 3000 && disk.id_of(kPath).value() == before; ++i) charge(i);
    EXPECT_NE(disk.id_of(kPath).value(), before) << "it is compacted once that is possible";
    EXPECT_LT(disk.used(), 150000u);
    EXPECT_TRUE(is_well());
  }

  SimulatedDisk disk;
  std::vector<std::string> reports;
  std::unique_ptr<FileLog> store;
};

TEST_F(NoRoom, LoginsGoOnInADirectoryThatMayNotBeWritten) {
  disk.creating_fails = ErrorCode::kReadOnly;
  log_in_and_out([&] { disk.creating_fails.reset(); });
}

TEST_F(NoRoom, LoginsGoOnWhereTheFileIsMountedByItself) {
  disk.renaming_fails = ErrorCode::kIo;  // EBUSY
  const size_t before = files_made();
  log_in_and_out([&] { disk.renaming_fails.reset(); });
  EXPECT_LE(files_made() - before, 10u) << "a copy that leads to nothing is not made again and again";
}

TEST_F(NoRoom, LoginsGoOnBesideSomebodyElsesTemporaryFile) {
  auto other = disk.create(kTemporary);
  other->lock(LockByte::kStore, LockMode::kExclusive, true);
  log_in_and_out([&] { other->unlock(LockByte::kStore); });
}

TEST_F(NoRoom, AReplacedPinIsGoneInADirectoryThatMayNotBeWritten) {
  OpenOptions options;
  options.file_system = &disk;
  auto vault = Vault::open(kPath, options);
  vault->report_to([this](const std::string& sentence) { reports.push_back(sentence); });
  const auto slot = store->read("keyslot/2");
  const auto view = parse_entry(slot->bytes);
  const Bytes wrapped = to_bytes(view->data());
  const Bytes commitment = to_bytes(view->find_bytes(view->mandatory, attribute::kCommit, kCommitBytes).value());
  const auto is_in_the_file = [&](const Bytes& bytes) {
    const Bytes& file = disk.contents(kPath);
    return std::search(file.begin(), file.end(), bytes.begin(), bytes.end()) != file.end();
  };
  ASSERT_TRUE(is_in_the_file(wrapped) && is_in_the_file(commitment));
  disk.creating_fails = ErrorCode::kReadOnly;
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes(kUserPin), as_bytes("5678")), UnlockResult::kUnlocked);
  EXPECT_FALSE(is_in_the_file(wrapped) || is_in_the_file(commitment)) << "a copy of the file opens with the old PIN";
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes(kUserPin)), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes("5678")), UnlockResult::kUnlocked);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports[0].find("overwritten in place"), std::string::npos) << reports[0];
}

// After a crash, the torn entry cannot be quarantined in a directory that is not writable. The store must open all the
// same.
TEST_F(NoRoom, ATornWriteDoesNotEndAStoreInADirectoryThatMayNotBeWritten) {
  put("obj/a", 100);
  Bytes bytes = disk.contents(kPath);
  std::fill_n(bytes.end() - 3000, 700, uint8_t{'X'});
  disk.open(kPath, true)->write_at(0, bytes);
  disk.creating_fails = ErrorCode::kReadOnly;
  store = open();
  ASSERT_NO_THROW(put("obj/b", 100));
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_NE(reports[0].find("set aside"), std::string::npos) << reports[0];
  EXPECT_TRUE(open()->find("obj/a") && open()->find("obj/b"));
  EXPECT_TRUE(is_well());
}

// --- a full disk ---

constexpr size_t kBlob = 100000;

class FullDisk : public NoRoom {
 protected:
  // A store of 4 MB from which all but `blobs` were deleted.
  FullDisk() {
    for (int i = 0; i < 40; ++i) put("big/" + std::to_string(i), kBlob);
  }
  void fill_up() {
    disk.capacity = disk.used();
    for (int i = 0; !is_refused([&] { put("filling/" + std::to_string(i), 300); }); ++i) ASSERT_LT(i, 10000);
  }
};

// The file usually grows by a quarter. If the disk has less free space, it uses what there is.
TEST_F(FullDisk, ChangesUseTheFreeSpace) {
  fill_up();
  disk.capacity += 970 * 1024;
  size_t stored = 0;
  while (!is_refused([&] { put("more/" + std::to_string(stored), 3000); })) ASSERT_LT(++stored, 1000u);
  EXPECT_GE(stored * 3000, 900u * 1024);
  EXPECT_LE(disk.used(), disk.capacity);
  EXPECT_TRUE(is_well());
}

TEST_F(FullDisk, DeletionsTakeHalfOfTheReserveAndLoginsTheOther) {
  fill_up();
  int deleted = 0;
  while (!is_refused([&] { erase("filling/" + std::to_string(deleted)); })) ASSERT_LT(++deleted, 100);
  EXPECT_GE(deleted, 20);
  uint32_t charged = 0;
  while (!is_refused([&] { charge(charged + 1); })) ASSERT_LT(++charged, 100u);
  EXPECT_GE(charged, 20u);
  // Some hundred bytes are reserved for one more deletion when logins have used up the rest.
  disk.capacity += 250;
  EXPECT_FALSE(is_refused([&] { erase("big/0"); }));
  EXPECT_FALSE(open()->find("big/0"));
  EXPECT_EQ(failures(), charged);
  EXPECT_TRUE(is_well());
}

TEST_F(FullDisk, WhatWasDeletedIsUsedAsSoonAsACopyFits) {
  fill_up();
  for (int i = 0; i < 36; ++i) {
    if (is_refused([&] { erase("big/" + std::to_string(i)); })) {
      disk.capacity += 250;
      ASSERT_FALSE(is_refused([&] { erase("big/" + std::to_string(i)); })) << i;
    }
  }
  EXPECT_TRUE(is_refused([&] { put("late", kBlob); })) << "there is no room for a copy";
  const uint64_t before = disk.used();
  disk.capacity = before + live() + 3 * 4096;
  EXPECT_FALSE(is_refused([&] { put("late", kBlob); }));
  EXPECT_LT(disk.used(), before / 2);
  EXPECT_TRUE(open()->find("big/39") && open()->find("late"));
  EXPECT_TRUE(is_well());
}

// The store and the disk are small: the dead entries are few, and no other space can be freed.
TEST_F(NoRoom, TheLittleThatWasDeletedFromASmallStoreIsUsedToo) {
  for (int i = 0; i < 8; ++i) put("obj/" + std::to_string(i), 5000);
  disk.capacity = disk.used() + 30000;
  int stored = 8;
  while (!is_refused([&] { put("obj/" + std::to_string(stored), 5000); })) ASSERT_LT(++stored, 100);
  for (int i = 0; i < stored - 4; ++i) ASSERT_FALSE(is_refused([&] { erase("obj/" + std::to_string(i)); })) << i;
  disk.capacity = disk.used() + 35000;
  for (int i = 0; i < 8; ++i) ASSERT_FALSE(is_refused([&] { put("new/" + std::to_string(i), 5000); })) << i;
  EXPECT_TRUE(is_well());
}

TEST_F(FullDisk, ACompactionAsksForWhatLivesAndFourKibibytes) {
  for (int i = 0; i < 36; ++i) erase("big/" + std::to_string(i));
  const uint64_t copy = live() + 3 * 4096;  // the two headers and the space between them are not listed
  disk.capacity = disk.used() + copy;
  auto writer = store->begin();
  ASSERT_NO_THROW(writer.compact());
  EXPECT_LE(disk.used(), copy);
}

}  // namespace
}  // namespace vtpm::store
