// SPDX-License-Identifier: Apache-2.0
#include "tests/store/crash/crash_states.h"

#include <algorithm>

namespace vtpm::store {
namespace {

constexpr uint64_t kSector = 512;

void write_into(Bytes& contents, uint64_t offset, ByteView bytes) {
  if (contents.size() < offset + bytes.size()) contents.resize(offset + bytes.size());
  std::copy(bytes.begin(), bytes.end(), contents.begin() + static_cast<ptrdiff_t>(offset));
}

// What a failed sync has written after all: the first time nothing, then one sector or another.
void write_a_part(Bytes& contents, const DiskStep& step, uint64_t failures) {
  if (step.kind == DiskStep::Kind::kTruncate) return contents.resize(step.offset);
  for (uint64_t at = 0; at < step.bytes.size();) {
    const uint64_t sector = (step.offset + at) / kSector;
    const uint64_t end = std::min<uint64_t>((sector + 1) * kSector - step.offset, step.bytes.size());
    if (failures != 0 && (sector + failures) % 3 != 0)
      write_into(contents, step.offset + at, ByteView(step.bytes).subspan(at, end - at));
    at = end;
  }
}

}  // namespace

void CrashStates::change_directory(std::map<std::string, uint64_t>& names, const DiskStep& step) const {
  if (step.kind == DiskStep::Kind::kCreate) names[step.path] = step.inode;
  if (step.kind == DiskStep::Kind::kRemove) names.erase(step.path);
  if (step.kind != DiskStep::Kind::kRename) return;
  names[step.to] = names.at(step.path);
  names.erase(step.path);
}

void CrashStates::advance(size_t step_count) {
  for (; done_ < step_count; ++done_) {
    const DiskStep& step = steps_[done_];
    switch (step.kind) {
      case DiskStep::Kind::kWrite:
      case DiskStep::Kind::kTruncate:
        writes_.push_back(done_);
        break;
      case DiskStep::Kind::kSync: {
        auto is_synced = [&](size_t i) { return i < step.covers && steps_[i].inode == step.inode; };
        for (size_t i : writes_) {
          if (!is_synced(i)) continue;
          Bytes& contents = synced_[step.inode];
          if (steps_[i].kind == DiskStep::Kind::kTruncate)
            contents.resize(steps_[i].offset);
          else
            write_into(contents, steps_[i].offset, steps_[i].bytes);
        }
        writes_.erase(std::remove_if(writes_.begin(), writes_.end(), is_synced), writes_.end());
        break;
      }
      case DiskStep::Kind::kLose: {
        auto is_lost = [&](size_t i) { return steps_[i].inode == step.inode; };
        for (size_t i : writes_) {
          if (is_lost(i)) write_a_part(synced_[step.inode], steps_[i], step.offset);
        }
        writes_.erase(std::remove_if(writes_.begin(), writes_.end(), is_lost), writes_.end());
        break;
      }
      case DiskStep::Kind::kSyncDirectory: {
        auto end = directory_changes_.begin();
        for (; end != directory_changes_.end() && *end < step.covers; ++end)
          change_directory(synced_names_, steps_[*end]);
        directory_changes_.erase(directory_changes_.begin(), end);
        break;
      }
      default:
        directory_changes_.push_back(done_);
        next_inode_ = std::max(next_inode_, step.inode + 1);
    }
  }
}

void CrashStates::find_pieces() {
  pieces_.clear();
  for (size_t i : writes_) {
    const DiskStep& step = steps_[i];
    for (uint64_t at = 0; at < step.bytes.size();) {
      uint64_t end =
          std::min<uint64_t>((step.offset + at) / kSector * kSector + kSector - step.offset, step.bytes.size());
      pieces_.push_back({i, at, end});
      at = end;
    }
  }
}

void CrashStates::build(const Choice& choice, SimulatedDisk& disk) const {
  disk.names_ = synced_names_;
  for (size_t i = 0; i < choice.directory; ++i) change_directory(disk.names_, steps_[directory_changes_[i]]);
  disk.next_inode_ = next_inode_;
  for (const auto& [path, inode] : disk.names_) {
    Bytes& contents = disk.inodes_[inode].contents;
    auto synced = synced_.find(inode);
    if (synced != synced_.end()) contents = synced->second;
  }
  size_t piece = 0;
  for (size_t i : writes_) {
    const DiskStep& step = steps_[i];
    auto inode = disk.inodes_.find(step.inode);
    bool is_there = inode != disk.inodes_.end();
    if (is_there && step.kind == DiskStep::Kind::kTruncate) inode->second.contents.resize(step.offset);
    for (; piece < pieces_.size() && pieces_[piece].step == i; ++piece) {
      uint64_t to = pieces_[piece].to;
      if (i == writes_.back()) to = std::min(to, choice.last_write);
      if (!is_there || !choice.pieces[piece] || to <= pieces_[piece].from) continue;
      write_into(inode->second.contents, step.offset + pieces_[piece].from,
                 ByteView(step.bytes).subspan(pieces_[piece].from, to - pieces_[piece].from));
    }
  }
}

std::vector<CrashStates::Choice> CrashStates::choices(const Breadth& breadth, std::mt19937& random,
                                                      bool ends_in_write) const {
  std::vector<Choice> out;
  const size_t count = pieces_.size(), directory = directory_changes_.size();
  for (size_t d = 0; d <= directory; ++d) {
    out.push_back({std::vector<bool>(count, true), d});
    out.push_back({std::vector<bool>(count, false), d});
  }
  if (count <= breadth.all_subsets) {
    for (unsigned mask = 0; mask < 1u << count; ++mask) {
      Choice choice{std::vector<bool>(count), 0};
      for (size_t i = 0; i < count; ++i) choice.pieces[i] = mask >> i & 1;
      for (choice.directory = 0; choice.directory <= directory; ++choice.directory) out.push_back(choice);
    }
  } else {
    for (size_t tries = 0; tries < breadth.random; ++tries) {
      Choice choice{std::vector<bool>(count), random() % (directory + 1)};
      unsigned kind = random() % 4, keep = 1 + random() % 7;
      size_t where = random() % count;
      for (size_t i = 0; i < count; ++i) {
        choice.pieces[i] = kind == 0 ? i < where : kind == 1 ? i != where : random() % 8 < keep;
      }
      out.push_back(std::move(choice));
    }
  }
  if (!ends_in_write || writes_.empty()) return out;
  const uint64_t bytes = steps_[writes_.back()].bytes.size();
  const uint64_t stride = bytes / std::max<uint64_t>(breadth.prefixes, 1) + 1;
  for (uint64_t cut = 1 + random() % stride; cut < bytes; cut += stride) {
    Choice choice{std::vector<bool>(count, true), directory, cut};
    // The writes in front of it may have come through or not.
    for (size_t i = 0; i < count && cut % 2 == 0; ++i) {
      if (pieces_[i].step != writes_.back()) choice.pieces[i] = random() % 2;
    }
    out.push_back(std::move(choice));
  }
  return out;
}

bool CrashStates::on_the_medium(const Bytes& bytes) const {
  return std::any_of(synced_.begin(), synced_.end(), [&](const auto& inode) {
    const Bytes& all = inode.second;
    return std::search(all.begin(), all.end(), bytes.begin(), bytes.end()) != all.end();
  });
}

void CrashStates::after(size_t step_count, const Breadth& breadth, std::mt19937& random, const Visit& visit) {
  if (step_count < done_) {
    synced_.clear();
    synced_names_.clear();
    writes_.clear();
    directory_changes_.clear();
    done_ = 0;
  }
  advance(step_count);
  find_pieces();
  bool ends_in_write = step_count > 0 && steps_[step_count - 1].kind == DiskStep::Kind::kWrite;
  std::set<Choice> seen;
  for (Choice& choice : choices(breadth, random, ends_in_write)) {
    SimulatedDisk disk;
    if (!seen.insert(choice).second) continue;
    build(choice, disk);
    if (!visit(disk)) return;
  }
}

}  // namespace vtpm::store
