// SPDX-License-Identifier: Apache-2.0
#include "store/care/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "store/care/repair.h"
#include "store/format/entry.h"
#include "store/format/quarantine.h"
#include "store/format/scan.h"
#include "tests/store/crash/crash_history.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

TEST(Report, ShowsEveryByteOfTheFile) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  put(*vault, "obj/a", "one");
  put(*vault, "obj/a", "two", Protection::kClear);
  erase(*vault, "obj/a");
  put(*vault, "obj/b", "three");
  auto before = load(path);
  StoreReport report = check(path, vault.get());
  EXPECT_EQ(load(path), before) << "nothing is written";
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.uuid, to_hex(vault->uuid()));
  EXPECT_EQ(report.format, 1u);
  EXPECT_EQ(report.file_bytes, before.size());
  uint64_t at = 2;
  std::vector<std::string> states;
  for (const EntryReport& entry : report.entries) {
    // The free entries that keep two copies apart are no entries of the log.
    EXPECT_GE(entry.offset, at);
    at = entry.offset + entry.length;
    if (entry.name.substr(0, 4) == "obj/") states.push_back(entry.name + " " + std::string(state_name(entry.state)));
  }
  EXPECT_EQ(at + 2, report.file_bytes);
  EXPECT_EQ(states,
            (std::vector<std::string>{"obj/a superseded", "obj/a superseded", "obj/a deletion", "obj/b current"}));
  bool saw_kdf = false;
  for (const EntryReport& entry : report.entries) {
    for (const AttributeReport& attribute : entry.attributes) {
      if (attribute.name == "kdf")
        saw_kdf |= attribute.mandatory && attribute.value.substr(0, 17) == "argon2id 8192 1 1";
    }
  }
  EXPECT_TRUE(saw_kdf);
}

TEST(Report, NamesATornTail) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  put(*vault, "obj/a", "one", Protection::kClear);
  Bytes contents = load(path);
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name == "obj/a")
      std::fill_n(contents.begin() + static_cast<ptrdiff_t>(entry.offset + entry.length) - 20, 20, uint8_t{0});
  }
  save(path, contents);
  StoreReport report = check(path);
  EXPECT_FALSE(report.clean());
  EXPECT_FALSE(report.intact_end);
  EXPECT_EQ(report.entries.back().state, EntryStatus::kTorn);
  EXPECT_EQ(report.entries.back().verdict, Verdict::kTorn);
  EXPECT_EQ(report.condition, Condition::kRepairable);
  EXPECT_EQ(code_thrown_by([&] { check(scratch.file("absent")); }), ErrorCode::kNotFound);
}

// Found by the fuzzer store_recovery.
TEST(Report, AFreeSpaceThatIsCutOffEndsWithTheFile) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  make_store(path);
  Bytes contents = load(path);
  contents.resize(contents.size() - 100);
  save(path, contents);
  const StoreReport report = check(path);
  EXPECT_FALSE(report.intact_end);
  ASSERT_EQ(report.entries.back().state, EntryStatus::kFree);
  EXPECT_EQ(report.entries.back().offset + report.entries.back().length, contents.size());
  EXPECT_EQ(report.entries.back().length, report.free_bytes);
}

// --- a verdict on everything that can be wrong with an entry ---

class EntryVerdict : public testing::Test {
 protected:
  EntryVerdict() : path(scratch.file("store.vtpm")), vault(make_store(path)) {
    put(*vault, "obj/old", "first", Protection::kClear);
    put(*vault, "obj/sealed", "sealed");
    put(*vault, "obj/clear", "clear", Protection::kClear);
    put(*vault, "obj/old", "second", Protection::kClear);
    put(*vault, "obj/last", "so that the others are known to have been on the disk", Protection::kClear);
  }

