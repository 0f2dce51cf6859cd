// SPDX-License-Identifier: Apache-2.0
// Reading files that are torn, damaged or truncated.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "store/care/repair.h"
#include "store/care/report.h"
#include "store/format/encoding.h"
#include "store/format/free_space.h"
#include "store/format/quarantine.h"
#include "store/format/scan.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

using Values = std::map<std::string, std::string>;

// What the names hold; "(damaged)" for those that do not read.
Values values_of(const Vault& vault) {
  Values out;
  for (const EntryInfo& entry : vault.list()) {
    if (entry.type != "p11-object" && entry.type != "") continue;
    try {
      out[entry.name] = get(vault, entry.name);
    } catch (const Error&) {
      out[entry.name] = "(damaged)";
    }
  }
  return out;
}

class Recovery : public testing::Test {
 protected:
  Recovery() : path(scratch.file("store.vtpm")) {
    auto vault = make_store(path);
    for (int i = 0; i < 6; ++i) {
      states.push_back(values_of(*vault));
      sizes.push_back(log_end());
      put(*vault, "obj/" + std::to_string(i % 4), "value " + std::to_string(i),
          i % 2 ? Protection::kSealed : Protection::kClear);
    }
    states.push_back(values_of(*vault));
    sizes.push_back(log_end());
    bytes = load(path);
  }

  uint64_t log_end() const {
    auto report = dump(path);
    uint64_t end = report.file_bytes;
    for (const EntryReport& entry : report.entries) {
      if (entry.state == EntryStatus::kFree && entry.offset + entry.length + 2 >= report.file_bytes) {
        end = std::min(end, entry.offset);
      }
    }
    return end;
  }

  std::unique_ptr<Vault> open_unlocked(ByteView contents) {
    save(path, contents);
    auto vault = Vault::open(path);
    if (vault->unlock(Role::kUser, as_bytes(kUserPin)) != UnlockResult::kUnlocked)
      throw std::runtime_error("not unlocked");
    return vault;
  }

  ScratchDirectory scratch;
  std::string path;
  Bytes bytes;
  std::vector<Values> states;   // after each commit
  std::vector<uint64_t> sizes;  // where the log ended then
};

TEST_F(Recovery, NothingThatIsNotAStoreIsOpenedOrTouched) {
  const std::vector<std::pair<Bytes, ErrorCode>> files = {
      {{}, ErrorCode::kNotAStore},
      {Bytes(1, 0x31), ErrorCode::kNotAStore},
      {{0x31, 0x80}, ErrorCode::kNotAStore},
      {{0x31, 0x80, 0, 0}, ErrorCode::kNotAStore},
      {to_bytes(as_bytes("# a text file\n")), ErrorCode::kNotAStore},
      {Bytes(100000, 0), ErrorCode::kNotAStore},
      {Bytes(100000, 0x30), ErrorCode::kNotAStore},
      {to_bytes(ByteView(bytes).first(100)), ErrorCode::kNotAStore},
  };
  for (const auto& [contents, code] : files) {
    save(path, contents);
    EXPECT_EQ(code_thrown_by([&] { Vault::open(path); }), code) << contents.size() << " bytes";
    CreateOptions replace = cheap_options();
    replace.replace = true;
    EXPECT_EQ(code_thrown_by([&] { make_store(path, replace); }), code) << "never replaced either";
    EXPECT_EQ(load(path), contents);
  }
  Bytes archive(512);  // a store inside another file is not one
  append(archive, bytes);
  save(path, archive);
  EXPECT_EQ(code_thrown_by([&] { Vault::open(path); }), ErrorCode::kNotAStore);
  EXPECT_EQ(code_thrown_by([&] { Vault::open(scratch.path()); }), ErrorCode::kIo);
  EXPECT_EQ(code_thrown_by([&] { Vault::open(scratch.file("absent")); }), ErrorCode::kNotFound);
}

// Cuts that are tried: every one, or every third where a sanitizer makes each of them dear.
const uint64_t kStride = sanitized() ? 3 : 1;

