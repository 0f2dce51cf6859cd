#include "tests/store/simulated_disk.h"

#include <algorithm>
#include <set>

namespace vtpm::store {
namespace {

constexpr uint64_t kSector = 512;

void write_into(Bytes& contents, uint64_t offset, ByteView octets) {
  if (contents.size() < offset + octets.size()) contents.resize(offset + octets.size());
  std::copy(octets.begin(), octets.end(), contents.begin() + static_cast<ptrdiff_t>(offset));
}

}  // namespace

class SimulatedFile : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, uint64_t inode, bool writable) : disk_(disk), inode_(inode), writable_(writable) {}
  ~SimulatedFile() override {
    unlock(LockByte::kStore);
    unlock(LockByte::kLogin);
  }

  bool writable() const override { return writable_; }
  FileId id() const override { return {1, inode_}; }
  uint64_t size() const override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    return disk_.inodes_[inode_].contents.size();
  }
  size_t read_at(uint64_t offset, MutableByteView out) const override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    const Bytes& contents = disk_.inodes_[inode_].contents;
    if (offset >= contents.size()) return 0;
    size_t count = std::min<uint64_t>(out.size(), contents.size() - offset);
    std::copy_n(contents.begin() + static_cast<ptrdiff_t>(offset), count, out.begin());
    return count;
  }
  void write_at(uint64_t offset, ByteView octets) override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (disk_.failure_ && !disk_.failed_ && disk_.failure_->countdown == 1) {
      disk_.step({DiskStep::Kind::kWrite, inode_, offset, to_bytes(octets.first(octets.size() / 2)), {}, {}});
      write_into(disk_.inodes_[inode_].contents, offset, octets.first(octets.size() / 2));
    }
    check("write");
    disk_.step({DiskStep::Kind::kWrite, inode_, offset, to_bytes(octets), {}, {}});
    write_into(disk_.inodes_[inode_].contents, offset, octets);
  }
  void truncate(uint64_t size) override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    check("truncate");
    disk_.step({DiskStep::Kind::kTruncate, inode_, size, {}, {}, {}});
    disk_.inodes_[inode_].contents.resize(size);
  }
  void sync_data() const override { sync(); }
  void sync_all() const override { sync(); }

  bool lock(LockByte octet, LockMode mode, bool wait) const override {
    std::unique_lock<std::mutex> guard(disk_.mutex_);
    SimulatedDisk::Lock& lock = disk_.inodes_[inode_].locks[static_cast<int>(octet)];
    auto free = [&] {
      if (lock.exclusive && lock.exclusive != this) return false;
      bool others = lock.shared.size() > lock.shared.count(this);
      return mode == LockMode::kShared || !others;
    };
    if (!free()) {
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
  void unlock(LockByte octet) const noexcept override {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    SimulatedDisk::Lock& lock = disk_.inodes_[inode_].locks[static_cast<int>(octet)];
    lock.shared.erase(this);
    if (lock.exclusive == this) lock.exclusive = nullptr;
    disk_.unlocked_.notify_all();
  }
  void copy_access_from(const File&) override {}
  void abandon() noexcept override {}

 private:
  void check(const char* what) const {
    if (!writable_) throw Error(ErrorCode::kReadOnly, "the simulated file is open for reading only");
    if (disk_.fails_now()) throw Error(disk_.failure_->code, std::string("simulated failure to ") + what);
  }
  void sync() const {
    std::lock_guard<std::mutex> guard(disk_.mutex_);
    check("sync");
    if (disk_.forget_ != SimulatedDisk::Forget::kDataSyncs) {
      disk_.step({DiskStep::Kind::kSync, inode_, 0, {}, {}, {}});
    }
  }

  SimulatedDisk& disk_;
  uint64_t inode_;
  bool writable_;
};

std::unique_ptr<File> SimulatedDisk::open(const std::string& path, bool writable) {
  std::lock_guard<std::mutex> guard(mutex_);
  auto found = names_.find(path);
  if (found == names_.end()) throw Error(ErrorCode::kNotFound, "no such simulated file: " + path);
  return std::make_unique<SimulatedFile>(*this, found->second, writable);
}

std::unique_ptr<File> SimulatedDisk::create(const std::string& path) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to create");
  if (names_.count(path)) throw Error(ErrorCode::kExists, "it exists: " + path);
  uint64_t inode = next_inode_++;
  step({DiskStep::Kind::kCreate, inode, 0, {}, path, {}});
  names_[path] = inode;
  inodes_[inode];
  return std::make_unique<SimulatedFile>(*this, inode, true);
}

std::optional<FileId> SimulatedDisk::id_of(const std::string& path) {
  std::lock_guard<std::mutex> guard(mutex_);
  auto found = names_.find(path);
  if (found == names_.end()) return std::nullopt;
  return FileId{1, found->second};
}

void SimulatedDisk::rename(const std::string& from, const std::string& to, bool keep_existing) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to rename");
  if (keep_existing && names_.count(to)) throw Error(ErrorCode::kExists, "it exists: " + to);
  step({DiskStep::Kind::kRename, 0, 0, {}, from, to});
  names_[to] = names_.at(from);
  names_.erase(from);
}