  /// The entry of a name: the last, or the first.
  EntryReport entry(const std::string& name, bool first = false) const {
    std::optional<EntryReport> found;
    for (const EntryReport& one : dump(path).entries) {
      if (one.name != name || (first && found)) continue;
      found = one;
    }
    return found.value();
  }
  void damage(const EntryReport& one, uint64_t at, const Bytes& flips) const {
    Bytes bytes = load(path);
    for (size_t i = 0; i < flips.size(); ++i) bytes[one.offset + at + i] ^= flips[i];
    save(path, bytes);
  }
  /// Changes an entry and makes its checksum right: what a forger can do.
  void forge(const EntryReport& one, const std::function<void(Bytes&, const EntryView&)>& change) const {
    auto file = posix_file_system().open(path, true);
    const StoreHeader header = read_header(*file, path);
    Bytes bytes(one.length);
    file->read_at(one.offset, bytes);
    const Bytes before = bytes;
    change(bytes, parse_entry(before).value());
    store_crc(header.salt, bytes, parse_entry(bytes).value().crc_at);
    file->write_at(one.offset, bytes);
  }
  /// One entry has this verdict, and all of what identifies it is there; nothing else is wrong with any entry.
  void expect(Verdict verdict, const EntryReport& where, const Vault* key) const {
    const Bytes before = load(path);
    const StoreReport report = check(path, key);
    EXPECT_EQ(load(path), before) << "read-only";
    size_t wrong = 0;
    for (const EntryReport& one : report.entries) {
      if (one.verdict == Verdict::kSound) continue;
      ++wrong;
      EXPECT_EQ(verdict_name(one.verdict), verdict_name(verdict));
      EXPECT_EQ(one.offset, where.offset);
      EXPECT_EQ(one.length, where.length);
      EXPECT_EQ(one.name, where.name);
      EXPECT_EQ(one.type, where.type);
      EXPECT_EQ(one.sequence, where.sequence);
      EXPECT_FALSE(one.finding.empty());
    }
    EXPECT_EQ(wrong, 1u);
    EXPECT_GE(report.condition, condition_of(verdict));
    EXPECT_FALSE(report.clean());
  }
  /// Afterwards nothing is wrong, and nothing is thrown away.
  void expect_repaired(const Vault* key, bool set_aside) const {
    RepairOptions options;
    options.vault = key;
    EXPECT_TRUE(repair(path, options).changed);
    EXPECT_EQ(std::filesystem::exists(quarantine_path(path)), set_aside);
    const StoreReport report = check(path, key);
    EXPECT_TRUE(report.clean()) << (report.findings.empty() ? "" : report.findings[0]);
    EXPECT_FALSE(repair(path, options).changed);
    EXPECT_TRUE(outside_tools_read(path));
  }

  ScratchDirectory scratch;
  std::string path;
  std::unique_ptr<Vault> vault;
};
TEST_F(EntryVerdict, AFlippedBitIsFlipped) {
  const EntryReport one = entry("obj/sealed");
  damage(one, one.length - 20, {4});
  expect(Verdict::kFlipped, one, nullptr);
  EXPECT_EQ(check(path).condition, Condition::kRepairable);
  expect_repaired(vault.get(), false);
}

TEST_F(EntryVerdict, AnUnfinishedWriteIsTorn) {
  const EntryReport one = entry("obj/last");
  damage(one, one.length - 30, {0x55, 0x0F, 0x33});
  expect(Verdict::kTorn, one, vault.get());
  EXPECT_EQ(check(path).condition, Condition::kRepairable);
  expect_repaired(vault.get(), true);
}

TEST_F(EntryVerdict, DamageThatWasDurableIsRotten) {
  const EntryReport one = entry("obj/clear");
  damage(one, one.length - 14, {0x55, 0x0F, 0x33});
  expect(Verdict::kRotten, one, nullptr);
  EXPECT_EQ(check(path).condition, Condition::kDamaged);
  expect_repaired(nullptr, true);
}

TEST_F(EntryVerdict, DamageWithAnIntactCopyIsRottenSpare) {
  for (const EntryReport& one :
       {entry("obj/old", true), entry("keyslot/2", true), entry("keyslot/1"), entry("", true)}) {
    const Bytes before = load(path);
    damage(one, 60, {0x55, 0x0F, 0x33, 0, 0, 0x77, 0x18, 0x81});
    const StoreReport report = check(path);
    EXPECT_EQ(report.condition, Condition::kRepairable) << one.name;
    for (const EntryReport& other : report.entries) {
      EXPECT_EQ(other.verdict == Verdict::kRottenButSpare, other.offset == one.offset) << one.name;
    }
    expect_repaired(nullptr, true);
    vault->refresh();
    EXPECT_EQ(get(*vault, "obj/old"), "second");
    save(path, before);
    std::filesystem::remove(quarantine_path(path));
  }
}

TEST_F(EntryVerdict, DamageWithoutAReadableNameIsRotten) {
  const EntryReport one = entry("obj/clear");
  damage(one, 0, Bytes(one.length, 0x5A));
  const StoreReport report = check(path);
  EXPECT_EQ(report.condition, Condition::kDamaged);
  EXPECT_TRUE(std::any_of(report.entries.begin(), report.entries.end(), [&](const EntryReport& other) {
    return other.verdict == Verdict::kRotten && other.offset == one.offset && other.name.empty();
  }));
}

