// SPDX-License-Identifier: Apache-2.0
// Space behind the log: the file grows, or is compacted if that is worthwhile.
//
// A compaction for want of space is optional. If it is impossible (the directory cannot be written, the file is a mount
// point, another process holds the temporary file, the disk has no space for a copy, or a user would lose access), the
// file grows instead. If the disk has less space than a file usually grows by, the file grows by less, in the end by
// exactly the bytes that are needed.
#include <algorithm>
#include <shared_mutex>

#include "base/error.h"
#include "store/format/free_space.h"
#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

using Exclusive = std::unique_lock<RwLock>;
using Shared = std::shared_lock<RwLock>;

constexpr uint64_t kMinGrowth = 64 << 10;
constexpr uint64_t kMinDeadBytes = 128 << 10;  // less is not worth a compaction while the disk has room
constexpr uint64_t kBehindLog = kMinFreeBytes + kEndBytes;
constexpr uint64_t kNeverGivenBack = 2 * kCopyDistance;  // headers, and what keeps copies apart, count as dead

uint64_t kept_by(Room room) {
  switch (room) {
    case Room::kLogin:
      return 0;
    case Room::kDeletion:
      return kReserveForLogins;
    case Room::kOrdinary:
      break;
  }
  return kReserveBytes;
}

}  // namespace

Room room_of(const std::vector<Draft>& drafts) {
  const auto counts_or_tells = [](const Draft& draft) {
    return draft.entry.type == type::kAttempt || draft.entry.type == type::kMoved;
  };
  const auto deletes = [](const Draft& draft) {
    const auto& attributes = draft.entry.mandatory;
    return std::any_of(attributes.begin(), attributes.end(),
                       [](const Attribute& attribute) { return attribute.name == attribute::kDeleted; });
  };
  if (std::all_of(drafts.begin(), drafts.end(), counts_or_tells)) return Room::kLogin;
  return std::all_of(drafts.begin(), drafts.end(), deletes) ? Room::kDeletion : Room::kOrdinary;
}

void FileLog::Writer::reserve(uint64_t bytes) { ensure_space(bytes, Room::kOrdinary); }

// Returns how many bytes are missing behind the log for an addition of `bytes` bytes and the smallest free space.
uint64_t FileLog::Writer::missing_for(uint64_t bytes) const {
  const uint64_t behind = bytes_behind(store_->end_.offset, locked_->size());
  return bytes + kBehindLog - std::min(behind, bytes + kBehindLog);
}

void FileLog::Writer::ensure_space(uint64_t bytes, Room room) {
  FileLog& store = *store_;
  prepare();
  const uint64_t keep = kept_by(room);
  if (missing_for(bytes + keep) == 0) return;
  uint64_t dead = dead_bytes();
  if (dead > kMinDeadBytes && dead > store.end_.offset / 2 && try_to_compact(dead)) {
    prepare();
    if (missing_for(bytes + keep) == 0) return;
    dead = dead_bytes();
  }
  const uint64_t usual = std::max(std::clamp(locked_->size() / 4, kMinGrowth, kMaxGrowth), missing_for(bytes + keep));
  if (usual <= store.growth_to_be_had_ && !extend_generously(usual)) return;
  // The disk is nearly full: even a few dead bytes are worth a compaction, whose copy no longer fits once the file has
  // grown.
  if (dead > missing_for(bytes + keep) + kNeverGivenBack && try_to_compact(dead)) {
    prepare();
    if (missing_for(bytes + keep) == 0) return;
  }
  extend_by_what_there_is(bytes, room);
}

// Returns the error if the disk does not have that much space, and nothing if the file has grown.
std::optional<Error> FileLog::Writer::extend_generously(uint64_t bytes) {
  FileLog& store = *store_;
  const uint64_t size = locked_->size(), largest = kMaxStoreBytes / kGrowthUnit * kGrowthUnit;
  // Do not use up, even for a moment, the last space of the disk.
  if (store.file_system_.free_bytes(store.path_) < bytes) {
    return Error(ErrorCode::kNoSpace, "the disk of " + store.path_ + " is full");
  }
  auto failure = extend_to(std::max(size + bytes, std::min(round_up(size + bytes, kGrowthUnit), largest)));
  // Quotas and limits do not show in the disk's numbers: they are found by trying, once for each halving or doubling.
  store.growth_to_be_had_ = failure ? std::max(bytes / 2, kGrowthUnit) : std::min(2 * bytes, kMaxGrowth);
  return failure;
}

void FileLog::Writer::extend_by_what_there_is(uint64_t bytes, Room room) {
  const uint64_t keep = kept_by(room), size = locked_->size(), missing = missing_for(bytes + keep);
  const uint64_t free = store_->file_system_.free_bytes(store_->path_);
  for (uint64_t growth = std::min(store_->growth_to_be_had_, free / 2); growth > missing; growth /= 2) {
    if (!extend_generously(growth)) return;
  }
  if (!extend_to(round_up(size + missing, kGrowthUnit))) return;
  uint64_t least = missing;
  if (room == Room::kDeletion) {
    // A deletion need not restore the part of the reserve that logins have used.
    const uint64_t behind = bytes_behind(store_->end_.offset, size), left = behind - std::min(behind, kBehindLog);
    least = missing_for(bytes + std::min(keep, left));
  }
  if (auto failure = extend_to(size + least)) throw *failure;
}