// Cut anywhere: what was there before the cut is served, or the file is refused; opening never writes.
TEST_F(Recovery, TruncatedAtEveryByte) {
  for (uint64_t size = 0; size < sizes.back() + 40; size += kStride) {
    Bytes cut = to_bytes(ByteView(bytes).first(size));
    save(path, cut);
    try {
      auto vault = Vault::open(path);
      for (const EntryInfo& entry : vault->list("obj/")) {
        if (!entry.readable || entry.protection == Protection::kSealed) continue;
        std::string value = get(*vault, entry.name);
        bool known = false;
        for (const Values& state : states) known |= state.count(entry.name) && state.at(entry.name) == value;
        ASSERT_TRUE(known) << size;
      }
    } catch (const Error& error) {
      ASSERT_TRUE(error.code() == ErrorCode::kNotAStore || error.code() == ErrorCode::kCorrupt) << size << error.what();
    }
    ASSERT_EQ(load(path), cut) << size;
  }
}

// A commit of which only a prefix reached the disk never happened; the next writer goes on from there.
TEST_F(Recovery, TornTailAtEveryByte) {
  auto vault = open_unlocked(bytes);
  Bytes before = load(path);
  uint64_t start = log_end();
  {
    vault->change([&](Transaction& transaction) {
      transaction.put("obj/0", "p11-object", Protection::kSealed, as_bytes("torn"));
      transaction.put("obj/new", "p11-object", Protection::kClear, as_bytes("torn as well"));
      transaction.erase("obj/1");
    });
  }
  Values with = values_of(*vault), without = states.back();
  Bytes after = load(path);
  uint64_t end = log_end();
  ASSERT_EQ(before.size(), after.size());
  size_t complete = 0;
  for (uint64_t cut = start; cut <= end + 20; cut += cut + kStride < end ? kStride : 1) {
    Bytes torn = before;
    std::copy_n(after.begin(), cut, torn.begin());
    save(path, torn);
    auto reader = Vault::open(path);
    Values seen = values_of(*reader);
    bool is_new = seen.count("obj/new") != 0;
    complete += is_new;
    ASSERT_EQ(is_new, cut >= end) << cut;
    ASSERT_EQ(seen.count("obj/1"), is_new ? 0u : 1u) << cut;
    ASSERT_EQ(load(path), torn) << "reading wrote";
    if (cut % 29 != 0 && cut != end) continue;
    put(*reader, "obj/later", "later", Protection::kClear);
    ASSERT_TRUE(dump(path).intact_end) << cut;
    if (cut % 3 == 0) {
      ASSERT_TRUE(outside_tools_read(path)) << cut;
    }
    auto again = Vault::open(path);
    ASSERT_EQ(get(*again, "obj/later"), "later") << cut;
    ASSERT_EQ(again->find("obj/new").has_value(), is_new) << cut;
  }
  EXPECT_EQ(complete, 21u);
}

// Zeros instead of the rest of the commit, as a file system that had not written the page leaves them.
TEST_F(Recovery, TornTailWithHoles) {
  auto vault = open_unlocked(bytes);
  Bytes before = load(path);
  uint64_t start = log_end();
  put(*vault, "obj/0", std::string(3000, 'x'), Protection::kClear);
  Bytes after = load(path);
  uint64_t end = log_end();
  for (uint64_t sector = start / 512; sector <= end / 512; ++sector) {
    for (bool zeros : {false, true}) {
      Bytes torn = after;
      for (uint64_t at = sector * 512; at < sector * 512 + 512; ++at) {
        if (at >= start) torn[at] = zeros ? 0 : before[at];
      }
      save(path, torn);
      auto reader = Vault::open(path);
      std::string value = get(*reader, "obj/0");
      bool is_old = value == states.back().at("obj/0"), is_new = value == std::string(3000, 'x');
      ASSERT_TRUE(is_old || is_new) << sector;
      put(*reader, "obj/later", "later", Protection::kClear);
      auto again = Vault::open(path);
      ASSERT_EQ(get(*again, "obj/0"), value);
      ASSERT_EQ(get(*again, "obj/later"), "later");
    }
  }
}

