// SPDX-License-Identifier: Apache-2.0
// The fixed-capacity layout: exported and imported without loss, overwritten in place by others, damaged.
#include "store/care/fixed_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/numbers.h"
#include "store/care/report.h"
#include "store/format/entry.h"
#include "store/format/scan.h"
#include "tests/store/crash/crash_history.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

std::string sentence_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.sentence();
  }
  return "nothing was refused";
}

/// All that a store says of its names, and what it holds.
std::map<std::string, std::string> contents(const Vault& vault) {
  std::map<std::string, std::string> all;
  for (const EntryInfo& entry : vault.list()) {
    if (entry.type == "keyslot") {
      all[entry.name] = entry.type;
      continue;
    }
    const auto blob = *vault.read(entry.name);
    all[entry.name] = entry.type + (blob.protection == Protection::kSealed ? " sealed " : " clear ") +
                      (blob.bound ? "bound " : "unbound ") + std::to_string(entry.capacity) + " " +
                      std::string(as_text(blob.data));
  }
  return all;
}

class Fixed : public testing::Test {
 protected:
  void fill(Vault& vault, bool sealed = true) const {
    const Protection protection = sealed ? Protection::kSealed : Protection::kClear;
    vault.change([&](Transaction& transaction) {
      transaction.put_registered("tpm0/permall", "tpm2-permall", protection, 3000, as_bytes("a TPM's state"));
      transaction.put("nic0/eeprom", "2d4b1c6e-7d0c-4f0e-9a51-0d2f3c8a6b17", Protection::kClear, as_bytes("eeprom"));
      transaction.put("obj/empty", "p11-object", protection, {});
      transaction.put("obj/gone", "p11-object", protection, as_bytes("deleted below"));
      transaction.put("obj/old", "p11-object", protection, as_bytes("an old version"));
    });
    erase(vault, "obj/gone");
    put(vault, "obj/old", "a new version", protection);
  }
  ScratchDirectory scratch;
  std::string there = scratch.file("there.fixed"), back = scratch.file("back.vtpm"), path = scratch.file("store.vtpm");
};

TEST_F(Fixed, GoesBothWaysWithoutLoss) {
  for (Cipher cipher : {Cipher::kAes256Siv, Cipher::kAesCbc}) {
    for (const std::string& file : {there, back, path}) std::filesystem::remove(file);
    CreateOptions options = cheap_options();
    options.cipher = cipher;
    options.attempt_limits = {{Role::kUser, 7}};
    auto vault = make_store(path, options);
    fill(*vault);
    vault->set_secret(Role::kUser, as_bytes("4321"));  // a slot that is not of the first transaction
    EXPECT_EQ(vault->verify(Role::kUser, as_bytes("wrong")), UnlockResult::kWrongSecret);
    export_fixed(*vault, there);
    EXPECT_TRUE(outside_tools_read(there));
    import_fixed(there, back);
    EXPECT_TRUE(outside_tools_read(back));

    auto again = Vault::open(back);
    EXPECT_EQ(to_hex(again->uuid()), to_hex(vault->uuid()));
    EXPECT_EQ(again->cipher(), cipher);
    EXPECT_EQ(again->attempts(Role::kUser).limit, 7u);
    EXPECT_EQ(again->attempts(Role::kUser).failures, 1u);
    ASSERT_EQ(again->unlock(Role::kUser, as_bytes("4321")), UnlockResult::kUnlocked);
    EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("4321")), UnlockResult::kUnlocked);  // the counters are alike again
    EXPECT_EQ(contents(*again), contents(*vault));
    EXPECT_TRUE(check(back, again.get()).clean());
    EXPECT_EQ(Vault::open(back)->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
    put(*again, "obj/new", "it goes on");
    again->compact();
    EXPECT_EQ(get(*Vault::open(back), "nic0/eeprom"), "eeprom");

    const auto before = contents(*again);
    export_fixed(*again, there + "2");
    import_fixed(there + "2", back + "2");
    auto third = Vault::open(back + "2");
    ASSERT_EQ(third->unlock(Role::kUser, as_bytes("4321")), UnlockResult::kUnlocked);
    EXPECT_EQ(contents(*third), before);
    for (const std::string& file : {there + "2", back + "2"}) std::filesystem::remove(file);
  }
}

