// SPDX-License-Identifier: Apache-2.0
// The only door to the operating system.
//
// The store asks a `FileSystem` for everything it does to the world, so that tests can give it a disk that forgets what
// was not synced, fails at the k-th call or fills up. `posix_file_system` is the real one.
//
// Everything throws Error: kNotFound, kExists, kNoSpace (ENOSPC, EDQUOT, EFBIG), kReadOnly (EROFS, EACCES and EPERM on
// opening for writing), kIo for the rest; the sentence holds the path and the reason. EINTR is never seen. No mmap: a
// SIGBUS would hit the host application.
//
// Over a network (NFS) what a reader sees may be seconds old, its own cache; only a lock that it takes makes it look
// again, and only opening a path makes it look which file stands there. A file that another machine has replaced is
// stale: open it anew.
//
// The application around us may close our descriptor, or make its number another file's (closefrom, dup2). Then the
// file is stale too. Whatever changes, locks or syncs it finds out by itself; reading does not, because that costs a
// system call for each read: whoever reads something unexpected calls `confirm` before drawing a conclusion from it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace vtpm::store {

/// On the server this file is gone (ESTALE), or the application has taken its descriptor away, and with it all locks:
/// what was read of it holds only if the file that stands at its path now says so. An I/O error for whoever does not
/// open it anew.
class StaleFile : public Error {
 public:
  explicit StaleFile(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// The application, or the system, has as many files open as it may (EMFILE, ENFILE). It says nothing about the file
/// that could not be opened, which may be opened the next time.
class NoDescriptorLeft : public Error {
 public:
  explicit NoDescriptorLeft(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// This process may not open what stands at a path, or not look at it (EACCES, EPERM). It says nothing about the file.
class OutOfReach : public Error {
 public:
  explicit OutOfReach(std::string sentence) : Error(ErrorCode::kIo, std::move(sentence)) {}
};

/// What `look` answers. When it meets a stale file, `reopen` and look again: whoever has replaced the file has got
/// further by it, so this ends; only a server that says so of every file is believed at last.
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

/// What `look` makes of what it reads from `file`. Where the application has taken the file's descriptor away it is
/// neither returned nor thrown: then StaleFile is.
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

/// What makes two open files the same one.
struct FileId {
  uint64_t device = 0, inode = 0;
  bool operator==(const FileId&) const = default;
};

/// Open file description locks of one byte. They exclude other descriptions, never threads of one description.
/// docs/format.md, "Locks", says what each is for. Where several are held they were taken in the order 2, 1, 0.
enum class LockByte : uint8_t { kStore = 0, kLogin = 1, kSo = 2, kTpmOwner = 3 };
constexpr size_t kLockBytes = 4;
enum class LockMode { kShared, kExclusive };

/// Where a sync or a lock is asked for. The real file system does not care; the tests leave out one after the other and
/// expect that something is lost without it (tests/store/crash/mutation_test.cc).
struct CallSite {
  const char* function;
  int line;
  static CallSite here(const char* function = __builtin_FUNCTION(), int line = __builtin_LINE()) {
    return {function, line};
  }
};

class File {
 public:
  virtual ~File() = default;
  virtual bool writable() const = 0;
  /// It lies on a server, and other machines may write to it.
  virtual bool over_network() const { return false; }
  virtual FileId id() const = 0;
  virtual uint64_t size() const = 0;
  /// Throws StaleFile when the descriptor is no longer this file's; what was read before is then worth nothing.
  virtual void confirm() const {}
  /// Returns fewer bytes than asked for only at the end of the file.
  virtual size_t read_at(uint64_t offset, MutableByteView out) const = 0;
  /// Writes all of it, or throws (then any part may have been written).
  virtual void write_at(uint64_t offset, ByteView bytes) = 0;
  virtual void truncate(uint64_t size) = 0;
  void sync_data(CallSite site = CallSite::here()) const { sync(Sync::kData, site); }  // fdatasync
  void sync_all(CallSite site = CallSite::here()) const { sync(Sync::kAll, site); }    // fsync
  /// How many syncs have failed so far. The kernel has then dropped what it could not write, and a second sync would
  /// claim success without having written it: until it was written again (`made_up_for`) this file `has_lost_writes`.
  uint64_t failed_syncs() const { return failed_syncs_; }
  bool has_lost_writes() const { return failed_syncs_ != made_up_for_; }
  /// Why the last sync that failed did: kNoSpace or kIo. Whoever refuses on its account gives the same reason.
  ErrorCode sync_failure() const { return sync_failure_; }
  /// All that the first `failures` failed syncs should have covered was written and synced again.
  void made_up_for(uint64_t failures) { made_up_for_ = failures; }
  /// False when someone else holds it and `wait` is false. A wait is the call's (base/waiting.h): it may throw
  /// LockTimeout, and what the policy in force throws.
  virtual bool lock(LockByte byte, LockMode mode, bool wait, CallSite site = CallSite::here()) const = 0;
  virtual void unlock(LockByte byte) const noexcept = 0;
  /// Lets everybody use this new file, which only its owner may use so far, as they may use `other`: owner, group,
  /// mode and access control list, or what comes to the same where this process may not give a file away. Returns who
  /// of the users of `other` could not use this one, as a subject ("user 1000, who owns it,"); this file is then still
  /// its owner's alone. Empty: nobody is left out. Throws kIo.
  virtual std::string copy_access_from(const File& other) = 0;
  /// The same file on an open file description of its own, for reading: what stands at `path` is opened again. Nothing
  /// is ever locked on it, so the child of a fork may keep it where it may not open the path itself
  /// (store/log/file_log.h). Null: it cannot be had now, or another file stands at the path.
  virtual std::unique_ptr<File> on_its_own_description(const std::string& /*path*/) const { return nullptr; }
  /// Closes the descriptor now, unless the application has made it another file's; nothing else may be called
  /// afterwards. Async-signal-safe, for a forked child.
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

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Opens an existing regular file; a symbolic link is refused.
  virtual std::unique_ptr<File> open(const std::string& path, bool writable) = 0;
  /// Mode 0600; kExists when anything is there already.
  virtual std::unique_ptr<File> create(const std::string& path) = 0;
  virtual std::optional<FileId> id_of(const std::string& path) = 0;
  /// Replaces `to` unless `keep_existing`; then kExists.
  virtual void rename(const std::string& from, const std::string& to, bool keep_existing) = 0;
  virtual void remove(const std::string& path) = 0;
  virtual void sync_directory_of(const std::string& path, CallSite site = CallSite::here()) = 0;
  /// Bytes that the file system of `path` has left for this user, as far as it tells: quotas and limits are not in it.
  virtual uint64_t free_bytes(const std::string&) { return UINT64_MAX; }
};

FileSystem& posix_file_system();

}  // namespace vtpm::store
