// SPDX-License-Identifier: Apache-2.0
// The implementation of store/vault/vault.h. Only the files of this folder include it.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "store/log/entry_log.h"
#include "store/vault/key_slot.h"
#include "store/vault/late_key.h"
#include "store/vault/sealing.h"
#include "store/vault/vault.h"

namespace vtpm::store {

/// A key slot that a secret has opened, and the master key in it.
struct OpenedKeySlot {
  std::string name, role;
  uint64_t sequence = 0;
  KdfCost cost;
  std::shared_ptr<const MasterKey> master;
  SecretNotes notes;
};

/// A key slot that is in use. `slot` is empty if it is damaged or of a newer kind; `problem` says which then.
struct UsedKeySlot {
  unsigned number = 0;
  uint64_t sequence = 0;
  std::string role;
  std::optional<KeySlot> slot;
  std::optional<Error> problem;
};

/// Returns the secret that a key slot of that role holds if `secret` was typed: for kRecovery the canonical phrase.
SecretBytes canonical_secret(std::string_view role, ByteView secret);

/// One secret, stretched for each key slot on which it was tried. Stretching is slow, and is done without any lock.
class StretchedSecrets {
 public:
  const StretchedSecret& of(const KeySlot& slot, ByteView secret);

 private:
  std::map<std::pair<std::string, uint64_t>, StretchedSecret> known_;  // by name and number of the key slot
};

struct Vault::Impl {
  explicit Impl(std::unique_ptr<EntryLog> opened) : store(std::move(opened)), uuid(store->uuid()) {}

  std::unique_ptr<EntryLog> store;
  const Uuid uuid;
  KdfCost default_kdf;

  // --- the key (vault.cc) ---
  std::shared_ptr<const MasterKey> master() const;
  std::shared_ptr<const MasterKey> master_or_locked() const;
  void install(std::shared_ptr<const MasterKey> key);
  /// Checks the MAC of every clear entry that has appeared since the last call, except those that are checked when they
  /// are read. A forged entry becomes unreadable. Does nothing without the key. `change`: that of the caller, if it is
  /// inside one.
  void authenticate_new(const EntryLog::Change* change = nullptr);
  /// Says that this process has written the entries between these cursors, so that they need no authentication.
  void authenticated_up_to(uint64_t before, uint64_t now);

  /// Forgets the master key if a re-key has replaced it. Returns true then.
  bool drop_outdated_key();
  /// Catches up and returns the master key if it is still that of the store. Throws kLocked. A caller that writes under
  /// the key checks this again once it holds the store's lock (`write_slots`).
  std::shared_ptr<const MasterKey> current_master();

  // --- key slots and the retry counter (login.cc, key_slots.cc) ---
  std::vector<UsedKeySlot> used_slots() const;
  /// The bytes of a key slot's entry, whose number is `sequence`; of an inherited store as they were last readable.
  std::optional<Bytes> slot_bytes(unsigned number, uint64_t sequence) const;
  std::vector<KeySlot> slots_of(Role role) const;
  Attempts attempts(Role role) const;
  struct Counter {
    Attempts attempts;
    uint64_t entry = 0;  // the number of its entry; 0: there is none
  };
  Counter counter(Role role) const;
  using Claim = EntryLog::Claim;
  /// Called with the key slot that a secret has opened, before another attempt can be made. Returns false if the key
  /// slots have changed, so that the attempt must start again.
  using Then = std::function<bool(const OpenedKeySlot& slot, const Claim& login)>;
  /// Stretches the secret for every key slot of the role and checks it as one counted attempt (Vault::unlock).
  UnlockResult attempt(Role role, ByteView secret, const Then& then);
  bool locked_out_between_logins(Role role);
  std::optional<Role> counted_as(Role role, ByteView secret);
  /// One attempt, which may have to start again several times. Entries of the retry counter are identified by number.
  struct Attempt {
    Role role;                        // whose key slots are tried, and whose counter is charged
    std::optional<uint64_t> charged;  // the entry that it has written: while this is current, it is not charged again
    std::optional<uint64_t> waited_for;  // the entry whose delay is over
  };
  /// Held during an attempt of the security officer and the delay before it.
  struct SoTurn {
    std::unique_ptr<Claim> claim;
    std::optional<uint64_t> waited_for;  // as in an `Attempt`
  };
  bool this_thread_has_turn() const { return turn_owner_ == std::this_thread::get_id(); }
  enum class Charged { kYes, kLockedOut, kStartAnew };
  /// Charges the attempt on `slots`; the charge is durable when this returns. `officer`: null unless the role is kSo.
  Charged charge(Attempt& attempt, const Claim& login, const Claim* officer, const std::vector<KeySlot>& slots);
  /// Waits for the delay of a role. Returns the entry whose delay is over then. `charged`, `waited_for`: see `Attempt`.
  std::optional<uint64_t> wait_out(Role role, std::optional<uint64_t> charged, std::optional<uint64_t> waited_for);
  /// Counts an attempt in the memory of this process, for an inherited store, which it cannot write.
  uint64_t count_here(Role role, const Attempts& attempts);
  /// Throws kIo if the store is inherited and this process never had the key. Otherwise a process that forks could try
  /// any number of secrets.
  void require_inherited_login() const;
  /// Resets the counters after a success; durable when it returns. Returns false if the attempt must start again.
  bool reset_counters(Role role, const Claim& login, const std::vector<KeySlot>& slots);
  /// Commits `drafts`, which hold `key`, and retires the former versions of the key slots `superseded`. Returns false,
  /// and changes nothing, if the key slots are no longer those that the caller has `seen`, or `key` is no longer the
  /// store's.
  bool write_slots(const Claim& login, const MasterKey& key, const std::vector<UsedKeySlot>& seen,
                   const std::vector<Draft>& drafts, const std::vector<std::string>& superseded);
  /// Reads the key slots once, so that `slot_bytes` knows them if the store is inherited later.
  void remember_slots() const noexcept;
  /// Drafts of the counters that a new secret of the role, or a right one, sets to zero, except those that are zero.
  std::vector<Draft> counter_resets(Role role) const;
  /// Writes the store again under `fresh`. Returns false as `write_slots`.
  struct Rekeying {
    std::shared_ptr<const MasterKey> old, fresh;
    const std::vector<UsedKeySlot>& seen;
    std::vector<Draft> slots;
  };
  bool rekey(const Claim& login, const Rekeying& rekeying, const Progress& progress, const Indexer& indexer);
  std::string free_slot() const;
  KdfCost cost_of_slots() const;
  KeySlotKdf kdf_for(ByteView secret) const;

