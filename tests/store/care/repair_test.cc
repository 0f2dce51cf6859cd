// SPDX-License-Identifier: Apache-2.0
// Repair: one flipped bit is corrected, damage is set aside, and no older version counts again by itself.
#include "store/care/repair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "store/care/report.h"
#include "store/format/quarantine.h"
#include "tests/store/crash/crash_history.h"
#include "tests/store/disk/store_operations.h"

namespace vtpm::store {
namespace {

class RepairTest : public testing::Test {
 protected:
  RepairTest() : path(scratch.file("store.vtpm")), vault(make_store(path)) {
    put(*vault, "obj/a", "first a", Protection::kClear);
    put(*vault, "obj/b", "only b", Protection::kSealed);
    put(*vault, "obj/a", "second a", Protection::kClear);
    put(*vault, "obj/c", "only c", Protection::kClear);
    put(*vault, "obj/d", "only d", Protection::kClear);
  }
  EntryReport current(const std::string& name) const {
    for (const EntryReport& entry : dump(path).entries) {
      if (entry.name == name && entry.state == EntryStatus::kCurrent) return entry;
    }
    throw std::runtime_error("there is no " + name);
  }
  void change(uint64_t at, const Bytes& with) const {
    Bytes bytes = load(path);
    for (size_t i = 0; i < with.size(); ++i) bytes[at + i] ^= with[i];
    save(path, bytes);
  }
  bool set_aside(std::string_view text) const {
    if (!std::filesystem::exists(quarantine_path(path))) return false;
    Bytes aside = load(quarantine_path(path));
    return std::search(aside.begin(), aside.end(), text.begin(), text.end()) != aside.end();
  }

  ScratchDirectory scratch;
  std::string path;
  std::unique_ptr<Vault> vault;
};

TEST_F(RepairTest, DoesNotChangeAnIntactStore) {
  Bytes before = load(path);
  RepairReport report = repair(path);
  EXPECT_FALSE(report.changed);
  EXPECT_TRUE(report.entries.empty());
  EXPECT_EQ(load(path), before);
}

TEST_F(RepairTest, R0_15_CorrectsAFlippedBitAndSaysSo) {
  EntryReport entry = current("obj/b");
  change(entry.offset + entry.length - 20, {4});
  RepairOptions with_key;
  with_key.vault = vault.get();
  RepairReport report = repair(path, with_key);
  ASSERT_EQ(report.entries.size(), 1u);
  EXPECT_EQ(report.entries[0].name, "obj/b");
  EXPECT_NE(report.entries[0].what.find("confirms"), std::string::npos) << report.entries[0].what;
  EXPECT_TRUE(check(path, vault.get()).clean());
  vault->refresh();
  EXPECT_EQ(get(*vault, "obj/b"), "only b");
  EXPECT_TRUE(outside_tools_read(path));
}

TEST_F(RepairTest, R0_15_SetsADamagedEntryAsideAndServesNothingOlder) {
  EntryReport entry = current("obj/a");
  change(entry.offset + entry.length - 12, {0x55, 0, 0x0F, 0x33});
  RepairReport report = repair(path);
  ASSERT_EQ(report.entries.size(), 1u);
  EXPECT_EQ(report.entries[0].name, "obj/a");
  EXPECT_TRUE(check(path).clean());
  auto reader = Vault::open(path);
  EXPECT_FALSE(reader->find("obj/a"));
  EXPECT_EQ(get(*reader, "obj/c"), "only c");
  EXPECT_TRUE(set_aside("first a")) << "nothing is thrown away";
  EXPECT_TRUE(set_aside("obj/a"));
  vault->refresh();
  EXPECT_FALSE(vault->find("obj/a")) << "others follow";
}

TEST_F(RepairTest, AcceptsOlderVersionsOnlyOnRequest) {
  EntryReport entry = current("obj/a");
  change(entry.offset + entry.length - 12, {0x55, 0, 0x0F, 0x33});
  RepairOptions older;
  older.accept_older = true;
  EXPECT_TRUE(repair(path, older).changed);
  EXPECT_EQ(get(*Vault::open(path), "obj/a"), "first a");
}

TEST_F(RepairTest, ChangesNothingWhereACounterCouldGoBack) {
  {
    vault->change([&](Transaction& transaction) {
      transaction.put("tpm0/permall", "tpm2-permall", Protection::kClear, as_bytes("state"));
    });
  }
  put(*vault, "obj/e", "e", Protection::kClear);
  put(*vault, "obj/f", "f", Protection::kClear);
  EntryReport entry = current("obj/e");
  Bytes bytes = load(path);
  std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(entry.offset), entry.length, uint8_t{0xA5});
  save(path, bytes);
  EXPECT_EQ(code_thrown_by([&] { repair(path); }), ErrorCode::kCorrupt);
  EXPECT_EQ(load(path), bytes) << "the file as it was";
  RepairOptions older;
  older.accept_older = true;
  EXPECT_TRUE(repair(path, older).changed);
  EXPECT_EQ(get(*Vault::open(path), "tpm0/permall"), "state");
  EXPECT_TRUE(check(path).clean());
}

// Either copy of the header can be made again from the other.
TEST_F(RepairTest, MakesALostHeaderAgain) {
  std::vector<EntryReport> headers;
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.type == type::kHeader) headers.push_back(entry);
  }
  ASSERT_EQ(headers.size(), 2u);
  Bytes before = load(path);
  for (const EntryReport& header : headers) {
    save(path, before);
    change(header.offset + 60, {1, 2, 3, 4, 5, 6, 7, 8});
    auto copies = [&] {
      size_t count = 0;
      for (const EntryReport& entry : dump(path).entries) {
        count += entry.type == type::kHeader && entry.state == EntryStatus::kCurrent;
      }
      return count;
    };
    ASSERT_EQ(copies(), 1u);
    EXPECT_TRUE(repair(path).changed);
    EXPECT_EQ(copies(), 2u);
    EXPECT_TRUE(check(path).clean());
    auto reader = Vault::open(path);
    EXPECT_EQ(get(*reader, "obj/c"), "only c");
    EXPECT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
    EXPECT_EQ(get(*reader, "obj/b"), "only b");
  }
}

