// SPDX-License-Identifier: Apache-2.0
// The attribute `norollback`: which entries have it, which inherit it, and what keeps it (docs/format.md, "Rollback").
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "store/care/fixed_layout.h"
#include "store/care/repair.h"
#include "store/care/report.h"
#include "store/log/index.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

class NoRollback : public testing::Test {
 protected:
  NoRollback() : vault(make_store(path)) {
    for (const Protection protection : {Protection::kSealed, Protection::kClear}) {
      vault->change([&](Transaction& transaction) {
        const std::string name = name_of(protection);
        transaction.put(name, "meter", protection, as_bytes("1"));
        transaction.forbid_rollback(name);
      });
    }
    put(*vault, "obj/other", "without", Protection::kClear);
  }
  static std::string name_of(Protection protection) { return protection == Protection::kClear ? "clear0" : "sealed0"; }

  static EntryReport entry_of(const std::string& file, std::string_view name) {
    for (const EntryReport& entry : check(file).entries) {
      if (entry.name == name && entry.state == EntryStatus::kCurrent) return entry;
    }
    throw std::runtime_error("no such entry");
  }
  static bool has_it(const std::string& file, std::string_view name) {
    const EntryReport entry = entry_of(file, name);
    return std::any_of(entry.attributes.begin(), entry.attributes.end(), [](const AttributeReport& attribute) {
      return attribute.name == "norollback" && !attribute.mandatory;
    });
  }
  static void expect_it(const std::string& file) {
    EXPECT_TRUE(has_it(file, "sealed0"));
    EXPECT_TRUE(has_it(file, "clear0"));
    EXPECT_FALSE(has_it(file, "obj/other"));
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  std::unique_ptr<Vault> vault;
};

TEST_F(NoRollback, TheNextVersionInheritsIt) {
  for (int round = 0; round < 2; ++round) {
    for (const Protection protection : {Protection::kSealed, Protection::kClear}) {
      vault->change([&](Transaction& transaction) {
        transaction.put(name_of(protection), "meter", protection, as_bytes("draft"));
        transaction.put(name_of(protection), "meter", protection, as_bytes("next"));
      });
    }
    expect_it(path);
  }
  EXPECT_EQ(get(*vault, "sealed0"), "next");
  // A deletion ends it.
  erase(*vault, "clear0");
  put(*vault, "clear0", "another", Protection::kClear);
  EXPECT_FALSE(has_it(path, "clear0"));
}

/// How an entry cannot be read although the index knows it.
enum class Unreadable { kDamaged, kForged, kOtherKey };

class NoRollbackOfAnUnreadableEntry : public NoRollback, public testing::WithParamInterface<Unreadable> {
 protected:
  /// Makes the current version of the name unreadable.
  void spoil(std::string_view name) const {
    const EntryReport entry = entry_of(path, name);
    Bytes bytes = load(path);
    const auto whole = MutableByteView(bytes).subspan(entry.offset, entry.length);
    const EntryView view = parse_entry(whole).value();
    const size_t crc_at = view.crc_at, data_at = view.data_at;
    if (GetParam() == Unreadable::kOtherKey && view.sealed) {
      const ByteView encryption = view.find(view.mandatory, attribute::kEncryption).value();
      whole[static_cast<size_t>(encryption.data() - whole.data()) + encryption.size() - 1] = 9;  // the epoch
    } else {
      std::fill_n(whole.begin() + static_cast<ptrdiff_t>(data_at), 6, uint8_t{0xA5});
    }
    if (GetParam() != Unreadable::kDamaged) store_crc(salt(), whole, crc_at);
    save(path, bytes);
  }
  Salt salt() const { return read_header(*posix_file_system().open(path, false), path).salt; }
};

TEST_P(NoRollbackOfAnUnreadableEntry, SurvivesTheNextVersionCompactionExportAndRekey) {
  // Of a damaged entry the index knows what the version before it says.
  put(*vault, "sealed0", "second");
  put(*vault, "obj/between", "so that each damage is one of its own");
  put(*vault, "clear0", "second", Protection::kClear);
  put(*vault, "obj/later", "so that those before it count as synced");
  vault.reset();
  spoil("sealed0");
  spoil("clear0");
  vault = Vault::open(path);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_THROW(vault->read("sealed0"), Error);
  EXPECT_THROW(vault->read("clear0"), Error);
  vault->compact();
  put(*vault, "sealed0", "third");
  put(*vault, "clear0", "third", Protection::kClear);
  expect_it(path);
  vault->compact();
  expect_it(path);
  const std::string fixed = scratch.file("store.fixed"), back = scratch.file("back.vtpm");
  export_fixed(*vault, fixed);
  import_fixed(fixed, back);
  expect_it(back);
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  vault->rekey(kept);
  expect_it(path);
  EXPECT_EQ(get(*vault, "sealed0"), "third");
}

INSTANTIATE_TEST_SUITE_P(Kinds, NoRollbackOfAnUnreadableEntry,
                         testing::Values(Unreadable::kDamaged, Unreadable::kForged, Unreadable::kOtherKey),
                         [](const auto& kind) {
                           return kind.param == Unreadable::kDamaged  ? "Damaged"
                                  : kind.param == Unreadable::kForged ? "Forged"
                                                                      : "SealedByAnotherKey";
                         });

TEST_F(NoRollback, OnlyWhatATransactionPutCanHaveIt) {
  EXPECT_EQ(code_thrown_by([&] { vault->change([](Transaction& one) { one.forbid_rollback("sealed0"); }); }),
            ErrorCode::kInternal);
}

TEST_F(NoRollback, CompactionKeepsIt) {
  put(*vault, "obj/other", "again", Protection::kClear);
  vault->compact();
  expect_it(path);
  put(*vault, "sealed0", "after it");
  expect_it(path);
}

TEST_F(NoRollback, AFixedExportAndImportKeepIt) {
  const std::string fixed = scratch.file("store.fixed"), back = scratch.file("back.vtpm");
  export_fixed(*vault, fixed);
  import_fixed(fixed, back);
  expect_it(back);
  auto again = Vault::open(back);
  ASSERT_EQ(again->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*again, "sealed0"), "1");
  put(*again, "sealed0", "2");
  expect_it(back);
}

