// SPDX-License-Identifier: Apache-2.0
// The encrypted view of a store, with which a device or a PKCS#11 token works.
//
// A vault is one store (docs/format.md) that this process has opened: an index of names in memory, blobs that are read
// on demand, changes that are committed as transactions. Without its key it serves the clear entries; `unlock` with the
// secret of a key slot opens the sealed ones. Any number of processes and threads may use one store, and every function
// may be called by any thread at any time, unless its comment says otherwise.
//
// Freshness. Functions that read return what the last refresh of any thread has shown. `refresh` (one comparison if
// nothing has changed) makes every change visible that another process committed before the call; `change` begins with
// the newest state.
//
// Waiting. `refresh`, `changes`, `find`, `list` and `read` may be called by the thread whose body runs inside `change`.
// They never wait until another thread has ended its change (at most for the moment of its write), because their
// callers may hold locks that the thread inside the change needs.
//
// Errors. Functions throw Error: kIo, kNoSpace, kCorrupt (the entry or name is damaged), kTampered, kTooNew, kLocked
// (the entry is sealed and the vault has no key), kReadOnly, kReplaced (the store was removed or initialized anew; the
// vault cannot be used any longer).
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

/// The result of an attempt. Only kUnlocked opens anything; only kWrongSecret remains charged to the retry counter.
enum class UnlockResult {
  kUnlocked,
  kWrongSecret,  // the key slots are intact, and the secret opens none of them
  kLockedOut,    // the retry counter has reached its limit; the secret was not tried
  kNoSlot,       // there is no key slot of that role (the PIN was never set)
};

/// The retry counter of a role. A `limit` of 0 means that it never locks: the default of kSo, whose attempts are
/// delayed instead, since there is no other role that could unlock it. The counter of kRecovery (limit 100 by default)
/// counts the recovery phrases that are tried while the user is locked out.
struct Attempts {
  uint32_t failures = 0;
  uint32_t limit = 10;
};

/// A key slot as it stands in the store.
struct KeySlotInfo {
  unsigned number = 0;       // 1..32
  std::optional<Role> role;  // nothing: the key slot of a raw key, or of a role that this build does not know
  std::string kdf;           // "argon2id, 65536 KiB, 3 passes, 1 lanes"
  uint64_t epoch = 0;        // of the master key in it
  SecretNotes notes;
  std::string finding;  // if it cannot open anything: a sentence that says why; otherwise empty
};

/// A key slot that a re-key keeps: its number and the secret that opens it.
struct KeptKeySlot {
  unsigned number = 0;
  SecretBytes secret;
};
/// Returns the properties by which a sealed entry is to be found; none if it has no blind index.
using Indexer = std::function<std::vector<Property>(std::string_view name, ByteView plain)>;

/// An entry of the index.
struct EntryInfo {
  std::string name;
  std::string type;
  uint64_t sequence = 0;
  Protection protection = Protection::kClear;
  size_t size = 0;             // realsize, bytes of plain text
  size_t capacity = 0;         // the largest plain text, in bytes, that the name may hold; 0: it is not registered
  bool deleted = false;        // the name is deleted; only in `changes`
  bool readable = true;        // false: reading it throws, since it is damaged, rejected or forged
  uint64_t born = 0;           // `sequence` of the first version of the name, if known (Transaction::keep_birth)
  std::vector<BlindTag> tags;  // its blind index, which is not authenticated before the entry is read
};

/// What a filter of `changes` sees of an entry. Valid during the call.
struct EntryGlance {
  std::string_view name;
  Protection protection = Protection::kClear;
  bool indexed = false;  // it has tags
};

/// The contents of an entry.
struct Blob {
  std::string type;
  uint64_t sequence = 0;
  uint64_t born = 0;  // as in EntryInfo
  Protection protection = Protection::kClear;
  bool bound = false;  // it is sealed, or its MAC was checked; false without the key, which nothing can be checked with
  SecretBytes data;    // realsize bytes
};

class MasterKey;   // store/vault/sealing.h
class FileSystem;  // store/file/file.h; null in the options below: that of the operating system

