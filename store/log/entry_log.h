// SPDX-License-Identifier: Apache-2.0
// A log of entries: the contract of what a vault is built on.
//
// A log belongs to one store. It keeps the current version of each name, assigns rising sequence numbers, and lets any
// number of processes change it, one committed change after the other. It knows entries (store/format/entry.h) and no
// keys: seals, MACs, key slots, retry counters, capacities and the blind index are the vault's, on every kind of log,
// and are bytes here. `open_log` and `make_log` (store/log/log_at_path.h) return the log at a path.
//
// The entry with the highest number of a name is current. There is one exception: an entry that is not bound (it has
// neither seal nor MAC) never replaces one that is. It is ignored, since it may come from a writer without the key.
//
// Kinds. The product's log is the log of a file (store/log/file_log.h). Offsets, byte locks, renames, inodes, the
// durable mark, quarantine, `moved` entries, second copies and the correction of bits are its own affair. The tests
// have a log in shared memory (tests/store/log/shared_log.h). A log may also be kept in a consensus store such as etcd,
// where a commit is one transaction that compares the revision of the head; the comments on `retire` (Proposal) and
// `Limits` say what such a log can do less.
//
// Threads. Any thread may call any function, at the same time as others. Functions that read (`find`, `read`,
// `visit_changes`, ...) or refresh may also be called by the thread whose body runs inside `change`; they never wait
// for the body of another thread. Other waits have the limit of the call (base/waiting.h).
//
// Fork. The child calls `close_after_fork` and later `reopen_after_fork`. If it does not, the log detects the fork at
// the child's first call, by the process id.
//
// Errors. A fault throws Error: kIo, kNoSpace, kReadOnly, kCorrupt (an entry or the log is damaged), or kReplaced (the
// store was removed, or initialized anew by C_InitToken; this log cannot be used any longer).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/reporter.h"
#include "store/format/encoding.h"
#include "store/format/entry_facts.h"
#include "store/format/store_cipher.h"

namespace vtpm::store {

/// The status of a name.
enum class NameStatus : uint8_t {
  kCurrent,
  kDamaged,   // its newest version is damaged; an older one is not served in its place
  kRefused,   // its newest version has a mandatory attribute that this build does not know
  kTampered,  // its newest version is intact, but the seal or MAC is wrong (EntryLog::mark_tampered)
};

/// What the index knows of a name. `facts` are those of the newest readable version; `facts.sequence.number` is 0 if
/// there is none.
struct EntryRecord {
  EntryFacts facts;
  bool deleted = false;
  NameStatus state = NameStatus::kCurrent;
};

/// A view of a record in the log's memory. It is valid during the call that passes it.
struct RecordView {
  RecordView(const EntryFacts& of, bool is_deleted, NameStatus its_state)
      : facts(of), deleted(is_deleted), state(its_state) {}
  RecordView(const EntryRecord& record) : RecordView(record.facts, record.deleted, record.state) {}
  const EntryFacts& facts;
  const bool deleted;
  const NameStatus state;

  /// Whether only a writer with the key may replace it.
  bool bound() const { return facts.sealed || facts.has_mac || facts.type == type::kKeySlot; }
  /// Whether it is a clear entry with an index: its MAC is checked whenever it is read, and not before.
  bool is_checked_when_read() const { return !facts.sealed && !facts.tags.empty() && !deleted; }
};

/// The bytes of an entry, whose CRC is right, and its number.
struct StoredEntry {
  uint64_t number = 0;
  Bytes bytes;
};

class EntryLog {
 public:
  virtual ~EntryLog() = default;

  // --- what it is ---
  /// The path of the store, for messages. The reference is valid as long as the log.
  virtual const std::string& path() const = 0;
  virtual Uuid uuid() const = 0;
  /// The salt of every CRC of this store.
  virtual Salt salt() const = 0;
  virtual Cipher cipher() const = 0;
  /// When the store was made, in seconds since 1970; 0 if the header does not say.
  virtual uint64_t created() const = 0;
  /// True if this process cannot change the log.
  virtual bool read_only() const = 0;
  /// True if this process is the child of a fork and can read only what its parent has left it: it sees no later
  /// change, and the log is `read_only`. A log that a child can always open again returns false.
  virtual bool inherited() const = 0;
  /// The limits of one entry and of one commit. A change that exceeds one throws kNoSpace, and nothing has changed. (A
  /// file: 16 MiB and 65 535 entries. etcd: 1 MiB and about 120 entries, fewer than a bulk import may want; its callers
  /// divide what need not be one commit.)
  struct Limits {
    uint64_t entry_bytes = 0;  // the longest entry, in bytes of DER
    size_t entries = 0;        // the most entries of one commit, second copies that the log makes included
  };
  virtual Limits limits() const = 0;
  /// Sets the function that is called, with locks held, when the log has done something in another way than usual. Call
  /// this before other threads use the log.
  virtual void report_to(Reporter reporter) = 0;
  virtual void report(const std::string& sentence) const = 0;

