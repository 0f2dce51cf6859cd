// SPDX-License-Identifier: Apache-2.0
// The disks that a power cut may leave, made one after the other from the record of a simulated disk.
#pragma once

#include "tests/store/disk/simulated_disk.h"

namespace vtpm::store {

/// How many of them.
struct Breadth {
  size_t all_subsets = 6;    // of the unsynced sectors, where there are at most so many
  size_t random = 40;        // random selections where there are more
  size_t prefixes = 100000;  // byte prefixes of the last write, evenly spread where it has more bytes
};

class CrashStates {
 public:
  explicit CrashStates(const std::vector<DiskStep>& steps) : steps_(steps) {}
  /// The disks after the first `step_count` steps, each once. Ascending calls are cheap: what is synced is replayed
  /// once. `visit` answers whether to go on.
  using Visit = std::function<bool(SimulatedDisk&)>;
  void after(size_t step_count, const Breadth& breadth, std::mt19937& random, const Visit& visit);
  /// Whether the blocks of any file, removed ones included, may still hold these bytes (after the last `after`).
  bool on_the_medium(const Bytes& bytes) const;

 private:
  struct Piece {
    size_t step;
    uint64_t from, to;  // of the step's bytes
  };
  // Of the sectors of unsynced writes, which survive; how many of the unsynced directory changes.
  struct Choice {
    std::vector<bool> pieces;
    size_t directory = 0;
    uint64_t last_write = UINT64_MAX;  // bytes of it
    bool operator<(const Choice& other) const {
      return std::tie(pieces, directory, last_write) < std::tie(other.pieces, other.directory, other.last_write);
    }
  };
  void advance(size_t step_count);
  void find_pieces();
  void change_directory(std::map<std::string, uint64_t>& names, const DiskStep& step) const;
  void build(const Choice& choice, SimulatedDisk& disk) const;
  std::vector<Choice> choices(const Breadth& breadth, std::mt19937& random, bool ends_in_write) const;

  const std::vector<DiskStep>& steps_;
  size_t done_ = 0;
  std::map<uint64_t, Bytes> synced_;  // contents of inodes
  std::map<std::string, uint64_t> synced_names_;
  std::vector<size_t> writes_, directory_changes_;  // not synced
  std::vector<Piece> pieces_;
  uint64_t next_inode_ = 1;
};

}  // namespace vtpm::store
