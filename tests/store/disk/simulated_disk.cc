// SPDX-License-Identifier: Apache-2.0
#include "tests/store/disk/simulated_disk.h"

#include <algorithm>
#include <utility>

namespace vtpm::store {
namespace {

void write_into(Bytes& contents, uint64_t offset, ByteView bytes) {
  if (contents.size() < offset + bytes.size()) contents.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), contents.begin() + static_cast<ptrdiff_t>(offset));
}

}  // namespace

class SimulatedFile : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, uint64_t inode, bool writable)
      : disk_(disk), inode_(inode), writable_(writable), failures_seen_(disk.inodes_[inode].failed_syncs) {}
  ~SimulatedFile() override {
    for (size_t byte = 0; byte < kLockBytes; ++byte) unlock(static_cast<LockByte>(byte));
  }

  bool writable() const override { return writable_; }
  FileId id() const override { return {1, inode_}; }
  uint64_t size() const override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    return disk_.inodes_[inode_].contents.size();
  }
  size_t read_at(uint64_t offset, MutableByteView out) const override {
    disk_.let_others_in();
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    const Bytes& contents = disk_.inodes_[inode_].contents;
    if (offset >= contents.size()) return 0;
    size_t count = std::min<uint64_t>(out.size(), contents.size() - offset);
    std::copy_n(contents.begin() + static_cast<ptrdiff_t>(offset), count, out.begin());
    return count;
  }
  void write_at(uint64_t offset, ByteView bytes) override {
    if (disk_.between) {
      disk_.let_others_in();
      write_some(offset, bytes.first(bytes.size() / 2));
      disk_.let_others_in();
      write_some(offset + bytes.size() / 2, bytes.subspan(bytes.size() / 2));
      return;
    }
    write_some(offset, bytes);
  }
  void write_some(uint64_t offset, ByteView bytes) {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (disk_.failure_ && !disk_.failed_ && disk_.failure_->countdown == 1) {
      disk_.step({DiskStep::Kind::kWrite, inode_, offset, to_bytes(bytes.first(bytes.size() / 2)), {}, {}});
      write_into(disk_.inodes_[inode_].contents, offset, bytes.first(bytes.size() / 2));
    }
    check("write");
    const uint64_t size = disk_.inodes_[inode_].contents.size(), grown = offset + bytes.size();
    if (grown > size && disk_.capacity != UINT64_MAX && disk_.used() + grown - size > disk_.capacity) {
      throw Error(ErrorCode::kNoSpace, "the simulated disk is full");
    }
    disk_.step({DiskStep::Kind::kWrite, inode_, offset, to_bytes(bytes), {}, {}});
    write_into(disk_.inodes_[inode_].contents, offset, bytes);
  }
  void truncate(uint64_t size) override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    check("truncate");
    disk_.step({DiskStep::Kind::kTruncate, inode_, size, {}, {}, {}});
    disk_.inodes_[inode_].contents.resize(size);
  }

  bool lock(LockByte byte, LockMode mode, bool wait, CallSite site) const override {
    disk_.let_others_in();
    std::unique_lock<std::mutex> guard(disk_.mutex_);
    if (disk_.left_out("lock", site)) return true;
    SimulatedDisk::Lock& lock = disk_.inodes_[inode_].locks[static_cast<int>(byte)];
    auto free = [&] {
      if (lock.exclusive && lock.exclusive != this) return false;
      bool others = lock.shared.size() > lock.shared.count(this);
      return mode == LockMode::kShared || !others;
    };
    if (!free()) {
      if (disk_.never_wait_) throw WouldWait{};
      if (!wait) return false;
      disk_.unlocked_.wait(guard, free);
    }
    lock.shared.erase(this);
    if (lock.exclusive == this) lock.exclusive = nullptr;
    if (mode == LockMode::kShared) {
      lock.shared[this] = 1;
    } else {
      lock.exclusive = this;
    }
    return true;
  }
  void unlock(LockByte byte) const noexcept override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    SimulatedDisk::Lock& lock = disk_.inodes_[inode_].locks[static_cast<int>(byte)];
    lock.shared.erase(this);
    if (lock.exclusive == this) lock.exclusive = nullptr;
    disk_.unlocked_.notify_all();
  }
  std::string copy_access_from(const File&) override { return {}; }
  void abandon() noexcept override {}

 private:
  void check(const char* what) const {
    if (!writable_) throw Error(ErrorCode::kReadOnly, "the simulated file is open for reading only");
    if (disk_.fails_now()) throw Error(disk_.failure_->code, std::string("simulated failure to ") + what);
  }
  void sync_now(Sync, CallSite site) const override {
    disk_.let_others_in();
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    SimulatedDisk::Inode& inode = disk_.inodes_[inode_];
    try {
      check("sync");
    } catch (const Error&) {
      if (!writable_) throw;
      disk_.step({DiskStep::Kind::kLose, inode_, inode.failed_syncs, {}, {}, {}});
      failures_seen_ = ++inode.failed_syncs;
      throw;
    }
    if (std::exchange(failures_seen_, inode.failed_syncs) != inode.failed_syncs)
      throw Error(ErrorCode::kIo, "simulated failure to sync, which was reported to another descriptor before");
    if (!disk_.left_out("sync", site)) disk_.step({DiskStep::Kind::kSync, inode_, 0, {}, {}, {}});
  }

  SimulatedDisk& disk_;
  uint64_t inode_;
  bool writable_;
  mutable uint64_t failures_seen_;
};

