// The encrypted view of a store: what a device, or a PKCS#11 token, works with.
//
// A vault is one store file (docs/format.md) opened by this process: an index of names in memory, blobs read on demand,
// changes committed as transactions. Opened without its key it serves the clear entries; `unlock` with a slot's secret
// opens the AES layer. Any number of processes and threads work on one file; every method is thread-safe.
//
// Freshness: nothing is re-read behind the caller's back. `refresh` (one comparison when nothing changed) makes every
// change visible that another process committed before the call; `begin` refreshes under the store's lock.
//
// Waiting: `refresh`, `changes`, `find`, `list` and `read` may be called by the thread that holds a Transaction, and
// never wait for another thread to end one (at most for the moment of its write): callers hold locks of their own
// around them that the thread inside a transaction may need.
//
// Waiting: `refresh`, `changes`, `find`, `list` and `read` may be called by the thread that holds a Transaction, and
// never wait for another thread to end one (at most for the moment of its write): callers hold locks of their own
// around them that the thread inside a transaction may need.
//
// Throws Error: kIo, kNoSpace, kCorrupt (the entry, or the name, is damaged), kTampered, kTooNew, kLocked (sealed
// entry, no key), kReadOnly, kReplaced (the file was removed or re-initialised; the vault is then of no more use).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/error.h"
#include "crypto/kdf.h"

namespace vtpm::store {

enum class Role { kSo, kUser, kRecovery, kKeyfile };
std::string_view role_name(Role role);  // "so", "user", "recovery", "keyfile"

enum class Protection { kClear, kSealed };

/// What `unlock` found. Only kUnlocked opens anything; only kWrongSecret was charged.
enum class UnlockResult {
  kUnlocked,
  kWrongSecret,  // the slot is intact, the secret is not its
  kLockedOut,    // the retry counter has run out; nothing was tried
  kNoSlot,       // there is no slot of that role (the PIN was never set)
};

/// The retry counter of a role. `limit` 0: never locks (the default of kSo, whose attempts are slowed instead, since
/// nobody could unlock it).
struct Attempts {
  uint32_t failures = 0;
  uint32_t limit = 10;
};

/// One line of the index.
struct EntryInfo {
  std::string name;
  std::string type;
  uint64_t sequence = 0;
  Protection protection = Protection::kClear;
  size_t size = 0;       // realsize, octets of plain text
  bool deleted = false;  // only in `changes`
  bool readable = true;  // false: damaged, refused or set aside; reading it throws
};

/// A blob with its place in the log.
struct Blob {
  std::string type;
  uint64_t sequence = 0;
  Protection protection = Protection::kClear;
  bool bound = false;  // sealed, or clear with a MAC that was checked (false before login: nothing is authenticated)
  SecretBytes data;    // realsize octets
};

class FileSystem;  // store/file.h; tests give one that fails. Null: the real one.

struct CreateOptions {
  crypto::Argon2Parameters kdf;
  bool replace =
      false;  // take the place of an existing store (it gets a `moved` entry, then the new one is renamed over it)
  std::vector<std::pair<Role, uint32_t>> attempt_limits;  // where they differ from 10, and from 0 for kSo
  FileSystem* file_system = nullptr;
};

struct OpenOptions {
  bool read_only = false;
  FileSystem* file_system = nullptr;
};

class Vault;

/// A set of changes that becomes visible and durable at once, or not at all.
///
/// From `Vault::begin` until `commit` or destruction it holds the store's lock (exclusive among processes and threads):
/// keep it short. Destroying it uncommitted changes nothing.
class Transaction {
 public:
  struct State;  // store/vault_impl.h
  Transaction(Transaction&&) noexcept;
  ~Transaction();

