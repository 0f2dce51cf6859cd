// SPDX-License-Identifier: Apache-2.0
// The only door to the operating system.
//
// The store uses a `FileSystem` for all input and output, so that tests can give it a disk that forgets what was not
// synced, fails at the k-th call or fills up. `posix_file_system` is the real one.
//
// Errors. All functions throw Error: kNotFound, kExists, kNoSpace (ENOSPC, EDQUOT, EFBIG), kReadOnly (EROFS, or EACCES
// and EPERM on opening for writing), and kIo for everything else. The sentence contains the path and the reason. EINTR
// is handled. Files are never mapped into memory, since a SIGBUS would hit the application.
//
// Network file systems (NFS). A reader sees its own cache, which may be seconds old. Only taking a lock refreshes it,
// and only opening a path shows which file stands there. A file that another host has replaced is stale and must be
// opened again.
//
// The application may close our descriptor, or give its number to another file (closefrom, dup2). The file is stale
// then, too. Functions that change, lock or sync detect this themselves. Functions that read do not, since that would
// cost a system call for each read: a caller that reads something unexpected calls `confirm` before it relies on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace vtpm::store {

/// The file no longer exists on the server (ESTALE), or the application has taken the descriptor away, and with it all
/// locks. What was read of it is worth nothing: the path must be opened again. For a caller that does not, it is an
/// input/output error.
class StaleFile : public Error {
 public:
  explicit StaleFile(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// The process or the system has reached its limit of open files (EMFILE, ENFILE). This says nothing about the file
/// that could not be opened; a later attempt may succeed.
class NoDescriptorLeft : public Error {
 public:
  explicit NoDescriptorLeft(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// This process lacks the permission to open or examine a path (EACCES, EPERM). This says nothing about the file.
class OutOfReach : public Error {
 public:
  explicit OutOfReach(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// Calls `look` and returns its result. If it throws StaleFile, calls `reopen` and tries again, since each replacement
/// of the file is progress of another process; after 1000 attempts the exception is passed on.
template <typename Look, typename Reopen>
auto look_until_not_stale(Look&& look, Reopen&& reopen) {
  for (int tries_left = 1000;; --tries_left) {
    try {
      return look();
    } catch (const StaleFile&) {
      if (tries_left == 0) throw;
    }
    reopen();
  }
}

/// Calls `look`, which reads from `file`, and returns or throws what it does. If the application has taken the
/// descriptor away, throws StaleFile instead.
template <typename OpenFile, typename Look>
auto look_at(const OpenFile& file, Look&& look) {
  try {
    auto seen = look();
    file.confirm();
    return seen;
  } catch (const Error&) {
    file.confirm();
    throw;
  }
}

/// Identifies a file: two open files with the same id are one.
struct FileId {
  uint64_t device = 0, inode = 0;
  bool operator==(const FileId&) const = default;
};

/// Open file description locks of one byte each. They exclude other descriptions, but not threads that share one.
/// docs/format.md, "Locks", describes their purposes. They are taken in the order 2, 1, 0.
enum class LockByte : uint8_t { kStore = 0, kLogin = 1, kSo = 2, kTpmOwner = 3 };
constexpr size_t kLockBytes = 4;
enum class LockMode { kShared, kExclusive };

/// The place in the source that asks for a sync or a lock. The real file system ignores it; a test leaves out one after
/// the other and expects that something breaks (tests/store/crash/mutation_test.cc).
struct CallSite {
  const char* function;
  int line;
  static CallSite here(const char* function = __builtin_FUNCTION(), int line = __builtin_LINE()) {
    return {function, line};
  }
};

/// An open file. Several threads may use it at the same time.
class File {
 public:
  virtual ~File() = default;
  virtual bool writable() const = 0;
  /// True if it is on a network file system, where other hosts may write to it.
  virtual bool over_network() const { return false; }
  virtual FileId id() const = 0;
  virtual uint64_t size() const = 0;
  /// Throws StaleFile if the descriptor no longer belongs to this file; what was read before is worth nothing then.
  virtual void confirm() const {}
  /// Reads up to `out.size()` bytes and returns their number, which is smaller only at the end of the file.
  virtual size_t read_at(uint64_t offset, MutableByteView out) const = 0;
  /// Writes all of `bytes`. If it throws, any part of them may have been written.
  virtual void write_at(uint64_t offset, ByteView bytes) = 0;
  virtual void truncate(uint64_t size) = 0;
  void sync_data(CallSite site = CallSite::here()) const { sync(Sync::kData, site); }  // fdatasync
  void sync_all(CallSite site = CallSite::here()) const { sync(Sync::kAll, site); }    // fsync
  /// The number of syncs that have failed. The kernel has then dropped what it could not write, and a second sync
  /// reports success without having written it. Until it is written again (`made_up_for`), `has_lost_writes` is true.
  uint64_t failed_syncs() const { return failed_syncs_; }
  bool has_lost_writes() const { return failed_syncs_ != made_up_for_; }
  /// The reason of the last failed sync, kNoSpace or kIo, for errors that follow from it.
  ErrorCode sync_failure() const { return sync_failure_; }
  /// Says that everything that the first `failures` failed syncs should have covered was written and synced again.
  void made_up_for(uint64_t failures) { made_up_for_ = failures; }
  /// Locks a byte. Returns false if another description has locked it and `wait` is false. With `wait` it waits within
  /// the limit of the call (base/waiting.h), and throws LockTimeout and what the policy in force throws.
  virtual bool lock(LockByte byte, LockMode mode, bool wait, CallSite site = CallSite::here()) const = 0;
  virtual void unlock(LockByte byte) const noexcept = 0;
  /// Gives this new file, which has mode 0600, the access of `other`: owner, group, mode and access control list or, if
  /// this process may not change the owner, an equivalent (store/file/access.h). If a user of `other` could not access
  /// this file, returns that user as the subject of a sentence ("user 1000, who owns it,"), and the mode remains 0600.
  /// Otherwise returns an empty string. Throws kIo.
  virtual std::string copy_access_from(const File& other) = 0;
  /// Opens `path` again and returns the same file on an open file description of its own, for reading. No lock is ever
  /// taken on it, so that the child of a fork may keep it if it may not open the path itself (store/log/file_log.h).
  /// Returns null if that is impossible now, or if another file is at the path.
  virtual std::unique_ptr<File> on_its_own_description(const std::string& /*path*/) const { return nullptr; }
  /// Closes the descriptor, unless the application has given it to another file. No other member may be called
  /// afterwards. Async-signal-safe, for the child of a fork.
  virtual void abandon() noexcept = 0;

 protected:
  enum class Sync { kData, kAll };
  virtual void sync_now(Sync what, CallSite site) const = 0;

 private:
  void sync(Sync what, CallSite site) const;
  mutable std::atomic<uint64_t> failed_syncs_{0};
  mutable std::atomic<ErrorCode> sync_failure_{ErrorCode::kIo};
  mutable std::atomic<unsigned> syncing_{0};
  std::atomic<uint64_t> made_up_for_{0};
};

/// A file system. Several threads may use it at the same time. It must outlive its files.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Opens an existing regular file. Throws kIo for a symbolic link.
  virtual std::unique_ptr<File> open(const std::string& path, bool writable) = 0;
  /// Creates a file with mode 0600, for reading and writing. Throws kExists if anything exists at the path.
  virtual std::unique_ptr<File> create(const std::string& path) = 0;
  /// The file at a path, or nothing if there is none.
  virtual std::optional<FileId> id_of(const std::string& path) = 0;
  /// Renames a file. If `to` exists, replaces it or, with `keep_existing`, throws kExists.
  virtual void rename(const std::string& from, const std::string& to, bool keep_existing) = 0;
  virtual void remove(const std::string& path) = 0;
  virtual void sync_directory_of(const std::string& path, CallSite site = CallSite::here()) = 0;
  /// Bytes that are free for this user on the file system of `path`. Quotas and limits are not considered.
  virtual uint64_t free_bytes(const std::string&) { return UINT64_MAX; }
};

/// The file system of the operating system.
FileSystem& posix_file_system();

}  // namespace vtpm::store
