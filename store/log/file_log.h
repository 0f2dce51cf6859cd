// SPDX-License-Identifier: Apache-2.0
// The log of a file: an EntryLog (store/log/entry_log.h) whose entries stand one after the other in one store file
// (docs/format.md), with its index and its locks.
//
// The public members beyond that contract are for `store/care`, which judges and repairs files, and for the tests of
// the file.
//
// Threads that read share a lock that is held for microseconds. Among all processes one `Writer` at a time changes the
// file. A commit is one write over the zeros behind the log and, after the lock has been released, one fdatasync, which
// commits of other threads share. Entries of others that may not be synced are synced here before anything that depends
// on them is returned. If that has failed, they are returned nevertheless, and a caller that promises durability calls
// `make_durable` (store/log/sync.cc).
//
// After a fork the child's first call opens the file again; no other thread may have been inside at the fork. A child
// that may not open the path continues to read through a second description of the file, which its parent has opened
// for this purpose and on which no lock is taken. The log is `inherited` then, sees no later change and cannot be
// changed (docs/decisions/0002-servers-that-drop-their-rights.md).
//
// Errors: kIo, kNoSpace, kReadOnly, kCorrupt (the file's end is missing or too long), kReplaced.
#pragma once

#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "base/reporter.h"
#include "base/rwlock.h"
#include "base/waiting.h"
#include "store/file/file.h"
#include "store/format/encoding.h"
#include "store/format/file_end.h"
#include "store/format/scan.h"
#include "store/log/entry_log.h"
#include "store/log/index.h"
#include "store/log/log_at_path.h"

namespace vtpm::store {

struct Addition;
class TemporaryStore;
/// Whether to wait, for a second at most, until a process that is being killed releases its temporary file.
enum class Waiting { kBriefly, kDoNotWait };
/// The kind of a transaction, which determines how much of the reserve it must leave (kReserveBytes).
enum class Room { kOrdinary, kDeletion, kLogin };
Room room_of(const std::vector<Draft>& drafts);

class FileLog final : public EntryLog {
 public:
  /// kWhole: a file that must be repaired first (`unfit`) is rejected with kCorrupt. kAny: such a file is opened for
  /// reports and repair; it cannot be changed.
  enum class Ending { kWhole, kAny };
  /// Opens the store file at `path`; read-only if it cannot be written. `file_system` must outlive the log. Throws as
  /// `open_log`.
  static std::unique_ptr<FileLog> open(FileSystem& file_system, const std::string& path, bool read_only,
                                       Ending ending = Ending::kWhole);

  /// Makes a store in a locked temporary file beside `path`, which `place` renames to `path`. Throws as `make_log`.
  static std::unique_ptr<FileLog> make(FileSystem& file_system, const std::string& path, NewLog fresh);
  ~FileLog() override;

  const std::string& path() const override { return path_; }
  Uuid uuid() const override;
  Salt salt() const override;
  Cipher cipher() const override;
  uint64_t created() const override;
  bool read_only() const override { return read_only_ || inherited_; }
  bool inherited() const override { return inherited_; }
  Limits limits() const override { return {kMaxEntryBytes, kMaxTransactionEntries}; }
  void report_to(Reporter reporter) override { reporter_ = std::move(reporter); }
  void report(const std::string& sentence) const override {
    if (reporter_) reporter_(sentence);
  }

  std::vector<std::string> findings() const override;
  bool truncated() const override;
  uint64_t rollbacks() const override { return rollbacks_; }
  std::string rolled_back_name() const override;

  /// Costs one read and one comparison if nothing was appended; over NFS also a lock.
  bool refresh() override;
  bool refresh_now() override { return refresh(); }
  /// If a sync has failed before, the file is written again.
  void make_durable() override;

  uint64_t cursor() const override;
  size_t names() const override;
  bool visit_changes(uint64_t cursor, const Visit& visit) const override;
  void looked_at(uint64_t cursor) override { looked_at_ = cursor; }
  std::vector<std::pair<std::string, EntryRecord>> list(std::string_view prefix) const override;
  std::optional<EntryRecord> find(std::string_view name) const override;
  std::optional<StoredEntry> read(std::string_view name) const override;
  std::optional<StoredEntry> examine(std::string_view name) const override;
  void mark_tampered(const std::string& name, uint64_t number) override;

