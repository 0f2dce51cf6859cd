// SPDX-License-Identifier: Apache-2.0
// Key slots, the retry counter, and the distinction between a wrong secret and damage.
#include <gtest/gtest.h>

#include <algorithm>

#include "store/care/report.h"
#include "store/file/file.h"
#include "store/format/entry.h"
#include "store/format/scan.h"
#include "store/vault/key_slot.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

class Login : public testing::Test {
 protected:
  std::unique_ptr<Vault> make(uint32_t user_limit) {
    CreateOptions options = cheap_options();
    options.attempt_limits = {{Role::kUser, user_limit}};
    return make_store(path, options);
  }
  UnlockResult try_user(Vault& vault, std::string_view pin) { return vault.unlock(Role::kUser, as_bytes(pin)); }
  UnlockResult try_copy(ByteView contents, std::string_view pin) {
    std::string copy = scratch.file("copy.vtpm");
    save(copy, contents);
    return Vault::open(copy)->unlock(Role::kUser, as_bytes(pin));
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

TEST_F(Login, WrongSecretsAreCountedAndLock) {
  make(3);
  auto vault = Vault::open(path);
  EXPECT_EQ(vault->attempts(Role::kUser).limit, 3u);
  EXPECT_EQ(try_user(*vault, "wrong"), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 1u);
  EXPECT_EQ(try_user(*vault, kUserPin), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 0u) << "the right one resets";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(try_user(*vault, ""), UnlockResult::kWrongSecret);
  EXPECT_EQ(try_user(*vault, kUserPin), UnlockResult::kLockedOut);
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes(kUserPin)), UnlockResult::kLockedOut);
  auto other = Vault::open(path);
  EXPECT_EQ(try_user(*other, kUserPin), UnlockResult::kLockedOut) << "for every process";
  EXPECT_EQ(other->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  other->set_secret(Role::kUser, as_bytes("fresh"));
  EXPECT_EQ(try_user(*vault, "fresh"), UnlockResult::kUnlocked) << "a new secret resets the counter";
  EXPECT_TRUE(outside_tools_read(path));
}

TEST_F(Login, VerifyingChangesNothingThatIsOpen) {
  make(10);
  auto vault = Vault::open(path);
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_FALSE(vault->unlocked());
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes("x")), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes("x")), UnlockResult::kWrongSecret);
  EXPECT_TRUE(vault->unlocked());
}

TEST_F(Login, LimitZeroNeverLocks) {
  auto vault = make(0);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(try_user(*vault, "x"), UnlockResult::kWrongSecret);
  EXPECT_EQ(try_user(*vault, kUserPin), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->attempts(Role::kSo).limit, 0u) << "no other role could unlock the security officer";
}

TEST_F(Login, TheOfficerIsSlowedInstead) {
  auto vault = make(3);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(vault->verify(Role::kSo, as_bytes("x")), UnlockResult::kWrongSecret);
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(vault->verify(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(100));
}

TEST_F(Login, ARoleWithoutSlotIsNotAWrongSecret) {
  Vault::create(path, cheap_options(), {{Role::kSo, as_bytes(kSoPin)}}, nullptr);
  auto vault = Vault::open(path);
  EXPECT_FALSE(vault->has_slot(Role::kUser));
  EXPECT_EQ(try_user(*vault, "1234"), UnlockResult::kNoSlot);
  EXPECT_EQ(code_thrown_by([&] { vault->set_secret(Role::kUser, as_bytes("1234")); }), ErrorCode::kLocked);
  ASSERT_EQ(vault->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked);
  vault->set_secret(Role::kUser, as_bytes("1234"));
  EXPECT_TRUE(vault->has_slot(Role::kUser));
  EXPECT_EQ(try_user(*Vault::open(path), "1234"), UnlockResult::kUnlocked);
}

TEST_F(Login, AnEmptySecretIsASecret) {
  Vault::create(path, cheap_options(), {{Role::kUser, {}}}, nullptr);
  auto vault = Vault::open(path);
  EXPECT_EQ(try_user(*vault, "x"), UnlockResult::kWrongSecret);
  EXPECT_EQ(try_user(*vault, ""), UnlockResult::kUnlocked);
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(Login, TheOldPinOpensNoCopyThatIsTakenLater) {
  auto vault = make(0);
  put(*vault, "obj/a", "sealed");
  Bytes before = load(path);
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes("wrong"), as_bytes("5678")), UnlockResult::kWrongSecret);
  EXPECT_EQ(try_copy(load(path), kUserPin), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes(kUserPin), as_bytes("5678")), UnlockResult::kUnlocked);
  Bytes after = load(path);
  EXPECT_EQ(try_copy(before, kUserPin), UnlockResult::kUnlocked) << "an old copy still does";
  EXPECT_EQ(try_copy(after, kUserPin), UnlockResult::kWrongSecret);
  EXPECT_EQ(try_copy(after, "5678"), UnlockResult::kUnlocked);
  // Nothing of the old slot's wrapped key is left in the file.
  for (const EntryReport& entry : dump(scratch.file("copy.vtpm")).entries) {
    EXPECT_TRUE(entry.type != "keyslot" || entry.state == EntryStatus::kCurrent) << entry.name;
  }
  auto old_slots = [&] {
    std::string old = scratch.file("old.vtpm");
    save(old, before);
    auto file = posix_file_system().open(old, false);
    StoreHeader header = read_header(*file, old);
    std::vector<Bytes> secrets;
    for (const LogEntry& entry : scan_log(*file, header).entries) {
      if (entry.name == "keyslot/2")
        secrets.push_back(to_bytes(parse_entry(*read_entry(*file, header, entry))->data()));
    }
    return secrets;
  }();
  ASSERT_EQ(old_slots.size(), 2u);
  for (const Bytes& secret : old_slots)
    EXPECT_EQ(std::search(after.begin(), after.end(), secret.begin(), secret.end()), after.end());
  EXPECT_EQ(get(*vault, "obj/a"), "sealed");
  EXPECT_TRUE(outside_tools_read(path));
}

