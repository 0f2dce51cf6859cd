// SPDX-License-Identifier: Apache-2.0
// Catching up with other processes: scans, verdicts, and compactions of others.
#include <algorithm>
#include <optional>
#include <shared_mutex>

#include "base/error.h"
#include "base/waiting.h"
#include "store/format/encoding.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

using Shared = std::shared_lock<RwLock>;
using Exclusive = std::unique_lock<RwLock>;

bool ends_moved(const ScanResult& scan) { return !scan.entries.empty() && scan.entries.back().type == type::kMoved; }

// The shared lock of the file, for a second scan. It does not wait, since a thread of this process that is inside a
// transaction may need a lock that our caller holds.
class SharedLock {
 public:
  SharedLock(const File& file, bool read_only) : file_(file) {
    try {
      held_ = file.lock(LockByte::kStore, LockMode::kShared, false);
      nobody_writes_ = held_;
    } catch (const StaleFile&) {
      throw;
    } catch (const Error&) {
      if (!read_only) throw;
      nobody_writes_ = true;  // media and file systems without locks can still be read
    }
  }
  ~SharedLock() {
    if (held_) file_.unlock(LockByte::kStore);
  }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;
  bool nobody_writes() const { return nobody_writes_; }

 private:
  const File& file_;
  bool held_ = false;
  bool nobody_writes_ = false;
};

}  // namespace

/// The pause before another look at a file that others write. They may never finish: the limit is the call's.
class FileLog::OthersFinish {
 public:
  explicit OthersFinish(const std::string& path, Patience patience = Patience::kWaits)
      : path_(path), patience_(patience) {}
  void wait() {
    if (patience_ == Patience::kDoesNotWait) throw OthersWrite{};
    if (!wait_) wait_.emplace(path_, Wait::For::kAnyone);
    wait_->pause();
  }

 private:
  const std::string& path_;
  const Patience patience_;
  std::optional<Wait> wait_;
};

namespace {

Bytes first_bytes(const File& file, const LogEntry& entry) {
  Bytes bytes(first_bytes_of(entry));
  bytes.resize(file.read_at(entry.offset, bytes));
  return bytes;
}

}  // namespace

// Whether a scan needs no second one: no process was in the middle of a write, nothing is damaged, and the store was
// not moved.
bool FileLog::settles(const ScanResult& scan) const {
  return scan.intact_end && scan.damage.empty() && scan.set_aside.empty() && !ends_moved(scan);
}

// Makes `file` the store's. `locked`: the caller holds its lock, which must not be touched then.
void FileLog::adopt(std::shared_ptr<File> file, Locked locked, Patience patience) {
  StoreHeader header;
  const auto look = [&] {
    return look_at(*file, [&] {
      header = read_header(*file, path_);
      return scan_log(*file, header);
    });
  };
  ScanResult scan = look();
  OthersFinish others(path_, patience);
  while (locked == Locked::kNo && !settles(scan)) {
    const std::shared_ptr<File> looked_at = file;  // outlives its lock
    SharedLock lock(*looked_at, read_only_);
    scan = look();
    if (!lock.nobody_writes()) {
      others.wait();
      continue;
    }
    auto at_path = file_system_.id_of(path_);
    if (!ends_moved(scan) || !at_path || *at_path == file->id()) break;
    file = file_system_.open(path_, !read_only_);
    scan = look();
  }
  if (file_ && header.uuid != header_.uuid) {
    replaced_ = true;
    check_usable();
  }
  if (file_) {  // what was opened when it was whole is not followed to what is not
    const FileEnd end{scan.end.offset, scan.intact_end, scan.cut_off, scan.unread};
    if (auto why = store::unfit(path_, *file, end)) throw Error(ErrorCode::kCorrupt, *why);
  }
  const bool headless = std::none_of(scan.entries.begin(), scan.entries.end(),
                                     [](const LogEntry& entry) { return entry.type == type::kHeader; });
  const uint64_t last_entry_at = scan.entries.empty() ? 0 : scan.entries.back().offset;
  Bytes last_entry = scan.entries.empty() ? Bytes() : first_bytes(*file, scan.entries.back());
  Index fresh;
  fresh.apply(std::move(scan.entries), scan.damage);
  if (file_) {
    auto older = index_.older_name(fresh, header.base, durable_);
    index_.follow(std::move(fresh), older.has_value());
    if (older) {
      ++rollbacks_;
      rolled_back_name_ = std::move(*older);
    }
  } else {
    index_ = std::move(fresh);
  }
  index_.forget_deletions(looked_at_);
  headless_ = headless;
  plain_ = scan.plain;
  damaged_beyond_moving_ = false;
  for (const Damage& damage : scan.damage) damaged_beyond_moving_ |= !damage.is_entry;
  file_ = std::move(file);
  header_ = header;
  last_entry_at_ = last_entry_at;
  last_entry_ = std::move(last_entry);
  prepared_ = false;
  durable_ = scan.end.durable;
  take_end(std::move(scan));
  provide_for_a_child();
}

