// SPDX-License-Identifier: Apache-2.0
// A folder of stores as the contract of store/directory/store_directory.h describes it. What a token shows of it is
// tested through the module (tests/conformance).
#include "store/directory/folder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/waiting.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

StoreName name_of(const Vault& vault) {
  const std::string path = vault.path();
  return {std::filesystem::path(path).stem().string(), "label", 0};
}

class FolderTest : public testing::Test {
 protected:
  FolderTest() { make_store(path); }

  ScratchDirectory scratch;
  std::string path = scratch.file("0123456789abcdef.vtpm");
};

TEST_F(FolderTest, AStoreWhoseLockAnotherProcessHoldsIsNotRemoved) {
  const auto folder = store_directory_at(scratch.path(), name_of);
  folder->refresh();
  ASSERT_EQ(folder->stores().size(), 1u);
  auto other = Vault::open(path);
  other->change([&](Transaction&) {
    const WaitPolicy limit(std::chrono::milliseconds(100));
    EXPECT_THROW(folder->remove(folder->stores().front()), LockTimeout);
  });
  EXPECT_TRUE(std::filesystem::exists(path));
  folder->remove(folder->stores().front());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(code_thrown_by([&] { other->refresh(); }), ErrorCode::kReplaced);
}

TEST_F(FolderTest, AFileThatIsNoStoreIsRemoved) {
  save(path, as_bytes("no store"));
  const auto folder = store_directory_at(scratch.path(), name_of);
  folder->refresh();
  ASSERT_EQ(folder->stores().size(), 1u);
  EXPECT_EQ(folder->stores().front().standing, Standing::kUnreadable);
  folder->remove(folder->stores().front());
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace vtpm::store