TEST_F(Login, TheReplacedFileHoldsNoOldSlotEither) {
  auto vault = make(0);
  auto other = posix_file_system().open(path, false);  // keeps the inode
  vault->set_secret(Role::kUser, as_bytes("5678"));
  Bytes old_file(other->size());
  other->read_at(0, old_file);
  EXPECT_NE(old_file, load(path));
  std::string copy = scratch.file("old inode.vtpm");
  save(copy, old_file);
  EXPECT_EQ(Vault::open(copy)->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kWrongSecret);
  EXPECT_EQ(Vault::open(copy)->unlock(Role::kUser, as_bytes("5678")), UnlockResult::kUnlocked);
}
#endif

TEST_F(Login, ARecoverySlotLogsTheUserInAndIsTheOneThatChanges) {
  Vault::create(
      path, cheap_options(),
      {{Role::kSo, as_bytes(kSoPin)}, {Role::kUser, as_bytes(kUserPin)}, {Role::kRecovery, as_bytes("phrase")}},
      nullptr);
  auto vault = Vault::open(path);
  EXPECT_EQ(try_user(*vault, "neither"), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 1u) << "both slots are one attempt";
  EXPECT_EQ(try_user(*vault, "phrase"), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes("phrase"), as_bytes("new phrase")), UnlockResult::kUnlocked);
  EXPECT_TRUE(vault->has_slot(Role::kRecovery));
  EXPECT_EQ(try_user(*vault, "phrase"), UnlockResult::kWrongSecret);
  EXPECT_EQ(try_user(*vault, "new phrase"), UnlockResult::kUnlocked);
  EXPECT_EQ(try_user(*vault, kUserPin), UnlockResult::kUnlocked);
}

// --- what went wrong? ---

class SlotDamage : public Login {
 protected:
  // Applies `change` to every copy of the user's slot; with the CRC made right again or not.
  void change_slots(bool with_crc, const std::function<void(Bytes&, const EntryView&)>& change) {
    auto file = posix_file_system().open(path, true);
    StoreHeader header = read_header(*file, path);
    for (const LogEntry& entry : scan_log(*file, header).entries) {
      if (entry.name != "keyslot/2") continue;
      Bytes bytes = *read_entry(*file, header, entry);
      const Bytes original = bytes;
      auto view = parse_entry(original);
      change(bytes, *view);
      if (with_crc) store_crc(header.salt, bytes, view->crc_at);
      file->write_at(entry.offset, bytes);
    }
  }
};

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(SlotDamage, IsDistinguishedFromAWrongSecret) {
  make(0);
  const Bytes good = load(path);
  // CRC wrong in both copies: damage.
  change_slots(false, [](Bytes& bytes, const EntryView& view) {
    for (int i = 0; i < 8; ++i) bytes[view.data_at + static_cast<size_t>(i)] ^= 0x5A;
  });
  EXPECT_EQ(code_thrown_by([&] { try_user(*Vault::open(path), kUserPin); }), ErrorCode::kCorrupt);
  EXPECT_EQ(Vault::open(path)->unlock(Role::kSo, as_bytes(kSoPin)), UnlockResult::kUnlocked)
      << "the other slot is fine";

  // CRC right, commitment right, wrapped key wrong: damage or a slot of another store.
  save(path, good);
  change_slots(true, [](Bytes& bytes, const EntryView& view) { bytes[view.data_at + 3] ^= 1; });
  EXPECT_EQ(code_thrown_by([&] { try_user(*Vault::open(path), kUserPin); }), ErrorCode::kCorrupt);
  EXPECT_EQ(try_user(*Vault::open(path), "wrong"), UnlockResult::kWrongSecret);

  // CRC right, commitment not: the secret that was given is not this slot's.
  save(path, good);
  change_slots(true, [](Bytes& bytes, const EntryView& view) {
    auto commitment = view.find_bytes(view.mandatory, attribute::kCommit, kCommitBytes);
    bytes[static_cast<size_t>(commitment->data() - view.bytes.data())] ^= 1;
  });
  EXPECT_EQ(try_user(*Vault::open(path), kUserPin), UnlockResult::kWrongSecret);

  // One copy is destroyed: the other suffices.
  save(path, good);
  int copies = 0;
  change_slots(false, [&](Bytes& bytes, const EntryView& view) {
    if (copies++ == 0) bytes[view.data_at + 3] ^= 0xFF;
  });
  EXPECT_EQ(copies, 2);
  EXPECT_EQ(try_user(*Vault::open(path), kUserPin), UnlockResult::kUnlocked);
}

