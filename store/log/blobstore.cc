// SPDX-License-Identifier: Apache-2.0
#include "store/log/blobstore.h"

#include <algorithm>
#include <shared_mutex>

#include "base/error.h"
#include "base/process.h"

namespace vtpm::store {
namespace {

using Shared = std::shared_lock<RwLock>;
using Exclusive = std::unique_lock<RwLock>;

[[noreturn]] void refuse(const std::string& name, NameState state, const std::string& path) {
  std::string what = "'" + name + "' in " + path;
  switch (state) {
    case NameState::kTampered:
      throw Error(ErrorCode::kTampered, what + " was tampered with: its checksum is right, its seal or MAC is wrong");
    case NameState::kRefused:
      throw Error(ErrorCode::kTooNew,
                  what + " was written by something newer: it has an attribute that must be understood");
    default:
      throw Error(ErrorCode::kCorrupt, what + " is damaged, and an older version is not served in its place");
  }
}

}  // namespace

Blobstore::Blobstore(FileSystem& file_system, std::string path, bool read_only)
    : file_system_(file_system), path_(std::move(path)), read_only_(read_only), process_(this_process()) {}

std::unique_ptr<Blobstore> Blobstore::open(FileSystem& file_system, const std::string& path, bool read_only,
                                           Ending ending) {
  std::unique_ptr<Blobstore> store(new Blobstore(file_system, path, read_only));
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

std::unique_ptr<Blobstore> Blobstore::make(FileSystem& file_system, const std::string& path,
                                           std::shared_ptr<File> file) {
  std::unique_ptr<Blobstore> store(new Blobstore(file_system, path, false));
  store->placed_ = false;
  Exclusive gate(store->gate_);
  store->adopt(std::move(file), Locked::kYes);
  return store;
}

void Blobstore::placed() {
  Exclusive gate(gate_);
  placed_ = true;
  durable_ = end_.last;
  file_->unlock(LockByte::kStore);
  provide_for_a_child();
}

Uuid Blobstore::uuid() const {
  Shared gate(gate_);
  return header_.uuid;
}

Cipher Blobstore::cipher() const {
  Shared gate(gate_);
  return header_.cipher;
}

uint64_t Blobstore::created() const {
  Shared gate(gate_);
  return header_.created;
}

Salt Blobstore::salt() const {
  Shared gate(gate_);
  return header_.salt;
}

void Blobstore::check_usable() const {
  if (replaced_) throw Error(ErrorCode::kReplaced, path_ + " was removed or initialised anew by someone else");
}

// --- reading ---

uint64_t Blobstore::cursor() const {
  Shared gate(gate_);
  return index_.cursor();
}

size_t Blobstore::names() const {
  Shared gate(gate_);
  return index_.names().size();
}

bool Blobstore::visit_changes(uint64_t cursor, const Visit& visit) const {
  reopen_if_forked();
  sync_what_was_read();
  Shared gate(gate_);
  check_usable();
  const Index::Changes changes = index_.changes(cursor);
  for (const auto* item : changes.names) visit(item->first, item->second);
  return changes.whole;
}

std::vector<std::pair<std::string, Record>> Blobstore::list(std::string_view prefix) const {
  reopen_if_forked();
  sync_what_was_read();
  Shared gate(gate_);
  check_usable();
  std::vector<std::pair<std::string, Record>> out;
  for (const auto& item : index_.names()) {
    if (!item.second.deleted && item.first.compare(0, prefix.size(), prefix) == 0) out.emplace_back(item);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [name, record] : out) {
    if (record.state == NameState::kCurrent && index_.may_be_outdated(record)) record.state = NameState::kDamaged;
  }
  return out;
}

std::optional<Record> Blobstore::find(std::string_view name) const {
  reopen_if_forked();
  sync_what_was_read();
  Shared gate(gate_);
  check_usable();
  const auto* item = index_.find(name);
  if (!item || item->second.deleted) return std::nullopt;
  Record record = item->second;
  if (record.state == NameState::kCurrent && index_.may_be_outdated(record)) record.state = NameState::kDamaged;
  return record;
}

std::optional<Blobstore::Stored> Blobstore::read(std::string_view name) const {
  reopen_if_forked();
  sync_what_was_read();
  const auto read_it = [&] { return look_until_not_stale([&] { return read_once(name); }, [&] { reopen_stale(); }); };
  try {
    return read_it();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCorrupt || inherited_) throw;
    if (!const_cast<Blobstore*>(this)->was_overwritten()) throw;
  }
  return read_it();
}

std::optional<Blobstore::Stored> Blobstore::examine(std::string_view name) const {
  return look_until_not_stale([&] { return examine_once(name); }, [&] { reopen_stale(); });
}

std::optional<Blobstore::Stored> Blobstore::read_once(std::string_view name) const {
  Shared gate(gate_);
  check_usable();
  if (inherited_) file_->confirm();
  const auto* item = index_.find(name);
  if (!item || item->second.deleted) return std::nullopt;
  const Record& record = item->second;
  if (record.state != NameState::kCurrent) refuse(item->first, record.state, path_);
  if (index_.may_be_outdated(record)) {
    throw Error(ErrorCode::kCorrupt, "'" + item->first + "' in " + path_ +
                                         " may be out of date: damage behind it could hide a newer version");
  }
  auto octets = read_entry(*file_, header_, record.entry);
  if (!octets && record.twin_length != 0) {
    LogEntry twin = record.entry;
    twin.offset = record.twin_offset;
    twin.length = record.twin_length;
    twin.corrected = record.twin_corrected;
    twin.sequence.number = record.twin_number;
    octets = read_entry(*file_, header_, twin);
  }
  if (!octets) {
    file_->confirm();
    refuse(item->first, NameState::kDamaged, path_);
  }
  return Stored{record, std::move(*octets)};
}

std::optional<Blobstore::Stored> Blobstore::examine_once(std::string_view name) const {
  Shared gate(gate_);
  if (inherited_) file_->confirm();
  const auto* item = index_.find(name);
  if (!item || item->second.state != NameState::kCurrent || item->second.entry.length == 0) return std::nullopt;
  auto octets = read_entry(*file_, header_, item->second.entry);
  if (!octets) {
    file_->confirm();
    return std::nullopt;
  }
  return Stored{item->second, std::move(*octets)};
}

void Blobstore::mark_tampered(const std::string& name, uint64_t number) {
  Exclusive gate(gate_);
  index_.mark_tampered(name, number);
}

// --- locks ---

bool Blobstore::this_thread_writes() const { return writer_thread_ == std::this_thread::get_id(); }

// A lock counts for as long as its file is the one at the path: two that hold it on two files would evaluate two logins
// at once.
std::shared_ptr<File> Blobstore::lock_at_path(LockByte octet) {
  for (;;) {
    std::shared_ptr<File> file;
    {
      Shared gate(gate_);
      check_usable();
      file = file_;
    }
    try {
      file->lock(octet, LockMode::kExclusive, true);
      struct Unlock {
        const File* file;
        LockByte octet;
        ~Unlock() {
          if (file) file->unlock(octet);
        }
      } unlock{file.get(), octet};
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

// Logins to a read-only store are not counted, and its descriptor can not be locked exclusively.
Blobstore::LoginLock Blobstore::lock_login() {
  reopen_if_forked();
  LoginLock lock(*this, lock_within_limit(login_mutex_, path_));
  try {
    if (!read_only()) login_file_.set(lock_at_path(LockByte::kLogin));
  } catch (const Error& error) {
    if (!goes_on_after(error)) throw;
  }
  return lock;
}

Blobstore::OfficerLock Blobstore::lock_officer() {
  reopen_if_forked();
  OfficerLock lock(*this, lock_within_limit(officer_mutex_, path_));
  if (!read_only()) lock.file_ = lock_at_path(LockByte::kOfficer);
  return lock;
}

bool Blobstore::OfficerLock::is_on_file_of(const Writer& writer) const { return file_ == writer.locked_; }

std::optional<Blobstore::Writer> Blobstore::begin(const LoginLock&) {
  std::optional<Writer> writer(begin());
  if (login_file_.get() != writer->locked_) writer.reset();
  return writer;
}

Blobstore::LoginLock::~LoginLock() {
  if (!held_) return;
  if (store_->process_ != this_process()) {  // a forked child: the lock is not its own
    held_.release();
    return;
  }
  if (const auto file = store_->login_file_.set(nullptr)) file->unlock(LockByte::kLogin);
}

Blobstore::OfficerLock::~OfficerLock() {
  if (!held_) return;
  if (store_->process_ != this_process()) {
    held_.release();
    return;
  }
  if (file_) file_->unlock(LockByte::kOfficer);
}

}  // namespace vtpm::store
