// SPDX-License-Identifier: Apache-2.0
// Re-keying: everything is readable under the new key and nothing under the old one, in this process and in others.
#include <gtest/gtest.h>

#include <map>

#include "store/care/report.h"
#include "store/file/file.h"
#include "store/format/entry.h"
#include "store/format/scan.h"
#include "tests/store/disk/scratch.h"
#include "tests/store/disk/simulated_disk.h"

namespace vtpm::store {
namespace {

std::vector<KeptKeySlot> kept(std::initializer_list<std::pair<unsigned, std::string_view>> slots) {
  std::vector<KeptKeySlot> out;
  for (const auto& [number, secret] : slots) out.push_back({number, SecretBytes(as_bytes(secret))});
  return out;
}

class Rekey : public testing::Test {
 protected:
  Rekey() {
    CreateOptions options = cheap_options();
    options.attempt_limits = {{Role::kUser, 0}};
    vault = make_store(path, options);
    for (int i = 0; i < 20; ++i) put(*vault, "obj/" + std::to_string(i), "sealed " + std::to_string(i));
    put(*vault, "obj/clear", "bound", Protection::kClear);
    put(*vault, "obj/empty", "");
    erase(*vault, "obj/7");
    put(*Vault::open(path), "nic0/eeprom", "unbound", Protection::kClear);
  }
  void expect_all(Vault& reader) {
    for (int i = 0; i < 20; ++i) {
      const std::string expected = i == 7 ? "(none)" : "sealed " + std::to_string(i);
      EXPECT_EQ(get(reader, "obj/" + std::to_string(i)), expected);
    }
    EXPECT_EQ(get(reader, "obj/clear"), "bound");
    EXPECT_TRUE(reader.read("obj/clear")->bound);
    EXPECT_EQ(get(reader, "obj/empty"), "");
    EXPECT_FALSE(reader.read("nic0/eeprom")->bound);
  }
  UnlockResult opens(std::string_view secret) { return Vault::open(path)->verify(Role::kUser, as_bytes(secret)); }
  uint64_t epoch() { return Vault::open(path)->slots().front().epoch; }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  std::unique_ptr<Vault> vault;
};

TEST_F(Rekey, EverythingIsReadableUnderTheNewKeyAndTheSecretsStay) {
  size_t last = 0, all = 0;
  vault->rekey(kept({{1, kSoPin}, {2, kUserPin}}), [&](size_t done, size_t of) {
    EXPECT_GE(done, last);
    last = done;
    all = of;
  });
  EXPECT_EQ(last, all);
  EXPECT_GE(all, 22u);
  EXPECT_EQ(epoch(), 2u);
  expect_all(*vault);
  auto reader = Vault::open(path);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  expect_all(*reader);
  EXPECT_TRUE(check(path, reader.get()).clean());
  EXPECT_EQ(Vault::open(path)->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  EXPECT_TRUE(outside_tools_read(path));
  put(*reader, "obj/new", "of epoch 2");
  vault->refresh();
  EXPECT_EQ(get(*vault, "obj/new"), "of epoch 2");
  vault->rekey(kept({{1, kSoPin}, {2, kUserPin}}));
  EXPECT_EQ(epoch(), 3u);
  EXPECT_EQ(get(*vault, "obj/new"), "of epoch 2");
}

TEST_F(Rekey, SlotsWhoseSecretIsNotGivenAreDropped) {
  DesiredState desired;
  desired.secret = SecretBytes(as_bytes("another user"));
  vault->amend(desired);
  EXPECT_EQ(opens("another user"), UnlockResult::kUnlocked);
  vault->rekey(kept({{1, kSoPin}, {3, "another user"}}));
  EXPECT_EQ(opens("another user"), UnlockResult::kUnlocked);
  EXPECT_EQ(opens(kUserPin), UnlockResult::kWrongSecret);
}

TEST_F(Rekey, ARejectedRekeyChangesNothing) {
  const Bytes before = load(path);
  auto refusal = [&](std::vector<KeptKeySlot> slots) { return code_thrown_by([&] { vault->rekey(slots); }); };
  EXPECT_EQ(refusal({}), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(kept({{2, kUserPin}})), ErrorCode::kUnsupported) << "no officer";
  EXPECT_EQ(refusal(kept({{1, kSoPin}, {2, "wrong"}})), ErrorCode::kAuthFailed);
  EXPECT_EQ(refusal(kept({{1, kSoPin}, {5, "none there"}})), ErrorCode::kNotFound);
  vault->lock();
  EXPECT_EQ(refusal(kept({{1, kSoPin}})), ErrorCode::kLocked);
  EXPECT_EQ(load(path), before);
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(Rekey, ATamperedEntryStopsItAndIsNamed) {
  {
    auto file = posix_file_system().open(path, true);
    StoreHeader header = read_header(*file, path);
    for (const LogEntry& entry : scan_log(*file, header).entries) {
      if (entry.name != "obj/3") continue;
      Bytes bytes = *read_entry(*file, header, entry);
      auto view = *parse_entry(bytes);
      bytes[view.data_at] ^= 1;
      store_crc(header.salt, bytes, view.crc_at);
      file->write_at(entry.offset, bytes);
    }
  }
  const Bytes before = load(path);
  try {
    vault->rekey(kept({{1, kSoPin}, {2, kUserPin}}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kTampered);
    EXPECT_NE(error.sentence().find("obj/3"), std::string::npos);
  }
  EXPECT_EQ(load(path), before);
}

// The old master key (an old copy of the file, and its PIN) neither opens new entries nor can add to them.
TEST_F(Rekey, AnOldEpochsEntryIsNotServed) {
  auto old = Vault::open(path);
  ASSERT_EQ(old->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  put(*old, "obj/3", "a forgery under the old key");
  LogEntry forged;
  Bytes bytes;
  {
    auto file = posix_file_system().open(path, false);
    StoreHeader header = read_header(*file, path);
    for (const LogEntry& entry : scan_log(*file, header).entries) {
      if (entry.name == "obj/3") forged = entry;
    }
    bytes = *read_entry(*file, header, forged);
  }
  put(*old, "obj/3", "sealed 3");
  vault->refresh();
  vault->rekey(kept({{1, kSoPin}, {2, kUserPin}}));
  // Appended with a number that is the next one, as if it had been written now.
  {
    auto file = posix_file_system().open(path, true);
    StoreHeader header = read_header(*file, path);
    ScanResult scan = scan_log(*file, header);
    Entry entry = to_entry(*parse_entry(bytes));
    for (Attribute& attribute : entry.mandatory) {
      if (attribute.name == attribute::kSequence) {
        attribute = sequence_attribute({scan.end.last + 1, 0, 1, scan.end.last});
      }
    }
    Bytes raw = encode(entry);
    store_crc(header.salt, raw, parse_entry(raw)->crc_at);
    file->write_at(scan.end.offset, raw);
  }
  auto reader = Vault::open(path);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(code_thrown_by([&] { reader->read("obj/3"); }), ErrorCode::kTampered);
  EXPECT_EQ(get(*reader, "obj/4"), "sealed 4");
}
#endif

TEST_F(Rekey, OtherProcessesFindThemselvesLocked) {
  auto other = Vault::open(path);
  auto reader = Vault::open(path, {true, nullptr});
  ASSERT_EQ(other->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  ASSERT_EQ(in_child([&] {
              auto mine = Vault::open(path);
              mine->unlock(Role::kUser, as_bytes(kUserPin));
              mine->rekey(kept({{1, kSoPin}, {2, kUserPin}}));
            }),
            0);
  // A write before it has looked: nothing is sealed under the old key any longer.
  EXPECT_EQ(code_thrown_by([&] { put(*other, "obj/late", "old key"); }), ErrorCode::kLocked);
  EXPECT_EQ(code_thrown_by([&] { other->set_secret(Role::kUser, as_bytes("0000")); }), ErrorCode::kLocked);
  reader->refresh();
  EXPECT_FALSE(reader->unlocked());
  EXPECT_EQ(code_thrown_by([&] { reader->read("obj/3"); }), ErrorCode::kLocked);
  for (Vault* again : {other.get(), reader.get()}) {
    ASSERT_EQ(again->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
    expect_all(*again);
    EXPECT_TRUE(check(path, again).clean());
  }
}

TEST_F(Rekey, WhileOthersWrite) {
  std::vector<int> children;
  for (int child = 0; child < 3; ++child) {
    children.push_back(start_child([&, child] {
      auto mine = Vault::open(path);
      for (int i = 0; i < 60; ++i) {
        const std::string name = "obj/w" + std::to_string(child) + "." + std::to_string(i);
        for (bool done = false; !done;) {
          try {
            mine->refresh();
            if (!mine->unlocked()) mine->unlock(Role::kUser, as_bytes(kUserPin));
            put(*mine, name, name);
            done = true;
          } catch (const Error& error) {
            if (error.code() != ErrorCode::kLocked) throw;
          }
        }
      }
    }));
  }
  for (int i = 0; i < 4; ++i) {
    vault->refresh();
    vault->rekey(kept({{1, kSoPin}, {2, kUserPin}}));
  }
  for (int child : children) EXPECT_EQ(wait_for(child), 0);
  auto reader = Vault::open(path);
  ASSERT_EQ(reader->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  expect_all(*reader);
  for (int child = 0; child < 3; ++child) {
    for (int i = 0; i < 60; ++i) {
      const std::string name = "obj/w" + std::to_string(child) + "." + std::to_string(i);
      EXPECT_EQ(get(*reader, name), name);
    }
  }
  EXPECT_EQ(reader->slots().front().epoch, 5u);
  EXPECT_TRUE(check(path, reader.get()).clean());
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(Rekey, NoCopyTakenAfterwardsHoldsTheOldSlots) {
  auto kept_inode = posix_file_system().open(path, false);
  vault->rekey(kept({{1, kSoPin}, {2, kUserPin}}));
  Bytes old_file(kept_inode->size());
  kept_inode->read_at(0, old_file);
  const std::string copy = scratch.file("old inode.vtpm");
  save(copy, old_file);
  EXPECT_EQ(Vault::open(copy)->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kWrongSecret);
}
#endif

TEST_F(Rekey, ARawKeyIsReplacedByAnother) {
  const RawKey first(SecretBytes(Bytes(16, 1))), second(SecretBytes(Bytes(32, 2)));
  const std::string raw = scratch.file("raw.vtpm");
  CreateOptions options;
  options.cipher = Cipher::kAesCbc;
  options.raw_key = std::make_shared<const RawKey>(first.clone());
  auto owner = Vault::create(raw, options, {}, nullptr);
  put(*owner, "tpm0/permall", "state");
  owner->rekey_raw(second);
  auto reader = Vault::open(raw);
  EXPECT_EQ(reader->unlock_raw(first), UnlockResult::kWrongSecret);
  ASSERT_EQ(reader->unlock_raw(second), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*reader, "tpm0/permall"), "state");
  EXPECT_EQ(code_thrown_by([&] { vault->rekey_raw(second); }), ErrorCode::kUnsupported);
  EXPECT_EQ(code_thrown_by([&] { owner->rekey(kept({{1, "x"}})); }), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace vtpm::store