TEST_F(SlotDamage, ACostOutOfRangeIsRejectedWithoutStretching) {
  make(0);
  change_slots(true, [](Bytes& bytes, const EntryView& view) {
    // memory_kib: INTEGER 8192 = 02 02 20 00, made 32767 KiB less than the lower bound: 0x00 0x01 is not minimal, 0x01
    // 0x00 is 256
    auto kdf = view.find(view.mandatory, attribute::kKdf);
    auto at = static_cast<size_t>(kdf->data() - view.bytes.data()) + 2 + kKdfArgon2id.size();
    ASSERT_EQ(bytes[at], 0x02);
    bytes[at + 2] = 0x01;
  });
  EXPECT_EQ(code_thrown_by([&] { try_user(*Vault::open(path), kUserPin); }), ErrorCode::kUnsupported);
}

TEST_F(SlotDamage, ASlotOfAnotherStoreOpensNothing) {
  make_store(path);
  std::string other = scratch.file("other.vtpm");
  make_store(other);
  auto theirs = posix_file_system().open(other, false);
  StoreHeader their_header = read_header(*theirs, other);
  std::vector<Bytes> transplants;
  for (const LogEntry& entry : scan_log(*theirs, their_header).entries) {
    if (entry.name == "keyslot/2") transplants.push_back(*read_entry(*theirs, their_header, entry));
  }
  ASSERT_EQ(transplants.size(), 2u);
  // Same place, same numbers, CRC made right: the secret opens the slot, but what is wrapped in it is not this store's.
  size_t copy = 0;
  change_slots(true, [&](Bytes& bytes, const EntryView&) { bytes = transplants.at(copy++); });
  EXPECT_EQ(code_thrown_by([&] { try_user(*Vault::open(path), kUserPin); }), ErrorCode::kCorrupt);
  EXPECT_EQ(try_user(*Vault::open(path), "wrong"), UnlockResult::kWrongSecret);
}
#endif

TEST_F(Login, ASlotSaysWhetherItsSecretIsEmptyOrToBeChanged) {
  auto vault = make(10);
  EXPECT_FALSE(vault->notes(Role::kUser).empty || vault->notes(Role::kUser).to_be_changed);
  vault->set_secret(Role::kUser, as_bytes("1234"), /*to_be_changed=*/true);
  SecretNotes opened;
  ASSERT_EQ(Vault::open(path)->unlock(Role::kUser, as_bytes("1234"), &opened), UnlockResult::kUnlocked);
  EXPECT_TRUE(opened.to_be_changed);
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  kept.push_back({2, SecretBytes(as_bytes("1234"))});
  vault->rekey(kept);
  EXPECT_TRUE(Vault::open(path)->notes(Role::kUser).to_be_changed) << "a re-key changes no secret";
  ASSERT_EQ(vault->change_secret(Role::kUser, as_bytes("1234"), {}), UnlockResult::kUnlocked);
  const SecretNotes now = Vault::open(path)->notes(Role::kUser);
  EXPECT_TRUE(now.empty);
  EXPECT_FALSE(now.to_be_changed);
  EXPECT_EQ(Vault::open(path)->unlock(Role::kUser, {}), UnlockResult::kUnlocked);
}

TEST_F(Login, AnEmptySecretCostsLittleAndLowersNoOther) {
  CreateOptions options = cheap_options();
  options.kdf = crypto::Argon2Parameters{16 * 1024, 2, 1};
  auto vault = make_store(path, options);
  const auto kdf_of = [&](Role role) {
    for (const KeySlotInfo& slot : vault->slots()) {
      if (slot.role == role) return slot.kdf;
    }
    return std::string();
  };
  const std::string usual = kdf_of(Role::kUser);
  vault->set_secret(Role::kUser, {});
  EXPECT_EQ(kdf_of(Role::kUser), "argon2id, 8192 KiB, 1 passes, 1 lanes");
  vault->set_secret(Role::kUser, as_bytes("1234"));
  EXPECT_EQ(kdf_of(Role::kUser), usual);
}

}  // namespace
}  // namespace vtpm::store
