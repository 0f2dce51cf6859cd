// SPDX-License-Identifier: Apache-2.0
#include "tools/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/descriptor.h"
#include "base/error.h"
#include "tools/standard_output.h"

namespace vtpm::tools {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& path, int reason) {
  throw Error(reason == ENOSPC || reason == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kIo,
              "cannot write " + path + ": " + std::strerror(reason));
}

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, "cannot write " + path + ": " + reason);
}

std::string directory_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? "." : parent.string();
}

/// The number of the open descriptor that the path means, or -1.
int descriptor_of(const std::string& path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string prefix : {"/dev/fd/", "/proc/self/fd/"}) {
    const std::string digits = path.starts_with(prefix) ? path.substr(prefix.size()) : "";
    if (!digits.empty() && digits.size() < 6 && digits.find_first_not_of("0123456789") == std::string::npos)
      return std::stoi(digits);
  }
  return -1;
}

/// Throws Error if users other than the caller and root could have put a link, or its target, into the directory.
void require_own_directory(const std::string& path, const std::string& directory) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) fail(path, errno);
  const bool own = info.st_uid == geteuid() || info.st_uid == 0;
  if (own && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  refuse(path, "it is a symbolic link, and others can write to the directory " + directory +
                   " (name the file that it leads to, or remove the link)");
}

/// The path without links in its last component.
struct Destination {
  std::string path;
  bool in_place = false;  // whether it is a device or a FIFO
};

Destination destination_of(const std::string& path) {
  constexpr int kMostLinks = 40;  // as Linux follows them
  fs::path at = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    struct stat info {};
    const bool there = lstat(at.c_str(), &info) == 0;
    if (!there && errno != ENOENT) fail(path, errno);
    if (there && S_ISLNK(info.st_mode)) {
      require_own_directory(path, directory_of(at));
      std::string target(PATH_MAX, '\0');
      const ssize_t length = readlink(at.c_str(), target.data(), target.size());
      if (length < 0) fail(path, errno);
      target.resize(static_cast<size_t>(length));
      at = fs::path(directory_of(at)) / target;
      continue;
    }
    if (links > 0) require_own_directory(path, directory_of(at));
    if (!there || S_ISREG(info.st_mode)) return {at, false};
    if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) || S_ISFIFO(info.st_mode)) return {at, true};
    refuse(path, S_ISDIR(info.st_mode) ? "it is a directory" : "it is a socket");
  }
  fail(path, ELOOP);
}

void write_in_place(const std::string& path, const std::string& device, ByteView contents) {
  const Descriptor file = open_descriptor(device, O_WRONLY | O_NOCTTY | O_NOFOLLOW);
  if (!file) fail(path, errno);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) fail(path, errno);
  if (S_ISREG(info.st_mode)) refuse(path, "it was replaced meanwhile");
  if (!write_all(file.get(), contents)) fail(path, errno);
  // A terminal or a pipe cannot be synced; a disk can.
  if (S_ISBLK(info.st_mode) && fsync(file.get()) != 0) fail(path, errno);
}

void replace_file(const std::string& path, const std::string& target, ByteView contents, mode_t mode) {
  const std::string temporary = target + ".new-" + std::to_string(getpid());
  const Descriptor file = open_descriptor(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (!file) fail(path, errno);
  if (write_all(file.get(), contents) && fsync(file.get()) == 0 && rename(temporary.c_str(), target.c_str()) == 0)
    return;
  const int reason = errno;
  unlink(temporary.c_str());
  fail(path, reason);
}

}  // namespace

void write_file(const std::string& path, ByteView contents, mode_t mode) {
  if (const int descriptor = descriptor_of(path); descriptor >= 0) {
    std::cout.flush();
    if (!write_all(descriptor, contents)) fail(path, errno);
    return;
  }
  const Destination destination = destination_of(path);
  if (destination.in_place) return write_in_place(path, destination.path, contents);
  replace_file(path, destination.path, contents, mode);
}

}  // namespace vtpm::tools
