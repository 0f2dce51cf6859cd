// SPDX-License-Identifier: Apache-2.0
// A disk in memory that records every write and sync, so that a test can find out what a power cut would leave at any
// moment. It also fails on demand, leaves out a chosen sync or lock, and lets another process work between two calls.
//
// A failing sync behaves as on Linux: what was not synced before is lost on the disk (of some writes a part was
// written), while all readers still see it, and the next sync succeeds without it. The failure is reported to each open
// file once.
//
// What may survive a cut (docs/format.md, "What a crash may do"): of each file, everything up to its last sync, and of
// the later writes any selection of 512-byte sectors, in any order, with the last write torn at any byte; of the
// directory, a prefix of the changes after its last sync. The size of a file is at least what the surviving sectors
// need.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "store/file/file.h"

namespace vtpm::store {

/// Something that was done to the disk.
struct DiskStep {
  enum class Kind { kCreate, kWrite, kTruncate, kSync, kRename, kRemove, kSyncDirectory, kLose } kind{};
  uint64_t inode = 0;
  uint64_t offset = 0;  // kTruncate: the size; kLose: decides what is lost
  Bytes bytes;
  std::string path, to;
  size_t covers = SIZE_MAX;  // kSync, kSyncDirectory: the steps in front of this one, where others wrote meanwhile
};

/// A call that is waiting for a lock, on a disk whose calls never wait (`never_wait`). Not an Error: nothing catches
/// it.
struct WouldWait {};

class SimulatedDisk : public FileSystem {
 public:
  std::unique_ptr<File> open(const std::string& path, bool writable) override;
  std::unique_ptr<File> create(const std::string& path) override;
  std::optional<FileId> id_of(const std::string& path) override;
  void rename(const std::string& from, const std::string& to, bool keep_existing) override;
  void remove(const std::string& path) override;
  void sync_directory_of(const std::string& path, CallSite site) override;
  uint64_t free_bytes(const std::string& path) override;

  const std::vector<DiskStep>& steps() const { return steps_; }
  Bytes& contents(const std::string& path);
  bool exists(const std::string& path) const { return names_.count(path) != 0; }
  std::vector<std::string> paths() const;

  /// The `count`-th changing call from now on fails with that code; a write leaves its first half behind. Once.
  void fail_after(size_t count, ErrorCode code);
  /// The first changing call behind the next rename fails.
  void fail_after_rename(ErrorCode code) { after_rename_ = code; }
  void fail_rename(ErrorCode code) { rename_fails_ = code; }
  bool has_failed() const { return failed_; }

  /// Bytes of all files that have a name. Beyond them writing fails (kNoSpace), as often as it is tried.
  uint64_t capacity = UINT64_MAX;
  uint64_t used() const;
  /// While set: no file is made, or none takes the place of another.
  std::optional<ErrorCode> creating_fails, renaming_fails;

  /// "sync extend:198", "lock SharedLock:29": each place that asked this disk to sync or to lock.
  const std::set<std::string>& sites() const { return sites_; }
  /// Calls from that place do nothing from now on (and claim to have done it).
  void leave_out(const std::string& site) { left_out_ = site; }
  bool has_left_out() const { return has_left_out_; }

  /// Waiting for a lock throws WouldWait instead, as does being refused one.
  void never_wait() { never_wait_ = true; }
  /// Called before each call that reads or changes the disk, and in the middle of each write.
  std::function<void()> between;

 private:
  friend class SimulatedFile;
  friend class CrashStates;
  struct Lock {
    const void* exclusive = nullptr;
    std::map<const void*, int> shared;
  };
  struct Inode {
    Bytes contents;
    uint64_t failed_syncs = 0;
    Lock locks[kLockBytes];
  };
  void step(DiskStep step);
  bool fails_now();
  bool left_out(const char* what, CallSite site);
  void let_others_in();

  std::mutex mutex_;
  std::condition_variable unlocked_;
  std::map<std::string, uint64_t> names_;
  std::map<uint64_t, Inode> inodes_;
  std::vector<DiskStep> steps_;
  uint64_t next_inode_ = 1;
  struct Failure {
    size_t countdown;
    ErrorCode code;
  };
  std::optional<Failure> failure_;
  std::optional<ErrorCode> after_rename_, rename_fails_;
  bool failed_ = false;
  std::set<std::string> sites_;
  std::string left_out_;
  bool has_left_out_ = false;
  bool never_wait_ = false;
};

}  // namespace vtpm::store
