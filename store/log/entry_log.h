// SPDX-License-Identifier: Apache-2.0
// A log of entries: what a vault stands on.
//
// A log belongs to one store. It keeps the newest version of each name, hands out rising sequence numbers, and lets any
// number of processes change it, one committed change after the other. It knows entries (store/format/entry.h), not
// keys: seals, MACs, key slots, retry counters, capacities and the blind index are the vault's, on any log, and go
// through here as bytes. `open_log` and `make_log` (store/log/log_at_path.h) make one for a path.
//
// What counts of a name is the entry with the highest number, but an entry that is not bound (no seal, no MAC) never
// replaces one that is: it is ignored, since whoever lacks the key may have written it.
//
// There are several kinds. The log of a file (store/log/file_log.h) is the product's; offsets, byte locks, renames,
// inodes, the durable mark, quarantine, `moved` entries, second copies and the correction of a bit are its own affair.
// The tests have one in shared memory (tests/store/log/shared_log.h). A log may also live on a consensus store such as
// etcd: a commit is then one transaction that compares the head's revision. Two functions say more than such a store
// can do, and say so: `retire` and `Limits`.
//
// Threads: all may be called by any thread, at the same time. What reads (`find`, `read`, `visit_changes` …) and what
// refreshes may also be called by the thread whose body runs inside `change`, and never waits for another thread's
// body. Waits for others are the call's (base/waiting.h).
//
// Fork: `close_after_fork`, `reopen_after_fork`. A log that was not told finds out at the child's first call, by the
// process id.
//
// Faults throw Error: kIo, kNoSpace, kReadOnly, kCorrupt (an entry or the log is damaged), kReplaced (the store was
// removed, or made anew by C_InitToken: this log is of no more use).
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

/// How the newest version of a name is.
enum class NameStatus : uint8_t {
  kCurrent,
  kDamaged,   // it is damaged; an older one is not served in its place
  kRefused,   // it has a mandatory attribute that this build does not know
  kTampered,  // its bytes are intact, its seal or MAC is wrong (EntryLog::mark_tampered)
};

/// What is known of a name without reading its entry. `facts.sequence.number` is 0 where no version is readable.
struct EntryRecord {
  EntryFacts facts;
  bool deleted = false;
  NameStatus state = NameStatus::kCurrent;
};

/// The same where it stands in the log's memory: valid while the call runs that has handed it out.
struct RecordView {
  RecordView(const EntryFacts& of, bool is_deleted, NameStatus its_state)
      : facts(of), deleted(is_deleted), state(its_state) {}
  RecordView(const EntryRecord& record) : RecordView(record.facts, record.deleted, record.state) {}
  const EntryFacts& facts;
  const bool deleted;
  const NameStatus state;

  /// Nobody without the key may put something in its place.
  bool bound() const { return facts.sealed || facts.has_mac || facts.type == type::kKeySlot; }
  /// A clear entry that says by what it is found: its MAC is checked whenever it is read, and not before.
  bool is_checked_when_read() const { return !facts.sealed && !facts.tags.empty() && !deleted; }
};

/// An entry's bytes as the log has them, CRC right, and the number of the version that they are of.
struct StoredEntry {
  uint64_t number = 0;
  Bytes bytes;
};

class EntryLog {
 public:
  virtual ~EntryLog() = default;

  // --- what it is ---
  /// Where it is, for sentences. Stays valid while the log lives.
  virtual const std::string& path() const = 0;
  virtual Uuid uuid() const = 0;
  /// Salts every CRC of this store.
  virtual Salt salt() const = 0;
  virtual Cipher cipher() const = 0;
  /// When the store was made: seconds since 1970; 0: it does not say.
  virtual uint64_t created() const = 0;
  /// It takes no change from this process.
  virtual bool read_only() const = 0;
  /// This process is the child of a fork and reaches nothing but what its parent has left it: it sees no later change
  /// and is `read_only`. A log that a child can always reach anew answers false.
  virtual bool inherited() const = 0;
  /// What one entry, one commit may have. A change that exceeds it throws kNoSpace with a sentence, before anything
  /// happened. (A file takes 16 MiB and 65 535; etcd 1 MiB and about 120, fewer than a bulk import may want: its
  /// callers split what need not be one commit.)
  struct Limits {
    uint64_t entry_bytes = 0;  // of its DER
    size_t entries = 0;        // a commit, copies that the log makes of them included
  };
  virtual Limits limits() const = 0;
  /// Called, with locks held, when something was done in another way than usual. Set it before others use the log.
  virtual void report_to(Reporter reporter) = 0;
  virtual void report(const std::string& sentence) const = 0;

