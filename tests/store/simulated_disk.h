// A disk in memory that remembers every write and sync, so that a test can ask: what would be left after a power cut
// here? It also fails on demand.
//
// What may survive a cut (docs/format.md, "What a crash may do"): of each file, everything up to its last sync, and of
// the writes behind it any selection of 512-octet sectors, in any order; of the directory, a prefix of what happened
// behind its last sync. A file's size is at least what the surviving sectors need.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "crypto/error.h"
#include "store/file.h"

namespace vtpm::store {

/// Something that was done to the disk.
struct DiskStep {
  enum class Kind { kCreate, kWrite, kTruncate, kSync, kRename, kRemove, kSyncDirectory } kind{};
  uint64_t inode = 0;
  uint64_t offset = 0;  // kTruncate: the size
  Bytes octets;
  std::string path, to;
};

class SimulatedDisk : public FileSystem {
 public:
  std::unique_ptr<File> open(const std::string& path, bool writable) override;
  std::unique_ptr<File> create(const std::string& path) override;
  std::optional<FileId> id_of(const std::string& path) override;
  void rename(const std::string& from, const std::string& to, bool keep_existing) override;
  void remove(const std::string& path) override;
  void sync_directory_of(const std::string& path) override;

  const std::vector<DiskStep>& steps() const { return steps_; }
  Bytes& contents(const std::string& path);
  bool exists(const std::string& path) const { return names_.count(path) != 0; }
  std::vector<std::string> paths() const;

  /// The `count`-th changing call from now on fails with that code; a write leaves its first half behind. Once.
  void fail_after(size_t count, ErrorCode code);
  bool has_failed() const { return failed_; }
  /// Syncs do nothing (for proving that the suite sees a missing one).
  enum class Forget { kNothing, kDataSyncs, kDirectorySyncs };
  void forget(Forget what) { forget_ = what; }

 private:
  friend class SimulatedFile;
  friend class CrashStates;
  struct Lock {
    const void* exclusive = nullptr;
    std::map<const void*, int> shared;
  };
  struct Inode {
    Bytes contents;
    Lock locks[2];
  };
  void step(DiskStep step);
  bool fails_now();

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
  bool failed_ = false;
  Forget forget_ = Forget::kNothing;
};

/// The disks that a power cut after a given step may leave.
class CrashStates {
 public:
  explicit CrashStates(const std::vector<DiskStep>& steps) : steps_(steps) {}
  /// Calls `visit` with up to `limit` different disks: all of them where there are few, else the extremes (all,
  /// nothing, each prefix, each single sector missing) and random selections.
  void after(size_t step_count, size_t limit, std::mt19937& random,
             const std::function<void(SimulatedDisk&)>& visit) const;

 private:
  const std::vector<DiskStep>& steps_;
};

}  // namespace vtpm::store