void FileLog::apply(ScanResult scan) {
  if (!scan.entries.empty()) {
    last_entry_ = first_bytes(*file_, scan.entries.back());
    last_entry_at_ = scan.entries.back().offset;
  }
  index_.apply(std::move(scan.entries), scan.damage);
  index_.forget_deletions(looked_at_);
  for (const Damage& damage : scan.damage) damaged_beyond_moving_ |= !damage.is_entry;
  plain_ &= scan.plain;
  // What was not a plain continuation may have left something in the free space. And what the cache of another host has
  // written of the end may be older than what it has written of the log.
  if (!scan.intact_end || !scan.set_aside.empty() || file_->over_network()) prepared_ = false;
  durable_ = std::max(durable_.load(), scan.end.durable);
  take_end(std::move(scan));
}

// `cp` onto the file overwrites it without a lock, and leaves the same file at the path.
bool FileLog::is_still_ours() const {
  uint8_t seen[256];
  const MutableByteView found(seen, last_entry_.size());
  return equal(ByteView(seen, file_->read_at(last_entry_at_, found)), last_entry_);
}

// Whether the file was overwritten by another; if so, this log has caught up with that one.
bool FileLog::was_overwritten() {
  {
    Shared gate(gate_);
    if (is_still_ours()) return false;
  }
  OthersFinish others(path_);
  while (!look_again_alone()) others.wait();
  return true;
}

std::string FileLog::rolled_back_name() const {
  Shared gate(gate_);
  return rolled_back_name_;
}

void FileLog::take_end(ScanResult scan) {
  end_ = scan.end;
  probe_ = std::move(scan.probe);
  intact_end_ = scan.intact_end;
  cut_off_ = scan.cut_off;
  unread_ = scan.unread;
  applied_ = end_.last;
}

std::vector<std::string> FileLog::findings() const {
  Shared gate(gate_);
  std::vector<std::string> found;
  if (cut_off_) {
    found.push_back("the end of the file is missing; nothing can be added before it is repaired");
  } else if (!intact_end_) {
    found.push_back("the log's end is unclean; the next process that writes cleans it");
  }
  if (!index_.gaps().empty()) {
    found.push_back("entries are lost whose names cannot be read: what may be outdated by them is refused");
  }
  return found;
}

FileEnd FileLog::file_end() const { return {end_.offset, intact_end_, cut_off_, unread_}; }

bool FileLog::truncated() const {
  const auto look = [&] {
    Shared gate(gate_);
    return missing_bytes(*file_, file_end()) != 0;
  };
  return look_until_not_stale(look, [&] { reopen_stale(); });
}

std::optional<std::string> FileLog::unfit() const {
  const auto look = [&] {
    Shared gate(gate_);
    return store::unfit(path_, *file_, file_end());
  };
  return look_until_not_stale(look, [&] { reopen_stale(); });
}

bool FileLog::nothing_appended() const {
  uint8_t seen[kProbeBytes];
  size_t count = file_->read_at(end_.offset, MutableByteView(seen, probe_.size()));
  return equal(ByteView(seen, count), probe_);
}

bool FileLog::refresh() {
  reopen_if_forked();
  if (inherited_) {
    look_whether_removed();
    return false;
  }
  std::optional<uint64_t> before;
  bool changed = false;
  try {
    changed = look_until_not_stale([&] { return refresh_once(); },
                                   [&] {
                                     if (!before) before = cursor();
                                     reopen_stale();
                                   });
  } catch (const Error& error) {
    if (!goes_on_after(error)) throw;
  }
  sync_what_was_read();
  return changed || (before && cursor() != *before);
}

bool FileLog::refresh_once() {
  bool changed = false, over_network = false;
  {
    Shared gate(gate_);
    check_usable();
    over_network = file_->over_network();
    changed = !over_network && !nothing_appended();
  }
  if (over_network) changed = catch_up_over_network();
  if (changed && !over_network) changed = catch_up();
  return changed;
}

// --- over a network ---

