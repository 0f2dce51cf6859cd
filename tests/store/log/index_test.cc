// SPDX-License-Identifier: Apache-2.0
#include "store/log/index.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vtpm::store {
namespace {

LogEntry entry(const std::string& name, uint64_t number, bool deleted = false) {
  LogEntry out;
  out.offset = number * 100;
  out.length = 50;
  out.sequence = {number, 0, 1, 0};
  out.type = "t";
  out.name = name;
  out.deleted = deleted;
  return out;
}

TEST(Index, ChangesStayBoundedAndInOrder) {
  Index index;
  for (uint64_t i = 1; i <= 10000; ++i) index.apply(entry(std::to_string(i % 7), i));
  auto changes = index.changes(0).names;
  ASSERT_EQ(changes.size(), 7u);
  for (size_t i = 1; i < changes.size(); ++i) EXPECT_LT(changes[i - 1]->second.change, changes[i]->second.change);
  EXPECT_EQ(index.changes(index.cursor() - 2).names.size(), 2u);
  EXPECT_TRUE(index.changes(index.cursor()).names.empty());
}

// Names that come and go do not make the index grow, and a reader with an old cursor gets all names.
TEST(Index, DeletedNamesAreForgotten) {
  for (bool has_mac : {false, true}) {
    Index index;
    for (uint64_t i = 1; i <= 10; ++i) index.apply(entry("stays " + std::to_string(i), i));
    const uint64_t start = index.cursor();
    size_t most = 0;
    uint64_t number = 10;
    for (int i = 0; i < 9000; ++i) {
      index.apply(entry(std::to_string(i), ++number));
      LogEntry gone = entry(std::to_string(i), ++number, true);
      gone.has_mac = has_mac;
      index.apply(std::move(gone));
      index.forget_deletions(has_mac ? index.cursor() : 0);
      most = std::max(most, index.names().size());
    }
    EXPECT_LT(most, 3000u);
    const uint64_t newest = index.cursor();
    EXPECT_TRUE(index.changes(newest).names.empty());
    EXPECT_FALSE(index.changes(newest - 200).whole) << "the newest deletions are known";
    const Index::Changes all = index.changes(start);
    EXPECT_TRUE(all.whole);
    EXPECT_EQ(std::count_if(all.names.begin(), all.names.end(), [](const auto* item) { return !item->second.deleted; }),
              10);
  }
}

// A forged deletion is detected when the key arrives.
TEST(Index, DeletionsThatAreStillToBeExaminedStay) {
  Index index;
  for (uint64_t i = 1; i <= 3000; ++i) {
    LogEntry gone = entry(std::to_string(i), i, true);
    gone.has_mac = true;
    index.apply(std::move(gone));
    index.forget_deletions(0);
  }
  EXPECT_EQ(index.names().size(), 3000u);
  Index compacted;
  index.follow(std::move(compacted));
  index.forget_deletions(0);
  EXPECT_EQ(index.names().size(), 3000u) << "not before more has come and gone";
  for (uint64_t i = 0; i < 4000; ++i) index.apply(entry("x" + std::to_string(i), 3001 + i, true));
  index.forget_deletions(0);
  EXPECT_LE(index.names().size(), 256u);
}

TEST(Index, FollowingShowsOnlyDifferences) {
  Index index;
  for (uint64_t i = 1; i <= 4; ++i) index.apply(entry(std::string(1, static_cast<char>('a' + i)), i));
  uint64_t cursor = index.cursor();
  Index fresh;
  fresh.apply(entry("b", 1));
  fresh.apply(entry("c", 2));
  fresh.apply(entry("e", 9));
  fresh.apply(entry("f", 10));
  index.follow(std::move(fresh));
  auto changes = index.changes(cursor).names;
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0]->first, "d");
  EXPECT_TRUE(changes[0]->second.deleted);
  EXPECT_EQ(changes[1]->first, "e");
  EXPECT_EQ(changes[2]->first, "f");
  // Following the same again is no change.
  cursor = index.cursor();
  Index same;
  for (auto [name, number] : {std::pair("b", 1), std::pair("c", 2), std::pair("e", 9), std::pair("f", 10)}) {
    same.apply(entry(name, static_cast<uint64_t>(number)));
  }
  index.follow(std::move(same));
  EXPECT_TRUE(index.changes(cursor).names.empty());
}

TEST(Index, WhatMustNotRollBackIsRefusedBehindAGap) {
  auto make = [](const char* type, uint64_t gap_bytes, uint64_t after, uint64_t before) {
    Index index;
    LogEntry held = entry("x", 5);
    held.type = type;
    ScanResult scan;
    scan.entries = {held};
    Damage damage;
    damage.offset = 5000;
    damage.length = gap_bytes;
    damage.after = after;
    damage.before = before;
    scan.damage = {damage};
    index.apply(scan);
    return index.may_be_outdated(index.find("x")->second);
  };
  EXPECT_TRUE(make("tpm2-permall", 100, 6, 9));
  EXPECT_TRUE(make("attempt", 100, 6, 9));
  EXPECT_FALSE(make("p11-object", 100, 6, 9));
  EXPECT_FALSE(make("keyslot", 100, 6, 9)) << "too small for both copies of a newer one";
  EXPECT_TRUE(make("keyslot", 5000, 6, 9));
  EXPECT_FALSE(make("tpm2-permall", 100, 2, 5)) << "older than the entry";
}

}  // namespace
}  // namespace vtpm::store
