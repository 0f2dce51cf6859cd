// SPDX-License-Identifier: Apache-2.0
// Another process blocks the store in the middle of a login: after the attempt was charged, before its result is known.
#include <gtest/gtest.h>

#include "base/waiting.h"
#include "store/file/file.h"
#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

/// The real file system, but after a number of further locks every attempt to lock the store fails, as if another
/// process held the lock.
class HeldUp : public FileSystem {
 public:
  static constexpr int kNever = 1 << 30;
  int locks_left = kNever;

  std::unique_ptr<File> open(const std::string& path, bool writable) override {
    return std::make_unique<HeldUpFile>(posix_file_system().open(path, writable), *this);
  }
  std::unique_ptr<File> create(const std::string& path) override {
    return std::make_unique<HeldUpFile>(posix_file_system().create(path), *this);
  }
  std::optional<FileId> id_of(const std::string& path) override { return posix_file_system().id_of(path); }
  void rename(const std::string& from, const std::string& to, bool keep_existing) override {
    posix_file_system().rename(from, to, keep_existing);
  }
  void remove(const std::string& path) override { posix_file_system().remove(path); }
  void sync_directory_of(const std::string& path, CallSite site) override {
    posix_file_system().sync_directory_of(path, site);
  }

 private:
  class HeldUpFile : public File {
   public:
    HeldUpFile(std::unique_ptr<File> file, HeldUp& owner) : file_(std::move(file)), owner_(owner) {}
    bool writable() const override { return file_->writable(); }
    FileId id() const override { return file_->id(); }
    uint64_t size() const override { return file_->size(); }
    size_t read_at(uint64_t offset, MutableByteView out) const override { return file_->read_at(offset, out); }
    void write_at(uint64_t offset, ByteView bytes) override { file_->write_at(offset, bytes); }
    void truncate(uint64_t size) override { file_->truncate(size); }
    void sync_now(Sync what, CallSite site) const override {
      what == Sync::kData ? file_->sync_data(site) : file_->sync_all(site);
    }
    bool lock(LockByte byte, LockMode mode, bool wait, CallSite site) const override {
      if (byte == LockByte::kStore && wait && owner_.locks_left-- <= 0) throw LockTimeout("it is held up");
      return file_->lock(byte, mode, wait, site);
    }
    void unlock(LockByte byte) const noexcept override { file_->unlock(byte); }
    std::string copy_access_from(const File& other) override {
      return file_->copy_access_from(*static_cast<const HeldUpFile&>(other).file_);
    }
    void abandon() noexcept override { file_->abandon(); }

   private:
    const std::unique_ptr<File> file_;
    HeldUp& owner_;
  };
};

TEST(ALoginThatRunsOutOfTime, OpensNothingAndStaysCharged) {
  const ScratchDirectory scratch;
  const std::string path = scratch.file("held.vtpm");
  make_store(path);
  HeldUp disk;
  const auto vault = Vault::open(path, {false, &disk});
  for (const std::string_view pin : {kUserPin, std::string_view("wrong")}) {
    for (uint32_t charges = 0; charges < 2; ++charges) {
      const uint32_t before = vault->attempts(Role::kUser).failures;
      disk.locks_left = static_cast<int>(charges);
      const bool reaches_the_result = charges == 1 && pin != kUserPin;
      if (reaches_the_result) {
        EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(pin)), UnlockResult::kWrongSecret);
      } else {
        EXPECT_THROW(vault->unlock(Role::kUser, as_bytes(pin)), LockTimeout);
      }
      disk.locks_left = HeldUp::kNever;
      EXPECT_FALSE(vault->unlocked());
      EXPECT_EQ(vault->attempts(Role::kUser).failures, before + charges);
    }
  }
  EXPECT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  EXPECT_EQ(vault->attempts(Role::kUser).failures, 0u);
}

TEST(ARekeyThatRunsOutOfTime, LeavesTheStoreAsItWas) {
  const ScratchDirectory scratch;
  const std::string path = scratch.file("held.vtpm");
  { put(*make_store(path), "a", "kept"); }
  HeldUp disk;
  const auto vault = Vault::open(path, {false, &disk});
  ASSERT_EQ(vault->unlock(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
  disk.locks_left = 0;
  std::vector<KeptKeySlot> kept;
  kept.push_back({1, SecretBytes(as_bytes(kSoPin))});
  kept.push_back({2, SecretBytes(as_bytes(kUserPin))});
  EXPECT_THROW(vault->rekey(kept), LockTimeout);
  disk.locks_left = HeldUp::kNever;
  EXPECT_EQ(get(*vault, "a"), "kept");
  EXPECT_EQ(vault->verify(Role::kUser, as_bytes(kUserPin)), UnlockResult::kUnlocked);
}

}  // namespace
}  // namespace vtpm::store
