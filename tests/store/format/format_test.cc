// SPDX-License-Identifier: Apache-2.0
// docs/format.md is the authority: its example is a store, and the golden stores of every version stay readable.
//
// golden-1.vtpm was written by tests/data/store/make_golden.py, which shares no code with the store: what is checked
// here is one reading of the format against another.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "store/care/report.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

const std::string kData = VTPM_TEST_DATA;

// The bytes that the document's hex dumps show; what they leave out is zero.
Bytes example_of_document() {
  std::ifstream document(kData + "/../../docs/format.md");
  Bytes out;
  bool inside = false;
  for (std::string line; std::getline(document, line);) {
    if (line.substr(0, 3) == "```") {
      inside = line == "```hexdump";
      continue;
    }
    if (!inside) continue;
    std::istringstream words(line);
    size_t at = 0;
    words >> std::hex >> at;
    for (unsigned byte; words >> std::hex >> byte; ++at) {
      if (out.size() <= at) out.resize(at + 1);
      out[at] = static_cast<uint8_t>(byte);
    }
  }
  return out;
}

class Format : public testing::Test {
 protected:
  Format() { std::filesystem::copy_file(kData + "/store/golden-1.vtpm", path); }
  ScratchDirectory scratch;
  std::string path = scratch.file("golden.vtpm");
};

TEST_F(Format, TheExampleOfTheDocumentIsTheGoldenStore) {
  EXPECT_EQ(to_hex(example_of_document()), to_hex(load(path)));
}

TEST_F(Format, TheGoldenStoreOpens) {
  Bytes before = load(path);
  EXPECT_TRUE(outside_tools_read(path));
  auto vault = Vault::open(path);
  EXPECT_EQ(to_hex(vault->uuid()), "00112233445546778899aabbccddeeff");
  EXPECT_EQ(get(*vault, "token/info"), "golden token");
  EXPECT_EQ(vault->read("nic0/eeprom")->type, "vpd");
  EXPECT_EQ(to_hex(vault->read("nic0/eeprom")->data), "525400123456");
  EXPECT_FALSE(vault->find("obj/gone"));
  EXPECT_EQ(vault->find("tpm0/permall")->sequence, 8u);
  EXPECT_EQ(code_thrown_by([&] { vault->read("tpm0/permall"); }), ErrorCode::kLocked);
  EXPECT_EQ(load(path), before) << "reading writes nothing";

  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes("12345")), UnlockResult::kWrongSecret);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes("1234")), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "tpm0/permall"), "the TPM's state");
  EXPECT_EQ(get(*vault, "obj/empty"), "");
  EXPECT_TRUE(vault->read("token/info")->bound);
  EXPECT_FALSE(vault->read("nic0/eeprom")->bound);
  EXPECT_TRUE(check(path, vault.get()).clean());
  EXPECT_EQ(Vault::open(path)->unlock(Role::kSo, as_bytes("so secret")), UnlockResult::kUnlocked);
}

TEST_F(Format, TheGoldenStoreIsWrittenTo) {
  auto vault = Vault::open(path);
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes("1234")), UnlockResult::kUnlocked);
  put(*vault, "obj/new", "sealed by this version");
  EXPECT_EQ(vault->change_secret(Role::kUser, as_bytes("1234"), as_bytes("4321")), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*vault, "tpm0/permall"), "the TPM's state");
  EXPECT_TRUE(outside_tools_read(path));
  Bytes after = load(path);
  const std::string kept = "blue";
  EXPECT_NE(std::search(after.begin(), after.end(), kept.begin(), kept.end()), after.end()) << "an unknown attribute";
  auto again = Vault::open(path);
  EXPECT_EQ(again->unlock(Role::kUser, as_bytes("4321")), UnlockResult::kUnlocked);
  EXPECT_EQ(get(*again, "obj/new"), "sealed by this version");
}

// Every byte of the file belongs to something that the report names.
TEST_F(Format, TheReportNamesTheEntriesOfTheDocument) {
  std::vector<std::string> lines;
  for (const EntryReport& entry : dump(path).entries) {
    lines.push_back(entry.type + " " + entry.name + " " + std::to_string(entry.sequence) + " " +
                    std::string(state_name(entry.state)));
  }
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "blobstore  1 current", "keyslot keyslot/1 2 current", "keyslot keyslot/2 3 current",
                       "blobstore  4 current", "keyslot keyslot/1 5 current", "keyslot keyslot/2 6 current",
                       "token token/info 7 current", "tpm2-permall tpm0/permall 8 current",
                       "p11-object obj/gone 9 superseded", "p11-object obj/empty 10 current",
                       "p11-object obj/gone 11 deletion", "vpd nic0/eeprom 65548 current", "free  0 free"}));
}

}  // namespace
}  // namespace vtpm::store