TEST_F(Recovery, ATornTailIsSetAsideAndNumbersJump) {
  auto vault = open_unlocked(bytes);
  uint64_t start = log_end();
  put(*vault, "obj/0", "half", Protection::kClear);
  Bytes torn = load(path);
  uint64_t last = vault->find("obj/0")->sequence;
  for (uint64_t at = log_end() - 5; at < log_end() + 20; ++at) torn[at] = 0;
  save(path, torn);
  auto reader = Vault::open(path);
  EXPECT_NE(get(*reader, "obj/0"), "half");
  EXPECT_FALSE(std::filesystem::exists(quarantine_path(path)));
  put(*reader, "obj/x", "y", Protection::kClear);
  EXPECT_GE(reader->find("obj/x")->sequence, last + 65535);
  ASSERT_TRUE(std::filesystem::exists(quarantine_path(path)));
  Bytes aside = load(quarantine_path(path));
  ByteView piece = ByteView(torn).subspan(start, 60);
  EXPECT_NE(std::search(aside.begin(), aside.end(), piece.begin(), piece.end()), aside.end());
  EXPECT_TRUE(outside_tools_read(quarantine_path(path)));
}

// What a crash left in the free space must not come back to life when the log has grown up to it.
TEST_F(Recovery, AStaleTailStaysDead) {
  auto vault = open_unlocked(bytes);
  Bytes before = load(path);
  uint64_t start = log_end();
  put(*vault, "obj/a", "ghost 1", Protection::kClear);
  uint64_t middle = log_end();
  put(*vault, "obj/b", "ghost 2", Protection::kClear);
  Bytes contents = load(path);
  // The first of the two is gone, the second is still there, in the middle of an intact free space.
  std::copy_n(before.begin() + static_cast<ptrdiff_t>(start), middle - start,
              contents.begin() + static_cast<ptrdiff_t>(start));
  auto reader = open_unlocked(contents);
  EXPECT_FALSE(reader->find("obj/b"));
  put(*reader, "obj/a", "ghost 1", Protection::kClear);
  EXPECT_FALSE(reader->find("obj/b"));
  EXPECT_FALSE(Vault::open(path)->find("obj/b"));
  EXPECT_TRUE(std::filesystem::exists(quarantine_path(path)));
}

// One flipped bit anywhere costs nothing.
// A hostile header whose number lies beyond its log: cleaning the space behind such a log would wipe the header. Found
// by the fuzzer store_recovery.
TEST_F(Recovery, AHeaderThatDoesNotCountIsNotWiped) {
  const StoreHeader header = read_header(*posix_file_system().open(path, false), path);
  Bytes hostile = bytes;
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.type != type::kHeader) continue;
    const MutableByteView one = MutableByteView(hostile).subspan(entry.offset, entry.length);
    const EntryView view = parse_entry(one).value();
    const auto sequence = view.find_bytes(view.mandatory, attribute::kSequence, kSequenceBytes).value();
    hostile[entry.offset + static_cast<size_t>(sequence.data() - view.bytes.data()) + 2] = 1;
    store_crc(header.salt, one, view.crc_at);
  }
  save(path, hostile);
  auto vault = Vault::open(path);
  EXPECT_EQ(code_thrown_by([&] { put(*vault, "obj/0", "fresh", Protection::kClear); }), ErrorCode::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { vault->compact(); }), ErrorCode::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { repair(path); }), ErrorCode::kCorrupt);
  EXPECT_EQ(load(path), hostile);
}

// Half of a transaction rotted, and only a torn write behind it shows that it had been synced: the other half is
// served, and survives the cleaning of that write. Found by reading.
TEST_F(Recovery, WhatOnlyATornWriteShowsToBeDurableSurvivesACompaction) {
  {
    auto vault = Vault::open(path);
    vault->change([&](Transaction& pair) {
      pair.put("pair/a", "p11-object", Protection::kClear, as_bytes("the first half"));
      pair.put("pair/b", "p11-object", Protection::kClear, as_bytes("the other half"));
    });
  }
  const StoreHeader header = read_header(*posix_file_system().open(path, false), path);
  const uint64_t end = log_end(), last = dump(path).last;
  Bytes damaged = load(path);
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name == "pair/a") std::fill_n(damaged.begin() + static_cast<ptrdiff_t>(entry.offset) + 20, 40, 0xFF);
  }
  Draft draft;
  draft.entry.type = "p11-object";
  draft.entry.name = "torn/a";
  draft.entry.mandatory = {realsize_attribute(1)};
  draft.entry.data = Bytes(1);
  const Encoded torn = encode_transaction(header.salt, {draft, draft}, last + 1, last);
  std::copy_n(torn.bytes.begin(), torn.entries[1].offset, damaged.begin() + static_cast<ptrdiff_t>(end));
  save(path, damaged);

  EXPECT_EQ(get(*Vault::open(path), "pair/b"), "the other half");
  Vault::open(path)->compact();
  EXPECT_EQ(get(*Vault::open(path), "pair/b"), "the other half");
}

