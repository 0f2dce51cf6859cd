// SPDX-License-Identifier: Apache-2.0
// The log of a file: an EntryLog (store/log/entry_log.h) whose entries stand one behind the other in one open store
// file (docs/format.md), with its index and its locks.
//
// What is public here beyond that contract is the file's own door: for `store/care`, which judges and repairs files,
// and for the tests of the file.
//
// Reading threads share a lock that is held for microseconds; one `Writer` at a time, among all processes, changes the
// file. A commit is one write over the zero-filled tail, then one fdatasync after the lock is gone, which other
// threads' commits share. Before anything that rests on unsynced entries of others is returned, it is synced here;
// where that has failed it is returned all the same, and whoever promises that it lasts calls `make_durable`
// (store/log/sync.cc).
//
// After fork the child's first call opens the file anew; no other thread may have been inside at the fork. A child that
// may not open the path reads on through a second description of the file, which its parent has opened for this and
// which carries no lock: it is `inherited` then, sees no later change, and can change nothing
// (docs/decisions/0002-servers-that-drop-their-rights.md).
//
// Throws Error: kIo, kNoSpace, kReadOnly, kCorrupt (the file's end is not as it must be), kReplaced.
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
/// For the temporary file of a process that may be about to die.
enum class Waiting { kBriefly, kDoNotWait };
/// What a transaction needs room for: it decides how much of the reserve it must leave (kReserveBytes).
enum class Room { kOrdinary, kDeletion, kLogin };
Room room_of(const std::vector<Draft>& drafts);

class FileLog final : public EntryLog {
 public:
  /// A file whose end is not as it must be (`unfit`) is refused. `kAny` is for whoever says what is wrong with it, or
  /// repairs it; even then it takes no change.
  enum class Ending { kWhole, kAny };
  static std::unique_ptr<FileLog> open(FileSystem& file_system, const std::string& path, bool read_only,
                                       Ending ending = Ending::kWhole);

  /// A store in a temporary file, locked, beside the one at `path`, whose place it will take (`place`).
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

  /// One read and one comparison when nothing was appended; over NFS a lock, too.
  bool refresh() override;
  bool refresh_now() override { return refresh(); }
  /// After a failed sync the file is written again for it.
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
  /// The room for logins behind the log is at most what there was, and a file without anything to give back stays.
  void compact(const Progress& progress) override;
  void remove() override;
  void place() override;
  void close_after_fork() noexcept override;
  /// Throws what opening the path throws where the parent has left nothing behind.
  void reopen_after_fork() override;

  // --- the file's own door ---
  StoreHeader header() const;
  /// Why nobody may work with the file before it is repaired: it is truncated, or more stands behind its end than a
  /// crash leaves. A sentence with the path and what to do; nothing: it is fit.
  std::optional<std::string> unfit() const;

  class Writer;
  Writer begin();
  /// The same for whoever must not wait for the lock: nothing when somebody else holds it.
  std::optional<Writer> try_begin();
  /// The same for whoever repairs the file: also where its end is not as it must be, or what stands in it deceives.
  Writer begin_repair();

  class FileClaim;
  /// Held while a login is being counted, or while key slots change. Taken before a `Writer`, never inside one. It is
  /// on the file that stands at the path when this returns.
  class LoginLock;
  LoginLock lock_login();
  /// A writer on the file that each claim is on. Nothing when another file has come to the path meanwhile (somebody has
  /// compacted the store without the login lock): the lock excludes nobody any longer, so give it up and start anew.
  std::optional<Writer> begin(const std::vector<const Claim*>& claims);

  /// Held around an attempt of the security officer and the delay in front of it, so that they are evaluated one at a
  /// time and nobody else waits for them. Taken before a `LoginLock`.
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

  // Who may change what: the file's contents and `end_`, `probe_`, ... belong to whoever holds `gate_` exclusively; a
  // writer holds `writer_mutex_` and the file's lock in addition. Order: officer, login, writer, file, gate.
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
  /// For reading the log anew from its beginning: a torn entry that has been cleaned away may be all that told how far
  /// the log is synced, and what was promised must stay told from what was torn.
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
  Bytes last_entry_;  // its first bytes: while they stand there, what is in front of them is what was read
  std::atomic<uint64_t> rollbacks_{0};
  std::string rolled_back_name_;
  bool intact_end_ = false;
  bool cut_off_ = false;
  uint64_t unread_ = 0;                 // ScanResult::unread
  bool headless_ = false;               // no header counts: a rewritten file would have none
  bool damaged_beyond_moving_ = false;  // rot that is not of the shape of an entry: compaction would have to drop it
  bool replaced_ = false;

  mutable std::mutex sync_mutex_;
  mutable std::atomic<uint64_t> durable_{0}, applied_{0};
  mutable std::atomic<bool> lost_writes_{false};  // through a descriptor that is no longer `file_`'s

  // The writer's. The last compaction that was tried for its convenience and failed:
  struct RefusedCompaction {
    uint64_t dead = 0;     // what it would have given back; 0: none has failed
    uint64_t free = 0;     // what the disk had for it; infinite where that was not the reason
    std::string reported;  // the reason that was reported last
  };
  RefusedCompaction refused_;
  uint64_t growth_to_be_had_ = UINT64_MAX;  // of the disk, as far as it was tried

