// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/process.h"
#include "base/waiting.h"
#include "store/file/access.h"
#include "store/file/file.h"

namespace vtpm::store {
namespace {

std::string reason(int number) {
  char text[128];
  return strerror_r(number, text, sizeof text);
}

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kNoSpace;
    case EROFS:
      return ErrorCode::kReadOnly;
    case ENOMEM:
      return ErrorCode::kNoMemory;
    default:
      return ErrorCode::kIo;
  }
}

[[noreturn]] void fail(const std::string& what, const std::string& path, int number = errno) {
  if (number == ESTALE) throw StaleFile("cannot " + what + " " + path + ": another machine has replaced it");
  std::string sentence = "cannot " + what + " " + path + ": " + reason(number);
  if (number == EMFILE || number == ENFILE) throw NoDescriptorLeft(std::move(sentence));
  throw Error(code_of(number), std::move(sentence));
}

/// The same for a path that is opened or looked at.
[[noreturn]] void fail_at_path(const std::string& what, const std::string& path) {
  const int number = errno;
  if (number == EACCES || number == EPERM) throw OutOfReach("cannot " + what + " " + path + ": " + reason(number));
  fail(what, path, number);
}

template <typename F>
auto retry(F&& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// The identity only: asking for time stamps makes the kernel write the inode with the next sync (25 % slower commits).
constexpr unsigned kIdentity = STATX_INO | STATX_TYPE;

std::optional<struct statx> identify(int directory, const char* path, int flags, unsigned mask = kIdentity) {
  struct statx info;
  if (::statx(directory, path, flags, mask, &info) != 0) return std::nullopt;
  return info;
}

// A file system that cannot be determined is treated as a network file system, which is slower but safe.
bool lies_on_a_server(int descriptor) {
  struct statfs info;
  return ::fstatfs(descriptor, &info) != 0 || info.f_type == NFS_SUPER_MAGIC;
}

// O_NONBLOCK: a pipe with that name must not hold the caller up.
constexpr int kHowToOpen = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

FileId id_from(const struct statx& info) { return {makedev(info.stx_dev_major, info.stx_dev_minor), info.stx_ino}; }

class PosixFile : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path, bool writable)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), writable_(writable) {
    auto info = identify(descriptor_.get(), "", AT_EMPTY_PATH);
    if (!info) fail("examine", path_);
    if (!S_ISREG(info->stx_mode)) throw Error(ErrorCode::kNotAStore, path_ + " is not a regular file");
    id_ = id_from(*info);
    over_network_ = lies_on_a_server(descriptor_.get());
  }

  ~PosixFile() override { PosixFile::abandon(); }

  bool writable() const override { return writable_; }
  bool over_network() const override { return over_network_; }
  FileId id() const override { return id_; }

  // Not lseek: a process that has inherited the descriptor shares its offset.
  uint64_t size() const override {
    auto info = identify(descriptor_.get(), "", AT_EMPTY_PATH, kIdentity | STATX_SIZE);
    if (!info) io_failed("find the size of");
    if (!is_this_file(*info)) lost();
    return info->stx_size;
  }

  void confirm() const override { (void)ours(); }

  size_t read_at(uint64_t offset, MutableByteView out) const override {
    size_t done = 0;
    while (done < out.size()) {
      ssize_t count = retry([&] {
        return ::pread(descriptor_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      });
      if (count < 0) io_failed("read");
      if (count == 0) {
        confirm();
        break;
      }
      done += static_cast<size_t>(count);
    }
    return done;
  }

  void write_at(uint64_t offset, ByteView bytes) override {
    // Beyond the limit the kernel would send SIGXFSZ, which kills a host application that does not expect it.
    struct rlimit limit;
    if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        offset + bytes.size() > limit.rlim_cur) {
      fail("write", path_, EFBIG);
    }
    size_t done = 0;
    while (done < bytes.size()) {
      const int file = ours();
      ssize_t count = retry(
          [&] { return ::pwrite(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done)); });
      if (count < 0) io_failed("write");
      if (count == 0) fail("write", path_, ENOSPC);
      done += static_cast<size_t>(count);
    }
  }

  void truncate(uint64_t size) override {
    const int file = ours();
    if (retry([&] { return ::ftruncate(file, static_cast<off_t>(size)); }) != 0) io_failed("resize");
  }

  void sync_now(Sync what, CallSite) const override {
    const auto call = what == Sync::kData ? ::fdatasync : ::fsync;
    if (retry([&] { return call(descriptor_.get()); }) != 0) sync_failed();
    confirm();  // else another file was synced, and this one may not be
  }

  bool lock(LockByte byte, LockMode mode, bool wait, CallSite) const override {
    if (try_lock(byte, mode)) return true;
    if (!wait) return false;
    // Not F_OFD_SETLKW: such a wait could not be ended, nor could the call release what it holds meanwhile.
    Wait waiting(path_, Wait::For::kProcess, held_since_[static_cast<size_t>(byte)].since());
    do {
      waiting.pause();
    } while (!try_lock(byte, mode));
    return true;
  }

  void unlock(LockByte byte) const noexcept override {
    // The lock belongs to the description, which a forked child shares with its parent: it is not the child's to give
    // up.
    if (this_process() != process_ || !is_ours(descriptor_.get())) return;
    struct flock range = range_of(byte, F_UNLCK);
    ::fcntl(descriptor_.get(), F_OFD_SETLK, &range);
  }

  std::string copy_access_from(const File& other) override {
    const int from = static_cast<const PosixFile&>(other).ours(), to = ours();
    struct stat info;
    if (::fstat(from, &info) != 0) fail("examine", path_);
    return copy_access(from, info, to);
  }

  std::unique_ptr<File> on_its_own_description(const std::string& path) const override {
    Descriptor descriptor = open_descriptor(path, kHowToOpen | O_RDONLY);
    if (!descriptor) return nullptr;
    auto file = std::make_unique<PosixFile>(std::move(descriptor), path, false);
    if (file->id() != id_) return nullptr;
    return file;
  }

  void abandon() noexcept override {
    const int file = descriptor_.release();
    if (is_ours(file)) ::close(file);
  }

 private:
  bool try_lock(LockByte byte, LockMode mode) const {
    struct flock range = range_of(byte, mode == LockMode::kShared ? F_RDLCK : F_WRLCK);
    HeldSince& others = held_since_[static_cast<size_t>(byte)];
    const int file = ours();
    if (retry([&] { return ::fcntl(file, F_OFD_SETLK, &range); }) == 0) {
      others.free();
      return true;
    }
    if (errno != EAGAIN && errno != EACCES) io_failed("lock");
    others.held();
    return false;
  }

  bool is_this_file(const struct statx& info) const noexcept { return S_ISREG(info.stx_mode) && id_from(info) == id_; }

  // What cannot be examined for another reason (a server that does not answer) is still ours.
  bool is_ours(int file) const noexcept {
    if (file < 0) return false;
    struct statx info;
    if (::statx(file, "", AT_EMPTY_PATH, kIdentity, &info) != 0) return errno != EBADF;
    return is_this_file(info);
  }

  int ours() const {
    const int file = descriptor_.get();
    if (!is_ours(file)) lost();
    return file;
  }

  // The number is the application's, and is never closed.
  [[noreturn]] void lost() const {
    descriptor_.release();
    throw StaleFile("the application has closed the descriptor of " + path_ + ", or opened another file on its number");
  }

  // The system refused, maybe because this is no longer our file.
  [[noreturn]] void io_failed(const char* what) const {
    const int number = errno;
    confirm();
    fail(what, path_, number);
  }

  [[noreturn]] void sync_failed() const {
    const int number = errno;
    confirm();
    errno = number;
    if (errno == ESTALE) fail("sync", path_);
    throw Error(errno == ENOSPC || errno == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kIo,
                "cannot sync " + path_ + ": " + reason(errno));
  }
  static struct flock range_of(LockByte byte, short type) {
    struct flock range {};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(byte);
    range.l_len = 1;
    return range;
  }

  mutable Descriptor descriptor_;
  std::string path_;
  bool writable_;
  bool over_network_ = false;
  pid_t process_ = this_process();
  FileId id_;
  mutable std::array<HeldSince, kLockBytes> held_since_;  // by others, one for each byte that may be locked
};