void SimulatedDisk::remove(const std::string& path) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to remove");
  step({DiskStep::Kind::kRemove, 0, 0, {}, path, {}});
  names_.erase(path);
}

void SimulatedDisk::sync_directory_of(const std::string&) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (fails_now()) throw Error(failure_->code, "simulated failure to sync the directory");
  if (forget_ != Forget::kDirectorySyncs) step({DiskStep::Kind::kSyncDirectory, 0, 0, {}, {}, {}});
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

void CrashStates::after(size_t step_count, size_t limit, std::mt19937& random,
                        const std::function<void(SimulatedDisk&)>& visit) const {
  // What is safe, and what is not: sectors of writes behind the last sync, directory changes behind theirs.
  struct Piece {
    size_t step;
    uint64_t from, to;  // of the step's octets
  };
  std::map<uint64_t, size_t> synced;
  size_t directory_synced = 0;
  for (size_t i = 0; i < step_count; ++i) {
    if (steps_[i].kind == DiskStep::Kind::kSync) synced[steps_[i].inode] = i;
    if (steps_[i].kind == DiskStep::Kind::kSyncDirectory) directory_synced = i;
  }
  std::vector<Piece> pieces;
  std::vector<size_t> directory_changes;
  for (size_t i = 0; i < step_count; ++i) {
    const DiskStep& step = steps_[i];
    if (step.kind == DiskStep::Kind::kWrite && (!synced.count(step.inode) || i > synced[step.inode])) {
      for (uint64_t at = 0; at < step.octets.size();) {
        uint64_t end =
            std::min<uint64_t>((step.offset + at) / kSector * kSector + kSector - step.offset, step.octets.size());
        pieces.push_back({i, at, end});
        at = end;
      }
    }
    bool changes_directory = step.kind == DiskStep::Kind::kCreate || step.kind == DiskStep::Kind::kRename ||
                             step.kind == DiskStep::Kind::kRemove;
    if (changes_directory && i > directory_synced) directory_changes.push_back(i);
  }

  auto build = [&](const std::vector<bool>& survives, size_t directory_steps) {
    SimulatedDisk disk;
    size_t last_change = directory_steps == 0 ? directory_synced : directory_changes[directory_steps - 1];
    size_t piece = 0;
    for (size_t i = 0; i < step_count; ++i) {
      const DiskStep& step = steps_[i];
      bool on_disk = i <= last_change;
      switch (step.kind) {
        case DiskStep::Kind::kCreate:
          disk.inodes_[step.inode];
          disk.next_inode_ = std::max(disk.next_inode_, step.inode + 1);
          if (on_disk) disk.names_[step.path] = step.inode;
          break;
        case DiskStep::Kind::kRename:
          if (!on_disk) break;
          disk.names_[step.to] = disk.names_.at(step.path);
          disk.names_.erase(step.path);
          break;
        case DiskStep::Kind::kRemove:
          if (on_disk) disk.names_.erase(step.path);
          break;
        case DiskStep::Kind::kTruncate:
          disk.inodes_[step.inode].contents.resize(step.offset);
          break;
        case DiskStep::Kind::kWrite: {
          Bytes& contents = disk.inodes_[step.inode].contents;
          if (piece < pieces.size() && pieces[piece].step == i) {
            for (; piece < pieces.size() && pieces[piece].step == i; ++piece) {
              if (!survives[piece]) continue;
              ByteView octets =
                  ByteView(step.octets).subspan(pieces[piece].from, pieces[piece].to - pieces[piece].from);
              write_into(contents, step.offset + pieces[piece].from, octets);
            }
          } else {
            write_into(contents, step.offset, step.octets);
          }
          break;
        }
        default:
          break;
      }
    }
    visit(disk);
  };

  std::set<std::pair<std::vector<bool>, size_t>> seen;
  auto once = [&](const std::vector<bool>& survives, size_t directory_steps) {
    if (seen.size() < limit && seen.emplace(survives, directory_steps).second) build(survives, directory_steps);
  };
  size_t count = pieces.size();
  for (size_t directory_steps = 0; directory_steps <= directory_changes.size(); ++directory_steps) {
    once(std::vector<bool>(count, true), directory_steps);
    once(std::vector<bool>(count, false), directory_steps);
  }
  if (count <= 5) {
    for (unsigned mask = 0; mask < 1u << count; ++mask) {
      std::vector<bool> survives(count);
      for (size_t i = 0; i < count; ++i) survives[i] = mask >> i & 1;
      for (size_t d = 0; d <= directory_changes.size(); ++d) once(survives, d);
    }
    return;
  }
  for (size_t i = 0; i < count && i < limit / 4; ++i) {
    size_t where = count <= limit / 4 ? i : random() % count;
    std::vector<bool> prefix(count), without(count, true);
    std::fill_n(prefix.begin(), where, true);
    without[where] = false;
    once(prefix, directory_changes.size());
    once(without, directory_changes.size());
  }
  for (size_t tries = 0; seen.size() < limit && tries < 2 * limit; ++tries) {
    std::vector<bool> survives(count);
    unsigned keep = 1 + random() % 7;
    for (size_t i = 0; i < count; ++i) survives[i] = random() % 8 < keep;
    once(survives, random() % (directory_changes.size() + 1));
  }
}

}  // namespace vtpm::store
