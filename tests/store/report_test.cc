#include "store/report.h"

#include <gtest/gtest.h>

#include "tests/store/scratch.h"

namespace vtpm::store {
namespace {

TEST(Report, ShowsEveryOctetOfTheFile) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  put(*vault, "obj/a", "one");
  put(*vault, "obj/a", "two", Protection::kClear);
  erase(*vault, "obj/a");
  put(*vault, "obj/b", "three");
  auto before = load(path);
  StoreReport report = check(path, vault.get());
  EXPECT_EQ(load(path), before) << "nothing is written";
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.uuid, to_hex(vault->uuid()));
  EXPECT_EQ(report.format, 1u);
  EXPECT_EQ(report.file_octets, before.size());
  uint64_t at = 2;
  std::vector<std::string> states;
  for (const EntryReport& entry : report.entries) {
    // The free entries that keep two copies apart are no entries of the log.
    EXPECT_GE(entry.offset, at);
    at = entry.offset + entry.length;
    if (entry.name.substr(0, 4) == "obj/") states.push_back(entry.name + " " + std::string(state_name(entry.state)));
  }
  EXPECT_EQ(at + 2, report.file_octets);
  EXPECT_EQ(states,
            (std::vector<std::string>{"obj/a superseded", "obj/a superseded", "obj/a deletion", "obj/b current"}));
  bool saw_kdf = false;
  for (const EntryReport& entry : report.entries) {
    for (const AttributeReport& attribute : entry.attributes) {
      if (attribute.name == "kdf")
        saw_kdf |= attribute.mandatory && attribute.value.substr(0, 17) == "argon2id 8192 1 1";
    }
  }
  EXPECT_TRUE(saw_kdf);
}

TEST(Report, NamesATornTail) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  put(*vault, "obj/a", "one", Protection::kClear);
  Bytes contents = load(path);
  for (const EntryReport& entry : dump(path).entries) {
    if (entry.name == "obj/a")
      std::fill_n(contents.begin() + static_cast<ptrdiff_t>(entry.offset + entry.length) - 20, 20, uint8_t{0});
  }
  save(path, contents);
  StoreReport report = check(path);
  EXPECT_FALSE(report.clean());
  EXPECT_FALSE(report.intact_end);
  EXPECT_EQ(report.entries.back().state, EntryState::kTorn);
  EXPECT_EQ(code_thrown_by([&] { check(scratch.file("absent")); }), ErrorCode::kNotFound);
}

// Found by the fuzzer store_recovery.
TEST(Report, AFreeSpaceThatIsCutOffEndsWithTheFile) {
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
  make_store(path);
  Bytes contents = load(path);
  contents.resize(contents.size() - 100);
  save(path, contents);
  const StoreReport report = check(path);
  EXPECT_FALSE(report.intact_end);
  ASSERT_EQ(report.entries.back().state, EntryState::kFree);
  EXPECT_EQ(report.entries.back().offset + report.entries.back().length, contents.size());
  EXPECT_EQ(report.entries.back().length, report.free_octets);
}

}  // namespace
}  // namespace vtpm::store
