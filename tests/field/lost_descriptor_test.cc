// SPDX-License-Identifier: Apache-2.0
// The application closes or reuses the store's descriptor during a change.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

namespace fs = std::filesystem;

void on_each_descriptor_of(const std::string& path, const std::function<void(int)>& work) {
  std::vector<int> numbers;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry.path(), gone) == path) numbers.push_back(std::stoi(entry.path().filename()));
  }
  EXPECT_FALSE(numbers.empty());
  for (const int number : numbers) work(number);
}

// The lock was lost with the descriptor, so other processes may have written: the change fails, and none of it is
// visible.
TEST(LostDescriptor, InTheMiddleOfAChangeTheChangeFailsWhole) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm"), other = scratch.file("other");
  auto vault = make_store(path);
  put(*vault, "obj/a", "old");
  for (const bool reused : {false, true}) {
    save(other, Bytes(1 << 20));
    const int theirs = ::open(other.c_str(), O_RDWR | O_CLOEXEC);
    const std::string meanwhile = reused ? "obj/c" : "obj/b";
    const auto body = [&](Transaction& change) {
      change.put("obj/a", "t", Protection::kSealed, as_bytes("new"));
      on_each_descriptor_of(path, [&](int number) { reused ? (void)::dup2(theirs, number) : (void)::close(number); });
      const auto another_process = [&] { put(*Vault::open(path), meanwhile, "meanwhile", Protection::kClear); };
      EXPECT_EQ(in_child(another_process), 0) << "the lock is free";
    };
    EXPECT_EQ(code_thrown_by([&] { vault->change(body); }), ErrorCode::kIo);
    EXPECT_EQ(load(other), Bytes(1 << 20)) << "the change went into the application's file";
    EXPECT_EQ(get(*vault, "obj/a"), "old");
    vault->refresh();
    EXPECT_EQ(get(*vault, meanwhile), "meanwhile");
    put(*vault, "obj/next", "of the same process");
    EXPECT_TRUE(Vault::open(path)->find("obj/next"));
    ::close(theirs);
  }
  EXPECT_FALSE(fs::exists(path + ".quarantine"));
  EXPECT_TRUE(Vault::open(path)->findings().empty());
}

TEST(LostDescriptor, TheOffsetOfAnInheritedDescriptorNeverMoves) {
  ScratchDirectory scratch;
  const std::string path = scratch.file("store.vtpm");
  auto vault = make_store(path);
  const auto offsets_are_zero = [&] {
    on_each_descriptor_of(path, [](int number) { EXPECT_EQ(::lseek(number, 0, SEEK_CUR), 0); });
  };
  put(*vault, "obj/a", std::string(200000, 'n'));
  vault->refresh();
  offsets_are_zero();
  vault->compact();
  (void)vault->truncated();
  offsets_are_zero();
}

}  // namespace
}  // namespace vtpm::store
