// SPDX-License-Identifier: Apache-2.0
// A store whose end is missing (an unfinished copy, a full disk) is rejected whenever it is opened, and stays
// unchanged, until its owner accepts what is left. A store with more bytes behind its end than a crash leaves is
// rejected without reading them.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "store/care/fixed_layout.h"
#include "store/care/repair.h"
#include "store/care/report.h"
#include "store/format/encoding.h"
#include "store/log/file_log.h"
#include "store/vault/vault.h"
#include "tests/store/crash/crash_history.h"

namespace vtpm::store {
namespace {

std::string sentence_of(const std::function<void()>& work, ErrorCode code) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.sentence();
  }
  ADD_FAILURE() << "it was done";
  return {};
}

OpenOptions on(SimulatedDisk& disk) {
  OpenOptions options;
  options.file_system = &disk;
  return options;
}

// Seven objects, sealed and clear, with key slots and deletions in front of them.
Bytes seven_objects(const std::string& path, bool compacted) {
  auto vault = make_store(path);
  put(*vault, "obj/gone", "gone", Protection::kClear);
  erase(*vault, "obj/gone");
  for (int i = 0; i < 7; ++i) {
    put(*vault, "obj/" + std::to_string(i), "value " + std::to_string(i),
        i % 2 ? Protection::kClear : Protection::kSealed);
  }
  if (compacted) vault->compact();
  return load(path);
}

class TruncatedStore : public testing::TestWithParam<bool> {
 protected:
  ScratchDirectory scratch;
  Bytes whole = seven_objects(scratch.file("store.vtpm"), GetParam());
};

TEST_P(TruncatedStore, IsRejectedAtEveryLengthAndStaysUnchanged) {
  uint64_t log_end = 0;
  for (const EntryReport& entry : dump(scratch.file("store.vtpm")).entries) {
    if (entry.state != EntryStatus::kFree) log_end = entry.offset + entry.length;
  }
  // Every length up to the end of the log and some bytes beyond, then some lengths in the free space, and the file
  // without its last byte.
  for (size_t length = 0; length < whole.size(); length += length < log_end + 200 ? 1 : 613) {
    if (length + 613 > whole.size()) length = whole.size() - 1;
    SCOPED_TRACE(length);
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    SimulatedDisk disk;
    disk.create(kCrashPath)->write_at(0, cut);
    RepairOptions repairing;
    repairing.file_system = &disk;
    std::string why, again;
    try {
      Vault::open(kCrashPath, on(disk));
      FAIL() << "it was opened";
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNotAStore) continue;  // the header is incomplete
      ASSERT_EQ(error.code(), ErrorCode::kCorrupt);
      why = error.sentence();
    }
    ASSERT_EQ(why.find(kCrashPath), 0u) << why;
    ASSERT_NE(why.find(" bytes "), std::string::npos) << why;
    ASSERT_NE(why.find("repair --accept-older"), std::string::npos) << why;
    ASSERT_EQ(sentence_of([&] { repair(kCrashPath, repairing); }, ErrorCode::kCorrupt), why);
    OpenOptions any = on(disk);
    any.any_ending = true;
    const auto vault = Vault::open(kCrashPath, any);
    ASSERT_EQ(sentence_of([&] { vault->change(change_nothing); }, ErrorCode::kCorrupt), why);
    ASSERT_EQ(sentence_of([&] { vault->compact(); }, ErrorCode::kCorrupt), why);
    ASSERT_EQ(check(kCrashPath, nullptr, nullptr, &disk).condition, Condition::kDamaged);
    ASSERT_EQ(disk.contents(kCrashPath), cut);
    ASSERT_EQ(disk.paths().size(), 1u);
  }
}

TEST_P(TruncatedStore, KeepsItsRestWhenItsOwnerAcceptsIt) {
  for (size_t length : {whole.size() - 1, whole.size() - 5000, whole.size() / 2, size_t{9000}}) {
    SCOPED_TRACE(length);
    SimulatedDisk disk;
    disk.create(kCrashPath)->write_at(0, ByteView(whole).first(length));
    RepairOptions repairing;
    repairing.file_system = &disk;
    repairing.accept_older = true;
    ASSERT_TRUE(repair(kCrashPath, repairing).changed);
    const auto vault = Vault::open(kCrashPath, on(disk));
    put(*vault, "obj/after", "it takes more", Protection::kClear);
    EXPECT_TRUE(check(kCrashPath, nullptr, nullptr, &disk).clean());
  }
}