std::unique_ptr<File> SimulatedDisk::open(const std::string& path, bool writable) {
  let_others_in();
  std::lock_guard<std::mutex> guard(mutex_);
  auto found = names_.find(path);
  if (found == names_.end()) throw Error(ErrorCode::kNotFound, "no such simulated file: " + path);
  return std::make_unique<SimulatedFile>(*this, found->second, writable);
}

std::unique_ptr<File> SimulatedDisk::create(const std::string& path) {
  let_others_in();
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to create");
  if (creating_fails) throw Error(*creating_fails, "no simulated file can be made");
  if (names_.count(path)) throw Error(ErrorCode::kExists, "it exists: " + path);
  uint64_t inode = next_inode_++;
  step({DiskStep::Kind::kCreate, inode, 0, {}, path, {}});
  names_[path] = inode;
  inodes_[inode];
  return std::make_unique<SimulatedFile>(*this, inode, true);
}

std::optional<FileId> SimulatedDisk::id_of(const std::string& path) {
  let_others_in();
  std::lock_guard<std::mutex> guard(mutex_);
  auto found = names_.find(path);
  if (found == names_.end()) return std::nullopt;
  return FileId{1, found->second};
}

void SimulatedDisk::rename(const std::string& from, const std::string& to, bool keep_existing) {
  let_others_in();
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to rename");
  if (renaming_fails) throw Error(*renaming_fails, "no simulated file can be renamed");
  if (rename_fails_) throw Error(*std::exchange(rename_fails_, std::nullopt), "simulated failure to rename");
  if (keep_existing && names_.count(to)) throw Error(ErrorCode::kExists, "it exists: " + to);
  if (!names_.count(from)) throw Error(ErrorCode::kNotFound, "no such simulated file: " + from);
  step({DiskStep::Kind::kRename, 0, 0, {}, from, to});
  names_[to] = names_.at(from);
  names_.erase(from);
  if (!after_rename_) return;
  failure_ = Failure{1, *after_rename_};
  failed_ = false;
  after_rename_.reset();
}

void SimulatedDisk::remove(const std::string& path) {
  let_others_in();
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to remove");
  if (!names_.count(path)) throw Error(ErrorCode::kNotFound, "no such simulated file: " + path);
  step({DiskStep::Kind::kRemove, 0, 0, {}, path, {}});
  names_.erase(path);
}

void SimulatedDisk::sync_directory_of(const std::string&, CallSite site) {
  let_others_in();
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to sync the directory");
  if (!left_out("directory", site)) step({DiskStep::Kind::kSyncDirectory, 0, 0, {}, {}, {}});
}

// Without a lock: for a test, or under it.
uint64_t SimulatedDisk::used() const {
  uint64_t bytes = 0;
  for (const auto& [path, inode] : names_) bytes += inodes_.at(inode).contents.size();
  return bytes;
}

uint64_t SimulatedDisk::free_bytes(const std::string&) {
  std::lock_guard<std::mutex> guard(mutex_);
  return capacity == UINT64_MAX ? UINT64_MAX : capacity - std::min(capacity, used());
}

bool SimulatedDisk::left_out(const char* what, CallSite site) {
  std::string name = std::string(what) + " " + site.function + ":" + std::to_string(site.line);
  bool is_left_out = name == left_out_;
  sites_.insert(std::move(name));
  has_left_out_ |= is_left_out;
  return is_left_out;
}

// The other process works on the same disk and is not interrupted itself.
void SimulatedDisk::let_others_in() {
  auto visitor = std::exchange(between, nullptr);
  if (!visitor) return;
  visitor();
  if (!between) between = std::move(visitor);
}

Bytes& SimulatedDisk::contents(const std::string& path) { return inodes_[names_.at(path)].contents; }

std::vector<std::string> SimulatedDisk::paths() const {
  std::vector<std::string> out;
  for (const auto& [path, inode] : names_) out.push_back(path);
  return out;
}

void SimulatedDisk::fail_after(size_t count, ErrorCode code) {
  failure_ = Failure{count, code};
  failed_ = false;
}

bool SimulatedDisk::fails_now() {
  if (!failure_ || failed_) return false;
  if (--failure_->countdown > 0) return false;
  failed_ = true;
  failure_->countdown = 1u << 31;
  return true;
}

void SimulatedDisk::step(DiskStep step) { steps_.push_back(std::move(step)); }

}  // namespace vtpm::store