  /// Creates or replaces `name`. Sealing needs the key (kLocked). A clear entry is bound by a MAC when the key is
  /// there.
  void put(std::string_view name, std::string_view type, Protection protection, ByteView data);
  void erase(std::string_view name);
  /// Makes sure that a commit of about this many octets can not fail for want of space (used before a TPM command that
  /// can not be undone). Throws kNoSpace.
  void reserve(size_t octets);
  /// Returns after the changes are on the disk; the lock is released before the fdatasync (group commit).
  void commit();
  /// After `commit`: the sequence number that the entry `name` of this transaction got (EntryInfo::sequence); 0 when
  /// the transaction did not put it.
  uint64_t sequence_of(std::string_view name) const;

 private:
  friend class Vault;
  explicit Transaction(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Vault {
 public:
  struct Impl;  // store/vault_impl.h
  /// Creates a store at `path` (0600, O_NOFOLLOW; its directory must exist) in a temporary file beside it and renames
  /// it into place, complete: `populate` adds the first entries. The vault is unlocked. Throws kExists unless
  /// `replace`. `slots`: secrets of the first key slots, at least one.
  static std::unique_ptr<Vault> create(const std::string& path, const CreateOptions& options,
                                       const std::vector<std::pair<Role, ByteView>>& slots,
                                       const std::function<void(Transaction&)>& populate);
  /// Throws kNotFound, kNotAStore, kCorrupt, kTooNew, kIo. A store that can not be written opens read-only by itself.
  static std::unique_ptr<Vault> open(const std::string& path, const OpenOptions& options = {});
  ~Vault();

  const std::string& path() const;
  ByteView uuid() const;  // 16 octets
  bool read_only() const;
  /// What is wrong with the file as a whole (its end is missing or unclean, entries are lost): sentences for a log.
  /// Empty: nothing. Single damaged entries are told by `EntryInfo::readable`.
  std::vector<std::string> findings() const;
  /// The file is shorter than it says (an unfinished copy): entries may be lost without a trace.
  bool truncated() const;

  // --- freshness ---
  /// Catches up with the file. True when anything changed.
  bool refresh();
  /// Rises with every change that this vault has seen. A cursor for `changes`; 0 is before everything.
  uint64_t cursor() const;
  /// What changed after `cursor`: the latest state of each name once, oldest first, deletions included (also those that
  /// a compaction by another process has swallowed).
  std::vector<EntryInfo> changes(uint64_t cursor) const;

  // --- reading ---
  std::optional<EntryInfo> find(std::string_view name) const;
  std::vector<EntryInfo> list(std::string_view prefix = {}) const;  // sorted by name
  /// Nothing when there is no such name.
  std::optional<Blob> read(std::string_view name) const;

  // --- the key ---
  bool unlocked() const;
  /// Tries every slot of the role (kUser: then the recovery slots) as one attempt against the retry counter.
  UnlockResult unlock(Role role, ByteView secret);
  /// Checks a secret against the role's slots, charged like `unlock`, without changing what is open.
  UnlockResult verify(Role role, ByteView secret);
  /// Forgets and wipes the master key.
  void lock();
  bool has_slot(Role role) const;
  Attempts attempts(Role role) const;
  /// Creates or replaces the slot of a role; needs the master key. Resets the role's retry counter. When it returns, no
  /// copy of the file that is taken from now on opens with the old secret.
  void set_secret(Role role, ByteView secret);
  /// verify(role, old), then set_secret(role, fresh) in one step; works locked as well as unlocked.
  UnlockResult change_secret(Role role, ByteView old, ByteView fresh);

  // --- writing ---
  /// Takes the store's lock and catches up. Throws kReadOnly, kReplaced.
  Transaction begin();
  /// Rewrites the file without what is dead; other processes follow by themselves.
  void compact();

  /// Child side of fork: closes the inherited descriptor (and with it, the shared lock) at once; async-signal-safe.
  void after_fork_close() noexcept;
  /// Later in the child: opens the file again. The master key is kept (login survives fork).
  void after_fork_reopen();

 private:
  friend class Inspection;  // store/report.cc
  friend class Repair;      // store/repair.cc
  explicit Vault(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vtpm::store
