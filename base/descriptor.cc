// SPDX-License-Identifier: Apache-2.0
#include "base/descriptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#include "base/error.h"

namespace vtpm {
namespace {

constexpr int kFirstOfOurs = STDERR_FILENO + 1;

template <typename Call>
int retry(Call&& call) {
  int result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

bool is_free(int number) { return ::fcntl(number, F_GETFD) < 0; }

/// The application may close a standard stream at the same time, so that the system call returns its number all the
/// same.
Descriptor lifted(int number) {
  Descriptor low(number);
  if (number < 0 || number >= kFirstOfOurs) return low;
  return Descriptor(::fcntl(number, F_DUPFD_CLOEXEC, kFirstOfOurs));
}

template <typename Call>
Descriptor opened(Call&& call) {
  const StandardStreamsOccupied streams;
  return lifted(retry(call));
}

}  // namespace

void Descriptor::reset(int number) noexcept {
  const int old = number_.exchange(number);
  if (old < 0) return;
  const int reason = errno;
  ::close(old);
  errno = reason;
}

Descriptor open_descriptor(const std::string& path, int flags, mode_t mode) {
  return opened([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
}

Descriptor open_descriptor_at(const Descriptor& directory, const char* name, int flags, mode_t mode) {
  return opened([&] { return ::openat(directory.get(), name, flags | O_CLOEXEC, mode); });
}

Descriptor open_socket(int domain, int type) {
  return opened([&] { return ::socket(domain, type | SOCK_CLOEXEC, 0); });
}

Pipe open_pipe() {
  const StandardStreamsOccupied streams;
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  Pipe pipe{lifted(ends[0]), lifted(ends[1])};
  if (pipe.reading && pipe.writing) return pipe;
  return {};
}

Directory open_directory(const std::string& path) {
  Descriptor descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
  if (!descriptor) return nullptr;
  Directory directory(::fdopendir(descriptor.get()));
  if (directory) descriptor.release();
  return directory;
}

Stream open_stream(const std::string& path) {
  Descriptor descriptor = open_descriptor(path, O_RDONLY);
  if (!descriptor) return nullptr;
  Stream stream(::fdopen(descriptor.get(), "r"));
  if (stream) descriptor.release();
  return stream;
}

std::optional<SecretBytes> read_up_to(int descriptor, size_t most) {
  // The kernel's files (/proc) and pipes do not say how long they are.
  struct stat about {};
  const bool known = ::fstat(descriptor, &about) == 0 && about.st_size > 4096;
  SecretBytes contents(std::min<size_t>(most, known ? static_cast<size_t>(about.st_size) : 4096) + 1);
  size_t size = 0;
  while (size <= most) {
    if (size == contents.size()) contents.resize(std::min(2 * size, most + 1));
    const ssize_t got = ::read(descriptor, contents.data() + size, contents.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int reason = errno;
      contents = SecretBytes();  // returns memory, which may change errno
      errno = reason;
      return std::nullopt;
    }
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  contents.resize(size);
  return contents;
}

bool write_all(int descriptor, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor, bytes.data(), bytes.size());
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(put));
    } else if (errno == EAGAIN) {  // another process that shares the descriptor has set O_NONBLOCK
      pollfd wait{descriptor, POLLOUT, 0};
      ::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

SecretBytes read_regular_file(const std::string& path, size_t most) {
  const auto unreadable = [&](const char* reason, ErrorCode code = ErrorCode::kIo) {
    throw Error(code, "cannot read " + path + ": " + reason);
  };
  const Descriptor file = open_descriptor(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) unreadable(std::strerror(errno), errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) unreadable(std::strerror(errno));
  if (!S_ISREG(about.st_mode)) unreadable("it is not a regular file");
  auto contents = read_up_to(file.get(), most);
  if (!contents) unreadable(std::strerror(errno));
  if (contents->size() > most) unreadable(("it is larger than " + std::to_string(most) + " bytes").c_str());
  return std::move(*contents);
}

StandardStreamsOccupied::StandardStreamsOccupied() {
  const int reason = errno;
  for (int number = 0; number < kFirstOfOurs; ++number) {
    if (!is_free(number)) continue;
    // A descriptor that can be neither read nor written. It gets the lowest free number, which may have changed
    // meanwhile.
    const int placeholder = ::open("/", O_PATH | O_CLOEXEC);
    if (placeholder < 0) break;
    if (placeholder < kFirstOfOurs) {
      occupied_[placeholder] = true;
    } else {
      ::close(placeholder);
    }
  }
  errno = reason;
}

StandardStreamsOccupied::~StandardStreamsOccupied() {
  const int reason = errno;
  for (int number = 0; number < kFirstOfOurs; ++number) {
    // The application may have opened another file with this number meanwhile (dup2).
    const int flags = occupied_[number] ? ::fcntl(number, F_GETFL) : -1;
    if (flags >= 0 && (flags & O_PATH)) ::close(number);
  }
  errno = reason;
}

void occupy_standard_streams() {
  alignas(StandardStreamsOccupied) static std::byte never_destroyed[sizeof(StandardStreamsOccupied)];
  new (never_destroyed) StandardStreamsOccupied;
}

}  // namespace vtpm