std::string directory_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class PosixFileSystem : public FileSystem {
 public:
  std::unique_ptr<File> open(const std::string& path, bool writable) override {
    Descriptor descriptor = open_descriptor(path, kHowToOpen | (writable ? O_RDWR : O_RDONLY));
    if (!descriptor) {
      if (errno == ELOOP) throw Error(ErrorCode::kIo, "cannot open " + path + ": it is a symbolic link");
      if (writable && (errno == EACCES || errno == EPERM)) {
        throw Error(ErrorCode::kReadOnly, "cannot open " + path + " for writing: " + reason(errno));
      }
      fail_at_path("open", path);
    }
    return std::make_unique<PosixFile>(std::move(descriptor), path, writable);
  }

  std::unique_ptr<File> create(const std::string& path) override {
    Descriptor descriptor = open_descriptor(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (!descriptor && (errno == EACCES || errno == EPERM)) {
      throw Error(ErrorCode::kReadOnly, "cannot create " + path + ": " + reason(errno));
    }
    if (!descriptor) fail("create", path);
    return std::make_unique<PosixFile>(std::move(descriptor), path, true);
  }

  std::optional<FileId> id_of(const std::string& path) override {
    auto info = identify(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
    if (info) return id_from(*info);
    if (errno != ENOENT && errno != ENOTDIR) fail_at_path("examine", path);
    return std::nullopt;
  }

  void rename(const std::string& from, const std::string& to, bool keep_existing) override {
    if (!keep_existing) {
      if (::rename(from.c_str(), to.c_str()) != 0) fail("rename " + from + " to", to);
      return;
    }
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno != EINVAL && errno != ENOSYS) fail("create", to);
    // A file system without that flag: link never replaces anything.
    if (::link(from.c_str(), to.c_str()) != 0) fail("create", to);
    ::unlink(from.c_str());
  }

  void remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) fail("remove", path);
  }

  void sync_directory_of(const std::string& path, CallSite) override {
    std::string directory = directory_of(path);
    const Descriptor descriptor = open_descriptor(directory, O_RDONLY | O_DIRECTORY);
    if (!descriptor && errno == EACCES) return sync_file_system_of(path);
    if (!descriptor) fail("open", directory);
    if (retry([&] { return ::fsync(descriptor.get()); }) != 0) fail("sync", directory);
  }

  uint64_t free_bytes(const std::string& path) override {
    struct statvfs info;
    if (::statvfs(path.c_str(), &info) != 0 || info.f_blocks == 0) return UINT64_MAX;
    return (::geteuid() == 0 ? info.f_bfree : info.f_bavail) * info.f_frsize;
  }

 private:
  // A directory whose files may be used, and which may not be read, can only be synced with all the others.
  static void sync_file_system_of(const std::string& path) {
    const Descriptor descriptor = open_descriptor(path, O_RDONLY | O_NOFOLLOW);
    if (!descriptor) fail("open", path);
    if (retry([&] { return ::syncfs(descriptor.get()); }) != 0) fail("sync", path);
  }
};

}  // namespace

FileSystem& posix_file_system() {
  // Never destroyed: other threads may still be in a call while the process exits.
  static PosixFileSystem& file_system = *new PosixFileSystem;
  return file_system;
}

}  // namespace vtpm::store