// Returns the error if the file cannot become that large, and nothing if it has grown.
std::optional<Error> FileLog::Writer::extend_to(uint64_t size) {
  FileLog& store = *store_;
  if (size > kMaxStoreBytes) {
    return Error(ErrorCode::kNoSpace, store.path_ + " would grow beyond the 4 GiB of a store");
  }
  {
    Shared gate(store.gate_);
    require_continuation(size, 0);
  }
  try {
    grow_in_steps(locked_->size(), size);
    return std::nullopt;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNoSpace) throw;
    return error;
  }
}

// A crash must not leave more than the zeros of one step behind the end. Each step's header is therefore synced before
// the next step begins; the header of the last one is synced with the next commit.
void FileLog::Writer::grow_in_steps(uint64_t size, uint64_t grown) {
  File& file = *locked_;
  uint64_t reached = size;
  try {
    while (reached < grown) {
      const uint64_t next = std::min(grown, reached + kMaxGrowth);
      if (reached != size) file.sync_data();
      grow(file, reached, next);
      reached = next;
      write_free_header(reached);
    }
  } catch (...) {
    // The disk is full: release the space that does not suffice.
    while (reached > size) {
      reached = reached - size > kMaxGrowth ? reached - kMaxGrowth : size;
      write_free_header(reached);
      file.sync_data();
      file.truncate(reached);
    }
    throw;
  }
}

// The free space reaches to the end of a file of `size` bytes.
void FileLog::Writer::write_free_header(uint64_t size) {
  FileLog& store = *store_;
  Exclusive gate(store.gate_);
  locked_->write_at(store.end_.offset, free_header(bytes_behind(store.end_.offset + kEndBytes, size)));
  store.probe_ = Bytes(kProbeBytes);
  store.probe_.resize(locked_->read_at(store.end_.offset, store.probe_));
}

uint64_t FileLog::Writer::dead_bytes() const {
  Shared gate(store_->gate_);
  uint64_t live = 0;
  for (const auto& [name, record] : store_->index_.names()) {
    if (!record.deleted) live += record.entry.length + record.twin_length;
  }
  return store_->end_.offset - std::min(live, store_->end_.offset);
}

// --- optional compaction ---

// A copy that failed is tried again when half as much again is dead, or when the disk has more free space. The attempt
// to create the file costs nothing and is made each time.
bool FileLog::Writer::try_to_compact(uint64_t dead) {
  FileLog& store = *store_;
  // After an unclean end was cleaned and numbers have jumped, an append must come first: nothing else may show which
  // entries are durable.
  const bool may_compact =
      store.placed_ && !compacting_ && !store.damaged_beyond_moving_ && store.end_.last == store.applied_;
  if (!may_compact) return false;
  RefusedCompaction& refused = store.refused_;
  const uint64_t free = store.file_system_.free_bytes(store.path_);
  if (free < store.end_.offset - dead + kReserveForLogins) {
    report_refusal("the disk has no room for a copy of what is in it");
    return false;
  }
  const bool is_emptier = free > refused.free && free - refused.free >= kGrowthUnit;
  if (refused.dead != 0 && dead < refused.dead + refused.dead / 2 && !is_emptier) return false;
  std::optional<TemporaryStore> fresh;
  try {
    fresh.emplace(successor(Waiting::kDoNotWait));
  } catch (const StaleFile&) {
    throw;
  } catch (const Error& error) {
    report_refusal(error.sentence());
    return false;
  }
  try {
    if (!between_logins([&] { compact_into(std::move(*fresh)); })) return false;
  } catch (const StaleFile&) {
    throw;
  } catch (const Error& error) {
    // Once the new file stands at the path, what is appended to the old one would be lost.
    if (!still_at_path()) throw;
    refused.dead = dead;
    refused.free = error.code() == ErrorCode::kNoSpace ? free : UINT64_MAX;
    report_refusal(error.sentence());
    return false;
  }
  refused = {};
  return true;
}

// Runs `work`, an optional compaction, unless another process counts a login, whose lock is valid only while its file
// is at the path. Returns false, and does nothing, if one does.
bool FileLog::Writer::between_logins(const std::function<void()>& work) {
  FileLog& store = *store_;
  std::unique_lock<std::mutex> no_login(store.login_mutex_, std::defer_lock);
  const std::shared_ptr<File> old = locked_;
  if (store.login_file_.get() == old) {  // a login of this process holds the lock, and take_place carries it on
    work();
    return true;
  }
  if (!no_login.try_lock()) return false;
  if (!old->lock(LockByte::kLogin, LockMode::kExclusive, false)) return false;
  struct Unlock {
    const File& file;
    ~Unlock() { file.unlock(LockByte::kLogin); }
  } unlock{*old};
  work();
  return true;
}

bool FileLog::Writer::still_at_path() const {
  Shared gate(store_->gate_);
  return store_->file_ == locked_ && store_->is_at_path();
}

void FileLog::Writer::report_refusal(const std::string& reason) const {
  if (store_->refused_.reported == reason) return;
  store_->refused_.reported = reason;
  store_->report(store_->path_ + " is not compacted, and grows instead: " + reason);
}

}  // namespace vtpm::store
