// SPDX-License-Identifier: Apache-2.0
#include "store/log/file_log.h"

#include <algorithm>
#include <shared_mutex>

#include "base/error.h"
#include "base/process.h"

namespace vtpm::store {
namespace {

using Shared = std::shared_lock<RwLock>;
using Exclusive = std::unique_lock<RwLock>;

// Free space of a new store, behind the entries of its first transaction.
constexpr uint64_t kFirstFreeBytes = 48 << 10;

// The status of a name that may be out of date.
NameStatus worse(NameStatus state) { return state == NameStatus::kCurrent ? NameStatus::kDamaged : state; }

EntryRecord to_entry_record(const Record& record) { return {record.entry, record.deleted, record.state}; }

[[noreturn]] void refuse(const std::string& name, NameStatus state, const std::string& path) {
  std::string what = "'" + name + "' in " + path;
  switch (state) {
    case NameStatus::kTampered:
      throw Error(ErrorCode::kTampered, what + " was tampered with: its checksum is right, its seal or MAC is wrong");
    case NameStatus::kRefused:
      throw Error(
          ErrorCode::kTooNew,
          what + " was written by a newer version: it has a mandatory attribute that this version does not know");
    default:
      throw Error(ErrorCode::kCorrupt, what + " is damaged, and an older version is not served in its place");
  }
}

}  // namespace

FileLog::FileLog(FileSystem& file_system, std::string path, bool read_only)
    : file_system_(file_system), path_(std::move(path)), read_only_(read_only), process_(this_process()) {}

std::unique_ptr<FileLog> FileLog::open(FileSystem& file_system, const std::string& path, bool read_only,
                                       Ending ending) {
  std::unique_ptr<FileLog> store(new FileLog(file_system, path, read_only));
  const auto adopt_what_is_there = [&] {
    std::shared_ptr<File> file;
    if (!read_only) {
      try {
        file = file_system.open(path, true);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kReadOnly) throw;
      }
    }
    if (!file) {
      store->read_only_ = true;
      file = file_system.open(path, false);
    }
    Exclusive gate(store->gate_);
    store->adopt(std::move(file), Locked::kNo);
  };
  look_until_not_stale(adopt_what_is_there, [] {});
  if (auto why = ending == Ending::kWhole ? store->unfit() : std::nullopt) throw Error(ErrorCode::kCorrupt, *why);
  store->sync_what_was_read();
  return store;
}

/// The state of a store that is being made.
struct FileLog::Birth {
  // A store that is to be replaced is locked until then, so that no process changes it any longer.
  std::unique_ptr<FileLog> old;
  std::optional<Writer> old_lock;
  std::optional<TemporaryStore> temporary;
};

std::unique_ptr<FileLog> FileLog::make(FileSystem& file_system, const std::string& path, NewLog fresh) {
  auto birth = std::make_unique<Birth>();
  if (fresh.replace && file_system.id_of(path)) {
    birth->old = open(file_system, path, false);
    birth->old_lock.emplace(birth->old->begin());
    birth->old_lock->let_waits_step_aside();  // nothing of the old store changes before `place`
  }
  birth->temporary.emplace(birth->old_lock ? birth->old_lock->successor() : TemporaryStore(file_system, path));
  const Bytes image =
      make_store_image(fresh.uuid, fresh.salt, std::move(fresh.first), fresh.created, kFirstFreeBytes, fresh.cipher);
  birth->temporary->file().write_at(0, image);
  std::unique_ptr<FileLog> store(new FileLog(file_system, path, false));
  store->placed_ = false;
  store->birth_ = std::move(birth);
  Exclusive gate(store->gate_);
  store->adopt(store->birth_->temporary->share(), Locked::kYes);
  return store;
}

FileLog::~FileLog() = default;

void FileLog::place() {
  const WaitPolicy::Keep half_done;
  Birth& birth = *birth_;
  birth.temporary->file().sync_all();
  if (birth.old_lock) {
    birth.old_lock->replace_by(birth.temporary->path());
  } else {
    file_system_.rename(birth.temporary->path(), path_, true);
    file_system_.sync_directory_of(path_);
  }
  birth.temporary->renamed();
  placed();
  birth_.reset();
}

