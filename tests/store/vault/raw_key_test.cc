// SPDX-License-Identifier: Apache-2.0
// Stores with a raw key: formats of keys, the four errors of R1.4, AES-CBC, and what a store shows of its encryption.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "store/care/report.h"
#include "store/file/file.h"
#include "store/format/entry.h"
#include "store/format/scan.h"
#include "tests/store/disk/scratch.h"
#include "tests/store/disk/simulated_disk.h"

namespace vtpm::store {
namespace {

const std::string kData = VTPM_TEST_DATA;

std::string hex_of(std::string_view text, KeyFormat format = KeyFormat::kHex) {
  return to_hex(parse_raw_key(as_bytes(text), format, "the key").bytes());
}

std::string refusal_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.sentence();
  }
  return "nothing was refused";
}

std::string refusal_of(std::string_view text, KeyFormat format = KeyFormat::kHex) {
  return refusal_of([&] { hex_of(text, format); });
}

RawKey key_of(std::string_view hex) { return parse_raw_key(as_bytes(hex), KeyFormat::kHex, "the key"); }

constexpr std::string_view k128 = "000102030405060708090a0b0c0d0e0f";
constexpr std::string_view k192 = "000102030405060708090a0b0c0d0e0f1011121314151617";
constexpr std::string_view k256 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

TEST(RawKeyFormat, R1_3_HexadecimalWithOrWithout0xAndLeadingZerosCount) {
  for (std::string_view key : {k128, k192, k256}) {
    EXPECT_EQ(hex_of(key), key);
    EXPECT_EQ(hex_of("0x" + std::string(key)), key);
    EXPECT_EQ(hex_of("0X" + std::string(key) + "\n"), key);
    EXPECT_EQ(hex_of(std::string(key) + "\r\n"), key);
  }
  EXPECT_EQ(hex_of("00000000000000000000000000000001"), "00000000000000000000000000000001");
  EXPECT_EQ(hex_of("FFEEDDCCBBAA99887766554433221100"), "ffeeddccbbaa99887766554433221100");
}

TEST(RawKeyFormat, R1_6_ExactSizesOnly) {
  EXPECT_EQ(hex_of(std::string(16, 'a'), KeyFormat::kBinary), "61616161616161616161616161616161");
  EXPECT_EQ(hex_of(std::string("\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\n", 16), KeyFormat::kBinary),
            "0001020304050607000102030405060a")
      << "a line end is a byte like others";
  for (size_t digits : {0u, 1u, 30u, 31u, 33u, 34u, 46u, 50u, 62u, 63u, 65u, 66u, 128u}) {
    EXPECT_NE(refusal_of(std::string(digits, '1')).find("128, 192 or 256 bits"), std::string::npos) << digits;
  }
  EXPECT_NE(refusal_of("1" + std::string(k128)).find("33 hexadecimal digits"), std::string::npos);
  for (size_t bytes : {0u, 1u, 15u, 17u, 23u, 25u, 31u, 33u, 64u}) {
    EXPECT_NE(refusal_of(std::string(bytes, 'k'), KeyFormat::kBinary).find("16, 24 or 32 bytes"), std::string::npos);
  }
}

TEST(RawKeyFormat, R1_6_ACharacterThatIsNoDigitIsNamedWithItsPosition) {
  std::string typed(k128);
  typed[6] = 'O';
  EXPECT_EQ(refusal_of(typed), "character 7 of the key is 'O', not a hexadecimal digit (the letter O, not a zero?)");
  EXPECT_NE(refusal_of("0x" + typed).find("character 9 of the key"), std::string::npos);
  EXPECT_NE(refusal_of("my secret passphrase").find("character 1 of the key is 'm'"), std::string::npos)
      << "never taken for a passphrase";
  EXPECT_NE(refusal_of(std::string(k128) + "\n\n").find("character 33 of the key is not printable"), std::string::npos);
  EXPECT_NE(refusal_of(" " + std::string(k128)).find("character 1 "), std::string::npos);
}