/// How `Vault::create` makes a store.
struct CreateOptions {
  KdfCost kdf;
  Cipher cipher = Cipher::kAes256Siv;
  std::shared_ptr<const RawKey> raw_key;  // not null: this key opens the store, and no secret; kAesCbc is usual then
  bool replace = false;                   // replace an existing store at the path
  std::vector<std::pair<Role, uint32_t>> attempt_limits;  // limits of retry counters that differ from the default
  uint64_t created = 0;  // the creation time in the header, in seconds since 1970; 0: now
  FileSystem* file_system = nullptr;
};

/// How `Vault::open` opens a store.
struct OpenOptions {
  bool read_only = false;
  FileSystem* file_system = nullptr;
  /// Also opens a file whose end is missing or too long, for reports and repair. What is there can be read, and nothing
  /// can be changed.
  bool any_ending = false;
};

class Vault;

/// A registered handler (Vault::on_key). Destroying the subscription ends it: when the destructor returns, the handler
/// is not running in another thread and will not be called again. A handler may destroy its own subscription. A
/// subscription may outlive the vault.
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

/// The result of a change.
class Committed {
 public:
  /// The result of a change that has put nothing.
  Committed() = default;
  /// The number that the change has given to the entry `name` (EntryInfo::sequence); 0 if the change has not put it.
  uint64_t sequence_of(std::string_view name) const;

 private:
  friend class Transaction;
  uint64_t first_ = 0;
  std::map<std::string, size_t, std::less<>> places_;  // of an entry: its distance from the first
};

/// A set of changes that becomes visible and durable at once, or not at all. The body of `Vault::change` receives it.
/// It belongs to the thread that runs the body and is valid while the body runs.
///
/// `Vault::read` and `Vault::find` do not show what has been put before the change is committed, not even to the body.
/// Of several `put` and `erase` of one name the last one counts; a name that is put after it was erased is a new name.
class Transaction {
 public:
  struct State;  // store/vault/vault_impl.h
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  /// Creates or replaces the entry `name`. Optional attributes of the former version that this build does not know are
  /// taken over as they are. Protection::kSealed needs the key; a clear entry is bound by a MAC if the vault has the
  /// key. A registered name keeps its capacity: shorter data takes as much space in the file as the longest. Throws
  /// kLocked (no key, and the entry is to be sealed or is protected), kInvalidArgument (the name or type is not valid
  /// or is reserved; data longer than the capacity), kUnsupported (the store is not encrypted), kNoSpace (an entry
  /// exceeds the limits of the log).
  void put(std::string_view name, std::string_view type, Protection protection, ByteView data);
  /// The same, and registers `name` with a capacity of 1 byte to 16 MiB of plain text, which later versions cannot
  /// exceed.
  void put_registered(std::string_view name, std::string_view type, Protection protection, size_t capacity,
                      ByteView data);
  /// Deletes `name`; does nothing if it does not exist. Throws kLocked if the entry is protected and the vault has no
  /// key.
  void erase(std::string_view name);
  /// Sets the blind index of an entry that this transaction has put: at most 32 properties by which it can be found.
  /// The index of a clear entry needs no key, and such an entry is authenticated whenever it is read and not before.
  /// Without this call the new version has no index. Throws kInternal if this transaction has not put `name`.
  void index(std::string_view name, const std::vector<Property>& properties);
  /// Keeps the age of an entry that this transaction has put, for lists of names by age (EntryInfo::born): if the entry
  /// replaces another version, it gets the number of the first one, and so do all later versions. Throws kInternal if
  /// this transaction has not put `name`.
  void keep_birth(std::string_view name);
  /// Forbids that an older version of an entry that this transaction has put is served in its place, or this one in
  /// place of a newer one: damage that may hide a newer version makes the name unreadable until the store is repaired,
  /// as with key slots. All later versions inherit this. (Entries of the type `tpm2-permall` always have this property:
  /// docs/format.md, "Rollback".) Throws kInternal if this transaction has not put `name`.
  void forbid_rollback(std::string_view name);
  /// Ensures that a commit of what was put so far, and of about `bytes` more bytes of data in `entries` more entries,
  /// does not fail for lack of space or because of the limits of the log. It is used before a TPM command that cannot
  /// be undone. Throws kNoSpace.
  void reserve(size_t bytes, size_t entries);