TEST_F(Fixed, NumbersSayHowOldTheNamesAre) {
  auto vault = make_store(path);
  const auto write = [&](const char* name) {
    vault->change([&](Transaction& transaction) {
      transaction.put(name, "p11-object", Protection::kSealed, as_bytes("value"));
      transaction.keep_birth(name);
    });
  };
  for (const char* name : {"obj/c", "obj/a", "obj/b", "obj/a", "obj/c"}) write(name);
  export_fixed(*vault, there);
  import_fixed(there, back);
  const auto again = Vault::open(back);
  EXPECT_LT(again->find("obj/c")->born, again->find("obj/a")->born);
  EXPECT_LT(again->find("obj/a")->born, again->find("obj/b")->born);
}

TEST_F(Fixed, OfAStoreWithoutKeyNeedsNone) {
  CreateOptions options;
  options.cipher = Cipher::kNone;
  auto vault = Vault::create(path, options, {}, nullptr);
  fill(*vault, false);
  export_fixed(*Vault::open(path), there);
  import_fixed(there, back);
  EXPECT_EQ(contents(*Vault::open(back)), contents(*vault));
}

TEST_F(Fixed, EveryNameStandsTwiceAndTheHalvesLookAlike) {
  auto vault = make_store(path);
  fill(*vault);
  export_fixed(*vault, there, {{{"nic0/eeprom", 500}}, nullptr, nullptr});
  const Bytes bytes = load(there);
  const size_t half = (bytes.size() - 4) / 2;
  ByteView rest = ByteView(bytes).subspan(2);
  std::map<std::string, std::vector<std::pair<size_t, size_t>>> places;  // offset, length
  std::map<std::string, size_t> rooms;
  while (rest.size() > 2) {
    const size_t length = (rest[1] == 0x82 ? read_be(rest.subspan(2, 2)) + 4 : read_be(rest.subspan(2, 1)) + 3);
    const auto view = parse_entry(rest.first(length));
    ASSERT_TRUE(view);
    EXPECT_NE(view->type, "free");
    EXPECT_EQ(view->find(view->mandatory, "fixed").has_value(), view->type == "blobstore");
    places[std::string(view->name)].emplace_back(bytes.size() - rest.size(), length);
    rooms[std::string(view->name)] = view->data_bytes;
    rest = rest.subspan(length);
  }
  EXPECT_EQ(rooms["nic0/eeprom"], 500u);
  EXPECT_EQ(rooms["tpm0/permall"], 16u + 3000u);
  EXPECT_EQ(rooms["obj/old"], 16u + 13u);
  EXPECT_EQ(places.size(), 1u + 2u + 4u);
  for (const auto& [name, both] : places) {
    ASSERT_EQ(both.size(), 2u) << name;
    EXPECT_EQ(both[0].first + half, both[1].first) << name;
    EXPECT_EQ(both[0].second, both[1].second) << name;
  }
}

TEST_F(Fixed, OpenedDirectlySaysWhatItIs) {
  auto vault = make_store(path);
  export_fixed(*vault, there);
  const Bytes before = load(there);
  for (const std::string& said : {sentence_of([&] { Vault::open(there); }), sentence_of([&] { check(there); })}) {
    EXPECT_NE(said.find("fixed-capacity layout"), std::string::npos) << said;
    EXPECT_NE(said.find("vtpm-token store import"), std::string::npos) << said;
  }
  EXPECT_EQ(load(there), before);
  EXPECT_EQ(code_thrown_by([&] { import_fixed(path, back); }), ErrorCode::kUnsupported) << "a log is a store already";
  EXPECT_EQ(code_thrown_by([&] { import_fixed(there, path); }), ErrorCode::kExists);
  EXPECT_EQ(code_thrown_by([&] { export_fixed(*vault, there); }), ErrorCode::kExists);
  EXPECT_FALSE(std::filesystem::exists(back));
}

