// SPDX-License-Identifier: Apache-2.0
// What the seal protects: blobs cannot be swapped, renamed, re-sequenced, shortened, or taken from another store.
#include "store/vault/sealing.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/library/random.h"
#include "store/care/report.h"
#include "store/file/file.h"
#include "store/format/scan.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

class Tampering : public testing::Test {
 protected:
  Tampering() {
    auto vault = make_store(path);
    put(*vault, "obj/a", "content A");
    put(*vault, "obj/b", "content B");
    put(*vault, "obj/m", "with a MAC", Protection::kClear);
    put(*vault, "obj/n", "with 1 MAC", Protection::kClear);
    vault->change(change_nothing);
  }

  // Rewrites entries in place; the CRC is made right again, as an attacker would.
  void change(const std::function<void(std::map<std::string, Bytes>&)>& work) {
    auto file = posix_file_system().open(path, true);
    StoreHeader header = read_header(*file, path);
    std::map<std::string, Bytes> entries;
    auto log = scan_log(*file, header).entries;
    for (const LogEntry& entry : log) entries[entry.name] = *read_entry(*file, header, entry);
    work(entries);
    for (const LogEntry& entry : log) {
      if (entry.name.substr(0, 4) != "obj/") continue;
      Bytes bytes = entries[entry.name];
      auto view = parse_entry(bytes);
      ASSERT_TRUE(view);
      ASSERT_EQ(bytes.size(), entry.length);
      store_crc(header.salt, bytes, view->crc_at);
      file->write_at(entry.offset, bytes);
    }
  }