  std::unique_ptr<Claim> claim(Role role) override;
  Appended change(const Body& body) override;
  std::optional<Appended> try_change(const Body& body) override;
  std::optional<Appended> change_under(const std::vector<const Claim*>& claims, const Body& body) override;
  bool rewrite(const Claim& login, const std::function<std::optional<Rewriting>(Change&)>& body) override;
  /// Reserves no more space behind the log than there was, and leaves a file as it is if nothing in it is dead.
  void compact(const Progress& progress) override;
  void remove() override;
  void place() override;
  void close_after_fork() noexcept override;
  /// Throws what opening the path throws if the parent has left no description for reading.
  void reopen_after_fork() override;

  // --- beyond the contract ---
  StoreHeader header() const;
  /// See store::unfit (store/format/file_end.h).
  std::optional<std::string> unfit() const;

  class Writer;
  /// Waits for the store's lock, within the limit of the call, and catches up. Throws kReadOnly, kReplaced, kCorrupt,
  /// kIo.
  Writer begin();
  /// The same without waiting: returns nothing if another process or thread holds the lock.
  std::optional<Writer> try_begin();
  /// The same for a repair: also if the file is `unfit`, or was made to deceive.
  Writer begin_repair();

  class FileClaim;
  /// The claim Role::kLogin. It is taken before a `Writer`, never inside one, and locks the file that is at the path
  /// when `lock_login` returns.
  class LoginLock;
  LoginLock lock_login();
  /// Returns a writer on the file that all of the claims have locked. Returns nothing if another file has come to the
  /// path (another process has compacted the store without the login lock): the claims no longer exclude other
  /// processes, and the caller must release them and start again.
  std::optional<Writer> begin(const std::vector<const Claim*>& claims);

  /// The claim Role::kSo: attempts of the security officer, with the delay before each, are evaluated one at a time,
  /// and no other login waits for them. It is taken before a `LoginLock`.
  class SoLock;
  SoLock lock_so();

 private:
  struct Birth;
  FileLog(FileSystem& file_system, std::string path, bool read_only);
  enum class Patience { kWaits, kDoesNotWait };
  /// Thrown with kDoesNotWait, inside of this class only: the file must be looked at while no process writes it, and
  /// one does. Nothing has changed then.
  struct OthersWrite {};
  class OthersFinish;
  std::optional<Writer> begin_as(Patience patience);
  [[noreturn]] void refuse_change() const;

  // Locks: the thread that holds `gate_` exclusively may change the members below it; a writer also holds
  // `writer_mutex_` and the file's lock. Order: `so_mutex_`, `login_mutex_`, `writer_mutex_`, the file's lock, `gate_`.
  void check_usable() const;
  bool refresh_once();
  FileEnd file_end() const;  // gate held
  bool was_overwritten();
  bool is_still_ours() const;     // gate held
  bool nothing_appended() const;  // gate held
  enum class Locked { kNo, kYes };
  void adopt(std::shared_ptr<File> file, Locked locked,
             Patience patience = Patience::kWaits);  // gate held exclusively
  void apply(ScanResult scan);                       // gate held exclusively
  bool settles(const ScanResult& scan) const;        // no second look is needed
  void take_end(ScanResult scan);                    // gate held exclusively
  bool catch_up();
  bool catch_up_over_network();
  enum class Looked { kYes, kWaitForAWriter };
  Looked look_behind_the_cache();
  void reopen_stale(Patience patience = Patience::kWaits) const;
  std::optional<StoredEntry> read_once(std::string_view name) const;
  std::optional<StoredEntry> examine_once(std::string_view name) const;
  Appended run(Writer& writer, const Body& body);
  void retire(Writer& writer, const std::vector<Record>& records);
  void placed();
  bool look_again_alone();
  void look_again_under_lock(Patience patience = Patience::kWaits);
  /// The start of a scan from the beginning of the log that keeps what is known to be synced. A torn entry that has
  /// been removed may have been the only one that showed it, and rot must remain distinguishable from a torn write.
  ScanProgress knowing_what_is_durable() const {
    ScanProgress from;
    from.durable = end_.durable;
    return from;
  }
  bool is_at_path() const;
  std::shared_ptr<File> lock_at_path(LockByte byte);
  void follow_path(Patience patience = Patience::kWaits);  // gate held exclusively
  bool may_have_lost_writes() const;                       // gate not held
  void note_lost_writes() const;                           // gate held: before `file_` is opened anew
  void sync_file(const File& file) const;
  void sync_to(uint64_t number) const;
  void sync_what_was_read() const;
  // store/log/inheritance.cc
  void reopen_if_forked() const;
  void provide_for_a_child() noexcept;  // gate held exclusively
  void open_again();                    // gate held exclusively
  void inherit(std::shared_ptr<File> file, const std::string& why);
  bool goes_on_after(const Error& error);
  std::optional<std::string> why_out_of_reach(const Error& error) const;
  bool has_another_root() const;
  void look_whether_removed();
  bool this_thread_writes() const;