TEST_F(Fixed, WhatIsRefusedLeavesNoFile) {
  auto vault = make_store(path);
  fill(*vault);
  const auto code = [&](const Vault& of, const FixedExportOptions& options) {
    return code_thrown_by([&] { export_fixed(of, there, options); });
  };
  EXPECT_EQ(code(*Vault::open(path), {}), ErrorCode::kLocked);
  EXPECT_EQ(code(*vault, {{{"obj/none", 5}}, nullptr, nullptr}), ErrorCode::kNotFound);
  EXPECT_EQ(code(*vault, {{{"obj/old", 5}}, nullptr, nullptr}), ErrorCode::kInvalidArgument) << "less than there is";
  EXPECT_EQ(code(*vault, {{{"tpm0/permall", 9000}}, nullptr, nullptr}), ErrorCode::kInvalidArgument) << "registered";
  EXPECT_EQ(code(*vault, {{{"obj/old", 17 << 20}}, nullptr, nullptr}), ErrorCode::kNoSpace);
  Bytes bytes = load(path);
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name == "obj/empty") bytes[entry.offset + 90] ^= 0x55;
  }
  save(path, bytes);
  EXPECT_EQ(code(*vault, {}), ErrorCode::kCorrupt);
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(path).parent_path())) {
    EXPECT_EQ(file.path(), path);
  }
}

// golden-fixed.vtpm was written by another program (tests/data/store/make_golden_fixed.py).
class GoldenFixed : public Fixed {
 protected:
  GoldenFixed() { std::filesystem::copy_file(std::string(VTPM_TEST_DATA) + "/store/golden-fixed.vtpm", there); }
  /// The entries of a name, in the order of the file.
  std::vector<LogEntry> entries_of(const std::string& name) const {
    const Bytes bytes = load(there);
    std::vector<LogEntry> found;
    for (size_t at = 2; at + 2 < bytes.size();) {
      const size_t length = bytes[at + 1] == 0x82 ? read_be(ByteView(bytes).subspan(at + 2, 2)) + 4
                                                  : read_be(ByteView(bytes).subspan(at + 2, 1)) + 3;
      LogEntry entry;
      entry.offset = at;
      entry.length = static_cast<uint32_t>(length);
      const auto view = parse_entry(ByteView(bytes).subspan(at, length));
      if (view && view->name == name) found.push_back(entry);
      at += length;
    }
    return found;
  }
  std::string value_after_import(const std::string& name, bool accept_older = false) const {
    std::filesystem::remove(back);
    FixedImportOptions options;
    options.accept_older = accept_older;
    findings_ = import_fixed(there, back, options);
    auto vault = Vault::open(back);
    EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("1234")), UnlockResult::kUnlocked);
    EXPECT_TRUE(check(back, vault.get()).clean());
    return get(*vault, name);
  }
  mutable std::vector<std::string> findings_;
};

TEST_F(GoldenFixed, IsImported) {
  EXPECT_TRUE(outside_tools_read(there));
  EXPECT_EQ(value_after_import("tpm0/permall"), "sealed");
  EXPECT_TRUE(findings_.empty());
  auto vault = Vault::open(back);
  ASSERT_EQ(vault->unlock(Role::kSo, as_bytes("so secret")), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "nic0/eeprom"), "newer");
  EXPECT_TRUE(vault->read("token/info")->bound);
  EXPECT_EQ(vault->find("tpm0/permall")->capacity, 48u);
  EXPECT_TRUE(outside_tools_read(back));
  const std::string bytes(as_text(load(back)));
  size_t blue = 0;
  for (size_t at = 0; (at = bytes.find("colour\x16\x04"
                                       "blue",
                                       at)) != std::string::npos;
       ++at)
    ++blue;
  EXPECT_EQ(blue, 2u + 4u + 3u) << "attributes that no version knows: header, two slots, three blobs";
}