class RawStore : public testing::Test {
 protected:
  std::unique_ptr<Vault> make(std::string_view key, Cipher cipher = Cipher::kAesCbc) {
    CreateOptions options = cheap_options();
    options.cipher = cipher;
    options.raw_key = std::make_shared<const RawKey>(key_of(key));
    return Vault::create(path, options, {}, nullptr);
  }
  std::unique_ptr<Vault> make_clear() {
    CreateOptions options;
    options.cipher = Cipher::kNone;
    return Vault::create(path, options, {}, nullptr);
  }
  std::string refusal(const RawKey* key) {
    return refusal_of([&] { Vault::open(path)->require_raw(key); });
  }
  bool in_file(std::string_view text) {
    const Bytes bytes = load(path);
    return std::search(bytes.begin(), bytes.end(), text.begin(), text.end()) != bytes.end();
  }

  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(RawStore, R1_1_EveryBlobIsSealedOnItsOwnAndTheDirectoryStaysClear) {
  for (Cipher cipher : {Cipher::kAesCbc, Cipher::kAes256Siv}) {
    for (std::string_view hex : {k128, k192, k256}) {
      std::filesystem::remove(path);
      make(hex, cipher);
      auto vault = Vault::open(path);
      ASSERT_EQ(vault->unlock_raw(key_of(hex)), UnlockResult::kUnlocked);
      const std::string text = "a blob of several blocks: " + std::string(100, 'z');
      put(*vault, "vpd0/a", text);
      put(*vault, "vpd0/b", text);
      put(*vault, "vpd0/empty", "");
      put(*vault, "vpd0/block", "sixteen octets..");
      EXPECT_EQ(get(*vault, "vpd0/a"), text);
      EXPECT_EQ(get(*vault, "vpd0/empty"), "");
      EXPECT_EQ(get(*vault, "vpd0/block"), "sixteen octets..");
      EXPECT_TRUE(in_file("vpd0/a"));
      EXPECT_FALSE(in_file("a blob of several blocks"));
      EXPECT_TRUE(check(path, vault.get()).clean());
      EXPECT_TRUE(outside_tools_read(path));
    }
  }
}

TEST_F(RawStore, R1_2_TheEncryptionTypeIsRecorded) {
  auto header_cipher = [&] {
    const StoreReport report = dump(path);
    for (const AttributeReport& attribute : report.entries.front().attributes) {
      if (attribute.name == "cipher") return attribute.value;
    }
    return std::string("(absent)");
  };
  make(k128);
  EXPECT_EQ(header_cipher(), "aes-cbc");
  EXPECT_EQ(Vault::open(path)->cipher(), Cipher::kAesCbc);
  std::filesystem::remove(path);
  make_clear();
  EXPECT_EQ(header_cipher(), "none");
  std::filesystem::remove(path);
  make_store(path);
  EXPECT_EQ(header_cipher(), "(absent)") << "aes-256-siv, as the format says";
}

TEST_F(RawStore, R1_4_FourErrorsEachWithASentenceOfItsOwn) {
  const RawKey key = key_of(k128), other = key_of("ff0102030405060708090a0b0c0d0e0f");
  { put(*make(k128), "tpm0/permall", "state"); }
  EXPECT_NE(refusal(nullptr).find("is encrypted, and its key is missing"), std::string::npos);
  EXPECT_NE(refusal(&other).find("cannot read the data"), std::string::npos);
  EXPECT_NE(refusal(&other).find("is this the wrong key?"), std::string::npos);
  EXPECT_EQ(refusal(&key), "nothing was refused");

  const Bytes encrypted = load(path);
  std::filesystem::remove(path);
  { make_clear(); }
  EXPECT_NE(refusal(&key).find("a key was given, but " + path + " is clear text"), std::string::npos);
  EXPECT_EQ(refusal(nullptr), "nothing was refused");

  // A cipher of the same length, and the header's checksum made right again, in both copies.
  save(path, encrypted);
  auto file = posix_file_system().open(path, true);
  StoreHeader header = read_header(*file, path);
  for (const LogEntry& entry : scan_log(*file, header).entries) {
    if (entry.type != "blobstore") continue;
    Bytes bytes = *read_entry(*file, header, entry);
    const std::string_view known = "aes-cbc";
    auto at = std::search(bytes.begin(), bytes.end(), known.begin(), known.end());
    std::copy_n("rot-13x", 7, at);
    store_crc(header.salt, bytes, parse_entry(bytes)->crc_at);
    file->write_at(entry.offset, bytes);
  }
  const std::string unsupported = refusal_of([&] { Vault::open(path); });
  EXPECT_NE(unsupported.find("encryption type 'rot-13x'"), std::string::npos) << unsupported;
}

TEST_F(RawStore, R0_16_And_R0_17_ADigestDistinguishesAWrongKeyFromCorruption) {
  { put(*make(k128), "tpm0/permall", "state"); }
  auto vault = Vault::open(path);
  EXPECT_EQ(vault->unlock_raw(key_of("ff0102030405060708090a0b0c0d0e0f")), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->unlock_raw(key_of(k192)), UnlockResult::kWrongSecret) << "another size";
  EXPECT_EQ(code_thrown_by([&] { vault->read("tpm0/permall"); }), ErrorCode::kLocked) << "nothing was opened";
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("1234")), UnlockResult::kNoSlot) << "no PIN opens it";
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 0u);
  // Damage in the sealed data, its checksum right: not a question of the key.
  auto file = posix_file_system().open(path, true);
  StoreHeader header = read_header(*file, path);
  for (const LogEntry& entry : scan_log(*file, header).entries) {
    if (entry.name != "tpm0/permall") continue;
    Bytes bytes = *read_entry(*file, header, entry);
    auto view = *parse_entry(bytes);
    bytes[view.data_at] ^= 1;
    store_crc(header.salt, bytes, view.crc_at);
    file->write_at(entry.offset, bytes);
  }
  auto damaged = Vault::open(path);
  EXPECT_EQ(damaged->unlock_raw(key_of(k128)), UnlockResult::kUnlocked);
  EXPECT_EQ(code_thrown_by([&] { damaged->read("tpm0/permall"); }), ErrorCode::kTampered);
}