  // --- its condition ---
  /// Returns sentences that say what is wrong with the log as a whole, as it was last read; none if nothing is.
  virtual std::vector<std::string> findings() const = 0;
  /// True if entries may be missing without a trace (of a file: an unfinished copy).
  virtual bool truncated() const = 0;
  /// How often this process has found an older copy of the log in its place, compared with what it had read as durable;
  /// numbers may repeat after that. A log that cannot be turned back returns 0.
  virtual uint64_t rollbacks() const = 0;
  /// The name of the entry by which the last older copy was detected.
  virtual std::string rolled_back_name() const = 0;

  // --- freshness ---
  /// Catches up: every change that any process committed before the call began is visible when it returns. Returns true
  /// if anything changed. Costs one comparison if nothing did. A log that cannot do this at such a cost may show an
  /// earlier state, up to a moment before the call (etcd: what its watch has delivered); `refresh_now` does not.
  virtual bool refresh() = 0;
  /// The same at any cost: for logins, and before values are used that must not be used twice.
  virtual bool refresh_now() = 0;
  /// Returns when everything that was read so far is durable. Functions that read also return entries that could not be
  /// made durable; a caller that promises durability calls this. Throws Error if it fails.
  virtual void make_durable() = 0;

  // --- reading: one view of the log, as of the last refresh of any thread ---
  /// A position in the sequence of changes that this process has seen. It rises with every change; 0 is before all.
  virtual uint64_t cursor() const = 0;
  /// About how many names there are, for reserving memory.
  virtual size_t names() const = 0;
  /// Calls `visit` for each name that changed after `cursor`, once, with its present record, in the order of the
  /// changes. Deletions are included, also those whose tombstones a compaction of another process has dropped. `visit`
  /// runs under a lock and must not call this log. Returns true if deletions since `cursor` have been forgotten: then
  /// `visit` is called for all names that exist, and every other name is deleted.
  using Visit = std::function<void(const std::string& name, const RecordView& record)>;
  virtual bool visit_changes(uint64_t cursor, const Visit& visit) const = 0;
  /// Says that the caller has authenticated the deletions up to this cursor, so that they need not be kept for that.
  virtual void looked_at(uint64_t cursor) = 0;
  /// Returns the names that begin with `prefix` and are not deleted, sorted. The status is kDamaged also if damage may
  /// hide a newer version of a name that must not be rolled back.
  virtual std::vector<std::pair<std::string, EntryRecord>> list(std::string_view prefix) const = 0;
  /// The same for one name. Returns nothing if it does not exist or is deleted.
  virtual std::optional<EntryRecord> find(std::string_view name) const = 0;
  /// Returns the entry of a name, or nothing as `find` does. Throws kCorrupt, kTampered or kTooNew according to its
  /// status.
  virtual std::optional<StoredEntry> read(std::string_view name) const = 0;
  /// The same for authentication: it also returns tombstones, and returns nothing if the entry cannot be read.
  virtual std::optional<StoredEntry> examine(std::string_view name) const = 0;
  /// Sets the status of `name` to kTampered in this process, because its version `number` was found to be forged. Does
  /// nothing if another version is current by now.
  virtual void mark_tampered(const std::string& name, uint64_t number) = 0;

  // --- claims ---
  /// kLogin is held while an attempt is charged, checked and reset, and while key slots change; kSo during an attempt
  /// of the security officer and the delay before it. Claims are taken in the order kSo, kLogin, and never inside a
  /// body.
  enum class Role { kLogin, kSo };
  /// A claim excludes every other claim of its role, in all processes and threads, until it is destroyed or lost.
  /// `change_under` detects that a claim is lost. (The claim of a file is lost when another file has replaced it at the
  /// path, that of a consensus store when its lease has ended.) A claim belongs to the thread that took it.
  class Claim {
   public:
    virtual ~Claim() = default;
  };
  /// Waits for the claim. Throws as `refresh` does. If the log is `read_only`, the claim excludes other threads only.
  virtual std::unique_ptr<Claim> claim(Role role) = 0;

