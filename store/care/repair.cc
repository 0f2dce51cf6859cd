// SPDX-License-Identifier: Apache-2.0
#include "store/care/repair.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "store/format/free_space.h"
#include "store/format/quarantine.h"
#include "store/log/file_log.h"
#include "store/vault/sealing.h"

namespace vtpm::store {
class Repair {
 public:
  Repair(const std::string& path, const RepairOptions& options)
      : options_(options),
        file_system_(options.file_system ? *options.file_system : posix_file_system()),
        store_(FileLog::open(file_system_, path, false, FileLog::Ending::kAny)) {
    if (store_->read_only()) throw Error(ErrorCode::kReadOnly, path + " can only be read; it cannot be repaired here");
    if (options.vault) key_ = options.vault->master_key();
  }

  RepairReport run() {
    FileLog::Writer writer = store_->begin_repair();
    file_ = writer.file();
    header_ = store_->header();
    refuse_truncated();
    scan_ = scan_log(*file_, header_, {}, Look::kWhole);
    examine_corrected();
    examine_forged();
    examine_damage();
    examine_ignored();
    examine_rest();
    if (report_.entries.empty()) return std::move(report_);
    refuse_rollback();
    TemporaryStore fresh = writer.successor();
    set_aside();
    Index index;
    scan_.damage.clear();
    index.apply(scan_);
    writer.rewrite(std::move(fresh), scan_, index, options_.progress);
    writer.release_and_sync();
    report_.changed = true;
    std::stable_sort(report_.entries.begin(), report_.entries.end(),
                     [](const auto& a, const auto& b) { return a.offset < b.offset; });
    return std::move(report_);
  }

 private:
  void add(uint64_t offset, uint64_t length, const std::string& name, std::string what) {
    report_.entries.push_back({offset, length, name, std::move(what)});
  }

  bool is_authentic(const LogEntry& entry) const {
    auto bytes = read_entry(*file_, header_, entry);
    auto view = bytes ? parse_entry(*bytes) : std::nullopt;
    if (!view) return false;
    if (!key_ || view->type == type::kKeySlot) return true;
    if (view->sealed) return view->epoch != key_->epoch() || key_->unseal(*view).has_value();
    return view->mac_at == 0 || key_->mac_matches(*view);
  }

  void examine_corrected() {
    for (const LogEntry& entry : scan_.entries) {
      if (!entry.corrected) continue;
      if (is_authentic(entry)) {
        const bool confirmed = key_ && (entry.sealed || entry.has_mac);
        add(entry.offset, entry.length, entry.name,
            std::string("one bit was flipped; it was corrected") +
                (confirmed ? ", and its seal or MAC confirms it" : ""));
      } else {
        forged_.insert(entry.offset);
        lose(entry.offset, entry.length, entry.name,
             "a bit was flipped, and its seal or MAC does not confirm the correction");
      }
    }
  }

  void examine_damage() {
    for (const Damage& damage : scan_.damage) lose(damage.offset, damage.length, damage.name, damage.reason);
    for (const Damage& damage : scan_.set_aside) {
      add(damage.offset, damage.length, damage.name, "a write that was never finished was set aside");
    }
  }

  // Damage to the newest entry of a name removes its older versions too, unless the other copy of a key slot is intact.
  void lose(uint64_t offset, uint64_t length, const std::string& name, const std::string& reason) {
    lost_.push_back({offset, length});
    Index now;
    now.apply(scan_);
    const auto* item = name.empty() ? nullptr : now.find(name);
    const bool is_superseded = item && item->second.state == NameStatus::kCurrent && !forged_.count(offset);
    std::string what = reason + "; it was set aside";
    if (length == 0) what = reason;
    if (is_superseded) what += ", and a newer entry or another copy is intact";
    if (!name.empty() && !is_superseded) {
      damaged_names_.insert(name);
      what += options_.accept_older ? "; the version before it, if there is one, counts again"
                                    : ", with the older versions of this name";
    }
    add(offset, length, name, what);
  }

  // Entries with a right CRC and a wrong seal or MAC, which only the key shows.
  void examine_forged() {
    if (!key_) return;
    Index now;
    now.apply(scan_);
    for (const LogEntry& entry : scan_.entries) {
      const auto* item = entry.name.empty() || entry.corrected ? nullptr : now.find(entry.name);
      if (!item || item->second.entry.offset != entry.offset || is_authentic(entry)) continue;
      forged_.insert(entry.offset);
      lose(entry.offset, entry.length, entry.name, "its seal or MAC is wrong: it was tampered with");
    }
  }

