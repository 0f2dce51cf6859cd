// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <shared_mutex>
#include <thread>

#include "base/error.h"
#include "base/process.h"
#include "base/waiting.h"
#include "store/file/log_reader.h"
#include "store/format/encoding.h"
#include "store/format/free_space.h"
#include "store/format/quarantine.h"
#include "store/log/continuation.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

using Exclusive = std::unique_lock<RwLock>;

// A change that is only tried on a copy in memory needs space in a file that may be full.
constexpr uint64_t kRoomForATrial = 64 << 10;

// The first and the last byte that is not zero in [from, to), or nothing.
std::optional<std::pair<uint64_t, uint64_t>> not_zero(const File& file, uint64_t from, uint64_t to) {
  LogReader reader(file);
  std::optional<std::pair<uint64_t, uint64_t>> found;
  while (from < to) {
    ByteView window = reader.view(from, std::min<uint64_t>(to - from, 1 << 16));
    if (window.empty()) break;
    for (size_t i = 0; i < window.size(); ++i) {
      if (window[i] == 0) continue;
      if (!found) found.emplace(from + i, from + i);
      found->second = from + i;
    }
    from += window.size();
  }
  return found;
}

}  // namespace

// --- the lock ---

FileLog::Writer FileLog::begin() { return std::move(*begin_as(Patience::kWaits)); }

std::optional<FileLog::Writer> FileLog::try_begin() { return begin_as(Patience::kDoesNotWait); }

std::optional<FileLog::Writer> FileLog::begin_as(Patience patience) {
  reopen_if_forked();
  if (!read_only()) {
    try {
      std::optional<Writer> writer(Writer(*this, Writer::Purpose::kChange, patience));
      if (!writer->has_lock()) writer.reset();
      return writer;
    } catch (const Error& error) {
      if (!goes_on_after(error)) throw;
    }
  }
  refuse_change();
}

FileLog::Writer FileLog::begin_repair() { return Writer(*this, Writer::Purpose::kRepair); }

void FileLog::refuse_change() const {
  if (inherited_) {
    throw Error(ErrorCode::kReadOnly, path_ + " can only be read here: this process may not open it, and reads it " +
                                          "through the description that its parent has opened");
  }
  throw Error(ErrorCode::kReadOnly, path_ + " can only be read");
}

FileLog::Writer::Writer(FileLog& store, Purpose purpose, Patience patience)
    : store_(&store),
      held_(patience == Patience::kWaits ? lock_within_limit(store.writer_mutex_, store.path_)
                                         : std::unique_lock<std::mutex>(store.writer_mutex_, std::try_to_lock)),
      purpose_(purpose) {
  if (!held_) return;
  try {
    Taking taking = Taking::kTryAgain;
    while (taking == Taking::kTryAgain) taking = lock_current_file(patience);
    if (taking == Taking::kHeldByOthers) {
      held_.unlock();
      return;
    }
    keep_.emplace();
    store.writer_thread_ = std::this_thread::get_id();
    if (purpose == Purpose::kChange && store.may_have_lost_writes()) make_sure(patience);
  } catch (...) {
    release();
    throw;
  }
}

// Locks the file that stands at the path now, and catches up with it; kTryAgain: another one has come.
FileLog::Writer::Taking FileLog::Writer::lock_current_file(Patience patience) {
  try {
    try {
      return lock_file_of_now(patience);
    } catch (const StaleFile&) {
      locked_.reset();
      store_->reopen_stale(patience);
      return Taking::kTryAgain;
    }
  } catch (const OthersWrite&) {
    if (locked_) locked_->unlock(LockByte::kStore);
    locked_.reset();
    return Taking::kHeldByOthers;
  }
}

FileLog::Writer::Taking FileLog::Writer::lock_file_of_now(Patience patience) {
  FileLog& store = *store_;
  {
    std::shared_lock<RwLock> gate(store.gate_);
    store.check_usable();
    locked_ = store.file_;
  }
  if (store.placed_ && !locked_->lock(LockByte::kStore, LockMode::kExclusive, patience == Patience::kWaits)) {
    locked_.reset();
    return Taking::kHeldByOthers;
  }
  Exclusive gate(store.gate_);
  if (store.file_ == locked_) {
    if (!store.is_at_path()) {
      store.follow_path(patience);
    } else if (!store.nothing_appended() || !store.is_still_ours()) {
      store.look_again_under_lock(patience);
    }
  }
  if (store.file_ != locked_) {
    locked_->unlock(LockByte::kStore);
    locked_.reset();
    return Taking::kTryAgain;
  }
  // No crash and no flipped bit leaves this; cleaning the space behind such a log would wipe the header.
  if (store.headless_) {
    throw Error(
        ErrorCode::kCorrupt,
        store.path_ + " is damaged: its header is no part of its log. Nothing can be changed; restore a backup");
  }
  if (auto why = purpose_ == Purpose::kChange ? store::unfit(store.path_, *locked_, store.file_end()) : std::nullopt) {
    throw Error(ErrorCode::kCorrupt, *why);
  }
  return Taking::kDone;
}