bool FileLog::catch_up_over_network() {
  const uint64_t before = cursor();
  OthersFinish others(path_);
  try {
    while (look_behind_the_cache() == Looked::kWaitForAWriter) others.wait();
  } catch (const StaleFile&) {
    reopen_stale();
  }
  return cursor() != before;
}

// The lock makes the kernel forget what it knows of the file.
FileLog::Looked FileLog::look_behind_the_cache() {
  // A thread of this process that holds the lock has caught up, and no other process can have changed anything since.
  if (writer_thread_.load() != std::thread::id{}) return Looked::kYes;
  std::unique_lock<std::mutex> writer(writer_mutex_, std::try_to_lock);
  if (!writer) return Looked::kWaitForAWriter;
  Exclusive gate(gate_);
  check_usable();
  const std::shared_ptr<File> file = file_;
  const SharedLock lock(*file, read_only_);
  if (!lock.nobody_writes()) return Looked::kWaitForAWriter;
  if (!nothing_appended()) look_again_under_lock();
  return Looked::kYes;
}

// Another host has compacted the store and the server has forgotten the old file, or the application has taken our
// descriptor away.
void FileLog::reopen_stale(Patience patience) const {
  Exclusive gate(gate_);
  check_usable();
  if (inherited_)
    throw Error(ErrorCode::kIo, path_ +
                                    " cannot be read any longer: the application has closed the descriptor on which " +
                                    "this process had it of its parent, and it may not open the path");
  note_lost_writes();
  // The kernel reports a failed sync through the descriptors that were open then, and ours is gone.
  if (!file_->over_network() && applied_ > durable_) lost_writes_ = true;
  const_cast<FileLog*>(this)->follow_path(patience);
}

bool FileLog::catch_up() {
  OthersFinish others(path_);
  for (uint64_t before = cursor();;) {
    {
      Exclusive gate(gate_);
      check_usable();
      // Another thread was here first; a writer's verdict on what it found counts as well.
      if (nothing_appended()) return index_.cursor() != before;
      if (is_still_ours()) {
        ScanResult scan = look_at(*file_, [&] { return scan_log(*file_, header_, end_); });
        if (settles(scan)) {
          apply(std::move(scan));
          return index_.cursor() != before;
        }
      }
    }
    // A write in progress, what a crash has left, or a store that moved: the verdict needs a moment without a writer.
    if (look_again_alone()) return cursor() != before;
    others.wait();
  }
}

// Returns false if another process or thread is writing.
bool FileLog::look_again_alone() {
  std::unique_lock<std::mutex> writer(writer_mutex_, std::defer_lock);
  // Holding the file's lock exclusively, this thread must not turn it into a shared one.
  bool is_writer = this_thread_writes();
  if (!is_writer && !writer.try_lock()) return false;
  Exclusive gate(gate_);
  check_usable();
  std::shared_ptr<File> file = file_;
  std::optional<SharedLock> lock;
  if (!is_writer && !lock.emplace(*file, read_only_).nobody_writes()) return false;
  look_again_under_lock();
  return true;
}

// Gate held exclusively, the file's lock at least shared.
void FileLog::look_again_under_lock(Patience patience) {
  if (!is_at_path()) return follow_path(patience);
  const StoreHeader now = look_at(*file_, [&] { return read_header(*file_, path_); });
  if (now.uuid != header_.uuid || now.salt != header_.salt) {
    replaced_ = true;
    check_usable();
  }
  if (!is_still_ours()) return adopt(file_, Locked::kYes);
  apply(look_at(*file_, [&] { return scan_log(*file_, header_, end_); }));
}

bool FileLog::is_at_path() const {
  if (!placed_) return true;
  if (file_->over_network()) {
    try {
      return file_system_.open(path_, false)->id() == file_->id();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
      return false;
    }
  }
  auto id = file_system_.id_of(path_);
  return id && *id == file_->id();
}

// Another file stands at the path: a compaction of this store, or another store.
void FileLog::follow_path(Patience patience) {
  const WaitPolicy::Keep half_done;
  const auto adopt_what_is_there = [&] {
    std::shared_ptr<File> file;
    try {
      file = file_system_.open(path_, !read_only_);
      if (look_at(*file, [&] { return read_header(*file, path_); }).uuid != header_.uuid) file.reset();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound && error.code() != ErrorCode::kNotAStore) throw;
      file.reset();
    }
    if (!file) {
      replaced_ = true;
      check_usable();
    }
    adopt(std::move(file), Locked::kNo, patience);
  };
  look_until_not_stale(adopt_what_is_there, [] {});
}

}  // namespace vtpm::store
