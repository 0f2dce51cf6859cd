// SPDX-License-Identifier: Apache-2.0
#include "tests/store/disk/recording_disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/store/disk/scratch.h"

namespace vtpm::store {
namespace {

using Kind = DiskStep::Kind;

class Alone {
 public:
  explicit Alone(int file) : file_(file) {
    if (::flock(file_, LOCK_EX) != 0) throw std::runtime_error("the log of the disk cannot be locked");
  }
  ~Alone() { ::flock(file_, LOCK_UN); }

 private:
  int file_;
};

size_t end_of(int file) { return static_cast<size_t>(::lseek(file, 0, SEEK_END)); }

class RecordedFile : public File {
 public:
  RecordedFile(std::unique_ptr<File> file, DiskLog& log, bool syncs)
      : file_(std::move(file)), log_(log), syncs_(syncs) {}
  bool writable() const override { return file_->writable(); }
  FileId id() const override { return file_->id(); }
  uint64_t size() const override { return file_->size(); }
  void confirm() const override { file_->confirm(); }
  size_t read_at(uint64_t offset, MutableByteView out) const override { return file_->read_at(offset, out); }
  void write_at(uint64_t offset, ByteView bytes) override {
    log_.record([&] {
      file_->write_at(offset, bytes);
      return DiskStep{Kind::kWrite, id().inode, offset, to_bytes(bytes), {}, {}};
    });
  }
  void truncate(uint64_t size) override {
    log_.record([&] {
      file_->truncate(size);
      return DiskStep{Kind::kTruncate, id().inode, size, {}, {}, {}};
    });
  }
  void sync_now(Sync what, CallSite site) const override {
    sync([&] { what == Sync::kData ? file_->sync_data(site) : file_->sync_all(site); });
  }
  bool lock(LockByte byte, LockMode mode, bool wait, CallSite site) const override {
    return file_->lock(byte, mode, wait, site);
  }
  void unlock(LockByte byte) const noexcept override { file_->unlock(byte); }
  std::string copy_access_from(const File& other) override {
    return file_->copy_access_from(*static_cast<const RecordedFile&>(other).file_);
  }
  void abandon() noexcept override { file_->abandon(); }

 private:
  void sync(const std::function<void()>& work) const {
    const size_t covers = log_.position();
    work();
    if (!syncs_) return;
    log_.record([&] { return DiskStep{Kind::kSync, id().inode, 0, {}, {}, {}, covers}; });
  }

  std::unique_ptr<File> file_;
  DiskLog& log_;
  const bool syncs_;
};

}  // namespace

struct DiskLog::Record {
  enum class What : uint64_t { kStep, kNote } what = What::kStep;
  uint64_t kind = 0, inode = 0, offset = 0, covers = 0;
  uint64_t bytes = 0, path = 0, to = 0;  // what follows
};

DiskLog::DiskLog(const std::string& path) : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (file_ < 0) throw std::runtime_error("no log of the disk at " + path);
}
DiskLog::~DiskLog() { ::close(file_); }

void DiskLog::append(Record record, const DiskStep& step) {
  record.bytes = step.bytes.size();
  record.path = step.path.size();
  record.to = step.to.size();
  Bytes all(sizeof record);
  std::memcpy(all.data(), &record, sizeof record);
  vtpm::append(all, step.bytes);
  vtpm::append(all, as_bytes(step.path));
  vtpm::append(all, as_bytes(step.to));
  if (::write(file_, all.data(), all.size()) != static_cast<ssize_t>(all.size()))
    throw std::runtime_error("the log of the disk cannot be written");
}

void DiskLog::record(const std::function<DiskStep()>& change) {
  const Alone alone(file_);
  const DiskStep step = change();
  append({Record::What::kStep, static_cast<uint64_t>(step.kind), step.inode, step.offset, step.covers, 0, 0, 0}, step);
}

size_t DiskLog::position() {
  const Alone alone(file_);
  return end_of(file_);
}

void DiskLog::note(unsigned writer, unsigned number, bool promised) {
  const Alone alone(file_);
  append({Record::What::kNote, promised, writer, number, 0, 0, 0, 0}, {});
}

DiskLog::Contents DiskLog::read(const std::string& image_path, FileId image_id, ByteView image) {
  std::map<uint64_t, uint64_t> inodes = {{image_id.inode, 1}};
  uint64_t next = 2;
  Contents contents;
  contents.steps = {{Kind::kCreate, 1, 0, {}, image_path, {}},
                    {Kind::kWrite, 1, 0, to_bytes(image), {}, {}},
                    {Kind::kSync, 1, 0, {}, {}, {}},
                    {Kind::kSyncDirectory, 0, 0, {}, {}, {}}};
  std::map<size_t, size_t> step_at;  // by the position in the log: the steps in front of it
  Bytes all(end_of(file_));
  if (::pread(file_, all.data(), all.size(), 0) != static_cast<ssize_t>(all.size()))
    throw std::runtime_error("the log of the disk cannot be read");
  for (size_t at = 0; at < all.size();) {
    step_at[at] = contents.steps.size();
    Record record;
    std::memcpy(&record, all.data() + at, sizeof record);
    at += sizeof record;
    auto take = [&](size_t count) {
      at += count;
      return ByteView(all).subspan(at - count, count);
    };
    DiskStep step{static_cast<Kind>(record.kind), 0, record.offset, to_bytes(take(record.bytes)), {}, {}};
    step.path = as_text(take(record.path));
    step.to = as_text(take(record.to));
    if (record.what == Record::What::kNote) {
      contents.notes.push_back({contents.steps.size(), static_cast<unsigned>(record.inode),
                                static_cast<unsigned>(record.offset), record.kind != 0});
      continue;
    }
    if (step.kind == Kind::kCreate) inodes[record.inode] = next++;
    if (record.inode != 0) step.inode = inodes.at(record.inode);
    if (record.covers != SIZE_MAX) {
      auto covered = step_at.find(record.covers);
      if (covered != step_at.end()) step.covers = covered->second;
    }
    contents.steps.push_back(std::move(step));
  }
  return contents;
}

std::unique_ptr<File> RecordingDisk::open(const std::string& path, bool writable) {
  return std::make_unique<RecordedFile>(posix_file_system().open(path, writable), log_, syncs_);
}

std::unique_ptr<File> RecordingDisk::create(const std::string& path) {
  std::unique_ptr<File> file;
  log_.record([&] {
    file = posix_file_system().create(path);
    return DiskStep{Kind::kCreate, file->id().inode, 0, {}, path, {}};
  });
  return std::make_unique<RecordedFile>(std::move(file), log_, syncs_);
}

std::optional<FileId> RecordingDisk::id_of(const std::string& path) { return posix_file_system().id_of(path); }

void RecordingDisk::rename(const std::string& from, const std::string& to, bool keep_existing) {
  log_.record([&] {
    posix_file_system().rename(from, to, keep_existing);
    return DiskStep{Kind::kRename, 0, 0, {}, from, to};
  });
}

void RecordingDisk::remove(const std::string& path) {
  log_.record([&] {
    posix_file_system().remove(path);
    return DiskStep{Kind::kRemove, 0, 0, {}, path, {}};
  });
}

void RecordingDisk::sync_directory_of(const std::string& path, CallSite site) {
  const size_t covers = log_.position();
  posix_file_system().sync_directory_of(path, site);
  if (syncs_) log_.record([&] { return DiskStep{Kind::kSyncDirectory, 0, 0, {}, {}, {}, covers}; });
}

}  // namespace vtpm::store