FileLog::Writer::Writer(Writer&& other) noexcept
    : store_(other.store_),
      held_(std::move(other.held_)),
      locked_(std::move(other.locked_)),
      keep_(std::move(other.keep_)),
      purpose_(other.purpose_),
      last_(other.last_) {
  other.store_ = nullptr;
  other.locked_.reset();
}

FileLog::Writer::~Writer() { release(); }

void FileLog::Writer::release() noexcept {
  if (!locked_) return;
  if (store_->process_ != this_process()) {  // a forked child: neither lock is its own
    held_.release();
    return;
  }
  store_->writer_thread_ = std::thread::id{};
  if (store_->placed_) locked_->unlock(LockByte::kStore);
  locked_.reset();
  held_.unlock();
}

// Lets a process that waits for the lock go first, so that this sync covers its entries too. A wait is a repeated
// attempt, so nothing else passes the lock on: without the yield, eight processes make 72 % of the commits that they
// make with it.
void FileLog::Writer::release_and_sync() {
  release();
  std::this_thread::yield();
  sync();
}

void FileLog::Writer::sync() {
  if (store_->placed_ && last_ > store_->durable_) store_->sync_to(last_);
}

std::optional<Record> FileLog::Writer::peek(std::string_view name) const {
  std::shared_lock<RwLock> gate(store_->gate_);
  const auto* item = store_->index_.find(name);
  if (!item) return std::nullopt;
  return item->second;
}

bool FileLog::Writer::visit_changes(uint64_t cursor, const Visit& visit) const {
  std::shared_lock<RwLock> gate(store_->gate_);
  const Index::Changes changes = store_->index_.changes(cursor);
  for (const auto* item : changes.names) visit(item->first, item->second.view());
  return changes.whole;
}

// --- appending ---

// Runs before the first append to a file and after anything unusual. The free space must be all zeros: what a crash has
// left there would otherwise become part of the log once that has grown up to it.
void FileLog::Writer::prepare() {
  FileLog& store = *store_;
  if (store.prepared_ && store.intact_end_) return;
  File& file = *locked_;
  if (!store.prepared_ && store.placed_) store.file_system_.sync_directory_of(store.path_);
  Exclusive gate(store.gate_);
  uint64_t size = file.size(), end = store.end_.offset;
  uint64_t zeros_from = end;
  if (store.intact_end_ && bytes_behind(end, size) > kEndBytes)
    zeros_from += free_header(size - end - kEndBytes).size();
  auto rubbish = not_zero(file, zeros_from, size);
  const bool is_clean = !rubbish && store.intact_end_;
  const bool is_full = size < end + kMinFreeBytes + kEndBytes;
  const uint64_t grown = is_full ? round_up(end + kMinFreeBytes + kEndBytes, kGrowthUnit) : size;
  require_continuation(grown, is_clean ? 0 : kSequenceJump);
  if (is_clean) {
    store.prepared_ = true;
    return;
  }
  if (rubbish) {
    Bytes bytes(rubbish->second - rubbish->first + 1);
    file.read_at(rubbish->first, bytes);
    file.confirm();
    set_aside(rubbish->first, bytes);
  }
  if (store.unread_ != 0 && !rubbish) {  // a repair: nothing of it was ever written by a store
    size -= store.unread_;
    file.truncate(size);
  }
  if (is_full) {
    grow(file, size, grown);
    size = grown;
  }
  write_zeros(file, end, size);
  // Otherwise a torn header over the former bytes could look like an entry that reaches beyond the end of the file. The
  // header itself needs no sync: the next commit's covers it, and until then it is made again.
  file.sync_all();
  Bytes header = free_header(size - end - kEndBytes);
  file.write_at(end, header);
  store.probe_ = Bytes(kProbeBytes);
  store.probe_.resize(file.read_at(end, store.probe_));
  store.intact_end_ = store.prepared_ = true;
  // Numbers that a crash swallowed are not used again.
  store.end_.last = std::max(store.end_.last, store.end_.highest_seen) + kSequenceJump;
  store.end_.highest_seen = store.end_.last;
}

// Keeps bytes that were never confirmed, for an administrator who looks for the reason. If that fails, the store
// remains usable.
void FileLog::Writer::set_aside(uint64_t offset, ByteView bytes) const {
  FileLog& store = *store_;
  try {
    quarantine(store.file_system_, store.path_, *locked_, offset, "behind the end of the log", bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kReadOnly && error.code() != ErrorCode::kNoSpace) throw;
    store.report(std::to_string(bytes.size()) + " bytes of an unfinished write behind the end of " + store.path_ +
                 " were overwritten, because they could not be set aside: " + error.sentence());
  }
}