TEST_F(NoRollback, ARekeyKeepsIt) {
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  vault->rekey(kept);
  expect_it(path);
  EXPECT_EQ(get(*vault, "sealed0"), "1");
}

TEST_F(NoRollback, RepairKeepsIt) {
  Bytes bytes = load(path);
  bytes[entry_of(path, "sealed0").offset + 60] ^= 4;
  save(path, bytes);
  EXPECT_TRUE(repair(path).changed);
  expect_it(path);
}

// Damage without a name may hide a newer version: what must not be rolled back is refused, all else is served.
TEST_F(NoRollback, IsRefusedBehindDamage) {
  vault->change([](Transaction& transaction) {
    transaction.put("tpm0/permall", "tpm2-permall", Protection::kClear, as_bytes("legacy"));
  });
  put(*vault, "obj/last", "later", Protection::kClear);
  put(*vault, "obj/behind", "later still", Protection::kClear);
  const EntryReport lost = entry_of(path, "obj/last");
  Bytes bytes = load(path);
  std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(lost.offset), lost.length, uint8_t{0xA5});
  save(path, bytes);
  auto reader = Vault::open(path);
  for (const char* name : {"sealed0", "clear0", "tpm0/permall"}) {
    EXPECT_FALSE(reader->find(name)->readable) << name;
    EXPECT_EQ(code_thrown_by([&] { reader->read(name); }), ErrorCode::kCorrupt) << name;
  }
  EXPECT_EQ(get(*reader, "obj/other"), "without");
  EXPECT_EQ(get(*reader, "obj/behind"), "later still");
}

// Of two damaged entries side by side only the first shows its name.
TEST_F(NoRollback, IsRefusedInsideOfDamageThatShowsTheNameOfAnotherEntry) {
  put(*vault, "obj/other", "again", Protection::kClear);
  put(*vault, "clear0", "2", Protection::kClear);
  put(*vault, "obj/behind", "later", Protection::kClear);
  const EntryReport first = entry_of(path, "obj/other"), second = entry_of(path, "clear0");
  ASSERT_EQ(first.offset + first.length, second.offset);
  Bytes bytes = load(path);
  for (const EntryReport& one : {first, second}) {
    const auto whole = MutableByteView(bytes).subspan(one.offset, one.length);
    const size_t data_at = parse_entry(whole)->data_at;
    whole[data_at - 8] ^= 0xFF;
    whole[data_at] ^= 0xFF;
  }
  save(path, bytes);
  auto reader = Vault::open(path);
  EXPECT_EQ(code_thrown_by([&] { reader->read("obj/other"); }), ErrorCode::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { reader->read("clear0"); }), ErrorCode::kCorrupt) << "the version before it";
  EXPECT_EQ(get(*reader, "obj/behind"), "later");
}

// The list of legacy types is a promise to stores that were written without the attribute.
TEST_F(NoRollback, ThePermanentStateOfATpmHasItByItsType) {
  EXPECT_EQ(kLegacyTypesWithoutRollback.size(), 1u);
  EntryFacts facts;
  for (const std::string type : {"tpm2-permall", "keyslot", "attempt"}) {
    facts.type = type;
    EXPECT_TRUE(facts.must_not_roll_back()) << type;
  }
  for (const std::string type : {"tpm2-volatile", "p11-object", "token", "meter", ""}) {
    facts.type = type;
    EXPECT_FALSE(facts.must_not_roll_back()) << type;
  }
  facts.no_rollback = true;
  EXPECT_TRUE(facts.must_not_roll_back());
}

}  // namespace
}  // namespace vtpm::store