  FileSystem& file_system_;
  const std::string path_;
  bool read_only_;
  Reporter reporter_;
  std::atomic<pid_t> process_;
  bool placed_ = true;

  mutable RwLock gate_;
  std::shared_ptr<File> file_;
  std::shared_ptr<File> for_a_child_;  // `file_` on a description of its own, never locked; null where there is none
  std::optional<FileId> root_;         // of the process that opened it: the directory "/"
  std::atomic<bool> inherited_{false};
  StoreHeader header_;
  Index index_;
  std::atomic<uint64_t> looked_at_{0};  // deletions up to this cursor may be forgotten
  ScanProgress end_;
  Bytes probe_;
  uint64_t last_entry_at_ = 0;
  Bytes last_entry_;  // its first bytes: while they are there, the log before them is the one that was read
  std::atomic<uint64_t> rollbacks_{0};
  std::string rolled_back_name_;
  bool intact_end_ = false;
  bool cut_off_ = false;
  uint64_t unread_ = 0;                 // ScanResult::unread
  bool headless_ = false;               // no header is part of the log: a compacted file would have none
  bool damaged_beyond_moving_ = false;  // damage without the shape of an entry, which a compaction would have to drop
  bool replaced_ = false;

  mutable std::mutex sync_mutex_;
  mutable std::atomic<uint64_t> durable_{0}, applied_{0};
  mutable std::atomic<bool> lost_writes_{false};  // a sync failed on a descriptor that is no longer `file_`'s

  // Of writers. The last optional compaction that failed:
  struct RefusedCompaction {
    uint64_t dead = 0;     // bytes that it would have freed; 0: none has failed
    uint64_t free = 0;     // bytes that were free on the disk; UINT64_MAX if lack of space was not the reason
    std::string reported;  // the reason that was reported last
  };
  RefusedCompaction refused_;
  uint64_t growth_to_be_had_ = UINT64_MAX;  // bytes by which the file can grow, as far as it was tried

  std::mutex writer_mutex_, login_mutex_, so_mutex_;
  /// The file whose login byte a `LoginLock` of this process has locked; null if there is no such lock, or the store
  /// can only be read. A compaction transfers the lock to the new file.
  class LockedFile {
   public:
    std::shared_ptr<File> get() const {
      std::lock_guard<std::mutex> guard(mutex_);
      return file_;
    }
    /// Returns the former value.
    std::shared_ptr<File> set(std::shared_ptr<File> file) {
      std::lock_guard<std::mutex> guard(mutex_);
      return std::exchange(file_, std::move(file));
    }
    /// Replaces `from` by `to`. Returns false, and changes nothing, if the value is not `from`.
    bool move(const std::shared_ptr<File>& from, const std::shared_ptr<File>& to) {
      std::lock_guard<std::mutex> guard(mutex_);
      if (file_ != from) return false;
      file_ = to;
      return true;
    }