// Gate held. What is behind the log must not change what is in it: a transaction `jump` numbers further on, in a file
// of `size` bytes.
void FileLog::Writer::require_continuation(uint64_t size, uint64_t jump) const {
  const FileLog& store = *store_;
  if (store.plain_ || purpose_ == Purpose::kRepair) return;
  const uint64_t last = std::max(store.end_.last, store.end_.highest_seen);
  if (last >= kMaxSequence) return refuse_continuation();
  const uint64_t first = last + jump + 1;
  require_continuation({store.end_.offset, std::max(size, round_up(store.end_.offset + kRoomForATrial, kGrowthUnit)),
                        sample_transaction(store.header_.salt, first, std::min(store.durable_.load(), first - 1))});
}

void FileLog::Writer::require_continuation(const Addition& addition) const {
  const FileLog& store = *store_;
  if (store.plain_ || purpose_ == Purpose::kRepair) return;
  const bool can_be = look_at(*locked_, [&] { return can_be_added(addition, *locked_, store.header_, store.index_); });
  if (!can_be) refuse_continuation();
}

void FileLog::Writer::refuse_continuation() const {
  throw Error(ErrorCode::kCorrupt, store_->path_ +
                                       " is damaged so that a change could cost what is in it: nothing was " +
                                       "changed. It must be repaired first");
}

Encoded FileLog::Writer::encode_next(const std::vector<Draft>& drafts) const {
  const uint64_t first = store_->end_.last + 1;
  return encode_transaction(store_->header_.salt, drafts, first, std::min(store_->durable_.load(), first - 1));
}

// The size does not depend on the numbers: an append of these drafts finds the space, and compacts nothing.
void FileLog::Writer::make_room_for(const std::vector<Draft>& drafts) {
  prepare();
  ensure_space(encode_next(drafts).bytes.size(), room_of(drafts));
}

uint64_t FileLog::Writer::append(std::vector<Draft> drafts) {
  FileLog& store = *store_;
  prepare();
  Encoded encoded = encode_next(drafts);
  ensure_space(encoded.bytes.size(), room_of(drafts));
  // A compaction that was not finished may have taken a number.
  if (encoded.entries.front().sequence.number != store.end_.last + 1) encoded = encode_next(drafts);
  const uint64_t first = encoded.entries.front().sequence.number;

  File& file = *locked_;
  Exclusive gate(store.gate_);
  uint64_t start = store.end_.offset;
  uint64_t length = encoded.bytes.size();
  const uint64_t behind = bytes_behind(start, file.size());
  if (behind < length + kMinFreeBytes + kEndBytes) {
    throw Error(ErrorCode::kCorrupt, store.path_ + " was truncated by another process; nothing was written");
  }
  uint64_t left = behind - length - kEndBytes;
  if (!store.plain_) require_continuation({start, file.size(), encoded});
  Bytes probe = free_header(left);
  vtpm::append(encoded.bytes, probe);
  probe.resize(std::min<uint64_t>(kProbeBytes, left + kEndBytes));
  const uint64_t last_at = encoded.entries.back().offset;
  Bytes last_entry = to_bytes(ByteView(encoded.bytes).subspan(last_at, first_bytes_of(encoded.entries.back())));
  // All memory is allocated before the write: behind it nothing may fail, or a change that is reported as failed would
  // be in the file.
  store.index_.forget_deletions(store.looked_at_);
  store.index_.make_room_for(encoded.entries);
  try {
    file.write_at(start, encoded.bytes);
  } catch (...) {
    undo_write(start, encoded.bytes.size());
    throw;
  }
  for (LogEntry& entry : encoded.entries) {
    entry.offset += start;
    last_ = entry.sequence.number;
    store.index_.apply(std::move(entry));
  }
  store.last_entry_at_ = start + last_at;
  store.last_entry_ = std::move(last_entry);
  store.end_.offset = start + length;
  store.end_.last = store.end_.highest_seen = last_;
  store.probe_ = std::move(probe);
  store.applied_ = last_;
  return first;
}

// A write has failed, and any part of it may be in the file. A change that is reported as failed must not appear later.
void FileLog::Writer::undo_write(uint64_t start, uint64_t length) noexcept {
  FileLog& store = *store_;
  try {
    Bytes before = free_header(bytes_behind(start + kEndBytes, locked_->size()));
    before.resize(std::max<uint64_t>(before.size(), length));
    locked_->write_at(start, before);
  } catch (...) {
    // The next writer finds the end torn, and cleans it.
    store.intact_end_ = store.prepared_ = false;
    store.probe_.clear();
    store.probe_.push_back(0);
  }
}

// --- key slots ---

void FileLog::Writer::wipe_slot(const Record& old) {
  wipe_slot_at(*locked_, old.entry.offset, old.entry.length);
  if (old.twin_length != 0) wipe_slot_at(*locked_, old.twin_offset, old.twin_length);
  locked_->sync_data();
}

void FileLog::Writer::wipe_slot_at(File& file, uint64_t offset, uint64_t length) const {
  Bytes bytes(length);
  if (length == 0 || file.read_at(offset, bytes) != bytes.size()) return;
  if (wipe_slot_secrets(store_->header_.salt, bytes)) file.write_at(offset, bytes);
}

}  // namespace vtpm::store
