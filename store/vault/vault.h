// SPDX-License-Identifier: Apache-2.0
// The encrypted view of a store: what a device, or a PKCS#11 token, works with.
//
// A vault is one store file (docs/format.md) opened by this process: an index of names in memory, blobs read on demand,
// changes committed as transactions. Opened without its key it serves the clear entries; `unlock` with a slot's secret
// opens the AES layer. Any number of processes and threads work on one file; every method is thread-safe.
//
// Freshness: nothing is re-read behind the caller's back. `refresh` (one comparison when nothing changed) makes every
// change visible that another process committed before the call; `change` begins with the newest state.
//
// Waiting: `refresh`, `changes`, `find`, `list` and `read` may be called by the thread that holds a Transaction, and
// never wait for another thread to end one (at most for the moment of its write): callers hold locks of their own
// around them that the thread inside a transaction may need.
//
// Throws Error: kIo, kNoSpace, kCorrupt (the entry, or the name, is damaged), kTampered, kTooNew, kLocked (sealed
// entry, no key), kReadOnly, kReplaced (the file was removed or re-initialized; the vault is then of no more use).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/reporter.h"
#include "store/format/blind_index.h"
#include "store/format/store_cipher.h"
#include "store/vault/amend.h"
#include "store/vault/key_slot_kdf.h"
#include "store/vault/raw_key.h"
#include "store/vault/role.h"

namespace vtpm::store {

enum class Protection { kClear, kSealed };

/// What `unlock` found. Only kUnlocked opens anything; only kWrongSecret was charged.
enum class UnlockResult {
  kUnlocked,
  kWrongSecret,  // the slot is intact, the secret is not its
  kLockedOut,    // the retry counter has run out; nothing was tried
  kNoSlot,       // there is no slot of that role (the PIN was never set)
};

/// The retry counter of a role. `limit` 0: never locks (the default of kSo, whose attempts are slowed instead, since
/// nobody could unlock it). That of kRecovery (limit 100 by default) counts recovery phrases that are tried while the
/// user is locked out.
struct Attempts {
  uint32_t failures = 0;
  uint32_t limit = 10;
};

/// A key slot as it stands in the store.
struct KeySlotInfo {
  unsigned number = 0;       // 1..32
  std::optional<Role> role;  // nothing: a raw key's, or one that is not known here
  std::string kdf;           // "argon2id, 65536 KiB, 3 passes, 1 lanes"
  uint64_t epoch = 0;        // of the master key in it
  SecretNotes notes;
  std::string finding;  // why it opens nothing; empty: nothing is wrong with it
};

/// A key slot that a re-key keeps: its number and the secret that opens it.
struct KeptKeySlot {
  unsigned number = 0;
  SecretBytes secret;
};
/// What a sealed entry is to be found by. Empty: it has no blind index.
using Indexer = std::function<std::vector<Property>(std::string_view name, ByteView plain)>;

/// One line of the index.
struct EntryInfo {
  std::string name;
  std::string type;
  uint64_t sequence = 0;
  Protection protection = Protection::kClear;
  size_t size = 0;             // realsize, bytes of plain text
  size_t capacity = 0;         // the most that it may hold, when it was registered so; else 0
  bool deleted = false;        // only in `changes`
  bool readable = true;        // false: damaged, refused or set aside; reading it throws
  uint64_t born = 0;           // `sequence` of the first version of the name, when it is kept (Transaction::keep_birth)
  std::vector<BlindTag> tags;  // its index, as it stands: nothing has checked it
};

/// What `changes` asks about, without a copy.
struct EntryGlance {
  std::string_view name;
  Protection protection = Protection::kClear;
  bool indexed = false;  // it has tags
};

/// A blob with its place in the log.
struct Blob {
  std::string type;
  uint64_t sequence = 0;
  uint64_t born = 0;  // as in EntryInfo
  Protection protection = Protection::kClear;
  bool bound = false;  // sealed, or clear with a MAC that was checked (false before login: nothing is authenticated)
  SecretBytes data;    // realsize bytes
};

class MasterKey;   // store/vault/sealing.h
class FileSystem;  // store/file/file.h; tests give one that fails. Null: the real one.

struct CreateOptions {
  KdfCost kdf;
  Cipher cipher = Cipher::kAes256Siv;
  std::shared_ptr<const RawKey> raw_key;  // a store that this key opens, and no secret; aes-cbc is its usual cipher
  bool replace =
      false;  // take the place of an existing store (it gets a `moved` entry, then the new one is renamed over it)
  std::vector<std::pair<Role, uint32_t>> attempt_limits;  // where they differ from 10, and from 0 for kSo
  uint64_t created = 0;  // what the header says of the time when the store was made, seconds since 1970; 0: now
  FileSystem* file_system = nullptr;
};

struct OpenOptions {
  bool read_only = false;
  FileSystem* file_system = nullptr;
  /// Opens also a file whose end is not as it must be, for whoever says what is wrong with it or repairs it. It is
  /// served as far as it is there, and takes no change.
  bool any_ending = false;
};

class Vault;

/// A registered handler (Vault::on_key); destroying it takes the handler back. When that returns the handler is neither
/// running in another thread nor will it be called again; a handler may destroy its own. May outlive the vault.
class KeySubscription {
 public:
  struct Handler;  // store/vault/late_key.h
  KeySubscription() = default;
  explicit KeySubscription(std::shared_ptr<Handler> handler) : handler_(std::move(handler)) {}
  KeySubscription(KeySubscription&& other) noexcept : handler_(std::move(other.handler_)) {}
  KeySubscription& operator=(KeySubscription&& other) noexcept;
  ~KeySubscription();

