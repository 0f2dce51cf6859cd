// SPDX-License-Identifier: Apache-2.0
// Import: from the fixed-capacity layout to a log.
//
// The entry with the higher number of each name is copied, byte for byte, in the order of the numbers. The result is
// the same as that of a compaction.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "store/care/fixed_layout.h"
#include "store/file/quiet_file.h"
#include "store/format/walk.h"
#include "store/log/compaction.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

class FixedImport {
 public:
  FixedImport(const std::string& from, const FixedImportOptions& options, FileSystem& file_system)
      : path_(from), options_(options), file_(file_system, from), header_(read_fixed_header(*file_, from)) {}

  std::vector<std::string> run(FileSystem& file_system, const std::string& to) {
    read();
    choose();
    Index index;
    index.apply(scan_);
    TemporaryStore fresh(file_system, to);
    write_compacted({*file_, header_, scan_, index}, fresh.file(), options_.progress);
    fresh.file().sync_all();
    file_system.rename(fresh.path(), to, /*keep_existing=*/true);
    fresh.renamed();
    file_system.sync_directory_of(to);
    return std::move(findings_);
  }

 private:
  void read() {
    Walk walk(*file_, header_, kLogStart);
    for (Item& item : walk.items) {
      if (item.kind == Item::Kind::kEntry) take(std::move(item.entry));
      if (item.kind == Item::Kind::kBad) {
        findings_.push_back("the entry at byte " + std::to_string(item.offset) +
                            (item.damage->name.empty() ? "" : " ('" + item.damage->name + "')") + " is damaged");
      }
    }
  }

  void take(LogEntry entry) {
    if (entry.name.empty() && entry.type != type::kHeader)
      corrupt("an entry of the type " + entry.type + " has no name");
    if (entry.corrected) {
      findings_.push_back("one bit of '" + (entry.name.empty() ? entry.type : entry.name) + "' at byte " +
                          std::to_string(entry.offset) + " was flipped; it was corrected");
    }
    pairs_[entry.name].push_back(std::move(entry));
  }

  // The halves have the same structure, so an entry that is damaged in one must be intact in the other. Otherwise a
  // name would be lost without a trace.
  void require_every_name() const {
    const uint64_t size = file_->size(), half = bytes_behind(kLogStart + kEndBytes, size) / 2;
    std::map<uint64_t, uint64_t> lengths;  // by place in a half
    for (const auto& [name, entries] : pairs_) {
      for (const LogEntry& entry : entries) {
        const uint64_t at = entry.offset - kLogStart;
        lengths[at < half ? at : at - half] = entry.length;
      }
    }
    uint64_t expected = 0;
    for (const auto& [at, length] : lengths) {
      if (at != expected) break;
      expected += length;
    }
    if (expected != half || size % 2 != 0) {
      corrupt("its halves do not belong together, or both entries of a name are gone. Restore a backup");
    }
  }

  void choose() {
    require_every_name();
    for (auto& [name, entries] : pairs_) {
      if (entries.size() > 2) corrupt("'" + name + "' stands in it more than twice");
      if (entries.size() < 2 && !name.empty()) accept_single(name);
      std::sort(entries.begin(), entries.end(), by_number);
      if (entries.front().type != entries.back().type) corrupt("'" + name + "' is of two types");
      // Both copies of what a log holds twice; else the newer one.
      const bool both = entries.front().type == type::kHeader || entries.front().type == type::kKeySlot;
      if (!both) entries.erase(entries.begin(), entries.end() - 1);
      for (LogEntry& entry : entries) scan_.entries.push_back(std::move(entry));
    }
    std::sort(scan_.entries.begin(), scan_.entries.end(), by_number);
    for (size_t i = 1; i < scan_.entries.size(); ++i) {
      if (by_number(scan_.entries[i - 1], scan_.entries[i])) continue;
      corrupt("two of its entries have the number " + std::to_string(scan_.entries[i].sequence.number));
    }
    scan_.file_size = file_->size();
    scan_.end.last = scan_.entries.back().sequence.number;
  }

  static bool by_number(const LogEntry& a, const LogEntry& b) { return a.sequence.number < b.sequence.number; }

  void accept_single(const std::string& name) {
    if (options_.accept_older) return findings_.push_back("the other entry of '" + name + "' counts");
    corrupt("one of the two entries of '" + name +
            "' is damaged, and may be the newer one. Restore a backup, or accept the other one (--accept-older)");
  }

  [[noreturn]] void corrupt(const std::string& what) const {
    throw Error(ErrorCode::kCorrupt, path_ + " is damaged: " + what);
  }

  const std::string path_;
  const FixedImportOptions& options_;
  const QuietFile file_;  // a program that overwrites entries in place holds the exclusive lock
  const StoreHeader header_;
  std::map<std::string, std::vector<LogEntry>> pairs_;  // the entries of a name; of none: the headers
  ScanResult scan_;
  std::vector<std::string> findings_;
};

}  // namespace

std::vector<std::string> import_fixed(const std::string& from, const std::string& to,
                                      const FixedImportOptions& options) {
  FileSystem& file_system = options.file_system ? *options.file_system : posix_file_system();
  if (file_system.id_of(to)) throw Error(ErrorCode::kExists, to + " exists already");
  return FixedImport(from, options, file_system).run(file_system, to);
}

}  // namespace vtpm::store
