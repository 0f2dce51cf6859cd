// SPDX-License-Identifier: Apache-2.0
// The only place that opens file descriptors.
//
// An application that has closed its standard streams gets 0, 1 and 2 handed out again by the next open(2), and goes on
// printing: a store on one of these numbers would be overwritten by the application's text. No descriptor of ours is
// therefore ever 0, 1 or 2, not even for a moment, and all are close-on-exec. A test reads the sources and allows no
// other place to call open(2) and its kin (tests/house/descriptors_test.cc).
//
// The functions retry after EINTR. A call that fails returns an empty owner and leaves the reason in errno.
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace vtpm {

/// Owns a descriptor. `release` and `close` may be called at the same time as each other and are async-signal-safe.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(-1); }

  /// -1 when it owns none.
  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return get() >= 0; }
  /// Gives up the ownership and leaves the descriptor open.
  int release() noexcept { return number_.exchange(-1); }
  void close() noexcept { reset(-1); }

 private:
  void reset(int number) noexcept;
  std::atomic<int> number_{-1};
};

/// open(2) with O_CLOEXEC.
Descriptor open_descriptor(const std::string& path, int flags, mode_t mode = 0);
/// openat(2) with O_CLOEXEC.
Descriptor open_descriptor_at(const Descriptor& directory, const char* name, int flags, mode_t mode = 0);

/// socket(2) with SOCK_CLOEXEC.
Descriptor open_socket(int domain, int type);

struct Pipe {
  Descriptor reading, writing;
  explicit operator bool() const noexcept { return static_cast<bool>(reading); }
};
Pipe open_pipe();

/// opendir(3). (The iterator of std::filesystem ends the process when there is no memory for it.)
struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;
Directory open_directory(const std::string& path);

/// fopen(3), for reading.
struct CloseStream {
  void operator()(std::FILE* stream) const { std::fclose(stream); }
};
using Stream = std::unique_ptr<std::FILE, CloseStream>;
Stream open_stream(const std::string& path);

/// The contents of a regular file of at most `most` bytes. Anything else at that path (a FIFO, which would make the
/// caller wait) is refused. Throws Error: kNotFound, kIo; the sentence names the path and the reason.
SecretBytes read_regular_file(const std::string& path, size_t most);

/// Occupies those of descriptors 0 to 2 that are closed, for as long as it lives, so that a library which opens
/// something meanwhile (the C library's name service) gets another number. Writing to and reading from an occupied
/// number fails with EBADF, as on a closed one.
class StandardStreamsOccupied {
 public:
  StandardStreamsOccupied();
  ~StandardStreamsOccupied();
  StandardStreamsOccupied(const StandardStreamsOccupied&) = delete;
  StandardStreamsOccupied& operator=(const StandardStreamsOccupied&) = delete;

 private:
  bool occupied_[3] = {};
};

/// For the main function of a program: the same for its whole life.
void occupy_standard_streams();

}  // namespace vtpm