 private:
  void end() noexcept;
  std::shared_ptr<Handler> handler_;
};

/// What became of a change.
class Committed {
 public:
  /// Nothing was put.
  Committed() = default;
  /// The sequence number that the entry `name` of this change got (EntryInfo::sequence); 0: the change did not put it.
  uint64_t sequence_of(std::string_view name) const;

 private:
  friend class Transaction;
  uint64_t first_ = 0;
  std::map<std::string, size_t, std::less<>> places_;  // from the first entry on
};

/// A set of changes that becomes visible and durable at once, or not at all: what the body of `Vault::change` gets.
/// It belongs to the thread that runs the body, and must not be kept beyond it.
///
/// What has been put is not visible to `Vault::read` and `Vault::find` before the change is committed, not even to the
/// body itself. A name is put once: the last call about it counts.
class Transaction {
 public:
  struct State;  // store/vault/vault_impl.h
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  /// Creates or replaces `name`. Sealing needs the key (kLocked). A clear entry is bound by a MAC when the key is
  /// there.
  /// A registered name keeps its capacity: data that is longer is refused (kInvalidArgument), shorter data takes as
  /// much room in the file as the longest. Optional attributes that are not known here are taken over as they are.
  void put(std::string_view name, std::string_view type, Protection protection, ByteView data);
  /// The same, and from now on `name` may hold up to `capacity` bytes, at least one, and no more.
  void put_registered(std::string_view name, std::string_view type, Protection protection, size_t capacity,
                      ByteView data);
  void erase(std::string_view name);
  /// Says by what an entry that this transaction has put is found: the blind index of a sealed one, hashes that need no
  /// key for a clear one, which is then authenticated when it is read and not before. At most 32 properties. Without it
  /// the new version has none.
  void index(std::string_view name, const std::vector<Property>& properties);
  /// Says that whoever lists names by age needs to know when this one, which this transaction has put, was new: if it
  /// replaces another version, it keeps the number of the first one, and so do all later versions.
  void keep_birth(std::string_view name);
  /// Says that no older version of the entry `name`, which this transaction has put, may ever be served in its place,
  /// nor it in the place of a newer one: damage that may hide a newer version makes the name unreadable, as it does
  /// with key slots, until the store is repaired. All later versions inherit this. (Entries of the type `tpm2-permall`
  /// need not say so: docs/format.md.) Throws kInternal where this transaction has not put the name.
  void forbid_rollback(std::string_view name);
  /// Makes sure that a commit of about this many bytes, in this many entries, cannot fail for want of space or for the
  /// limits of the log (used before a TPM command that cannot be undone). Throws kNoSpace.
  void reserve(size_t bytes, size_t entries = 4);