  std::mutex writer_mutex_, login_mutex_, so_mutex_;
  /// The file whose login byte a `LoginLock` of this process has locked; null: none has, or one has on a store that
  /// can only be read. A compaction carries the lock on to the file that it makes.
  class LockedFile {
   public:
    std::shared_ptr<File> get() const {
      std::lock_guard<std::mutex> guard(mutex_);
      return file_;
    }
    /// Returns what it was.
    std::shared_ptr<File> set(std::shared_ptr<File> file) {
      std::lock_guard<std::mutex> guard(mutex_);
      return std::exchange(file_, std::move(file));
    }
    /// False: it was not `from`, and stays what it is.
    bool move(const std::shared_ptr<File>& from, const std::shared_ptr<File>& to) {
      std::lock_guard<std::mutex> guard(mutex_);
      if (file_ != from) return false;
      file_ = to;
      return true;
    }

   private:
    mutable std::mutex mutex_;  // held for a moment, and no other behind it
    std::shared_ptr<File> file_;
  };
  LockedFile login_file_;
  std::atomic<std::thread::id> writer_thread_{};
  bool plain_ = false;     // as all scans of this file were
  bool prepared_ = false;  // for appending: the free space of this file was verified

  std::unique_ptr<Birth> birth_;  // until it is placed
};

/// The right to change the store: its lock, among processes and threads.
class FileLog::Writer {
 public:
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) = delete;
  ~Writer();

  /// Appends all drafts as one transaction; returns its first sequence number. Visible when it returns; durable after
  /// `release_and_sync`. On a full disk a transaction of retry counters may take the whole reserve that is kept behind
  /// the log, one of deletions half of it, any other nothing.
  uint64_t append(std::vector<Draft> drafts);
  /// Extends the file so that an `append` of that many bytes finds its space.
  void reserve(uint64_t bytes);
  /// The same for an `append` of these drafts, which then compacts nothing: what stands in the file stays at its place.
  void make_room_for(const std::vector<Draft>& drafts);
  /// What is current of a name, deletions included, as this writer found it: not synced for the asking.
  std::optional<Record> peek(std::string_view name) const;
  /// The file that is locked, also once another one has taken its place. Read it only.
  std::shared_ptr<const File> file() const { return locked_; }
  /// What changed after `cursor`, on the same terms: whoever holds the lock must not make the others wait for a sync.
  bool visit_changes(uint64_t cursor, const Visit& visit) const;
  /// From now on waits of this thread step aside again (WaitPolicy::Keep), although the lock is held: for a holder
  /// that has not begun to change anything.
  void let_waits_step_aside() { keep_.reset(); }
  /// Syncs what was appended, and keeps the lock.
  void sync();
  /// Ends the writer; returns when all that it appended is on the disk.
  void release_and_sync();
  /// Overwrites secrets of a superseded key slot in place, synced.
  void wipe_slot(const Record& old);
  /// Rewrites the file without what is dead. With `most`, the file stays as it is where the new one would have more
  /// bytes. Throws kCorrupt where that would drop damage that cannot be moved.
  void compact(const Progress& progress = nullptr, std::optional<uint64_t> most = std::nullopt);
  /// The same, changed on the way. Nothing has happened until the new file stands complete in the old one's place,
  /// whose key slots are then zeros. Throws kCorrupt when anything in the store is damaged.
  void rewrite(const Rewriting& rewriting);
  /// Puts a file with these entries, and what is damaged among them, into the store's place. With `most` as `compact`.
  void rewrite(TemporaryStore fresh, const ScanResult& scan, const Index& index, const Progress& progress,
               std::optional<uint64_t> most = std::nullopt);
  /// Bytes of the file as this writer found it.
  uint64_t file_size() const { return locked_->size(); }
  /// An empty file beside the store, which everybody may use who may use the store. Throws kReadOnly where that cannot
  /// be (or the directory may not be written), kExists when somebody else is making such a file: kDoNotWait does not
  /// give a dying process time to let go of it.
  TemporaryStore successor(Waiting waiting = Waiting::kBriefly);
  /// Lets `fresh`, a complete and synced file at `temporary`, take this store's place. Every user of it finds out.
  void replace_by(const std::string& temporary);
  /// Removes the store's file. Every user of it finds out, as if it had been replaced. Nothing may be called
  /// afterwards.
  void remove();

 private:
  friend class FileLog;
  enum class Purpose { kChange, kRepair };
  /// Where it does not wait and somebody else holds the lock, it `has_lock` not, and nothing else may be called.
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
  std::optional<WaitPolicy::Keep> keep_;  // once it is locked: what waits now stands in the middle of a change
  Purpose purpose_;
  uint64_t last_ = 0;  // of what was appended and is not known to be synced
  bool compacting_ = false;
};

/// A claim on a file: a lock that counts while its file is the one at the path.
class FileLog::FileClaim : public EntryLog::Claim {
 public:
  /// False: another file has come to the path, and this lock excludes nobody any longer.
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
  std::shared_ptr<File> file_;  // null: the store can only be read
};

/// The temporary file of a store: in its directory, never listed. Locked while it lives, removed unless it was renamed.
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
  void renamed() { path_.clear(); }

 private:
  FileSystem& file_system_;
  std::string path_;
  std::shared_ptr<File> file_;
};

}  // namespace vtpm::store