void FileLog::placed() {
  Exclusive gate(gate_);
  placed_ = true;
  durable_ = end_.last;
  file_->unlock(LockByte::kStore);
  provide_for_a_child();
}

StoreHeader FileLog::header() const {
  Shared gate(gate_);
  return header_;
}

Uuid FileLog::uuid() const {
  Shared gate(gate_);
  return header_.uuid;
}

Cipher FileLog::cipher() const {
  Shared gate(gate_);
  return header_.cipher;
}

uint64_t FileLog::created() const {
  Shared gate(gate_);
  return header_.created;
}

Salt FileLog::salt() const {
  Shared gate(gate_);
  return header_.salt;
}

void FileLog::check_usable() const {
  if (replaced_) throw Error(ErrorCode::kReplaced, path_ + " was removed, or initialized again, by another process");
}

// --- reading ---

uint64_t FileLog::cursor() const {
  Shared gate(gate_);
  return index_.cursor();
}

size_t FileLog::names() const {
  Shared gate(gate_);
  return index_.names().size();
}

bool FileLog::visit_changes(uint64_t cursor, const Visit& visit) const {
  reopen_if_forked();
  sync_what_was_read();
  Shared gate(gate_);
  check_usable();
  const Index::Changes changes = index_.changes(cursor);
  for (const auto* item : changes.names) visit(item->first, item->second.view());
  return changes.whole;
}