 private:
  friend class Vault;
  struct Run;  // store/vault/vault_impl.h
  explicit Transaction(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Vault {
 public:
  struct Impl;  // store/vault/vault_impl.h
  /// Creates a store at `path` (0600, O_NOFOLLOW; its directory must exist) in a temporary file beside it and renames
  /// it into place, complete: `populate` adds the first entries. The vault is unlocked. Throws kExists unless
  /// `replace`. `slots`: secrets of the first key slots, at least one; none when a raw key opens the store, or when it
  /// is not encrypted (Cipher::kNone; then nothing can be sealed).
  static std::unique_ptr<Vault> create(const std::string& path, const CreateOptions& options,
                                       const std::vector<std::pair<Role, ByteView>>& slots,
                                       const std::function<void(Transaction&)>& populate);
  /// Throws kNotFound, kNotAStore, kCorrupt (damaged beyond use, or its end is missing), kTooNew, kIo. A store that can
  /// not be written opens read-only by itself.
  static std::unique_ptr<Vault> open(const std::string& path, const OpenOptions& options = {});
  ~Vault();

  /// Who is told, for instance, that the store cannot be compacted and why. Set it before other threads use the vault.
  void report_to(Reporter reporter);

  const std::string& path() const;
  ByteView uuid() const;  // 16 bytes
  /// When the store was made, by its header: seconds since 1970; 0 when the header does not say.
  uint64_t created() const;
  bool read_only() const;
  /// This process is the child of a fork and may not open the store's path: it reads what its parent has left it open,
  /// sees no later change and can change nothing (`read_only`). It unlocks the store only if its parent had it
  /// unlocked, and counts wrong secrets by itself: then `unlock` and `verify` throw kIo otherwise.
  bool inherited() const;
  /// Returns when all that was read up to now is on the disk. Reading shows also what could not be synced: whoever
  /// promises that it lasts calls this. Throws Error.
  void make_durable();

  /// What is wrong with the file as a whole (its end is missing or unclean, entries are lost): sentences for a log.
  /// Empty: nothing. Single damaged entries are told by `EntryInfo::readable`.
  std::vector<std::string> findings() const;
  /// The file is shorter than it says (an unfinished copy): entries may be lost without a trace.
  bool truncated() const;

  /// How often this vault has found an older copy of its store in the store's place, of what it had read as durable
  /// (docs/format.md, "An older copy"): numbers repeat then, and counters have been turned back.
  uint64_t rollbacks() const;
  /// The entry that gave the last one away.
  std::string rolled_back_name() const;

  // --- freshness ---
  /// Catches up with the store. True when anything changed.
  bool refresh();
  /// The same, whatever it costs, where the store is on a log whose cheap comparison may be a moment behind
  /// (EntryLog::refresh): for logins and for what must never be used twice. Of a file both are the same.
  bool refresh_now();
  /// Rises with every change that this vault has seen. A cursor for `changes`; 0 is before everything.
  uint64_t cursor() const;
  /// What changed after a cursor: the latest state of each name once, oldest first, deletions included (also those that
  /// a compaction by another process has swallowed). `whole`: so much was deleted since then that it is not known any
  /// longer; the list is of all that there is, and whatever is not in it is gone.
  struct Changes {
    std::vector<EntryInfo> entries;
    bool whole = false;
  };
  /// Of the entries that are wanted: what is not is not even copied.
  using Wanted = bool (*)(const EntryGlance& entry);
  Changes changes(uint64_t cursor, Wanted wanted = nullptr) const;

  // --- reading ---
  std::optional<EntryInfo> find(std::string_view name) const;
  std::vector<EntryInfo> list(std::string_view prefix = {}) const;  // sorted by name
  /// Nothing when there is no such name. With the key, what is forged throws kTampered, and is unreadable from then on.
  std::optional<Blob> read(std::string_view name) const;

  /// A key of `bytes` bytes for `purpose`, the same for everybody who has this store's master key, and another after
  /// a re-key (docs/format.md, "Sealing"). Throws kLocked without the key.
  SecretBytes derive_key(std::string_view purpose, size_t bytes) const;
  /// The tag of a property in this store's blind index, the index of sealed entries. Throws kLocked without the key.
  BlindTag tag(const Property& property) const;

  // --- the key ---
  bool unlocked() const;
  /// The key itself, for store/care: who judges, repairs or exports the file of a store opens seals and makes new ones
  /// (store/vault/sealing.h). Null while the vault is locked. It stays what it is when the vault is locked or re-keyed.
  std::shared_ptr<const MasterKey> master_key() const;
  /// Tries every slot of the role (kUser: then the recovery slots) as one attempt against the retry counter. Where the
  /// user is locked out, a secret that reads as a recovery phrase (store/vault/recovery_phrase.h) is tried on the
  /// recovery slots, as one attempt against kRecovery's counter; a right one resets both. Slots that cost far more than
  /// `expect_cost` said are tried when no other opens; such a secret may find the role locked (and kLockedOut is
  /// answered) while other attempts are being counted. `opened`, when given, receives what the slot that it opened says
  /// of the secret.
  UnlockResult unlock(Role role, ByteView secret, SecretNotes* opened = nullptr);
  /// The security officer's turn. Waits until no other process or thread tries the officer's PIN and the delay for the
  /// failures so far is over; attempts of this thread do not wait again while it is held. For callers with locks of
  /// their own that others need: they take the turn first. Nothing where this thread has it already, or `role` has no
  /// turns.
  class Turn;
  [[nodiscard]] Turn take_turn(Role role);
  /// Checks a secret against the role's slots, charged like `unlock`, without changing what is open.
  UnlockResult verify(Role role, ByteView secret);
  /// Opens a raw-key store. Never counted: a key cannot be guessed. kWrongSecret: "is this the wrong key?"; kNoSlot:
  /// the store has no raw key (it is opened by a PIN, or not encrypted).
  UnlockResult unlock_raw(const RawKey& key);
  /// For whoever must have the data or refuse to start: opens with the key, or says why not, each with a sentence of
  /// its own. `key` null: none was given. Throws kLocked (key missing), kInvalidArgument (key given, but the store is
  /// clear text, or opened by a PIN), kAuthFailed (wrong key). (An unknown encryption: kUnsupported, from `open`.)
  void require_raw(const RawKey* key);
  /// What seals the blobs, as the header says.
  Cipher cipher() const;
  /// Late key: a vault that is opened without its key serves the clear entries, and reading a sealed one throws
  /// kLocked. `reload` is called whenever the key arrives (again after lock and unlock), with the entries whose names
  /// begin with `prefix` and that had to wait for it. It runs in the thread that unlocks, with no lock held: it may use
  /// the vault in every way. What it throws comes out of `unlock` when all others have been called; the vault is
  /// unlocked then.
  using Reload = std::function<void(const std::vector<EntryInfo>& sealed)>;
  [[nodiscard]] KeySubscription on_key(std::string prefix, Reload reload);
  /// Forgets and wipes the master key.
  void lock();
  /// What the configuration makes new secrets cost: the default cost unless this is called, before any other thread
  /// uses the vault. Slots that cost far more are tried last (docs/format.md, "Retry counters").
  void expect_cost(const KdfCost& configured);
  bool has_slot(Role role) const;
  /// What the role's own slot says of its secret; nothing special when there is no slot.
  SecretNotes notes(Role role) const;
  Attempts attempts(Role role) const;
  /// Creates or replaces the slot of a role; needs the master key. Resets the role's retry counter. When it returns, no
  /// copy of the file that is taken from now on opens with the old secret. An empty secret is not stretched with any
  /// effort: there is nothing to guess.
  void set_secret(Role role, ByteView secret, bool to_be_changed = false);
  /// The key slots that are in use, by number. Needs no key.
  std::vector<KeySlotInfo> slots() const;
  /// Brings the key slots to a desired state (store/vault/amend.h says how, and throws); needs the master key. Says
  /// what was done. When it returns, no copy of the file that is taken from now on opens with a secret that was
  /// deactivated.
  AmendPlan amend(const DesiredState& desired);
  /// The number of the slot that a secret of this role opens, charged like `verify`. Nothing: see `result`.
  std::optional<unsigned> find_slot(Role role, ByteView secret, UnlockResult& result);
  /// verify(role, old), then set_secret(role, fresh) in one step; works locked as well as unlocked.
  UnlockResult change_secret(Role role, ByteView old, ByteView fresh);

  /// A new master key, of the next epoch: every sealed or bound entry is written anew under it, into a file that then
  /// takes the store's place, so a crash leaves the old store or the new one. Slots that are not among `kept` go. The
  /// secrets stay what they are. Other vaults on the store find themselves locked at their next `refresh`; this one is
  /// unlocked (threads in it may find it locked for a moment). Throws kAuthFailed (a secret is not its slot's),
  /// kNotFound, kUnsupported (no slot, or none for the security officer, is kept), kCorrupt, kTampered (it must be
  /// repaired first). `indexer`: for the blind index, which cannot be carried over; without it there is none.
  void rekey(const std::vector<KeptKeySlot>& kept, const Progress& progress = nullptr,
             const Indexer& indexer = nullptr);
  /// The same for a raw-key store.
  void rekey_raw(const RawKey& fresh, const Progress& progress = nullptr, const Indexer& indexer = nullptr);

  // --- writing ---
  /// Changes the store: runs `body`, which says by its Transaction what changes, and commits all of that as one.
  ///
  /// The body begins with the newest committed state (as after `refresh`), and nobody else, in any process, changes the
  /// store between what it reads and the commit. When `change` returns, the changes are visible to everybody and on the
  /// disk. A body that has put and erased nothing commits nothing.
  ///
  /// *The body may run more than once*: where the log finds at the commit that somebody else has been faster, nothing
  /// of that run is kept, the vault catches up, and the body runs again, from the beginning, on the newer state. So it
  /// has no effect outside of itself that a second run does not replace: it assigns its results and does not add to
  /// them, and whatever it changes elsewhere (a TPM that it sends a command to) it takes back at the beginning of the
  /// next run. The log of a file takes a lock before the body runs, and runs it once.
  ///
  /// What the body throws comes out, and nothing was changed. Other errors: kReadOnly, kReplaced, kNoSpace, kIo,
  /// kCorrupt, kTampered, and kLocked by the methods of the Transaction; nothing was changed either, but where kIo or
  /// kNoSpace says that a sync has failed: then the change may be visible, and whether it lasts is not known before
  /// `make_durable` returns.
  ///
  /// Locks: while the body runs this thread may hold the store's lock, which everybody who changes the store waits for:
  /// keep it short, do not wait in it for another thread that may want to change the store, and send nothing slow. The
  /// body may call `refresh`, `changes`, `find`, `list`, `read`, `tag` and `derive_key` of this vault. It must not call
  /// what logs in, changes key slots, compacts or changes this store: `change` within `change` never ends. Waits for
  /// the lock are the call's (base/waiting.h). Any thread may call this.
  Committed change(const std::function<void(Transaction&)>& body);
  /// The same for an owner who must never wait for the lock of the store: where somebody else holds it now, the answer
  /// is nothing, and the body has not run.
  std::optional<Committed> try_change(const std::function<void(Transaction&)>& body);
  /// Rewrites the file without what is dead; other processes follow by themselves. The file never becomes larger: the
  /// room for logins behind the log is at most what there was, and a file without anything to give back stays.
  void compact(const Progress& progress = nullptr);

  /// Removes the store's file; no key is needed. Other vaults on it throw kReplaced at their next `refresh`, and so
  /// does this one. Throws kReadOnly, kIo, kNoSpace, kReplaced.
  void remove();

  /// Child side of fork: closes the inherited descriptor (and with it, the shared lock) at once; async-signal-safe.
  void after_fork_close() noexcept;
  /// Later in the child: opens the file again, or goes on with what the parent has left (`inherited`). The master key
  /// is kept (login survives fork).
  void after_fork_reopen();

 private:
  explicit Vault(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Belongs to the thread that took it, and does not outlive the vault.
class Vault::Turn {
 public:
  Turn(Turn&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn();

 private:
  friend class Vault;
  explicit Turn(Impl* impl) : impl_(impl) {}
  Impl* impl_;  // null: it is no turn
};

}  // namespace vtpm::store
