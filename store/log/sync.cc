// SPDX-License-Identifier: Apache-2.0
// Durability: what was appended or read is synced before a caller relies on it.
//
// The kernel reports a failed sync once for each descriptor. Afterwards it treats the data that it could not write as
// written: it shows them to every reader until it needs the memory, and a second sync succeeds without having written
// anything. After a failed sync this process therefore confirms nothing before what may be lost was written again, by a
// compaction or, if that is impossible, in place. Reads continue meanwhile.
#include <algorithm>
#include <shared_mutex>

#include "base/error.h"
#include "base/waiting.h"
#include "store/file/gathered_writes.h"
#include "store/format/free_space.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

using Exclusive = std::unique_lock<RwLock>;

}  // namespace

bool FileLog::may_have_lost_writes() const {
  std::shared_lock<RwLock> gate(gate_);
  return lost_writes_ || file_->has_lost_writes();
}

void FileLog::note_lost_writes() const {
  if (file_->has_lost_writes()) lost_writes_ = true;
}

void FileLog::sync_file(const File& file) const {
  try {
    file.sync_data();
  } catch (const StaleFile&) {
    throw;
  } catch (const Error&) {
    if (file.writable()) throw;  // a medium that cannot be written has nothing to sync
  }
}

void FileLog::sync_to(uint64_t number) const {
  const WaitPolicy::Keep half_done;  // a commit is not confirmed yet
  const auto one_at_a_time = lock_within_limit(sync_mutex_, path_);
  if (durable_ >= number) return;
  std::shared_ptr<File> file;
  uint64_t covered;
  const auto sync_what_is_there = [&] {
    {
      std::shared_lock<RwLock> gate(gate_);
      if (lost_writes_ || file_->has_lost_writes()) {
        throw Error(file_->sync_failure(), path_ + " could not be synced; the next change writes it again");
      }
      file = file_;
      covered = end_.last;
    }
    sync_file(*file);
  };
  // A process that has replaced the file locked it after us, and has copied and synced all that we know.
  look_until_not_stale(sync_what_is_there, [&] { reopen_stale(); });
  uint64_t known = durable_;
  while (known < covered && !durable_.compare_exchange_weak(known, covered)) {
  }
}

void FileLog::sync_what_was_read() const {
  const uint64_t applied = applied_;
  if (applied <= durable_ || may_have_lost_writes()) return;
  try {
    sync_to(applied);
  } catch (const Error&) {
    if (!may_have_lost_writes()) throw;
  }
}

void FileLog::make_durable() {
  reopen_if_forked();
  const uint64_t applied = applied_;
  if (applied <= durable_) return;
  if (may_have_lost_writes() && !this_thread_writes()) begin();  // a writer begins by making sure of what is there
  sync_to(applied);
}

// Everything that the kernel may have dropped is written anew.
void FileLog::Writer::make_sure(Patience patience) {
  FileLog& store = *store_;
  try {
    return compact_into(successor(patience == Patience::kWaits ? Waiting::kBriefly : Waiting::kDoNotWait));
  } catch (const StaleFile&) {
    throw;
  } catch (const Error&) {
    std::shared_lock<RwLock> gate(store.gate_);
    if (store.file_ != locked_ || !store.is_at_path()) throw;
  }
  write_again();
}

// Writes all entries above the last number that is known to be synced, if their CRCs are right, and the free space
// behind them. The bytes are those that the file shows already, so a crash meanwhile leaves nothing that it could not
// have left before.
void FileLog::Writer::write_again() {
  FileLog& store = *store_;
  File& file = *locked_;
  Exclusive gate(store.gate_);
  const uint64_t failed = file.failed_syncs(), durable = store.durable_;
  const ScanResult scan = look_at(file, [&] { return scan_log(file, store.header_, store.knowing_what_is_durable()); });
  // A secret that was overwritten may still be on the disk.
  for (const LogEntry& entry : scan.entries) {
    const auto* now = entry.type == type::kKeySlot && !entry.deleted ? store.index_.find(entry.name) : nullptr;
    if (now && now->second.entry.offset != entry.offset && now->second.twin_offset != entry.offset) {
      wipe_slot_at(file, entry.offset, entry.length);
    }
  }
  GatheredWrites writes(file);
  for (const LogEntry& entry : scan.entries) {
    if (entry.sequence.number <= durable) continue;
    const auto bytes = look_at(file, [&] { return read_entry(file, store.header_, entry); });
    if (!bytes) throw Error(ErrorCode::kIo, store.path_ + " changed while it was being written again");
    writes.go_to(entry.offset);
    writes.write(*bytes);
  }
  if (scan.intact_end) {  // else the next append cleans it
    const Bytes header = free_header(scan.file_size - scan.end.offset - kEndBytes);
    writes.go_to(scan.end.offset);
    writes.write(header);
    writes.write_zeros(scan.file_size - writes.offset());
  }
  writes.flush();
  file.sync_all();
  file.made_up_for(failed);
  store.lost_writes_ = false;
  // The kernel may have forgotten some of it before it was written again.
  store.adopt(locked_, Locked::kYes);
  store.durable_ = std::max(durable, scan.end.last);
}

}  // namespace vtpm::store