  // --- how it is ---
  /// What is wrong with the log as a whole, as it was last read: sentences. Empty: nothing.
  virtual std::vector<std::string> findings() const = 0;
  /// Entries may be lost without a trace (of a file: an unfinished copy).
  virtual bool truncated() const = 0;
  /// How often this process has found an older state of the log in its place than what it had read as durable: numbers
  /// repeat then. A log that the others keep from being turned back answers 0.
  virtual uint64_t rollbacks() const = 0;
  /// The name whose entry gave the last one away.
  virtual std::string rolled_back_name() const = 0;

  // --- freshness ---
  /// Catches up: whatever was committed before the call began, by anybody, is visible when it returns. True when
  /// anything changed. Costs one comparison when nothing did. Where that cannot be had for so little, it may show what
  /// was committed up to a moment before (etcd: what its watch has delivered); then `refresh_now` shows all.
  virtual bool refresh() = 0;
  /// The same whatever it costs: for logins, and for what must never be used twice.
  virtual bool refresh_now() = 0;
  /// Returns when all that was read up to now will last. Reading shows also what could not be made durable; whoever
  /// promises that it lasts calls this. Throws Error when that fails.
  virtual void make_durable() = 0;

  // --- reading: one view of the log, as of the last refresh of any thread ---
  /// Rises with every change that this process has seen. 0 is before everything.
  virtual uint64_t cursor() const = 0;
  /// How many names there are, about: to reserve memory.
  virtual size_t names() const = 0;
  /// The names that changed after `cursor`, oldest change first, each once, as it is now, deletions included (also
  /// those that somebody else's compaction has swallowed). `visit` runs under a lock and calls nothing of this log.
  /// True: so many deletions since then are forgotten that these are all the names that there are, and whatever is not
  /// among them is gone.
  using Visit = std::function<void(const std::string& name, const RecordView& record)>;
  virtual bool visit_changes(uint64_t cursor, const Visit& visit) const = 0;
  /// The caller has authenticated the deletions up to this cursor: they need not be kept for that.
  virtual void looked_at(uint64_t cursor) = 0;
  /// Names that begin with `prefix` and are not deleted, sorted. Damage that may hide a newer version of what must not
  /// be rolled back makes it kDamaged.
  virtual std::vector<std::pair<std::string, EntryRecord>> list(std::string_view prefix) const = 0;
  /// The same of one name; nothing when there is none, or it is deleted.
  virtual std::optional<EntryRecord> find(std::string_view name) const = 0;
  /// An entry's bytes; nothing as in `find`. Throws kCorrupt, kTampered, kTooNew as its state says.
  virtual std::optional<StoredEntry> read(std::string_view name) const = 0;
  /// The same for whoever authenticates: also a deletion is read, nothing is refused; nothing when it is not readable.
  virtual std::optional<StoredEntry> examine(std::string_view name) const = 0;
  /// The version `number` of `name` was found to be forged: from now on it is kTampered, in this process. Nothing
  /// happens when another version is current by now.
  virtual void mark_tampered(const std::string& name, uint64_t number) = 0;

  // --- claims ---
  /// kLogin is held while an attempt is charged, checked and reset, and while key slots change; kSo around an
  /// attempt of the security officer and the delay in front of it. Taken in the order kSo, kLogin, and never
  /// inside a body.
  enum class Role { kLogin, kSo };
  /// A claim excludes every other one of its role, in all processes and threads, until it is destroyed, or until it is
  /// lost: then nobody excludes anybody any longer, and `change` under it says so. (A file's is lost when another file
  /// has come to the path; that of a consensus store when its lease has ended.) It is of the thread that took it.
  class Claim {
   public:
    virtual ~Claim() = default;
  };
  /// Waits for it. Throws as `refresh` does. Of a log that is `read_only` the claim excludes only this process.
  virtual std::unique_ptr<Claim> claim(Role role) = 0;