  // They are never served, and would be reported by every check if they stayed.
  void examine_ignored() {
    Index now;
    now.apply(scan_);
    for (const LogEntry& entry : now.ignored()) {
      ignored_.insert(entry.offset);
      lost_.push_back({entry.offset, entry.length});
      add(entry.offset, entry.length, entry.name,
          "without a MAC it tried to replace an entry that has one; it was set aside");
    }
  }

  void examine_rest() {
    uint8_t begin[2] = {};
    file_->read_at(0, begin);
    if (!equal(begin, kStoreBegin)) add(0, 2, "", "the first two bytes were damaged; they were written anew");
    uint64_t at = kLogStart;
    for (const LogEntry& entry : scan_.entries) {
      if (!is_damaged(at) && !is_free_space(*file_, at, entry.offset)) {
        add(at, entry.offset - at, "", "the free space between two copies was damaged; it was written anew");
      }
      at = entry.offset + entry.length;
    }
    const uint64_t end = scan_.file_size - std::min(scan_.file_size, kEndBytes);
    const bool tail = !scan_.intact_end || end < at || !is_free_space(*file_, at, end) || !ends_with_zeros(end);
    if (tail && scan_.set_aside.empty() && !is_damaged(at)) {
      add(at, scan_.file_size - at, "", "the free space was damaged; it was written anew");
    }
    const auto headers = std::count_if(scan_.entries.begin(), scan_.entries.end(),
                                       [](const LogEntry& entry) { return entry.type == type::kHeader; });
    if (headers == 1) restore_header();
  }

  bool ends_with_zeros(uint64_t end) const {
    uint8_t bytes[kEndBytes] = {1, 1};
    return file_->read_at(end, bytes) == kEndBytes && bytes[0] == 0 && bytes[1] == 0;
  }

  bool is_damaged(uint64_t at) const {
    return std::any_of(lost_.begin(), lost_.end(), [at](const auto& piece) { return piece.first == at; });
  }

  // `rewrite` makes the other copy from this one.
  void restore_header() { add(0, 0, "", "one copy of the header was lost; it was made again from the other"); }

  // The entries behind the end are lost without a trace.
  void refuse_truncated() const {
    if (!options_.accept_older && store_->truncated()) throw Error(ErrorCode::kCorrupt, store_->unfit().value());
  }

  void refuse_rollback() {
    if (options_.accept_older) return;
    Index now;
    now.apply(scan_);
    std::string names;
    for (const auto& [name, record] : now.names()) {
      if (record.deleted || record.state != NameStatus::kCurrent || !now.may_be_outdated(record)) continue;
      names += (names.empty() ? "'" : ", '") + name + "'";
    }
    if (names.empty()) return;
    throw Error(ErrorCode::kCorrupt, "damage in " + store_->path() + " may hide newer versions of " + names +
                                         "; nothing was changed. Restore a backup, or accept the older versions "
                                         "(--accept-older): PINs and counters may then be those of an earlier time");
  }

  void set_aside() {
    auto keep = [&](uint64_t offset, uint64_t length, std::string_view why) {
      Bytes bytes(length);
      bytes.resize(file_->read_at(offset, bytes));
      if (!bytes.empty()) quarantine(file_system_, store_->path(), *file_, offset, why, bytes);
    };
    for (const auto& [offset, length] : lost_) keep(offset, length, "damaged");
    auto goes = [&](const LogEntry& entry) {
      return forged_.count(entry.offset) || ignored_.count(entry.offset) ||
             (!options_.accept_older && damaged_names_.count(entry.name));
    };
    for (const LogEntry& entry : scan_.entries) {
      if (goes(entry) && !forged_.count(entry.offset) && !ignored_.count(entry.offset))
        keep(entry.offset, entry.length, "older than a damaged entry");
    }
    scan_.entries.erase(std::remove_if(scan_.entries.begin(), scan_.entries.end(), goes), scan_.entries.end());
  }

  const RepairOptions& options_;
  FileSystem& file_system_;
  std::unique_ptr<FileLog> store_;
  std::shared_ptr<const MasterKey> key_;
  std::shared_ptr<const File> file_;  // the damaged one, also once the repaired one has taken its place
  StoreHeader header_;
  ScanResult scan_;
  RepairReport report_;
  std::vector<std::pair<uint64_t, uint64_t>> lost_;
  std::set<uint64_t> forged_, ignored_;
  std::set<std::string> damaged_names_;
};

RepairReport repair(const std::string& path, const RepairOptions& options) { return Repair(path, options).run(); }

std::pair<uint64_t, uint64_t> compact(const std::string& path, const Progress& progress) {
  auto bytes = [&] { return posix_file_system().open(path, false)->size(); };
  const uint64_t before = bytes();
  Vault::open(path)->compact(progress);
  return {before, bytes()};
}

}  // namespace vtpm::store