TEST_F(Recovery, EveryFlippedBitIsCorrected) {
  std::mt19937 random(1);
  uint64_t end = sizes.back() + 20;
  for (uint64_t at = 0; at < bytes.size(); at += 1 + random() % (kStride * (at < end ? 5 : 5000))) {
    Bytes flipped = bytes;
    flipped[at] ^= static_cast<uint8_t>(1u << random() % 8);
    save(path, flipped);
    auto vault = Vault::open(path);
    ASSERT_TRUE(vault->find("keyslot/2") && vault->find("keyslot/2")->readable) << at;
    if (random() % 16 == 0 || (at > sizes[0] && at < end)) {
      ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked) << at;
      ASSERT_EQ(values_of(*vault), states.back()) << at;
    } else {
      for (const auto& [name, value] : states.back())
        ASSERT_TRUE(vault->find(name) && vault->find(name)->readable) << at;
    }
  }
}

// A sector of garbage: never a wrong or an old value, and no other entry is lost.
TEST_F(Recovery, ADestroyedSectorIsNeverServed) {
  std::mt19937 random(2);
  for (uint64_t sector = 0; sector * 512 < bytes.size() && sector * 512 < sizes.back() + 1024; ++sector) {
    for (int kind = 0; kind < 3; ++kind) {
      Bytes broken = bytes;
      for (uint64_t at = sector * 512; at < sector * 512 + 512 && at < broken.size(); ++at) {
        broken[at] = kind == 0 ? 0 : kind == 1 ? 0xFF : static_cast<uint8_t>(random());
      }
      save(path, broken);
      std::unique_ptr<Vault> vault;
      ASSERT_NO_THROW(vault = Vault::open(path)) << sector;
      for (const EntryInfo& entry : vault->list("obj/")) {
        if (!entry.readable || entry.protection == Protection::kSealed) continue;
        bool known = false;
        for (const Values& state : states) {
          known |= state.count(entry.name) && state.at(entry.name) == get(*vault, entry.name);
        }
        ASSERT_TRUE(known) << sector;
      }
      // The first copies of header and slots stand in other sectors than the second.
      ASSERT_TRUE(vault->has_slot(Role::kUser)) << sector;
      ASSERT_TRUE(vault->has_slot(Role::kSo)) << sector;
    }
  }
}

class Rot : public testing::Test {
 protected:
  Rot() : path(scratch.file("store.vtpm")), vault(make_store(path)) {
    put(*vault, "obj/a", "first a", Protection::kClear);
    put(*vault, "obj/b", "first b", Protection::kClear);
    put(*vault, "obj/a", "second a", Protection::kClear);
    put(*vault, "obj/c", "first c", Protection::kClear);
    put(*vault, "obj/d", "first d", Protection::kClear);
  }

  // Two flipped bits in the data of the newest entry of that name.
  void rot(const std::string& name, size_t bytes_before_end = 0) {
    Bytes contents = load(path);
    for (const EntryReport& entry : dump(path).entries) {
      if (entry.name != name || entry.state != EntryStatus::kCurrent) continue;
      size_t data = entry.offset + entry.length - bytes_before_end - 2 - name.size();
      contents[data - 1] ^= 0x55;
      contents[data - 3] ^= 0x0F;
    }
    save(path, contents);
  }

  ScratchDirectory scratch;
  std::string path;
  std::unique_ptr<Vault> vault;
};