TEST_F(RepairTest, GivesATruncatedStoreItsEndBack) {
  EntryReport entry = current("obj/d");
  Bytes bytes = load(path);
  bytes.resize(entry.offset + 20);
  save(path, bytes);
  OpenOptions any;
  any.any_ending = true;
  EXPECT_TRUE(Vault::open(path, any)->truncated());
  EXPECT_EQ(code_thrown_by([&] { Vault::open(path); }), ErrorCode::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { repair(path); }), ErrorCode::kCorrupt);
  RepairOptions older;
  older.accept_older = true;
  EXPECT_TRUE(repair(path, older).changed);
  EXPECT_TRUE(check(path).clean());
  auto reader = Vault::open(path);
  EXPECT_FALSE(reader->truncated());
  EXPECT_EQ(get(*reader, "obj/c"), "only c");
  put(*reader, "obj/e", "it takes more", Protection::kClear);
}

// Every single bit of a store of 64 KB (a sample of them, all with VTPM_TEST_LONG=1): everything is read, and repair
// makes a store in order of it.
TEST(Flips, R0_18_EveryBitIsReadAndRepaired) {
  ScratchDirectory scratch;
  const std::string real = scratch.file("store.vtpm");
  save(real, store_before());
  {
    auto vault = Vault::open(real);
    for (int i = 0; dump(real).file_bytes < 65536 || i < 12; ++i) {
      put(*vault, "obj/" + std::to_string(i), std::string(700, static_cast<char>('a' + i % 26)), Protection::kClear);
    }
  }
  const Bytes whole = load(real);
  auto readable = [](SimulatedDisk& disk) {
    auto store = FileLog::open(disk, kCrashPath, false);
    std::map<std::string, Bytes> seen;
    for (const auto& [name, record] : store->list("")) seen[name] = store->read(name)->bytes;
    return std::pair(seen, store->truncated());
  };
  auto with = [](const Bytes& bytes) {
    auto disk = std::make_unique<SimulatedDisk>();
    disk->create(kCrashPath)->write_at(0, bytes);
    return disk;
  };
  const auto expected = readable(*with(whole));
  const size_t step = long_test() ? 1 : sanitized() ? 8009 : 211;
  size_t flips = 0, lost = 0, not_repaired = 0;
  for (size_t bit = 0; bit < whole.size() * 8; bit += step) {
    ++flips;
    Bytes bytes = whole;
    bytes[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    auto disk = with(bytes);
    lost += readable(*disk) != expected;
    RepairOptions options;
    options.file_system = disk.get();
    bool changed = repair(kCrashPath, options).changed;
    not_repaired += !changed || repair(kCrashPath, options).changed || readable(*disk) != expected;
    ASSERT_TRUE(lost + not_repaired == 0) << "bit " << bit % 8 << " of byte " << bit / 8;
  }
  std::printf("matrix: %zu flipped bits of %zu bytes, %zu lost, %zu not repaired\n", flips, whole.size(), lost,
              not_repaired);
  EXPECT_GE(flips, 50u);
}

// A destroyed sector anywhere: nothing wrong or old is served before or after the repair. (The one that holds the end
// of the last commit looks like a write that was torn, docs/format.md: what it held is then as if never written.)
TEST(Flips, R0_15_ADestroyedSectorIsRepaired) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  save(path, store_before());
  {
    auto vault = Vault::open(path);
    for (int i = 0; i < 12; ++i)
      put(*vault, "obj/" + std::to_string(i), "value " + std::to_string(i), Protection::kClear);
  }
  const Bytes whole = load(path);
  for (uint64_t sector = 0; sector * 512 < whole.size(); ++sector) {
    Bytes bytes = whole;
    for (uint64_t at = sector * 512; at < sector * 512 + 512; ++at) bytes[at] = static_cast<uint8_t>(at * 37 + sector);
    save(path, bytes);
    std::filesystem::remove(quarantine_path(path));
    RepairOptions older;
    older.accept_older = true;
    ASSERT_NO_THROW(repair(path, older)) << sector;
    ASSERT_TRUE(check(path).clean()) << sector;
    auto vault = Vault::open(path);
    size_t there = 0;
    for (int i = 0; i < 12; ++i) {
      const std::string name = "obj/" + std::to_string(i);
      if (!vault->find(name)) continue;
      ++there;
      ASSERT_EQ(get(*vault, name), "value " + std::to_string(i)) << sector;
    }
    ASSERT_GE(there, 6u) << sector << ": an entry has about 120 bytes";
    ASSERT_TRUE(vault->has_slot(Role::kUser) && vault->has_slot(Role::kSo)) << sector;
  }
}

}  // namespace
}  // namespace vtpm::store