TEST_F(EntryVerdict, AWrongSealWithARightCrcIsTampered) {
  for (const char* name : {"obj/sealed", "obj/clear"}) {
    const EntryReport one = entry(name);
    forge(one, [](Bytes& bytes, const EntryView& view) { bytes[view.data_at] ^= 1; });
    EXPECT_TRUE(check(path).clean()) << "only the key shows it";
    expect(Verdict::kTampered, one, vault.get());
    EXPECT_EQ(check(path, vault.get()).condition, Condition::kDamaged);
    expect_repaired(vault.get(), true);
    EXPECT_FALSE(Vault::open(path)->find(name));
    std::filesystem::remove(quarantine_path(path));
  }
}

TEST_F(EntryVerdict, AnEntryOfAnotherEpochIsWrongEpoch) {
  const EntryReport one = entry("obj/sealed");
  forge(one, [](Bytes& bytes, const EntryView& view) {
    const auto values = view.find(view.mandatory, attribute::kEncryption).value();
    bytes[static_cast<size_t>(values.data() - view.bytes.data()) + values.size() - 1] = 2;
  });
  EXPECT_TRUE(check(path).clean());
  expect(Verdict::kWrongEpoch, one, vault.get());
}

TEST_F(EntryVerdict, AKeySlotOfAnotherStoreIsTampered) {
  const EntryReport one = entry("keyslot/2");
  forge(one, [](Bytes& bytes, const EntryView& view) {
    const auto values = view.find(view.mandatory, attribute::kEpoch).value();
    bytes[static_cast<size_t>(values.data() - view.bytes.data()) + values.size() - 1] ^= 1;
  });
  EXPECT_TRUE(check(path).clean());
  expect(Verdict::kTampered, one, vault.get());
}

TEST_F(EntryVerdict, AnUnknownMandatoryAttributeIsNamedAsSuch) {
  const EntryReport one = entry("obj/sealed");
  forge(one, [](Bytes& bytes, const EntryView& view) {
    const auto values = view.find(view.mandatory, attribute::kEncryption).value();
    bytes[static_cast<size_t>(values.data() - view.bytes.data()) - 3] = 'f';  // enc -> fnc
  });
  expect(Verdict::kUnknownAttribute, one, vault.get());
  const StoreReport report = check(path);
  for (const EntryReport& other : report.entries) {
    if (other.verdict == Verdict::kSound) continue;
    EXPECT_NE(other.finding.find("'fnc'"), std::string::npos) << other.finding;
  }
  RepairOptions with_key;
  with_key.vault = vault.get();
  EXPECT_FALSE(repair(path, with_key).changed) << "it belongs to a newer version, and is no damage";
}

TEST_F(EntryVerdict, AnEntryWithoutAMacBehindABoundOneIsUnbound) {
  {
    auto store = FileLog::open(posix_file_system(), path, false);
    auto writer = store->begin();
    writer.append({clear_draft("obj/clear", "by a writer without the key")});
    writer.release_and_sync();
  }
  const EntryReport one = entry("obj/clear");
  expect(Verdict::kUnbound, one, nullptr);
  EXPECT_EQ(check(path).condition, Condition::kRepairable);
  expect_repaired(nullptr, true);
  EXPECT_EQ(get(*Vault::open(path), "obj/clear"), "clear");
}

TEST_F(EntryVerdict, DamageOutsideOfEntriesIsTheStores) {
  const Bytes whole = load(path);
  const auto condition_with = [&](size_t at, uint8_t byte) {
    Bytes bytes = whole;
    bytes[at] = byte;
    save(path, bytes);
    return check(path).condition;
  };
  EXPECT_EQ(condition_with(0, 0x77), Condition::kRepairable) << "the first bytes";
  expect_repaired(nullptr, false);
  EXPECT_EQ(condition_with(whole.size() - 300, 1), Condition::kRepairable) << "free space";
  expect_repaired(nullptr, true);
  std::filesystem::remove(quarantine_path(path));
  EXPECT_EQ(condition_with(whole.size() - 1, 1), Condition::kRepairable) << "end of contents";
  expect_repaired(nullptr, true);
  save(path, whole);
  save(path, ByteView(whole).first(entry("obj/clear").offset + 10));
  EXPECT_EQ(check(path).condition, Condition::kDamaged) << "cut off";
}

}  // namespace
}  // namespace vtpm::store
