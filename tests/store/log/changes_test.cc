// SPDX-License-Identifier: Apache-2.0
// Changes of a file's log: what try_change waits for, which numbers a change gets, what becomes of a retired key slot,
// and how many entries one change may have.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/waiting.h"
#include "store/log/file_log.h"
#include "tests/store/disk/scratch.h"
#include "tests/store/disk/simulated_disk.h"

namespace vtpm::store {
namespace {

using std::chrono::milliseconds;

Draft clear_draft(const std::string& name) {
  Draft draft;
  draft.entry = {"test", name, {realsize_attribute(1)}, {}, Bytes(1)};
  return draft;
}

ScanResult scan(const File& file, const std::string& path) { return scan_log(file, read_header(file, path)); }

class Changes : public testing::Test {
 protected:
  ScratchDirectory scratch;
  std::string path = scratch.file("store.vtpm");
};

TEST_F(Changes, TryChangeDoesNotWaitForTheStoresLock) {
  auto one = make_store(path);
  auto two = Vault::open(path);
  bool ran = false;
  const auto body = [&](Transaction& transaction) {
    ran = true;
    transaction.put("obj/a", "p11-object", Protection::kClear, as_bytes("1"));
  };
  one->change([&](Transaction&) {
    EXPECT_FALSE(two->try_change(body)) << "another process has the lock";
    std::thread([&] { EXPECT_FALSE(one->try_change(body)) << "another thread has the lock"; }).join();
  });
  EXPECT_FALSE(ran);
  const auto committed = two->try_change(body);
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->sequence_of("obj/a"), two->find("obj/a")->sequence);
  put(*one, "obj/b", "2");  // the lock is free again
  EXPECT_EQ(get(*one, "obj/a"), "1");
}

// The file at the path is another one since, and its end is unsettled: a verdict on it needs its lock.
TEST_F(Changes, TryChangeDoesNotWaitForTheLockOfTheFileThatACompactionPutInPlace) {
  auto one = make_store(path);
  const auto two = FileLog::open(posix_file_system(), path, false);
  one->compact();
  const auto three = FileLog::open(posix_file_system(), path, false);
  {
    const FileLog::Writer writer = three->begin();
    const auto file = posix_file_system().open(path, true);
    const Bytes torn = {0x30, 0x82, 0x01, 0x00, 0x16};
    file->write_at(scan(*file, path).end.offset, torn);

    bool ran = false;
    const WaitPolicy limit(milliseconds(300));
    const auto body = [&](EntryLog::Change&) -> EntryLog::Proposal {
      ran = true;
      return {};
    };
    EXPECT_FALSE(two->try_change(body));
    EXPECT_FALSE(ran);
  }
  EXPECT_TRUE(two->try_change([](EntryLog::Change&) -> EntryLog::Proposal { return {{clear_draft("a")}, {}, {}}; }));
  EXPECT_TRUE(two->find("a"));
}

TEST_F(Changes, TheFirstNumberIsThatOfTheFirstDraftAlsoWhereDraftsAreWrittenTwice) {
  make_store(path);
  const auto log = FileLog::open(posix_file_system(), path, false);
  const auto appended = log->change([](EntryLog::Change&) -> EntryLog::Proposal {
    std::vector<Draft> drafts = {clear_draft("a"), clear_draft("b"), clear_draft("c")};
    drafts[1].twice = true;
    return {std::move(drafts), {}, {}};
  });
  EXPECT_EQ(log->find("a")->facts.sequence.number, appended.first);
  EXPECT_EQ(log->find("c")->facts.sequence.number, appended.first + 2);
}

// Where the change needs more space than there is, its own append compacts the file, and the old key slot moves. The
// compaction that drops the slot afterwards fails here, so that the wiping alone must do it.
TEST(RetiredKeySlot, IsWipedAlsoWhereTheAppendCompactsTheFile) {
  SimulatedDisk disk;
  const std::string path = "dir/store.vtpm";
  CreateOptions options = cheap_options();
  options.file_system = &disk;
  auto vault = make_store(path, options);
  put(*vault, "obj/a", "in front of the key slot, and soon dead", Protection::kClear);
  vault->set_secret(Role::kUser, as_bytes(kUserPin));
  const Bytes old_key = to_bytes(parse_entry(FileLog::open(disk, path, true)->read("keyslot/2")->bytes)->data());
  for (;;) {
    const auto file = disk.open(path, false);
    const uint64_t end = scan(*file, path).end.offset, free = file->size() - end;
    if (free < 12'000 && end > 200'000) break;
    put(*vault, "obj/a", std::string(free < 12'000 ? 30'000 : std::min<uint64_t>(30'000, free - 10'000), 'a'),
        Protection::kClear);
  }
  const auto renames = [&] {
    return std::count_if(disk.steps().begin(), disk.steps().end(),
                         [](const DiskStep& step) { return step.kind == DiskStep::Kind::kRename; });
  };
  const auto before = renames();
  disk.between = [&] {
    if (renames() > before) disk.creating_fails = ErrorCode::kNoSpace;
  };
  vault->set_secret(Role::kUser, as_bytes("5678"));
  disk.between = nullptr;
  EXPECT_EQ(renames(), before + 1) << "the append compacts, and nothing else does";
  const Bytes& left = disk.contents(path);
  EXPECT_EQ(std::search(left.begin(), left.end(), old_key.begin(), old_key.end()), left.end());
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes(kUserPin)), UnlockResult::kWrongSecret);
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes("5678")), UnlockResult::kUnlocked);
}

// While a store is being made in the place of another, nothing in memory is half-changed: waits step aside.
TEST_F(Changes, AStoreInTheMakingLetsWaitsStepAside) {
  class Counting final : public WaitPolicy {
   public:
    Counting() : WaitPolicy(std::nullopt) {}
    int steps = 0;

   protected:
    void step_aside() override { ++steps; }
  };
  make_store(path);
  Counting policy;
  NewLog fresh;
  fresh.uuid[0] = 1;
  fresh.replace = true;
  const auto log = FileLog::make(posix_file_system(), path, std::move(fresh));
  pause_for(milliseconds(1));
  EXPECT_GE(policy.steps, 1);
  log->place();
  EXPECT_EQ(FileLog::open(posix_file_system(), path, true)->uuid()[0], 1);
}

}  // namespace
}  // namespace vtpm::store
