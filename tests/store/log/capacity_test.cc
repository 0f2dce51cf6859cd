// SPDX-License-Identifier: Apache-2.0
// Registered blobs: a name with a capacity takes the same space whatever it holds. And what a new version of an entry
// inherits.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "store/care/repair.h"
#include "store/care/report.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

const std::string kUuidType = "2d4b1c6e-7d0c-4f0e-9a51-0d2f3c8a6b17";

EntryReport current(const std::string& path, std::string_view name) {
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name == name && entry.state == EntryStatus::kCurrent) return entry;
  }
  throw std::runtime_error("there is no " + std::string(name));
}

void enroll(Vault& vault, std::string_view name, Protection protection, size_t capacity, std::string_view value) {
  vault.change([&](Transaction& transaction) {
    transaction.put_registered(name, "p11-object", protection, capacity, as_bytes(value));
  });
}

TEST(Capacity, R0_11_And_R0_6_ShorterThanRegisteredNeverLonger) {
  for (Cipher cipher : {Cipher::kAes256Siv, Cipher::kAesCbc}) {
    for (Protection protection : {Protection::kSealed, Protection::kClear}) {
      ScratchDirectory scratch;
      const std::string path = scratch.file("store.vtpm");
      CreateOptions options = cheap_options();
      options.cipher = cipher;
      auto vault = make_store(path, options);
      enroll(*vault, "vpd0/serial", protection, 100, "first");
      EXPECT_EQ(vault->find("vpd0/serial")->capacity, 100u);
      EXPECT_EQ(vault->find("vpd0/serial")->size, 5u) << "realsize";
      const uint64_t bytes = current(path, "vpd0/serial").length;
      for (const std::string& value : {std::string(), std::string("x"), std::string(99, 'y'), std::string(100, 'z')}) {
        put(*vault, "vpd0/serial", value, protection);
        EXPECT_EQ(get(*vault, "vpd0/serial"), value) << "bytes beyond realsize do not count";
        EXPECT_EQ(current(path, "vpd0/serial").length, bytes) << "as much room as the longest";
        EXPECT_EQ(current(path, "vpd0/serial").capacity, 100u);
      }
      const Bytes before = load(path);
      EXPECT_EQ(code_thrown_by([&] { put(*vault, "vpd0/serial", std::string(101, 'l'), protection); }),
                ErrorCode::kInvalidArgument);
      EXPECT_EQ(load(path), before);
      EXPECT_TRUE(check(path, vault.get()).clean());
      EXPECT_TRUE(outside_tools_read(path));
      enroll(*vault, "vpd0/serial", protection, 200, std::string(150, 'r'));
      EXPECT_EQ(get(*vault, "vpd0/serial"), std::string(150, 'r')) << "registered anew";
    }
  }
}

TEST(Capacity, IsForgottenWithTheName) {
  ScratchDirectory scratch;
  auto vault = make_store(scratch.file("store.vtpm"));
  enroll(*vault, "vpd0/serial", Protection::kClear, 10, "short");
  erase(*vault, "vpd0/serial");
  put(*vault, "vpd0/serial", "as long as one likes");
  EXPECT_EQ(vault->find("vpd0/serial")->capacity, 0u);
  vault->change([](Transaction& transaction) {
    transaction.put_registered("vpd0/other", "vpd", Protection::kSealed, 8, as_bytes("eight"));
    EXPECT_EQ(
        code_thrown_by([&] { transaction.put("vpd0/other", "vpd", Protection::kSealed, as_bytes("more than eight")); }),
        ErrorCode::kInvalidArgument)
        << "in one transaction, too";
    transaction.erase("vpd0/other");
    EXPECT_EQ(
        code_thrown_by([&] { transaction.put_registered("vpd0/none", "vpd", Protection::kSealed, 0, as_bytes("x")); }),
        ErrorCode::kInvalidArgument);
    EXPECT_EQ(code_thrown_by([&] {
                transaction.put_registered("vpd0/none", "vpd", Protection::kSealed, 17 << 20, as_bytes("x"));
              }),
              ErrorCode::kNoSpace);
  });
}

