// SPDX-License-Identifier: Apache-2.0
// The only place that opens file descriptors.
//
// In an application that has closed its standard streams, the next open(2) returns 0, 1 or 2, and the application
// continues to print: a store with such a descriptor would be overwritten by the application's text. Therefore no
// descriptor of the module is ever 0, 1 or 2, not even for a moment, and all are close-on-exec. A test reads the
// sources and allows no other place to call open(2) and similar functions (tests/house/descriptors_test.cc).
//
// All functions retry after EINTR and are thread-safe. A function that fails returns an empty owner and sets errno.
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm {

/// Owns a descriptor and closes it. Different threads may call `release` and `close` at the same time; both are
/// async-signal-safe.
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

  /// The number, or -1 if it owns none.
  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return get() >= 0; }
  /// Returns the number and gives up ownership; the descriptor stays open.
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

/// opendir(3). (The iterator of std::filesystem ends the process if it gets no memory.)
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

/// Returns what can be read from an open descriptor: all of it, or `most` + 1 bytes where there is more. Returns
/// nothing when a read fails, with the reason in errno.
std::optional<SecretBytes> read_up_to(int descriptor, size_t most);
/// Writes all of `bytes`, also to a descriptor that does not block. Returns false when a write fails, with the reason
/// in errno.
bool write_all(int descriptor, ByteView bytes);

/// Returns the contents of a regular file of at most `most` bytes. Throws Error: kNotFound; kIo, also for anything else
/// at the path (a FIFO would block the caller). The sentence names the path and the reason.
SecretBytes read_regular_file(const std::string& path, size_t most);

/// Occupies those of the descriptors 0 to 2 that are closed, for its lifetime, so that a library that opens files
/// meanwhile (the C library's name service) gets other numbers. Reading and writing an occupied number fails with
/// EBADF, as for a closed one.
class StandardStreamsOccupied {
 public:
  StandardStreamsOccupied();
  ~StandardStreamsOccupied();
  StandardStreamsOccupied(const StandardStreamsOccupied&) = delete;
  StandardStreamsOccupied& operator=(const StandardStreamsOccupied&) = delete;

 private:
  bool occupied_[3] = {};
};

/// The same for the life of the process; for the main function of a program.
void occupy_standard_streams();

}  // namespace vtpm