// As a program does that knows nothing of logs: the older entry is overwritten, with the highest number.
TEST_F(GoldenFixed, AnEntryIsOverwrittenInTurn) {
  Bytes bytes = load(there);
  const LogEntry older = entries_of("nic0/eeprom")[1];
  const auto write = [&](std::string_view value, size_t of_it) {
    Entry entry = to_entry(*parse_entry(ByteView(bytes).subspan(older.offset, older.length)));
    for (Attribute& attribute : entry.mandatory) {
      if (attribute.name == "seq") attribute = sequence_attribute({70010, 0, 1, 9});
      if (attribute.name == "realsize") attribute = realsize_attribute(value.size());
    }
    std::copy(value.begin(), value.end(), entry.data.begin());
    Bytes fresh = encode(entry);
    Salt salt;
    std::copy_n("the CRC's salt..", 16, salt.begin());
    store_crc(salt, fresh, parse_entry(fresh)->crc_at);
    ASSERT_EQ(fresh.size(), older.length);
    Bytes file = bytes;
    std::copy_n(fresh.begin(), of_it, file.begin() + static_cast<ptrdiff_t>(older.offset));
    save(there, file);
  };
  write("the newest of all", older.length);
  EXPECT_EQ(value_after_import("nic0/eeprom"), "the newest of all");
  // Torn at each byte: the other entry counts, but only if the caller accepts it, since rot looks the same.
  for (size_t of_it = 1; of_it < older.length; of_it += 7) {
    write("the newest of all", of_it);
    if (load(there) == bytes) continue;
    std::filesystem::remove(back);
    try {
      import_fixed(there, back);
      const std::string value = get(*Vault::open(back), "nic0/eeprom");
      ASSERT_TRUE(value == "newer" || value == "the newest of all") << of_it << ": " << value;
    } catch (const Error& error) {
      ASSERT_NE(error.sentence().find("'nic0/eeprom' is damaged"), std::string::npos) << error.sentence();
      ASSERT_FALSE(std::filesystem::exists(back));
      ASSERT_EQ(value_after_import("nic0/eeprom", true), "newer") << of_it;
    }
  }
}

TEST_F(GoldenFixed, FlippedBitsAreCorrected) {
  const Bytes bytes = load(there);
  for (size_t bit = 16; bit < (bytes.size() - 2) * 8; bit += long_test() ? 1 : 1009) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    save(there, flipped);
    ASSERT_EQ(value_after_import("tpm0/permall"), "sealed") << "byte " << bit / 8;
  }
}

TEST_F(GoldenFixed, DamageIsNeverServed) {
  const Bytes bytes = load(there);
  const auto both = entries_of("tpm0/permall");
  ASSERT_EQ(both.size(), 2u);
  const auto damage = [&](Bytes& file, const LogEntry& entry) {
    std::fill_n(file.begin() + static_cast<ptrdiff_t>(entry.offset) + 60, 40, uint8_t{0xA5});
  };
  Bytes newer = bytes, none = bytes;
  damage(newer, both[1]);
  save(there, newer);
  EXPECT_EQ(code_thrown_by([&] { import_fixed(there, back); }), ErrorCode::kCorrupt);
  EXPECT_EQ(value_after_import("tpm0/permall", true), "older");
  EXPECT_EQ(findings_.size(), 2u);
  damage(none, both[0]);
  damage(none, both[1]);
  save(there, none);
  std::filesystem::remove(back);
  FixedImportOptions older;
  older.accept_older = true;
  EXPECT_EQ(code_thrown_by([&] { import_fixed(there, back, older); }), ErrorCode::kCorrupt) << "a name is gone";
  for (size_t cut : {1u, 2u, 3u, 100u, 1500u, 2500u}) {
    save(there, ByteView(bytes).first(bytes.size() - cut));
    EXPECT_EQ(code_thrown_by([&] { import_fixed(there, back, older); }), ErrorCode::kCorrupt) << cut;
  }
  Bytes longer = bytes;
  longer.resize(longer.size() + 2);
  save(there, longer);
  EXPECT_EQ(code_thrown_by([&] { import_fixed(there, back, older); }), ErrorCode::kCorrupt);
  // The first header: its second copy stands in the middle.
  Bytes headless = bytes;
  std::fill_n(headless.begin() + 20, 60, uint8_t{0xA5});
  save(there, headless);
  EXPECT_EQ(value_after_import("tpm0/permall"), "sealed");
}

}  // namespace
}  // namespace vtpm::store