// The padding behind the plain text is inside the seal: the bytes do not show how full a blob is, and cannot be
// changed.
TEST(Capacity, R0_11_PaddingLiesInsideTheSeal) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  enroll(*vault, "vpd0/serial", Protection::kSealed, 300, "first");
  put(*vault, "obj/later", "so that the one before is known to have been on the disk");
  const EntryReport entry = current(path, "vpd0/serial");
  EXPECT_EQ(entry.data_bytes, 16u + 300u);
  Bytes bytes = load(path);
  const auto data = bytes.begin() + static_cast<ptrdiff_t>(entry.offset + entry.length - 13 - 200);
  EXPECT_GT(std::count_if(data, data + 200, [](uint8_t byte) { return byte != 0; }), 150);
}

// Attributes are in memory: a list does not read the file, however large the blobs are.
TEST(Listing, R0_7_AsksTheMemoryOnly) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  enroll(*vault, "disk0/nvram", Protection::kSealed, 100'000, "first");
  put(*vault, "disk1/nvram", std::string(100'000, 'n'));
  std::filesystem::resize_file(path, 0);
  const auto listed = vault->list("disk");
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].capacity, 100'000u);
  EXPECT_EQ(listed[0].size, 5u);
  EXPECT_EQ(listed[1].size, 100'000u);
  EXPECT_EQ(listed[1].protection, Protection::kSealed);
  EXPECT_THROW(vault->read("disk0/nvram"), Error) << "the data is in the file";
}

// --- R0.3 ---

TEST(ForeignTypes, R0_3_AreKeptAndNeverClash) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  const std::vector<std::string> types = {kUuidType,
                                          "1.3.6.1.4.1.99999.1",
                                          "urn:example:device;version=1",
                                          "freeze",
                                          "free space",
                                          "Free",
                                          "KEYSLOT",
                                          "keyslots",
                                          "blobstore2",
                                          "removed",
                                          " ",
                                          std::string(64, '~')};
  {
    auto vault = make_store(path);
    for (size_t i = 0; i < types.size(); ++i) {
      vault->change([&](Transaction& transaction) {
        const Protection protection = i % 2 ? Protection::kSealed : Protection::kClear;
        transaction.put("device" + std::to_string(i), types[i], protection, Bytes(1 + i));  // zeros, as free space has
      });
    }
    vault->compact();
    const auto put_as = [&](std::string_view type) {
      vault->change(
          [&](Transaction& transaction) { transaction.put("device", type, Protection::kClear, as_bytes("x")); });
    };
    for (std::string_view own : {"blobstore", "keyslot", "attempt", "moved", "free"}) {
      EXPECT_EQ(code_thrown_by([&] { put_as(own); }), ErrorCode::kInvalidArgument) << own << " is the store's own";
    }
    for (const std::string& none :
         {std::string(), std::string(65, 'x'), std::string("caf\xC3\xA9"), std::string("a\nb")}) {
      EXPECT_EQ(code_thrown_by([&] { put_as(none); }), ErrorCode::kInvalidArgument);
    }
  }
  auto vault = Vault::open(path);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  for (size_t i = 0; i < types.size(); ++i) {
    const auto blob = vault->read("device" + std::to_string(i));
    ASSERT_TRUE(blob) << types[i];
    EXPECT_EQ(blob->type, types[i]);
    EXPECT_EQ(blob->data.size(), 1 + i);
  }
  EXPECT_TRUE(check(path, vault.get()).clean());
  EXPECT_TRUE(outside_tools_read(path));
}

// --- R0.9 ---

// golden-pbkdf2.vtpm has attributes that no version knows on every kind of entry; another program wrote it
// (tests/data/store/make_golden_pbkdf2.py).
constexpr const char* kNames[] = {"", "keyslot/1", "keyslot/2", "tpm0/permall", "token/info", "nic0/eeprom"};
// The bytes of the three attributes, as the other program wrote them.
const std::vector<std::string> kUnknown = {std::string("\x16\x06x-flag"),
                                           std::string("\x30\x0E\x16\x06"
                                                       "colour\x16\x04"
                                                       "blue"),
                                           std::string("\x30\x10\x16\x06x-pair\x02\x02\x01\x02\x04\x02\x00\xFF", 18)};

class Unknown : public testing::Test {
 protected:
  Unknown() { std::filesystem::copy_file(std::string(VTPM_TEST_DATA) + "/store/golden-pbkdf2.vtpm", path); }

  std::unique_ptr<Vault> unlocked() const {
    auto vault = Vault::open(path);
    EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("1234")), UnlockResult::kUnlocked);
    return vault;
  }

  /// Of the current entry of a name (none: the header), its last copy.
  std::string bytes_of(std::string_view name) const {
    const Bytes file = load(path);
    const EntryReport entry = current(path, name);
    return std::string(as_text(ByteView(file).subspan(entry.offset, entry.length)));
  }
  void expect_unknown(std::string_view name) const {
    const std::string bytes = bytes_of(name);
    for (const std::string& attribute : kUnknown) {
      EXPECT_NE(bytes.find(attribute), std::string::npos) << "'" << name << "' lost " << attribute;
    }
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("golden.vtpm");
};