TEST_F(RawStore, EveryByteOfASealedEntryIsBound) {
  { put(*make(k128), "tpm0/permall", "state"); }
  const Bytes good = load(path);
  auto file = posix_file_system().open(path, false);
  StoreHeader header = read_header(*file, path);
  LogEntry sealed;
  for (const LogEntry& entry : scan_log(*file, header).entries) {
    if (entry.name == "tpm0/permall") sealed = entry;
  }
  const Bytes bytes = *read_entry(*file, header, sealed);
  const auto view = *parse_entry(bytes);
  const auto master = std::make_unique<RawKey>(key_of(k128));
  size_t refused = 0, readable = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    Bytes changed = bytes;
    changed[at] ^= 1;
    if (at >= view.crc_at && at < view.crc_at + kCrcBytes) continue;
    if (!parse_entry(changed)) continue;
    store_crc(header.salt, changed, view.crc_at);
    Bytes store = good;
    std::copy(changed.begin(), changed.end(), store.begin() + static_cast<ptrdiff_t>(sealed.offset));
    save(path, store);
    auto vault = Vault::open(path);
    ASSERT_EQ(vault->unlock_raw(*master), UnlockResult::kUnlocked);
    try {
      auto blob = vault->read("tpm0/permall");
      // A changed name, number or mandatory attribute's name: then there is no such entry.
      readable += blob.has_value();
      refused += !blob;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_EQ(readable, 0u);
  EXPECT_GT(refused, 60u);
}
#endif

TEST_F(RawStore, R1_7_TheCipherIsChosenAtCreationAndForAll) {
  CreateOptions both = cheap_options();
  both.raw_key = std::make_shared<const RawKey>(key_of(k128));
  auto creating = [&](const CreateOptions& options, const std::vector<std::pair<Role, ByteView>>& slots) {
    return code_thrown_by([&] { Vault::create(path, options, slots, nullptr); });
  };
  EXPECT_EQ(creating(both, {{Role::kUser, as_bytes("1234")}}), ErrorCode::kInvalidArgument);
  CreateOptions none = cheap_options();
  EXPECT_EQ(creating(none, {}), ErrorCode::kInvalidArgument) << "an encrypted store needs a secret";
  none.cipher = Cipher::kNone;
  EXPECT_EQ(creating(none, {{Role::kUser, as_bytes("1234")}}), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(path));

  auto clear = make_clear();
  put(*clear, "nic0/eeprom", "in clear", Protection::kClear);
  EXPECT_EQ(code_thrown_by([&] { put(*clear, "tpm0/permall", "sealed"); }), ErrorCode::kUnsupported);
  EXPECT_EQ(get(*Vault::open(path), "nic0/eeprom"), "in clear");

  std::filesystem::remove(path);
  auto raw = make(k128);
  DesiredState desired;
  desired.secret = SecretBytes(as_bytes("1234"));
  EXPECT_EQ(code_thrown_by([&] { raw->amend(desired); }), ErrorCode::kUnsupported);
  EXPECT_EQ(code_thrown_by([&] { raw->set_secret(Role::kUser, as_bytes("1234")); }), ErrorCode::kUnsupported);
  raw->compact();
  EXPECT_EQ(Vault::open(path)->cipher(), Cipher::kAesCbc);
}

TEST_F(RawStore, AesCbcUnderAPin) {
  CreateOptions options = cheap_options();
  options.cipher = Cipher::kAesCbc;
  { put(*make_store(path, options), "obj/a", "sealed"); }
  auto vault = Vault::open(path);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "obj/a"), "sealed");
  EXPECT_NE(refusal_of([&] { vault->require_raw(std::make_unique<RawKey>(key_of(k128)).get()); }).find("by a PIN"),
            std::string::npos);
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
// Damage shows in the checksum, before a key is there and without a look at the ASN.1 inside the data.
TEST_F(RawStore, R0_18_CorruptionIsFoundWithoutDecodingWhatIsInside) {
  const std::string inside = "0\x03\x02\x01\x05 and what else a device writes";
  {
    auto maker = make(k128);
    put(*maker, "tpm0/permall", inside);
    put(*maker, "nic0/eeprom", "a later one, so that the first is known to have been on the disk");
  }
  Bytes bytes = load(path);
  LogEntry sealed;
  {
    auto file = posix_file_system().open(path, false);
    StoreHeader header = read_header(*file, path);
    for (const LogEntry& entry : scan_log(*file, header).entries) {
      if (entry.name == "tpm0/permall") sealed = entry;
    }
  }
  for (size_t at : {200u, 201u, 202u}) bytes[sealed.offset + at] ^= 0x5A;
  save(path, bytes);
  auto vault = Vault::open(path);
  EXPECT_EQ(code_thrown_by([&] { vault->read("tpm0/permall"); }), ErrorCode::kCorrupt) << "without the key";
  ASSERT_EQ(vault->unlock_raw(key_of(k128)), UnlockResult::kUnlocked);
  EXPECT_EQ(code_thrown_by([&] { vault->read("tpm0/permall"); }), ErrorCode::kCorrupt);
}
#endif