   private:
    mutable std::mutex mutex_;  // held for a moment; no other lock is taken under it
    std::shared_ptr<File> file_;
  };
  LockedFile login_file_;
  std::atomic<std::thread::id> writer_thread_{};
  bool plain_ = false;     // whether all scans of this file were plain (ScanResult::plain)
  bool prepared_ = false;  // whether the free space of this file was verified, so that entries can be appended

  std::unique_ptr<Birth> birth_;  // not null until the log is placed
};

/// The right to change the store: it holds the store's lock among processes and threads. It belongs to the thread that
/// began it.
class FileLog::Writer {
 public:
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) = delete;
  ~Writer();

  /// Appends all drafts as one transaction and returns its first number. The transaction is visible when this returns,
  /// and durable after `release_and_sync`. On a full disk a transaction of retry counters may use the whole reserve
  /// behind the log, one of deletions half of it, any other nothing of it. If it throws, nothing was appended.
  uint64_t append(std::vector<Draft> drafts);
  /// Extends or compacts the file so that an `append` of that many bytes finds its space. Throws kNoSpace.
  void reserve(uint64_t bytes);
  /// The same for an `append` of these drafts, which then does not compact the file: no entry moves.
  void make_room_for(const std::vector<Draft>& drafts);
  /// Returns the record of a name, also if it is deleted. Does not wait for a sync.
  std::optional<Record> peek(std::string_view name) const;
  /// The file that this writer has locked. The caller may read it, also after another file has replaced it.
  std::shared_ptr<const File> file() const { return locked_; }
  /// See EntryLog::visit_changes. Does not wait for a sync, for which other processes would have to wait too.
  bool visit_changes(uint64_t cursor, const Visit& visit) const;
  /// Lets waits of this thread step aside again (WaitPolicy::Keep) although the lock is held. For a holder that has not
  /// begun to change anything.
  void let_waits_step_aside() { keep_.reset(); }
  /// Syncs what was appended and keeps the lock.
  void sync();
  /// Ends the writer. When it returns, all that was appended is durable.
  void release_and_sync();
  /// Overwrites the secrets of a superseded key slot in place, both copies, and syncs. `old`: its record, as this
  /// writer has found it; the file must not have been compacted since.
  void wipe_slot(const Record& old);
  /// Writes the live entries to a new file, which replaces this one. With `most`, the file is left as it is if the new
  /// one would have more bytes. Throws kCorrupt if damage that cannot be moved would be dropped.
  void compact(const Progress& progress = nullptr, std::optional<uint64_t> most = std::nullopt);
  /// The same with changed entries. Nothing has changed until the new file has replaced the old one, whose key slots
  /// are then overwritten. Throws kCorrupt if anything in the store is damaged.
  void rewrite(const Rewriting& rewriting);
  /// Replaces the file by one with these entries and the damage among them. `most` as for `compact`.
  void rewrite(TemporaryStore fresh, const ScanResult& scan, const Index& index, const Progress& progress,
               std::optional<uint64_t> most = std::nullopt);
  /// The size of the file in bytes.
  uint64_t file_size() const { return locked_->size(); }
  /// Creates an empty file beside the store that the same users can access. Throws kReadOnly if that is impossible, or
  /// the directory cannot be written, and kExists if another process holds such a file.
  TemporaryStore successor(Waiting waiting = Waiting::kBriefly);
  /// Renames the complete and synced file at `temporary` to the store's path. Other logs on this store throw kReplaced
  /// afterwards.
  void replace_by(const std::string& temporary);
  /// Removes the store's file. Other logs on it throw kReplaced afterwards. No other member may be called then.
  void remove();

