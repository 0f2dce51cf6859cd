// SPDX-License-Identifier: Apache-2.0
// A store file that is opened for reading while no process writes to it.
#pragma once

#include <memory>
#include <string>

#include "base/waiting.h"
#include "store/file/file.h"

namespace vtpm::store {

/// Holds the shared lock of the file until `let_writers_in` or its destruction. A file that cannot be locked (a
/// read-only medium) is read without. Throws as FileSystem::open, and LockTimeout.
class QuietFile {
 public:
  QuietFile(FileSystem& file_system, const std::string& path) {
    do {
      file_ = file_system.open(path, false);
      locked_ = can_be_locked(*file_);
    } while (locked_ && file_system.id_of(path) != file_->id());  // another file took its place
  }
  ~QuietFile() { let_writers_in(); }
  QuietFile(const QuietFile&) = delete;
  QuietFile& operator=(const QuietFile&) = delete;

  void let_writers_in() {
    if (locked_) file_->unlock(LockByte::kStore);
    locked_ = false;
  }
  const File& operator*() const { return *file_; }
  const File* operator->() const { return file_.get(); }

 private:
  static bool can_be_locked(const File& file) {
    try {
      return file.lock(LockByte::kStore, LockMode::kShared, true);
    } catch (const LockTimeout&) {
      throw;
    } catch (const Error&) {
      return false;
    }
  }

  std::unique_ptr<File> file_;
  bool locked_ = false;
};

}  // namespace vtpm::store