 private:
  mutable RwLock key_gate_;
  std::shared_ptr<const MasterKey> master_;
  std::mutex authenticating_;
  std::atomic<uint64_t> authenticated_{0};
  std::atomic<bool> had_key_{false};  // this process has had the key, or its parent had it when it forked
  mutable std::mutex noting_;         // guards the next two; no other lock is taken under it
  /// The entries of the key slots as they were last read, by number. A process that changes a secret wipes the old key
  /// slot in place, also in a file that the child of a fork continues to read.
  struct SeenKeySlot {
    uint64_t sequence = 0;
    Bytes bytes;
  };
  mutable std::map<unsigned, SeenKeySlot> seen_slots_;
  std::map<Role, Counter> counted_here_;
  std::atomic<std::thread::id> turn_owner_{};
  std::optional<SoTurn> turn_;  // of that thread alone
  KeyHandlers handlers_;

  friend class Vault;
};

Draft slot_deletion(const std::string& name);
bool same_slots(const std::vector<UsedKeySlot>& a, const std::vector<UsedKeySlot>& b);
/// Whether the store was re-keyed after `epoch`: a key slot is of a higher epoch, or none is of this one.
bool is_outdated(uint64_t epoch, const std::vector<UsedKeySlot>& used);
Draft attempt_draft(Role role, const Attempts& attempts);
EntryInfo to_info(const std::string& name, const RecordView& record);

struct Transaction::State {
  State(Vault::Impl& owner, EntryLog::Change& running) : vault(owner), key(owner.master()), change(running) {}
  void add(std::string_view name, std::optional<Draft> draft);
  void put(Entry entry, Protection protection, ByteView data);
  /// The optional attributes that the next version of `name` inherits: from the draft of this transaction, if there is
  /// one, otherwise from the version in the store.
  std::vector<Attribute> inheritance(std::string_view name, const std::optional<EntryRecord>& current) const;

  Vault::Impl& vault;
  std::shared_ptr<const MasterKey> key;
  EntryLog::Change& change;
  std::vector<Draft> drafts;
  std::map<std::string, size_t, std::less<>> places;  // of a name's draft
  std::set<std::string, std::less<>> erased;          // names that were deleted here, whatever was put afterwards
};

/// A running change of a vault. The log may call `body` more than once.
struct Transaction::Run {
  Vault::Impl& vault;
  const std::function<void(Transaction&)>& change;
  std::map<std::string, size_t, std::less<>> places{};  // of the drafts of the last run

  EntryLog::Body body();
  /// The result. Allocates no memory, since the change has been committed.
  Committed committed(const EntryLog::Appended& appended) &&;
};

}  // namespace vtpm::store