std::vector<std::pair<std::string, EntryRecord>> FileLog::list(std::string_view prefix) const {
  reopen_if_forked();
  sync_what_was_read();
  Shared gate(gate_);
  check_usable();
  std::vector<std::pair<std::string, EntryRecord>> out;
  for (const auto& [name, record] : index_.names()) {
    if (record.deleted || name.compare(0, prefix.size(), prefix) != 0) continue;
    out.emplace_back(name, to_entry_record(record));
    if (index_.may_be_outdated(record)) out.back().second.state = worse(record.state);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

std::optional<EntryRecord> FileLog::find(std::string_view name) const {
  reopen_if_forked();
  sync_what_was_read();
  Shared gate(gate_);
  check_usable();
  const auto* item = index_.find(name);
  if (!item || item->second.deleted) return std::nullopt;
  EntryRecord record = to_entry_record(item->second);
  if (index_.may_be_outdated(item->second)) record.state = worse(record.state);
  return record;
}

std::optional<StoredEntry> FileLog::read(std::string_view name) const {
  reopen_if_forked();
  sync_what_was_read();
  const auto read_it = [&] { return look_until_not_stale([&] { return read_once(name); }, [&] { reopen_stale(); }); };
  try {
    return read_it();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorrupt || inherited_) throw;
    if (!const_cast<FileLog*>(this)->was_overwritten()) throw;
  }
  return read_it();
}

std::optional<StoredEntry> FileLog::examine(std::string_view name) const {
  return look_until_not_stale([&] { return examine_once(name); }, [&] { reopen_stale(); });
}

std::optional<StoredEntry> FileLog::read_once(std::string_view name) const {
  Shared gate(gate_);
  check_usable();
  if (inherited_) file_->confirm();
  const auto* item = index_.find(name);
  if (!item || item->second.deleted) return std::nullopt;
  const Record& record = item->second;
  if (record.state != NameStatus::kCurrent) refuse(item->first, record.state, path_);
  if (index_.may_be_outdated(record)) {
    throw Error(ErrorCode::kCorrupt, "'" + item->first + "' in " + path_ +
                                         " may be out of date: damage behind it could hide a newer version");
  }
  auto bytes = read_entry(*file_, header_, record.entry);
  if (!bytes && record.twin_length != 0) {
    LogEntry twin = record.entry;
    twin.offset = record.twin_offset;
    twin.length = record.twin_length;
    twin.corrected = record.twin_corrected;
    twin.sequence.number = record.twin_number;
    bytes = read_entry(*file_, header_, twin);
  }
  if (!bytes) {
    file_->confirm();
    refuse(item->first, NameStatus::kDamaged, path_);
  }
  return StoredEntry{record.entry.sequence.number, std::move(*bytes)};
}

std::optional<StoredEntry> FileLog::examine_once(std::string_view name) const {
  Shared gate(gate_);
  if (inherited_) file_->confirm();
  const auto* item = index_.find(name);
  if (!item || item->second.state != NameStatus::kCurrent || item->second.entry.length == 0) return std::nullopt;
  auto bytes = read_entry(*file_, header_, item->second.entry);
  if (!bytes) {
    file_->confirm();
    return std::nullopt;
  }
  return StoredEntry{item->second.entry.sequence.number, std::move(*bytes)};
}

void FileLog::mark_tampered(const std::string& name, uint64_t number) {
  Exclusive gate(gate_);
  index_.mark_tampered(name, number);
}

// --- locks ---

bool FileLog::this_thread_writes() const { return writer_thread_ == std::this_thread::get_id(); }

// A lock is valid as long as its file is the one at the path: two processes with locks on two files would evaluate two
// logins at once.
std::shared_ptr<File> FileLog::lock_at_path(LockByte byte) {
  for (;;) {
    std::shared_ptr<File> file;
    {
      Shared gate(gate_);
      check_usable();
      file = file_;
    }
    try {
      file->lock(byte, LockMode::kExclusive, true);
      struct Unlock {
        const File* file;
        LockByte byte;
        ~Unlock() {
          if (file) file->unlock(byte);
        }
      } unlock{file.get(), byte};
      Shared gate(gate_);
      if (file_ == file && is_at_path()) {
        unlock.file = nullptr;
        return file;
      }
    } catch (const StaleFile&) {
      reopen_stale();
      continue;
    }
    begin();  // finds the file that is at the path now
  }
}

// Logins to a read-only store are not counted, and its descriptor cannot be locked exclusively.
FileLog::LoginLock FileLog::lock_login() {
  reopen_if_forked();
  LoginLock lock(*this, lock_within_limit(login_mutex_, path_));
  try {
    if (!read_only()) login_file_.set(lock_at_path(LockByte::kLogin));
  } catch (const Error& error) {
    if (!goes_on_after(error)) throw;
  }
  return lock;
}

FileLog::SoLock FileLog::lock_so() {
  reopen_if_forked();
  SoLock lock(*this, lock_within_limit(so_mutex_, path_));
  if (!read_only()) lock.file_ = lock_at_path(LockByte::kSo);
  return lock;
}

bool FileLog::LoginLock::is_on_file_of(const Writer& writer) const {
  return store_->login_file_.get() == writer.locked_;
}

bool FileLog::SoLock::is_on_file_of(const Writer& writer) const { return file_ == writer.locked_; }

std::unique_ptr<EntryLog::Claim> FileLog::claim(Role role) {
  if (role == Role::kSo) return std::make_unique<SoLock>(lock_so());
  return std::make_unique<LoginLock>(lock_login());
}

std::optional<FileLog::Writer> FileLog::begin(const std::vector<const Claim*>& claims) {
  std::optional<Writer> writer(begin());
  const auto holds = [&](const Claim* claim) { return static_cast<const FileClaim*>(claim)->is_on_file_of(*writer); };
  if (!std::all_of(claims.begin(), claims.end(), holds)) writer.reset();
  return writer;
}

FileLog::LoginLock::~LoginLock() {
  if (!held_) return;
  if (store_->process_ != this_process()) {  // a forked child: the lock is not its own
    held_.release();
    return;
  }
  if (const auto file = store_->login_file_.set(nullptr)) file->unlock(LockByte::kLogin);
}

FileLog::SoLock::~SoLock() {
  if (!held_) return;
  if (store_->process_ != this_process()) {
    held_.release();
    return;
  }
  if (file_) file_->unlock(LockByte::kSo);
}

}  // namespace vtpm::store