  std::unique_ptr<Vault> unlocked() {
    auto vault = Vault::open(path);
    EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
    return vault;
  }
  void expect_tampered(const std::string& name) {
    auto vault = unlocked();
    EXPECT_EQ(code_thrown_by([&] { vault->read(name); }), ErrorCode::kTampered) << name;
    auto report = check(path, vault.get());
    bool reported = false;
    for (const EntryReport& entry : report.entries) reported |= entry.state == EntryStatus::kTampered;
    EXPECT_TRUE(reported);
  }
  static void copy_data(Bytes& to, const Bytes& from) {
    auto view = parse_entry(from);
    std::copy(view->data().begin(), view->data().end(), to.begin() + static_cast<ptrdiff_t>(view->data_at));
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

TEST_F(Tampering, AnUntouchedStoreIsClean) {
  auto vault = unlocked();
  EXPECT_EQ(get(*vault, "obj/a"), "content A");
  EXPECT_TRUE(check(path, vault.get()).clean());
}

TEST_F(Tampering, ExchangedBlobsAreDetected) {
  change([](auto& entries) {
    Bytes a = entries["obj/a"];
    copy_data(entries["obj/a"], entries["obj/b"]);
    copy_data(entries["obj/b"], a);
  });
  expect_tampered("obj/a");
  expect_tampered("obj/b");
}

TEST_F(Tampering, ExchangedNamesAreDetected) {
  change([](auto& entries) {
    entries["obj/a"].back() = 'b';
    entries["obj/b"].back() = 'a';
  });
  expect_tampered("obj/a");
}

TEST_F(Tampering, AChangedSequenceAttributeIsDetected) {
  change([](auto& entries) {
    auto view = parse_entry(entries["obj/b"]);
    auto seq = view->find_bytes(view->mandatory, attribute::kSequence, kSequenceBytes);
    auto at = static_cast<size_t>(seq->data() - entries["obj/b"].data());
    entries["obj/b"][at + 19] ^= 1;  // its durable mark: one less is still plausible
  });
  expect_tampered("obj/b");
}

TEST_F(Tampering, AChangedTypeOrSizeIsDetected) {
  change([](auto& entries) {
    Bytes& b = entries["obj/b"];
    auto at = std::search(b.begin(), b.end(), std::begin("p11-object"), std::end("p11-object") - 1);
    *at = 'q';
  });
  expect_tampered("obj/b");
  change([](auto& entries) {
    Bytes& a = entries["obj/a"];
    auto view = parse_entry(a);
    auto size = view->find_bytes(view->mandatory, attribute::kRealSize, kRealSizeBytes);
    a[static_cast<size_t>(size->data() - a.data()) + 7] = 3;
  });
  expect_tampered("obj/a");
}

TEST_F(Tampering, AChangedClearEntryIsDetectedAfterLogin) {
  change([](auto& entries) {
    Bytes& m = entries["obj/m"];
    m[parse_entry(m)->data_at] = 'W';
  });
  auto vault = Vault::open(path);
  EXPECT_EQ(get(*vault, "obj/m"), "With a MAC") << "before login nothing is authenticated";
  EXPECT_FALSE(vault->read("obj/m")->bound);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_FALSE(vault->find("obj/m")->readable) << "checked at login";
  EXPECT_EQ(code_thrown_by([&] { vault->read("obj/m"); }), ErrorCode::kTampered);
  EXPECT_EQ(get(*vault, "obj/n"), "with 1 MAC");
}

// An entry appended without the key, over a bound name: it is ignored, and reported.
TEST_F(Tampering, AnUnboundSuccessorIsIgnored) {
  auto file = posix_file_system().open(path, true);
  StoreHeader header = read_header(*file, path);
  ScanResult scan = scan_log(*file, header);
  Bytes forged;
  uint64_t number = scan.end.last;
  for (const char* name : {"obj/a", "obj/m"}) {
    ++number;
    Entry entry{"p11-object",
                name,
                {realsize_attribute(4), sequence_attribute({number, 0, 1, number - 1})},
                {bytes_attribute(attribute::kCrc, Bytes(4))},
                to_bytes(as_bytes("evil"))};
    Bytes bytes = encode(entry);
    store_crc(header.salt, bytes, parse_entry(bytes)->crc_at);
    append(forged, bytes);
  }
  file->write_at(scan.end.offset, forged);
  auto vault = unlocked();
  EXPECT_EQ(get(*vault, "obj/a"), "content A");
  EXPECT_EQ(get(*vault, "obj/m"), "with a MAC");
  unsigned ignored = 0;
  for (const EntryReport& entry : check(path).entries) ignored += entry.state == EntryStatus::kIgnored;
  EXPECT_EQ(ignored, 2u);
}

// A deletion whose MAC was not made with the key.
TEST_F(Tampering, AForgedDeletionIsIgnored) {
  auto vault = unlocked();
  auto file = posix_file_system().open(path, true);
  StoreHeader header = read_header(*file, path);
  ScanResult scan = scan_log(*file, header);
  Entry entry{"p11-object",
              "obj/m",
              {{std::string(attribute::kDeleted), {}},
               realsize_attribute(0),
               sequence_attribute({scan.end.last + 1, 0, 1, scan.end.last})},
              {bytes_attribute(attribute::kCrc, Bytes(4)), bytes_attribute(attribute::kMac, Bytes(32, 7))},
              Bytes(1)};
  Bytes bytes = encode(entry);
  store_crc(header.salt, bytes, parse_entry(bytes)->crc_at);
  file->write_at(scan.end.offset, bytes);
  vault->refresh();
  EXPECT_EQ(code_thrown_by([&] { vault->read("obj/m"); }), ErrorCode::kTampered) << "not silently gone";
}

TEST(MasterKey, SealsPerPlaceAndStore) {
  Uuid uuid{1}, other{2};
  SecretBytes secret = crypto::random_secret(32);
  MasterKey key(secret.clone(), uuid, 1), elsewhere(secret.clone(), other, 1), later(secret.clone(), uuid, 2);
  EXPECT_NE(key.digest(), elsewhere.digest());
  EXPECT_NE(key.digest(), later.digest());
  Entry entry{"t",
              "n",
              {realsize_attribute(5), sequence_attribute({1, 0, 1, 0})},
              {bytes_attribute(attribute::kCrc, Bytes(4))},
              Bytes(MasterKey::sealed_bytes(Cipher::kAes256Siv, 5))};
  Bytes bytes = encode(entry);
  const Bytes empty = bytes;
  key.seal(bytes, *parse_entry(empty), as_bytes("hello"));
  auto view = parse_entry(bytes);
  EXPECT_EQ(as_text(key.unseal(*view)->view()), "hello");
  EXPECT_FALSE(elsewhere.unseal(*view));
  EXPECT_FALSE(later.unseal(*view));
  for (size_t at = 0; at < bytes.size(); ++at) {
    if (at >= view->crc_at && at < view->crc_at + kCrcBytes) continue;
    Bytes flipped = bytes;
    flipped[at] ^= 1;
    auto changed = parse_entry(flipped);
    EXPECT_FALSE(changed && key.unseal(*changed)) << at;
  }
}

}  // namespace
}  // namespace vtpm::store