TEST_F(Unknown, TheGoldenStoreOfPbkdf2Opens) {
  EXPECT_TRUE(outside_tools_read(path));
  auto vault = Vault::open(path);
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("4321")), UnlockResult::kWrongSecret);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes("1234")), UnlockResult::kUnlocked);
  EXPECT_EQ(Vault::open(path)->unlock(Role::kSo, as_bytes("so secret")), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->slots().front().kdf, "pbkdf2, 10000 iterations");
  EXPECT_EQ(get(*vault, "tpm0/permall"), "sealed");
  EXPECT_EQ(get(*vault, "token/info"), "bound");
  EXPECT_EQ(get(*vault, "nic0/eeprom"), "unbound");
  EXPECT_EQ(vault->read("nic0/eeprom")->type, kUuidType);
  EXPECT_EQ(vault->find("tpm0/permall")->capacity, 48u);
  EXPECT_TRUE(vault->read("token/info")->bound);
  EXPECT_FALSE(vault->read("nic0/eeprom")->bound);
  EXPECT_TRUE(check(path, vault.get()).clean());
}

TEST_F(Unknown, R0_9_OptionalAttributesSurviveANewVersion) {
  auto vault = unlocked();
  for (std::string_view name : {"tpm0/permall", "token/info", "nic0/eeprom"}) {
    vault->change([&](Transaction& transaction) {
      const auto before = *vault->read(name);
      transaction.put(name, before.type, before.protection, as_bytes("another"));
      transaction.put(name, before.type, before.protection, as_bytes("new version"));
    });
    EXPECT_EQ(get(*vault, name), "new version");
    EXPECT_GT(vault->find(name)->sequence, 9u);
    expect_unknown(name);
  }
  EXPECT_TRUE(check(path, vault.get()).clean());
}

TEST_F(Unknown, R0_9_OptionalAttributesSurviveCompaction) {
  auto vault = unlocked();
  const std::string before = bytes_of("tpm0/permall");
  vault->compact();
  EXPECT_EQ(bytes_of("tpm0/permall"), before) << "the whole entry stays as it was";
  EXPECT_TRUE(outside_tools_read(path));
  for (const char* name : kNames) expect_unknown(name);
  EXPECT_TRUE(check(path, vault.get()).clean());
}

TEST_F(Unknown, R0_9_OptionalAttributesSurviveRepair) {
  const std::string whole = bytes_of("tpm0/permall");
  Bytes bytes = load(path);
  bytes[current(path, "tpm0/permall").offset + 100] ^= 8;
  save(path, bytes);
  EXPECT_TRUE(repair(path).changed);
  EXPECT_EQ(bytes_of("tpm0/permall"), whole);
  for (const char* name : kNames) expect_unknown(name);
  auto vault = unlocked();
  EXPECT_TRUE(check(path, vault.get()).clean());
}

TEST_F(Unknown, R0_9_OptionalAttributesSurviveARekey) {
  auto vault = unlocked();
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes("so secret"))});
  kept.push_back({2, SecretBytes(as_bytes("1234"))});
  vault->rekey(kept);
  EXPECT_EQ(get(*vault, "tpm0/permall"), "sealed");
  for (const char* name : {"", "tpm0/permall", "token/info", "nic0/eeprom"}) expect_unknown(name);
  EXPECT_EQ(vault->find("tpm0/permall")->capacity, 48u);
  EXPECT_TRUE(check(path, vault.get()).clean());
  EXPECT_TRUE(outside_tools_read(path));
}

}  // namespace
}  // namespace vtpm::store