 private:
  friend class Vault;
  struct Run;  // store/vault/vault_impl.h
  explicit Transaction(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Vault {
 public:
  struct Impl;  // store/vault/vault_impl.h
  /// Creates a store at `path`, with mode 0600, and returns it unlocked. The store is made in a temporary file beside
  /// the path, whose directory must exist; `populate` (may be null) adds the first entries; then the file is renamed,
  /// complete. `slots`: role and secret of each of the first key slots, at least one; none if a raw key opens the store
  /// or it is not encrypted (Cipher::kNone: nothing can be sealed). Throws kExists unless `options.replace`,
  /// kInvalidArgument if slots, key and cipher contradict each other, and what `populate` throws; nothing has changed
  /// then.
  static std::unique_ptr<Vault> create(const std::string& path, const CreateOptions& options,
                                       const std::vector<std::pair<Role, ByteView>>& slots,
                                       const std::function<void(Transaction&)>& populate);
  /// Opens the store at `path`, locked; read-only if it cannot be written. Throws kNotFound, kNotAStore, kCorrupt (it
  /// is damaged beyond use, or its end is missing), kTooNew, kUnsupported, kIo.
  static std::unique_ptr<Vault> open(const std::string& path, const OpenOptions& options = {});
  ~Vault();

  /// Sets the function that receives sentences for the diagnostic log, for instance why the store cannot be compacted.
  /// Call this before other threads use the vault.
  void report_to(Reporter reporter);

  const std::string& path() const;
  ByteView uuid() const;  // 16 bytes
  /// When the store was made, in seconds since 1970; 0 if the header does not say.
  uint64_t created() const;
  bool read_only() const;
  /// True if this process is the child of a fork and may not open the store's path: it reads through a descriptor of
  /// its parent, sees no later change and cannot change the store (`read_only`). It counts wrong secrets in its own
  /// memory. `unlock` and `verify` throw kIo unless the parent had unlocked the store.
  bool inherited() const;
  /// See EntryLog::make_durable.
  void make_durable();

  /// Returns sentences for the diagnostic log that say what is wrong with the file as a whole (its end is missing or
  /// unclean, entries are lost); none if nothing is. Single damaged entries are shown by `EntryInfo::readable`.
  std::vector<std::string> findings() const;
  /// True if the end of the file is missing (an unfinished copy): entries may be lost without a trace.
  bool truncated() const;

  /// How often this vault has found that an older copy has replaced its store (docs/format.md, "An older copy").
  /// Numbers may repeat after that, and counters have been turned back.
  uint64_t rollbacks() const;
  /// The name of the entry by which the last older copy was detected.
  std::string rolled_back_name() const;

  // --- freshness ---
  /// Catches up with the store. Returns true if anything changed. See EntryLog::refresh.
  bool refresh();
  /// The same at any cost: for logins, and before values are used that must not be used twice. It differs from
  /// `refresh` only on a log whose cheap comparison may be a moment behind, which that of a file is not.
  bool refresh_now();
  /// A position in the sequence of changes that this vault has seen, for `changes`. It rises with every change; 0 is
  /// before all.
  uint64_t cursor() const;
  /// The names that changed after a cursor, each once as it is now, in the order of the changes. Deletions are
  /// included, also those whose tombstones a compaction of another process has dropped. `whole`: deletions since the
  /// cursor have been forgotten, so these are all the names that exist, and every other name is deleted.
  struct Changes {
    std::vector<EntryInfo> entries;
    bool whole = false;
  };
  /// A filter: entries for which it returns false are left out, and not even copied.
  using Wanted = bool (*)(const EntryGlance& entry);
  Changes changes(uint64_t cursor, Wanted wanted = nullptr) const;

  // --- reading ---
  /// Returns what the index knows of a name, or nothing if it does not exist.
  std::optional<EntryInfo> find(std::string_view name) const;
  /// The same for all names that begin with `prefix`, sorted by name.
  std::vector<EntryInfo> list(std::string_view prefix = {}) const;
  /// Returns the contents of a name, or nothing if it does not exist. With the key it is authenticated: a forged entry
  /// throws kTampered, and cannot be read any longer.
  std::optional<Blob> read(std::string_view name) const;

  /// Derives a key of `bytes` bytes for `purpose` from the master key (docs/format.md, "Sealing"). It is the same in
  /// every process and changes with a re-key. Throws kLocked without the key.
  SecretBytes derive_key(std::string_view purpose, size_t bytes) const;
  /// Returns the tag of a property in the blind index of sealed entries. Throws kLocked without the key.
  BlindTag tag(const Property& property) const;

  // --- the key ---
  bool unlocked() const;
  /// Returns the master key, with which store/care checks and makes seals (store/vault/sealing.h), or null while the
  /// vault is locked. The object does not change when the vault is locked or re-keyed.
  std::shared_ptr<const MasterKey> master_key() const;
  /// Tries a secret on every key slot of the role (for kUser then on those of kRecovery) as one attempt against the
  /// retry counter of the role. If the user is locked out, a secret that reads as a recovery phrase
  /// (store/vault/recovery_phrase.h) is tried on the key slots of kRecovery, as one attempt against the counter of
  /// kRecovery; the right phrase resets both counters. Key slots that cost far more than `expect_cost` says are tried
  /// only if no other opens, and such an attempt may return kLockedOut while other attempts are being counted.
  /// `opened`, if not null, receives the notes of the key slot that the secret has opened. Takes the time of the key
  /// slots' KDFs.
  UnlockResult unlock(Role role, ByteView secret, SecretNotes* opened = nullptr);
  /// Waits until no other process or thread tries the PIN of the security officer and the delay for the failures so far
  /// is over. Attempts of this thread do not wait again while the turn is held. A caller with locks that other threads
  /// need takes the turn before these. The turn is empty if this thread has one already, or if `role` is not kSo.
  class Turn;
  [[nodiscard]] Turn take_turn(Role role);
  /// Checks a secret like `unlock`, with the same charge, but neither unlocks nor locks the vault.
  UnlockResult verify(Role role, ByteView secret);
  /// Unlocks a store with a raw key. Attempts are not counted, since a key cannot be guessed. Returns kUnlocked,
  /// kWrongSecret, or kNoSlot if the store has no raw key (a PIN opens it, or it is not encrypted).
  UnlockResult unlock_raw(const RawKey& key);
  /// The same for a program that must have the data: throws kLocked (the store is encrypted, and `key` is null),
  /// kInvalidArgument (a key was given, but the store is clear text or opened by a PIN) or kAuthFailed (wrong key).
  /// Does nothing if the store is clear text and `key` is null.
  void require_raw(const RawKey* key);
  /// The cipher that seals blobs, from the header.
  Cipher cipher() const;
  /// Registers a handler for a late key: one that arrives after the vault was opened. `reload` is called whenever the
  /// key arrives, also after a lock and unlock, with the sealed entries whose names begin with `prefix`. It runs in the
  /// thread that unlocks, without locks, and may use the vault in every way. `unlock` passes on the first exception of
  /// a handler after all handlers have been called; the vault is unlocked then.
  using Reload = std::function<void(const std::vector<EntryInfo>& sealed)>;
  [[nodiscard]] KeySubscription on_key(std::string prefix, Reload reload);
  /// Forgets and wipes the master key.
  void lock();
  /// Sets the cost of the KDF that the configuration chooses for new secrets. Key slots that cost far more are tried
  /// last (docs/format.md, "Retry counters"). Call this before other threads use the vault.
  void expect_cost(const KdfCost& configured);
  bool has_slot(Role role) const;
  /// The notes of the role's own key slot; the default if there is none.
  SecretNotes notes(Role role) const;
  Attempts attempts(Role role) const;
  /// Creates or replaces the key slot of a role, and resets the retry counter of the role. When it returns, no copy of
  /// the store that is taken afterwards opens with the old secret. An empty secret is stretched at the lowest cost,
  /// since there is nothing to guess. `to_be_changed`: its owner must choose another (SecretNotes). Throws kLocked
  /// without the master key, kUnsupported for a store with a raw key, kNoSpace if all 32 key slots are in use.
  void set_secret(Role role, ByteView secret, bool to_be_changed = false);
  /// The key slots that are in use, by number. Needs no key.
  std::vector<KeySlotInfo> slots() const;
  /// Brings the key slots to a desired state (store/vault/amend.h) and returns what was done. When it returns, no copy
  /// of the store that is taken afterwards opens with a secret that was deactivated. Throws as `plan_amend`, and
  /// kLocked without the master key.
  AmendPlan amend(const DesiredState& desired);
  /// Returns the number of the key slot that a secret of this role opens, with the same charge as `verify`, or nothing;
  /// `result` receives the result of the attempt.
  std::optional<unsigned> find_slot(Role role, ByteView secret, UnlockResult& result);
  /// Verifies `old` and sets `fresh` in its key slot, in one step. The vault need not be unlocked.
  UnlockResult change_secret(Role role, ByteView old, ByteView fresh);

  /// Makes a new master key, of the next epoch, and writes every sealed or bound entry again under it, into a file that
  /// then replaces the store's: a crash leaves the old store or the new one. Key slots that are not among `kept` are
  /// removed; the secrets of the others do not change. `indexer` computes the blind index, which depends on the key;
  /// without it the entries have none. Afterwards this vault is unlocked (other threads in it may find it locked for a
  /// moment), and other vaults on the store are locked at their next `refresh`. Throws kLocked, kAuthFailed (a secret
  /// does not open its key slot), kNotFound, kUnsupported (no key slot, or none of the security officer, would be
  /// kept), and kCorrupt or kTampered (the store must be repaired first); nothing has changed then.
  void rekey(const std::vector<KeptKeySlot>& kept, const Progress& progress = nullptr,
             const Indexer& indexer = nullptr);
  /// The same for a store with a raw key: `fresh` replaces it.
  void rekey_raw(const RawKey& fresh, const Progress& progress = nullptr, const Indexer& indexer = nullptr);

  // --- writing ---
  /// Changes the store: runs `body`, which describes the changes through its Transaction, and commits them as one
  /// transaction.
  ///
  /// The body begins with the newest committed state (as after `refresh`), and no other process or thread changes the
  /// store between what it reads and the commit. When `change` returns, the changes are durable and visible to all
  /// processes. If the body has put and erased nothing, nothing is committed.
  ///
  /// *The body may run more than once.* If the log finds at the commit that another process was faster, it discards
  /// that run, the vault catches up, and the body runs again from the beginning. Every effect that the body has outside
  /// of itself must therefore be replaced by a second run: it assigns its results and does not add to them, and it
  /// undoes at its beginning what a former run has changed elsewhere (for instance in a TPM). The log of a file takes
  /// its lock before the body runs, and runs it once.
  ///
  /// Errors. An exception of the body is passed on. Otherwise `change` throws kReadOnly, kReplaced, kNoSpace, kIo,
  /// kCorrupt or kTampered. Nothing has changed then, with one exception: if a sync has failed (kIo or kNoSpace), the
  /// change may be visible, and whether it is durable is not known before `make_durable` returns.
  ///
  /// Locks. While the body runs, this thread may hold the store's lock, for which all other writers wait. The body must
  /// be short and must not wait for a thread that may want to change the store. It may call `refresh`, `changes`,
  /// `find`, `list`, `read`, `tag` and `derive_key` of this vault. It must not log in, change key slots, or compact or
  /// change this store: a `change` inside a `change` never ends. `change` waits for the lock within the limit of the
  /// call (base/waiting.h).
  Committed change(const std::function<void(Transaction&)>& body);
  /// The same for a caller that must not wait for the lock of the store: if another process or thread holds it, returns
  /// nothing, and the body has not run.
  std::optional<Committed> try_change(const std::function<void(Transaction&)>& body);
  /// Writes the live entries to a new file, which replaces the store's; other processes follow it. Needs no key. The
  /// file does not become larger, and is left as it is if nothing in it is dead. Throws kCorrupt if it must be repaired
  /// first.
  void compact(const Progress& progress = nullptr);

  /// Removes the store's file. Needs no key. Afterwards every vault on it, this one included, throws kReplaced. Throws
  /// kReadOnly, kIo, kNoSpace, kReplaced, and LockTimeout if another process holds the store's lock; the file is still
  /// there then.
  void remove();

  /// In the child of a fork, at once: closes the inherited descriptor and with it the shared lock. Async-signal-safe.
  void after_fork_close() noexcept;
  /// In the child, before its first call: opens the file again, or continues with what the parent has left
  /// (`inherited`). The master key is kept, so a login survives the fork. Throws as `open`.
  void after_fork_reopen();

 private:
  explicit Vault(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The turn of the security officer (take_turn). It belongs to the thread that took it and must not outlive the vault.
class Vault::Turn {
 public:
  Turn(Turn&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn();

 private:
  friend class Vault;
  explicit Turn(Impl* impl) : impl_(impl) {}
  Impl* impl_;  // null: the turn is empty
};

}  // namespace vtpm::store