// A process has the store open while the file is truncated.
TEST_P(TruncatedStore, IsNotWrittenToByAProcessThatHasItOpen) {
  for (size_t length = 6000; length + 2 < whole.size(); length += 211) {
    SCOPED_TRACE(length);
    SimulatedDisk disk;
    disk.create(kCrashPath)->write_at(0, whole);
    const auto vault = Vault::open(kCrashPath, on(disk));
    disk.contents(kCrashPath).resize(length);
    const Bytes cut = disk.contents(kCrashPath);
    try {
      put(*vault, "obj/after", "the cut", Protection::kClear);
      // Only free space is missing.
      const auto fresh = Vault::open(kCrashPath, on(disk));
      for (const char* name : {"obj/1", "obj/3", "obj/5"}) ASSERT_NE(get(*fresh, name), "(none)");
      ASSERT_EQ(get(*fresh, "obj/after"), "the cut");
    } catch (const Error& error) {
      ASSERT_NE(error.code(), ErrorCode::kInternal) << error.what();
      ASSERT_EQ(disk.contents(kCrashPath), cut);
      ASSERT_EQ(error.sentence().find("18446744"), std::string::npos) << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, TruncatedStore, testing::Bool(),
                         [](const auto& one) { return one.param ? "Compacted" : "AsWritten"; });

// --- bytes behind the end ---

class BehindTheEnd : public testing::Test {
 protected:
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  const Bytes whole = seven_objects(path, false);

  void append_sparse(uint64_t bytes, bool data_at_the_end = false) {
    save(path, whole);
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(whole.size() + bytes)), 0);
    if (!data_at_the_end) return;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end).put('x');
  }
  uint64_t size_now() {
    struct stat found {};
    EXPECT_EQ(stat(path.c_str(), &found), 0);
    return static_cast<uint64_t>(found.st_size);
  }
};

TEST_F(BehindTheEnd, AGrowthThatACrashInterruptedIsNoFault) {
  append_sparse(kMaxGrowth + kGrowthUnit);
  const auto vault = Vault::open(path);
  put(*vault, "obj/after", "the crash", Protection::kClear);
  EXPECT_TRUE(check(path).clean());
  EXPECT_EQ(get(*Vault::open(path), "obj/5"), "value 5");
}

TEST_F(BehindTheEnd, MoreIsRefusedUntilItIsRepaired) {
  append_sparse(kMaxGrowth + kGrowthUnit + 1);
  const std::string why = sentence_of([&] { Vault::open(path); }, ErrorCode::kCorrupt);
  EXPECT_NE(why.find(path), std::string::npos) << why;
  EXPECT_NE(why.find(std::to_string(kMaxGrowth + kGrowthUnit + 1) + " bytes"), std::string::npos) << why;
  EXPECT_NE(why.find("store repair"), std::string::npos) << why;
  EXPECT_EQ(sentence_of([&] { compact(path); }, ErrorCode::kCorrupt), why);
  EXPECT_EQ(check(path).condition, Condition::kRepairable);
  EXPECT_EQ(size_now(), whole.size() + kMaxGrowth + kGrowthUnit + 1);
  EXPECT_TRUE(repair(path).changed);
  EXPECT_TRUE(check(path).clean());
  const auto vault = Vault::open(path);
  for (int i = 1; i < 7; i += 2) EXPECT_EQ(get(*vault, "obj/" + std::to_string(i)), "value " + std::to_string(i));
  EXPECT_LT(size_now(), kMaxGrowth);
}

// Reading all of it once took seven seconds.
TEST_F(BehindTheEnd, FourSparseGigabytesAreRefusedAtOnce) {
  const uint64_t most = (uint64_t{1} << 32) - whole.size() - 1;
  for (bool data : {false, true}) {
    append_sparse(most, data);
    auto fastest = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 5; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_EQ(code_thrown_by([&] { Vault::open(path); }), ErrorCode::kCorrupt);
      fastest = std::min(fastest, std::chrono::steady_clock::now() - begin);
    }
    EXPECT_LT(fastest, std::chrono::milliseconds(50 * (sanitized() ? 20 : 2)));
  }
}

// A large object needs several steps of growth, of which a crash leaves one.
TEST(BehindTheEndOfAStore, ACrashOfALargeGrowthLeavesNoMoreThanOneStep) {
  History history;
  {
    auto store = FileLog::open(history.disk, kCrashPath, false);
    history.commit(*store, {clear_draft("obj/small", "small")});
    history.commit(*store, {clear_draft("obj/large", std::string(kMaxGrowth + (1 << 20), 'x'))});
  }
  const Verdicts verdicts = history.explore({0, 1, 1});
  EXPECT_GT(verdicts.states, 20u);
  EXPECT_TRUE(verdicts.clean()) << verdicts.first;
}

// The disk becomes full while the store grows for a large object: the store keeps its size.
TEST(BehindTheEndOfAStore, AGrowthThatFailsHalfwayGivesItsRoomBack) {
  SimulatedDisk disk;
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  make_store(kCrashPath, options);
  const auto vault = Vault::open(kCrashPath, on(disk));
  put(*vault, "obj/small", "small", Protection::kClear);
  const size_t before = disk.contents(kCrashPath).size();
  for (size_t writes : {3, 20, 25, 40}) {  // of 256 KiB of zeros
    disk.capacity = disk.used() + writes * (256u << 10);
    EXPECT_EQ(code_thrown_by([&] { put(*vault, "obj/large", std::string(12 << 20, 'x'), Protection::kClear); }),
              ErrorCode::kNoSpace);
    EXPECT_EQ(disk.contents(kCrashPath).size(), before);
    disk.capacity = UINT64_MAX;
    EXPECT_EQ(get(*Vault::open(kCrashPath, on(disk)), "obj/small"), "small");
    put(*vault, "obj/small", "small", Protection::kClear);
  }
}

}  // namespace
}  // namespace vtpm::store