TEST_F(Rot, CostsOneNameAndServesNoOlderVersion) {
  rot("obj/a");
  auto reader = Vault::open(path);
  EXPECT_EQ(code_thrown_by([&] { get(*reader, "obj/a"); }), ErrorCode::kCorrupt);
  EXPECT_FALSE(reader->find("obj/a")->readable);
  EXPECT_EQ(get(*reader, "obj/b"), "first b");
  EXPECT_EQ(get(*reader, "obj/c"), "first c");
  auto report = check(path);
  EXPECT_FALSE(report.clean());
  unsigned damaged = 0;
  for (const EntryReport& entry : report.entries) {
    if (entry.state == EntryStatus::kDamaged) {
      ++damaged;
      EXPECT_EQ(entry.name, "obj/a");
    }
  }
  EXPECT_EQ(damaged, 1u);

  // Neither a compaction nor other writes revive the older version; a new one heals the name.
  reader->compact();
  EXPECT_EQ(code_thrown_by([&] { get(*reader, "obj/a"); }), ErrorCode::kCorrupt);
  EXPECT_EQ(code_thrown_by([&] { get(*Vault::open(path), "obj/a"); }), ErrorCode::kCorrupt);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  put(*reader, "obj/a", "third a", Protection::kClear);
  EXPECT_EQ(get(*Vault::open(path), "obj/a"), "third a");
}

TEST_F(Rot, OfAnUnreadableNameRefusesWhatMayBeOutdated) {
  {
    vault->change([&](Transaction& transaction) {
      transaction.put("tpm0/permall", "tpm2-permall", Protection::kClear, as_bytes("state"));
    });
  }
  put(*vault, "obj/e", "e", Protection::kClear);
  put(*vault, "obj/f", "f", Protection::kClear);
  Bytes contents = load(path);
  uint64_t gap = 0;
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name != "obj/e") continue;
    gap = entry.offset;
    std::fill_n(contents.begin() + static_cast<ptrdiff_t>(entry.offset), entry.length, uint8_t{0xA5});
  }
  ASSERT_NE(gap, 0u);
  save(path, contents);
  auto reader = Vault::open(path);
  EXPECT_EQ(get(*reader, "obj/f"), "f");
  EXPECT_EQ(get(*reader, "obj/d"), "first d");
  EXPECT_EQ(code_thrown_by([&] { get(*reader, "tpm0/permall"); }), ErrorCode::kCorrupt);
  EXPECT_TRUE(reader->has_slot(Role::kUser)) << "so small a gap cannot hold both copies of a newer slot";
  EXPECT_EQ(code_thrown_by([&] { reader->compact(); }), ErrorCode::kCorrupt) << "it would drop what cannot be copied";
  put(*reader, "obj/g", "g", Protection::kClear);
  EXPECT_EQ(get(*Vault::open(path), "obj/g"), "g");
}

TEST_F(Rot, ADeletionOfHalfATransactionDoesNotApply) {
  {
    vault->change([&](Transaction& transaction) {
      transaction.erase("obj/b");
      transaction.put("obj/z", "p11-object", Protection::kClear, as_bytes("moved from b"));
    });
  }
  put(*vault, "obj/y", "y", Protection::kClear);
  put(*vault, "obj/y2", "y", Protection::kClear);
  rot("obj/z");
  auto reader = Vault::open(path);
  EXPECT_EQ(get(*reader, "obj/b"), "first b");
  EXPECT_EQ(code_thrown_by([&] { get(*reader, "obj/z"); }), ErrorCode::kCorrupt);
}

TEST_F(Rot, ACutOffCompactedStoreTakesNoMore) {
  vault->compact();
  uint64_t b = 0;
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name == "obj/c") b = entry.offset + 10;
  }
  Bytes contents = load(path);
  contents.resize(b);
  save(path, contents);
  EXPECT_EQ(code_thrown_by([&] { Vault::open(path); }), ErrorCode::kCorrupt);
  OpenOptions any;
  any.any_ending = true;
  auto reader = Vault::open(path, any);
  EXPECT_EQ(get(*reader, "obj/b"), "first b");
  EXPECT_EQ(code_thrown_by([&] { put(*reader, "obj/x", "x", Protection::kClear); }), ErrorCode::kCorrupt);
  EXPECT_EQ(load(path), contents);
  EXPECT_FALSE(check(path).clean());
}

