// SPDX-License-Identifier: Apache-2.0
// A real file system whose changes, by any number of processes, are recorded in their order, so that what a power cut
// would have left of them can be made (tests/store/crash/crash_states.h).
//
// Changes of all processes are made one at a time. Syncs run at the same time, and cover the changes that were made
// before they began.
#pragma once

#include <string>
#include <vector>

#include "tests/store/disk/simulated_disk.h"

namespace vtpm::store {

/// A file that processes append to. Each of them opens it by its path.
class DiskLog {
 public:
  explicit DiskLog(const std::string& path);
  ~DiskLog();
  DiskLog(const DiskLog&) = delete;
  DiskLog& operator=(const DiskLog&) = delete;

  /// Makes a change and its record, without a change of another process in between.
  void record(const std::function<DiskStep()>& change);
  /// How far the log has come.
  size_t position();
  /// Between the steps: a writer has begun a transaction, or its commit has returned.
  struct Note {
    size_t step;  // the steps in front of it
    unsigned writer, number;
    bool promised;
  };
  void note(unsigned writer, unsigned number, bool promised);

  struct Contents {
    std::vector<DiskStep> steps;
    std::vector<Note> notes;
  };
  /// What was recorded, behind the steps that make `image` at `image_path`. A number that the file system has used
  /// again for another file is another one here.
  Contents read(const std::string& image_path, FileId image_id, ByteView image);

 private:
  struct Record;
  void append(Record record, const DiskStep& step);
  int file_;
};

class RecordingDisk : public FileSystem {
 public:
  /// `syncs`: false leaves them out of the record, as if they had not been made.
  explicit RecordingDisk(DiskLog& log, bool syncs = true) : log_(log), syncs_(syncs) {}
  std::unique_ptr<File> open(const std::string& path, bool writable) override;
  std::unique_ptr<File> create(const std::string& path) override;
  std::optional<FileId> id_of(const std::string& path) override;
  void rename(const std::string& from, const std::string& to, bool keep_existing) override;
  void remove(const std::string& path) override;
  void sync_directory_of(const std::string& path, CallSite site) override;

 private:
  DiskLog& log_;
  const bool syncs_;
};

}  // namespace vtpm::store