 private:
  friend class FileLog;
  enum class Purpose { kChange, kRepair };
  /// With kDoesNotWait, if another process or thread holds the lock, `has_lock` returns false, and no other member may
  /// be called.
  explicit Writer(FileLog& store, Purpose purpose = Purpose::kChange, Patience patience = Patience::kWaits);
  bool has_lock() const { return locked_ != nullptr; }
  void compact_into(TemporaryStore fresh, const Progress& progress = nullptr,
                    std::optional<uint64_t> most = std::nullopt);
  void make_sure(Patience patience);
  void write_again();
  enum class Taking { kDone, kTryAgain, kHeldByOthers };
  Taking lock_current_file(Patience patience);
  Taking lock_file_of_now(Patience patience);
  void prepare();
  Encoded encode_next(const std::vector<Draft>& drafts) const;
  void set_aside(uint64_t offset, ByteView bytes) const;
  void require_continuation(uint64_t size, uint64_t jump) const;
  void require_continuation(const Addition& addition) const;
  [[noreturn]] void refuse_continuation() const;
  // store/log/growth.cc
  void ensure_space(uint64_t bytes, Room room);
  uint64_t missing_for(uint64_t bytes) const;
  std::optional<Error> extend_generously(uint64_t bytes);
  void extend_by_what_there_is(uint64_t bytes, Room room);
  std::optional<Error> extend_to(uint64_t size);
  void grow_in_steps(uint64_t size, uint64_t grown);
  void write_free_header(uint64_t size);
  bool try_to_compact(uint64_t dead);
  bool between_logins(const std::function<void()>& work);
  bool still_at_path() const;
  void report_refusal(const std::string& reason) const;
  void undo_write(uint64_t start, uint64_t length) noexcept;
  void append_moved();
  void take_place(TemporaryStore fresh);
  void wipe_slot_at(File& file, uint64_t offset, uint64_t length) const;
  uint64_t dead_bytes() const;
  void release() noexcept;

  FileLog* store_;
  std::unique_lock<std::mutex> held_;
  std::shared_ptr<File> locked_;
  std::optional<WaitPolicy::Keep> keep_;  // while it is locked: a wait would be in the middle of a change
  Purpose purpose_;
  uint64_t last_ = 0;  // the number of the last entry that was appended and may not be synced
  bool compacting_ = false;
};

/// A claim on a file: a lock that is valid as long as its file is the one at the path.
class FileLog::FileClaim : public EntryLog::Claim {
 public:
  /// False if another file has come to the path, so that this lock no longer excludes other processes.
  virtual bool is_on_file_of(const Writer& writer) const = 0;
};

class FileLog::LoginLock final : public FileClaim {
 public:
  LoginLock(LoginLock&& other) noexcept : store_(other.store_), held_(std::move(other.held_)) {}
  ~LoginLock() override;
  bool is_on_file_of(const Writer& writer) const override;

 private:
  friend class FileLog;
  LoginLock(FileLog& store, std::unique_lock<std::mutex> held) : store_(&store), held_(std::move(held)) {}
  FileLog* store_;
  std::unique_lock<std::mutex> held_;
};

class FileLog::SoLock final : public FileClaim {
 public:
  SoLock(SoLock&&) noexcept = default;
  ~SoLock() override;
  bool is_on_file_of(const Writer& writer) const override;

 private:
  friend class FileLog;
  SoLock(FileLog& store, std::unique_lock<std::mutex> held) : store_(&store), held_(std::move(held)) {}
  FileLog* store_;
  std::unique_lock<std::mutex> held_;
  std::shared_ptr<File> file_;  // null if the store can only be read
};

/// The temporary file of a store, `.<store>.tmp` in the same directory. It is locked while the object exists. The
/// destructor removes it unless it was renamed.
class TemporaryStore {
 public:
  TemporaryStore(FileSystem& file_system, const std::string& store_path, Waiting waiting = Waiting::kBriefly);
  ~TemporaryStore();
  TemporaryStore(TemporaryStore&& other) noexcept
      : file_system_(other.file_system_), path_(std::exchange(other.path_, {})), file_(std::move(other.file_)) {}
  TemporaryStore& operator=(TemporaryStore&&) = delete;
  File& file() { return *file_; }
  std::shared_ptr<File> share() { return file_; }
  const std::string& path() const { return path_; }
  /// Says that the file has been renamed and must not be removed.
  void renamed() { path_.clear(); }

 private:
  FileSystem& file_system_;
  std::string path_;
  std::shared_ptr<File> file_;
};

}  // namespace vtpm::store