  // --- changing ---
  /// The log in the hands of a body that runs inside `change`.
  class Change {
   public:
    /// What is current of a name, deletions included; nothing for a name that never was.
    virtual std::optional<EntryRecord> peek(std::string_view name) const = 0;
    /// As EntryLog::visit_changes, without waiting for anything to become durable.
    virtual bool visit_changes(uint64_t cursor, const Visit& visit) const = 0;
    /// Makes sure that a commit of about this many bytes in this many entries cannot fail for want of space or for the
    /// log's limits. Throws kNoSpace.
    virtual void reserve(uint64_t bytes, size_t entries) = 0;

   protected:
    ~Change() = default;
  };
  /// What a body wants to be appended, as one transaction. Nothing happens where there are no drafts.
  struct Proposal {
    /// Their `finish` is called by the log, after it has chosen the numbers that their seals cover, and for that
    /// reason perhaps more than once, each time on freshly encoded bytes.
    std::vector<Draft> drafts;
    /// Key slots whose version before this change must open nothing any more. When the change returns, no copy of the
    /// log that is taken from then on holds their secrets: a file overwrites them in place and is compacted, a log that
    /// keeps a history compacts it up to this change. (etcd: its members' disks may hold the old pages for a while
    /// longer, and so do backups, as with a file.) Where only the compaction fails it is reported (`report_to`).
    std::vector<std::string> retired;
    /// Called once when the transaction has become visible in this process, before it is durable, with the cursors
    /// around it: what lies between them was written by this change. Null: not called. Must not throw, nor call this
    /// log.
    std::function<void(uint64_t before, uint64_t after)> visible;
  };
  using Body = std::function<Proposal(Change& change)>;
  /// What was appended.
  struct Appended {
    uint64_t first = 0;  // the number of the first draft's entry, the others follow; 0: the body wanted nothing
  };
  /// Catches up, runs the body, and appends what it proposes as one transaction: visible to everybody and durable when
  /// this returns. Nothing that others commit comes between what the body sees and what is appended.
  ///
  /// The body may run more than once (see Vault::change): a log that learns at the commit that others were faster keeps
  /// nothing of that run, catches up, and runs it again. Whether an attempt whose answer was lost has been committed is
  /// found out in here: no caller is ever told "unknown". What the body throws comes out, and nothing was changed. A
  /// body must not change the same log.
  virtual Appended change(const Body& body) = 0;
  /// The same, but nothing where somebody else holds a lock now that it would have to wait for.
  virtual std::optional<Appended> try_change(const Body& body) = 0;
  /// The same under claims: nothing where one of them is lost; then nothing was appended, and the body may have run.
  virtual std::optional<Appended> change_under(const std::vector<const Claim*>& claims, const Body& body) = 0;

  /// A re-key: every entry is written anew, as a new generation that takes the old one's place at once.
  struct Rewriting {
    /// The bytes that take an entry's place (its number, name and transaction stay); empty: it is left out. Not asked
    /// for the header, nor for what is dead.
    std::function<Bytes(const EntryView& entry)> entry;
    std::vector<Draft> added;  // become a transaction behind them
    Progress progress;
    std::function<void()> done;  // the new generation counts; nobody else can change it before this returns
  };
  /// Nothing has happened until all of it counts. No copy that is taken from then on holds the key slots of before.
  /// `body` as in `change`; where it gives nothing, nothing happens. False: so, or the claim is lost. Throws kCorrupt
  /// when anything in the store is damaged.
  virtual bool rewrite(const Claim& login, const std::function<std::optional<Rewriting>(Change&)>& body) = 0;
  /// Gives back what dead entries take. Nothing that lives changes, nor does anything become larger.
  virtual void compact(const Progress& progress) = 0;
  /// Removes the store. Every user of it finds out (kReplaced), and so does this one.
  virtual void remove() = 0;
  /// Of a log that `make_log` made and that nobody else sees yet: from now on it stands at its path, complete and
  /// durable. Where it was made to replace another store, that one's users find out (kReplaced); all of that happens at
  /// once or not at all. Throws kExists where something has come to the path meanwhile.
  virtual void place() = 0;

  // --- fork ---
  /// In the child: gives up what carries locks. Async-signal-safe.
  virtual void close_after_fork() noexcept = 0;
  /// At the child's first call; no other thread was inside at the fork. Throws what opening throws.
  virtual void reopen_after_fork() = 0;
};

}  // namespace vtpm::store
