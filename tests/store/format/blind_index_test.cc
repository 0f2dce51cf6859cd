// SPDX-License-Identifier: Apache-2.0
// The blind index of entries (docs/format.md).
#include "store/format/blind_index.h"

#include <gtest/gtest.h>

#include <set>

#include "base/numbers.h"
#include "crypto/hash/digest.h"
#include "crypto/kdf/kdf.h"
#include "store/care/report.h"
#include "store/file/file.h"
#include "store/format/log_format.h"
#include "store/format/scan.h"
#include "store/vault/sealing.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

const Property kRed{0x102, to_bytes(as_bytes("red"))}, kBlue{0x102, to_bytes(as_bytes("blue"))};

class BlindIndexTest : public testing::Test {
 protected:
  void put(const std::string& name, const std::vector<Property>& properties) {
    vault->change([&](Transaction& transaction) {
      transaction.put(name, "p11-object", Protection::kSealed, as_bytes("value of " + name));
      transaction.index(name, properties);
    });
  }
  void put_clear(const std::string& name, const std::vector<Property>& properties) {
    vault->change([&](Transaction& transaction) {
      transaction.put(name, "p11-object", Protection::kClear, as_bytes("value of " + name));
      transaction.index(name, properties);
    });
  }
  std::vector<BlindTag> tags(const std::string& name) { return Vault::open(path)->find(name)->tags; }
  /// Changes the newest entry of the file; its checksum is right.
  void forge(const std::function<void(Bytes& bytes, const EntryView& view)>& change) {
    auto file = posix_file_system().open(path, true);
    const StoreHeader header = read_header(*file, path);
    const LogEntry entry = scan_log(*file, header).entries.back();
    Bytes bytes = read_entry(*file, header, entry).value();
    const EntryView view = parse_entry(bytes).value();
    change(bytes, view);
    store_crc(header.salt, bytes, view.crc_at);
    file->write_at(entry.offset, bytes);
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  std::unique_ptr<Vault> vault = make_store(path);
};

TEST_F(BlindIndexTest, TagsAreThoseOfTheFormat) {
  const Bytes master(32, 0x4b);
  Uuid uuid{};
  uuid[3] = 7;
  const MasterKey key(SecretBytes(master), uuid, 5);
  Bytes info = to_bytes(as_bytes("index"));
  write_be(info, 5, 8);
  const SecretBytes index_key = crypto::hkdf(master, uuid, info, 32);
  Bytes message;
  write_be(message, 0x102, 8);
  append(message, as_bytes("red"));
  EXPECT_EQ(key.tag(0x102, as_bytes("red")),
            read_be(ByteView(crypto::hmac(crypto::Hash::kSha256, index_key, message)).first(8)));
}

TEST_F(BlindIndexTest, EqualPropertiesHaveEqualTagsAndNothingElseHas) {
  put("obj/a", {kRed, {0x3, kRed.value}});
  put("obj/b", {kRed});
  put("obj/c", {kBlue});
  ASSERT_EQ(tags("obj/a").size(), 2u);
  EXPECT_EQ(tags("obj/b"), std::vector<BlindTag>{vault->tag(kRed)});
  EXPECT_EQ(tags("obj/c"), std::vector<BlindTag>{vault->tag(kBlue)});
  const auto of_a = tags("obj/a");
  EXPECT_EQ(std::set<BlindTag>(of_a.begin(), of_a.end()),
            (std::set<BlindTag>{vault->tag(kRed), vault->tag({0x3, kRed.value})}));
  auto other = make_store(scratch.file("other.vtpm"));
  EXPECT_NE(other->tag(kRed), vault->tag(kRed)) << "of another store";
  vault->lock();
  EXPECT_EQ(code_thrown_by([&] { vault->tag(kRed); }), ErrorCode::kLocked);
  EXPECT_TRUE(outside_tools_read(path));
}

// A writer that does not know the properties of the new version must not keep the tags of the old one.
TEST_F(BlindIndexTest, IsNotInherited) {
  put("obj/a", {kRed});
  ASSERT_EQ(tags("obj/a").size(), 1u);
  store::put(*vault, "obj/a", "without");
  EXPECT_TRUE(tags("obj/a").empty());
  put("obj/a", {kBlue});
  EXPECT_EQ(tags("obj/a"), std::vector<BlindTag>{vault->tag(kBlue)});
}

TEST_F(BlindIndexTest, IsKeptByCompactionAndMadeAnewByARekey) {
  put("obj/a", {kRed});
  put("obj/b", {kRed});
  const BlindTag before = vault->tag(kRed);
  vault->compact();
  EXPECT_EQ(tags("obj/a"), std::vector<BlindTag>{before});
  const auto keep = [] {
    std::vector<KeptKeySlot> kept;
    kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
    kept.push_back({2, SecretBytes(as_bytes(kUserPin))});
    return kept;
  };
  vault->rekey(keep(), nullptr, [](std::string_view name, ByteView plain) {
    EXPECT_EQ(as_text(plain), "value of " + std::string(name));
    return name == "obj/a" ? std::vector<Property>{kRed} : std::vector<Property>();
  });
  EXPECT_NE(vault->tag(kRed), before);
  EXPECT_EQ(tags("obj/a"), std::vector<BlindTag>{vault->tag(kRed)});
  EXPECT_TRUE(tags("obj/b").empty());
  EXPECT_EQ(get(*vault, "obj/a"), "value of obj/a");
  vault->rekey(keep());
  EXPECT_TRUE(tags("obj/a").empty()) << "tags of the old key";
}

TEST_F(BlindIndexTest, IsUnderTheSeal) {
  put("obj/a", {kRed});
  forge([](Bytes& bytes, const EntryView& view) { bytes[static_cast<size_t>(view.tags.data() - bytes.data())] ^= 1; });
  auto reader = Vault::open(path);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_NE(reader->find("obj/a")->tags, std::vector<BlindTag>{reader->tag(kRed)});
  EXPECT_EQ(code_thrown_by([&] { reader->read("obj/a"); }), ErrorCode::kTampered);
}

// openssl dgst -sha256 says so of the bytes 00 00 00 00 00 00 01 02 "red".
constexpr BlindTag kClearRed = 0x0c17f462a80f2cb8;

TEST_F(BlindIndexTest, ThatOfClearEntriesNeedsNoKey) {
  EXPECT_EQ(clear_tag(kRed), kClearRed);
  put_clear("obj/a", {kRed});
  EXPECT_EQ(tags("obj/a"), std::vector<BlindTag>{kClearRed});
  EXPECT_NE(vault->tag(kRed), kClearRed);
  vault->lock();
  put_clear("obj/b", {kRed, kBlue});
  EXPECT_EQ(tags("obj/b").size(), 2u);
  EXPECT_TRUE(outside_tools_read(path));
  EXPECT_TRUE(check(path).clean());
  store::put(*vault, "obj/b", "without", Protection::kClear);
  EXPECT_TRUE(tags("obj/b").empty());
}

TEST_F(BlindIndexTest, ThatOfClearEntriesStaysWhenTheStoreIsRewritten) {
  put_clear("obj/a", {kRed});
  vault->compact();
  EXPECT_EQ(tags("obj/a"), std::vector<BlindTag>{kClearRed});
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  vault->rekey(kept);
  EXPECT_EQ(tags("obj/a"), std::vector<BlindTag>{kClearRed});
  EXPECT_TRUE(vault->read("obj/a")->bound);
}

// Ten thousand MACs are not computed at a login: each is when its entry is read.
TEST_F(BlindIndexTest, AClearEntryWithOneIsAuthenticatedWhenItIsRead) {
  put_clear("obj/a", {kRed});
  put_clear("obj/b", {kBlue});
  forge([](Bytes& bytes, const EntryView& view) { bytes[view.data_at] ^= 1; });
  auto reader = Vault::open(path);
  EXPECT_FALSE(reader->read("obj/b")->bound);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_TRUE(reader->find("obj/b")->readable) << "it has not been authenticated yet";
  const uint64_t before = reader->cursor();
  EXPECT_EQ(code_thrown_by([&] { reader->read("obj/b"); }), ErrorCode::kTampered);
  EXPECT_FALSE(reader->find("obj/b")->readable);
  EXPECT_GT(reader->cursor(), before) << "other readers see the change";
  EXPECT_TRUE(reader->read("obj/a")->bound);
  auto report = check(path, reader.get());
  EXPECT_FALSE(report.clean()) << "a check looks at everything";
  // A writer with the key replaces the forged entry.
  reader->change(
      [&](Transaction& transaction) { transaction.put("obj/b", "p11-object", Protection::kClear, as_bytes("right")); });
  EXPECT_TRUE(reader->read("obj/b")->bound);
}

TEST_F(BlindIndexTest, WhatAForgedEntryHasBesidesIsNotTakenOver) {
  put_clear("obj/a", {kRed});
  {
    vault->change([&](Transaction& transaction) {
      transaction.put_registered("obj/a", "p11-object", Protection::kClear, 100, as_bytes("registered"));
      transaction.index("obj/a", {kRed});
    });
  }
  forge([](Bytes& bytes, const EntryView& view) { bytes[view.data_at] ^= 1; });
  auto writer = Vault::open(path);
  ASSERT_EQ(writer->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  store::put(*writer, "obj/a", "new", Protection::kClear);
  EXPECT_EQ(writer->find("obj/a")->capacity, 0u);
}

TEST_F(BlindIndexTest, ADeletionIsAuthenticatedAtOnce) {
  put_clear("obj/a", {kRed});
  store::erase(*vault, "obj/a");
  forge([](Bytes& bytes, const EntryView& view) { bytes[view.mac_at] ^= 1; });
  auto reader = Vault::open(path);
  EXPECT_FALSE(reader->find("obj/a"));
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  ASSERT_TRUE(reader->find("obj/a"));
  EXPECT_FALSE(reader->find("obj/a")->readable) << "not silently gone";
}

TEST_F(BlindIndexTest, AMalformedIndexIsIgnored) {
  EXPECT_TRUE(read_tags(Bytes(7)).empty());
  EXPECT_TRUE(read_tags({}).empty());
  EXPECT_TRUE(read_tags(Bytes(8 * 33)).empty());
  EXPECT_EQ(read_tags(Bytes(8 * 32)).size(), 32u);
  EXPECT_EQ(read_tags(write_tags({3, 1, 2})), (std::vector<BlindTag>{1, 2, 3}));
  EXPECT_EQ(code_thrown_by([&] { put("obj/a", std::vector<Property>(33, kRed)); }), ErrorCode::kInternal);
}

}  // namespace
}  // namespace vtpm::store