  // --- changing ---
  /// What the body of a change may ask of the log. Valid while the body runs.
  class Change {
   public:
    /// Returns the record of a name, also if it is deleted; nothing if it never existed.
    virtual std::optional<EntryRecord> peek(std::string_view name) const = 0;
    /// The same as EntryLog::visit_changes, but does not wait for anything to become durable.
    virtual bool visit_changes(uint64_t cursor, const Visit& visit) const = 0;
    /// Ensures that a commit of about `bytes` bytes in `entries` entries does not fail for lack of space or because of
    /// the log's limits. Throws kNoSpace.
    virtual void reserve(uint64_t bytes, size_t entries) = 0;

   protected:
    ~Change() = default;
  };
  /// What a body proposes to append as one transaction. If there are no drafts, nothing happens.
  struct Proposal {
    /// The log calls their `finish` after it has chosen the numbers, which the seals cover. It may do so more than
    /// once, each time on freshly encoded bytes.
    std::vector<Draft> drafts;
    /// Names of key slots whose version before this change must no longer open anything. When the change returns, no
    /// copy of the log that is taken afterwards holds their secrets: a file overwrites them in place and is compacted;
    /// a log that keeps a history compacts it up to this change. (etcd: the disks of its members may hold the old pages
    /// for a while, and so do backups, as with a file.) If only the compaction fails, that is reported (`report_to`).
    std::vector<std::string> retired;
    /// Called once, when the transaction is visible in this process and before it is durable, with the cursors before
    /// and after it: this change has written all that lies between them. May be null. It must not throw or call this
    /// log.
    std::function<void(uint64_t before, uint64_t after)> visible;
  };
  using Body = std::function<Proposal(Change& change)>;
  /// What was appended.
  struct Appended {
    uint64_t first = 0;  // the number of the first draft's entry; the others follow. 0: there were no drafts
  };
  /// Catches up, runs the body, and appends what it proposes as one transaction, which is visible to all processes and
  /// durable when this returns. No commit of another process comes between what the body reads and what is appended.
  ///
  /// The body may run more than once (Vault::change): a log that learns at the commit that another process was faster
  /// discards that run, catches up, and runs the body again. If the answer to a commit is lost, the log finds out
  /// whether it was made; it never reports an unknown outcome. An exception of the body is passed on, and nothing has
  /// changed. A body must not change the same log.
  virtual Appended change(const Body& body) = 0;
  /// The same, but returns nothing, without having run the body, if it would have to wait for a lock that another
  /// process or thread holds.
  virtual std::optional<Appended> try_change(const Body& body) = 0;
  /// The same under claims. Returns nothing if one of them is lost: nothing was appended, and the body may have run.
  virtual std::optional<Appended> change_under(const std::vector<const Claim*>& claims, const Body& body) = 0;

  /// A re-key: every entry is written again, and all of them replace the old ones at once.
  struct Rewriting {
    /// Returns the bytes that replace an entry, with the same number, name and transaction, or nothing if the entry is
    /// to be left out. It is not called for the header and for dead entries.
    std::function<Bytes(const EntryView& entry)> entry;
    std::vector<Draft> added;  // a transaction that follows the rewritten entries
    Progress progress;
    std::function<void()> done;  // called when the new entries count, before another process can change the log
  };
  /// Rewrites the log under the claim `login`. Until it is complete, nothing has changed; afterwards no copy that is
  /// taken holds the former key slots. `body` is called as in `change`. Returns false if it returns nothing or the
  /// claim is lost; nothing has changed then. Throws kCorrupt if anything in the store is damaged.
  virtual bool rewrite(const Claim& login, const std::function<std::optional<Rewriting>(Change&)>& body) = 0;
  /// Frees the space of dead entries. The current entries do not change, and the log does not become larger.
  virtual void compact(const Progress& progress) = 0;
  /// Removes the store. Afterwards every log on it, this one included, throws kReplaced.
  virtual void remove() = 0;
  /// Puts a log that `make_log` has returned at its path, complete and durable; before, no other process sees it. If it
  /// was made to replace another store, logs on that one throw kReplaced afterwards. All of this happens at once or not
  /// at all. Throws kExists if something else has come to the path.
  virtual void place() = 0;

  // --- fork ---
  /// In the child of a fork: closes descriptors that carry locks. Async-signal-safe.
  virtual void close_after_fork() noexcept = 0;
  /// In the child, before its first call; no other thread may have been inside the log at the fork. Throws what
  /// `open_log` throws.
  virtual void reopen_after_fork() = 0;
};

}  // namespace vtpm::store