TEST_F(RawStore, R0_19_OneKeyOpensAllOfTheStoreAndIsSetAtRunTime) {
  {
    auto maker = make(k256);
    for (std::string_view name : {"tpm0/permall", "tpm0/volatilestate", "nic0/eeprom", "vpd0/serial"}) {
      put(*maker, name, name);
    }
  }
  auto vault = Vault::open(path);
  EXPECT_FALSE(vault->unlocked());
  ASSERT_EQ(vault->unlock_raw(key_of(k256)), UnlockResult::kUnlocked);
  for (const EntryInfo& entry : vault->list()) {
    if (entry.protection != Protection::kSealed) continue;
    EXPECT_EQ(get(*vault, entry.name), entry.name);
  }
  vault->lock();
  EXPECT_EQ(code_thrown_by([&] { vault->read("nic0/eeprom"); }), ErrorCode::kLocked);
  ASSERT_EQ(vault->unlock_raw(key_of(k256)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "nic0/eeprom"), "nic0/eeprom");
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(RawStore, R0_21_And_R1_9_APlainFileIsAllThatItNeeds) {
  { put(*make(k128), "tpm0/permall", "state"); }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1) << "no lock file, no directory";
  const std::string elsewhere = scratch.file("renamed and copied");
  std::filesystem::copy_file(path, elsewhere);
  std::filesystem::remove(path);
  auto vault = Vault::open(elsewhere, {true, nullptr});
  ASSERT_EQ(vault->unlock_raw(key_of(k128)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "tpm0/permall"), "state");
}
#endif