// A first write to a compacted file may tear although the last entry before the compaction was dead.
TEST_F(Rot, ATornFirstWriteAfterACompactionIsNoRot) {
  erase(*vault, "obj/d");
  vault->compact();
  uint64_t end = 0;
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.state == EntryStatus::kFree) end = entry.offset;
  }
  put(*vault, "obj/a", "third a", Protection::kClear);
  Bytes contents = load(path);
  contents[end + 100] ^= 0x55;
  contents[end + 101] ^= 0x55;
  save(path, contents);
  EXPECT_EQ(get(*Vault::open(path), "obj/a"), "second a");
}

TEST(Refusals, R0_9_AnUnknownMandatoryAttributeRefusesTheEntryAndInTheHeaderTheStore) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  make_store(path);
  Bytes contents = load(path);
  // Written by hand here: an entry of something newer, appended where the free space begins.
  auto file = posix_file_system().open(path, true);
  StoreHeader header = read_header(*file, path);
  ScanResult scan = scan_log(*file, header);
  auto newer = [&](uint64_t number, std::string name, std::vector<Attribute> mandatory,
                   std::vector<Attribute> optional) {
    Entry entry{"p11-object", std::move(name), std::move(mandatory), std::move(optional), Bytes(3, 'x')};
    entry.mandatory.push_back(sequence_attribute({number, 0, 1, number - 1}));
    entry.mandatory.push_back(realsize_attribute(3));
    entry.optional.push_back(bytes_attribute(attribute::kCrc, Bytes(4)));
    Bytes out = encode(entry);
    store_crc(header.salt, out, parse_entry(out)->crc_at);
    return out;
  };
  Bytes added = newer(scan.end.last + 1, "obj/new", {integer_attribute("zz-new", 1)}, {});
  append(added, newer(scan.end.last + 2, "obj/known", {}, {text_attribute("colour", "blue")}));
  append(added, free_header(contents.size() - 2 - scan.end.offset - added.size()));
  file->write_at(scan.end.offset, added);

  auto vault = Vault::open(path);
  EXPECT_EQ(code_thrown_by([&] { vault->read("obj/new"); }), ErrorCode::kTooNew);
  EXPECT_FALSE(vault->find("obj/new")->readable);
  EXPECT_EQ(get(*vault, "obj/known"), "xxx");
  Bytes before = load(path);
  vault->compact();
  EXPECT_EQ(code_thrown_by([&] { vault->read("obj/new"); }), ErrorCode::kTooNew) << "kept, not dropped";
  Bytes after = load(path);
  for (std::string_view kept : {"zz-new", "colour"}) {
    EXPECT_NE(std::search(after.begin(), after.end(), kept.begin(), kept.end()), after.end());
  }

  Bytes image = contents;
  Bytes first_bytes = read_entry(*file, header, scan.entries.at(0)).value();
  auto entry = parse_entry(first_bytes);
  ASSERT_TRUE(entry);
  Entry first = to_entry(*entry);
  first.mandatory.push_back({"zz-new", {}});
  Bytes bytes = encode(first);
  store_crc(header.salt, bytes, parse_entry(bytes)->crc_at);
  Bytes fixed = {0x31, 0x80};
  append(fixed, bytes);
  append(fixed, free_header(10000));
  fixed.resize(fixed.size() + 10000);
  save(path, fixed);
  EXPECT_EQ(code_thrown_by([&] { Vault::open(path); }), ErrorCode::kTooNew);
}

// Work is bounded: a file that is all beginnings of entries must not take quadratic time.
TEST(Refusals, AHostileFileTakesBoundedTime) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  make_store(path);
  Bytes contents = load(path);
  auto file = posix_file_system().open(path, false);
  StoreHeader header = read_header(*file, path);
  uint64_t end = scan_log(*file, header).end.offset;
  contents.resize(end);
  const Bytes nested = {0x30, 0x83, 0x3F, 0xFF, 0xF0, 0x30, 0x83, 0x3F, 0xFF,
                        0x00, 0x16, 0x01, 0x61, 0x31, 0x00, 0x31, 0x00};
  while (contents.size() < 20u << 20) append(contents, nested);
  save(path, contents);
  auto begin = std::chrono::steady_clock::now();
  auto vault = Vault::open(path);
  EXPECT_TRUE(vault->has_slot(Role::kUser));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace vtpm::store