TEST_F(RawStore, R1_10_SectionsForSeveralDevices) {
  auto vault = make(k192);
  vault->change([&](Transaction& transaction) {
    transaction.put("tpm0/permall", "tpm2-permall", Protection::kSealed, as_bytes("a TPM"));
    transaction.put("vpd0/chassis", "vpd", Protection::kClear, as_bytes("chassis 4711"));
    transaction.put("nic0/eeprom", "nic-eeprom", Protection::kSealed, as_bytes("a network card"));
  });
  EXPECT_EQ(vault->list("nic0/").size(), 1u);
  EXPECT_EQ(vault->read("nic0/eeprom")->type, "nic-eeprom");
  EXPECT_EQ(get(*Vault::open(path), "vpd0/chassis"), "chassis 4711") << "clear sections need no key";
  erase(*vault, "nic0/eeprom");
  EXPECT_EQ(get(*vault, "tpm0/permall"), "a TPM");
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(RawStore, R1_12_AStoreGrowsWhenADeviceIsAdded) {
  auto vault = make(k128);
  put(*vault, "tpm0/permall", std::string(10'000, 't'));
  const auto before = std::filesystem::file_size(path);
  put(*vault, "tpm1/permall", std::string(50'000, 'u'));
  put(*vault, "nic0/eeprom", std::string(50'000, 'n'));
  EXPECT_GT(std::filesystem::file_size(path), before);
  auto reader = Vault::open(path);
  ASSERT_EQ(reader->unlock_raw(key_of(k128)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*reader, "tpm0/permall"), std::string(10'000, 't'));
  EXPECT_EQ(get(*reader, "nic0/eeprom"), std::string(50'000, 'n'));
  EXPECT_TRUE(outside_tools_read(path));
}
#endif

TEST_F(RawStore, R1_13_ChangingOneBlobDoesNotRewriteTheStore) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  options.cipher = Cipher::kAesCbc;
  options.raw_key = std::make_shared<const RawKey>(key_of(k128));
  auto vault = Vault::create("dir/store.vtpm", options, {}, nullptr);
  for (int i = 0; i < 200; ++i) put(*vault, "blob/" + std::to_string(i), std::string(1000, 'b'));
  const size_t begun = disk.steps().size();
  put(*vault, "blob/7", std::string(1000, 'c'));
  size_t written = 0;
  for (size_t i = begun; i < disk.steps().size(); ++i) written += disk.steps()[i].bytes.size();
  EXPECT_LT(written, 2500u) << "of a store of 200 kB";
}

#ifndef VTPM_SHARED_LOG  // it looks into the file
TEST_F(RawStore, R1_14_And_R1_15_OutsideToolsSeeWhatIsEncodedOfEveryBlob) {
  { put(*make(k128), "tpm0/permall", "fourteen bytes"); }
  EXPECT_TRUE(outside_tools_read(path));
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name != "tpm0/permall") continue;
    std::string names;
    for (const AttributeReport& attribute : entry.attributes) names += attribute.name + " ";
    EXPECT_EQ(entry.size, 14u) << "actual size";
    EXPECT_EQ(entry.data_bytes, 16u + 32u) << "the most that fits: a block, and the tag";
    EXPECT_NE(names.find("crc32c"), std::string::npos) << names;
    EXPECT_NE(names.find("enc"), std::string::npos) << names;
    return;
  }
  FAIL() << "the report does not show the blob";
}
#endif

TEST_F(RawStore, R1_8_TheGoldenStoreOpens) {
  std::filesystem::copy_file(kData + "/store/golden-raw.vtpm", path);
  EXPECT_TRUE(outside_tools_read(path));
  auto vault = Vault::open(path);
  ASSERT_EQ(vault->unlock_raw(key_of(k192)), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "tpm0/permall"), "sixteen octets..");
  EXPECT_EQ(get(*vault, "vpd0/serial"), "");
  EXPECT_TRUE(vault->read("nic0/eeprom")->bound);
  EXPECT_TRUE(check(path, vault.get()).clean());
  put(*vault, "obj/new", "sealed by this version");
  vault->compact();
  EXPECT_EQ(get(*vault, "tpm0/permall"), "sixteen octets..");
}

}  // namespace
}  // namespace vtpm::store
