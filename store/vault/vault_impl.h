// SPDX-License-Identifier: Apache-2.0
// What stands behind store/vault/vault.h. Only the vault's own files include this.
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

/// A slot that a secret opened, and the key that was in it.
struct OpenedKeySlot {
  std::string name, role;
  uint64_t sequence = 0;
  KdfCost cost;
  std::shared_ptr<const MasterKey> master;
  SecretNotes notes;
};

/// A slot that is in use. Nothing in `slot`: it is damaged or of a newer kind, `problem` says which.
struct UsedKeySlot {
  unsigned number = 0;
  uint64_t sequence = 0;
  std::string role;
  std::optional<KeySlot> slot;
  std::optional<Error> problem;
};

/// What a slot of that role holds when this was typed: of a recovery phrase the canonical form.
SecretBytes canonical_secret(std::string_view role, ByteView secret);

/// What a secret became for each slot that it was tried on: stretching is slow, and done without any lock.
class StretchedSecrets {
 public:
  const StretchedSecret& of(const KeySlot& slot, ByteView secret);

 private:
  std::map<std::pair<std::string, uint64_t>, StretchedSecret> known_;  // by slot name and sequence number
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
  /// Checks the MAC of every clear entry that came since the last time, but of those that are checked when they are
  /// read; what is forged becomes unreadable.
  /// `change`: where the caller is inside one.
  void authenticate_new(const EntryLog::Change* change = nullptr);
  /// The same, but these were written here a moment ago.
  void authenticated_up_to(uint64_t before, uint64_t now);

  /// Forgets a master key that a re-key has outdated. True when it did.
  bool drop_outdated_key();
  /// Catches up, and gives the key if it still is the store's. Throws kLocked. What is written under it must ask again
  /// once the store's lock is held (`write_slots`).
  std::shared_ptr<const MasterKey> current_master();

  // --- key slots and the retry counter (login.cc, slots.cc) ---
  std::vector<UsedKeySlot> used_slots() const;
  /// Of the slot's entry, whose number is `sequence`; an inherited store's as they were when they could be read last.
  std::optional<Bytes> slot_bytes(unsigned number, uint64_t sequence) const;
  std::vector<KeySlot> slots_of(Role role) const;
  Attempts attempts(Role role) const;
  struct Counter {
    Attempts attempts;
    uint64_t entry = 0;  // its number; 0: there is none
  };
  Counter counter(Role role) const;
  using Claim = EntryLog::Claim;
  /// What is done with the slot that a secret opened, before another attempt can be made. False: the slots have changed
  /// meanwhile, and the attempt starts anew.
  using Then = std::function<bool(const OpenedKeySlot& slot, const Claim& login)>;
  /// Stretches the secret for every slot of the role and checks it as one counted attempt. `role` kUser: for the
  /// recovery slots alone where the user is locked out and the secret is a recovery phrase.
  UnlockResult attempt(Role role, ByteView secret, const Then& then);
  bool locked_out_between_logins(Role role);
  std::optional<Role> counted_as(Role role, ByteView secret);
  /// One attempt, however often it has to start anew. Entries of the retry counter are told by their numbers.
  struct Attempt {
    Role role;                           // whose slots are tried, and whose counter is charged
    std::optional<uint64_t> charged;     // the one that it has written: it is not charged again while that is current
    std::optional<uint64_t> waited_for;  // the one whose delay is over
  };
  /// Around an attempt of the security officer and the delay in front of it.
  struct SoTurn {
    std::unique_ptr<Claim> claim;
    std::optional<uint64_t> waited_for;  // as in an `Attempt`
  };
  bool this_thread_has_turn() const { return turn_owner_ == std::this_thread::get_id(); }
  enum class Charged { kYes, kLockedOut, kStartAnew };
  /// Counts it against `slots`, on the disk when it returns. `officer`: null unless it is the security officer's.
  Charged charge(Attempt& attempt, const Claim& login, const Claim* officer, const std::vector<KeySlot>& slots);
  /// Returns the entry whose delay is over by then. `charged` and `waited_for` as in an `Attempt`.
  std::optional<uint64_t> wait_out(Role role, std::optional<uint64_t> charged, std::optional<uint64_t> waited_for);
  /// Where the store is inherited, attempts are counted in this process: it may not write.
  uint64_t count_here(Role role, const Attempts& attempts);
  /// Throws kIo where the store is inherited and the key never was in this process: else whoever forks could try as
  /// many secrets as he likes.
  void require_inherited_login() const;
  /// Takes all failures back, on the disk when it returns. False: start anew.
  bool reset_counters(Role role, const Claim& login, const std::vector<KeySlot>& slots);
  /// Commits `drafts`, which hold `key`, and makes what the slots `superseded` held useless. False: nothing has
  /// happened, since the slots are no longer those that the caller has `seen`, or `key` is no longer the store's.
  bool write_slots(const Claim& login, const MasterKey& key, const std::vector<UsedKeySlot>& seen,
                   const std::vector<Draft>& drafts, const std::vector<std::string>& superseded);
  /// What `slot_bytes` needs when the store is inherited.
  void remember_slots() const noexcept;
  /// The counters that a new secret of the role, or a right one, sets to zero; those that are zero are left out.
  std::vector<Draft> counter_resets(Role role) const;
  /// Writes the store anew under `fresh`. False: as above.
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
  mutable std::mutex noting_;         // the next two; held for a moment, and no other behind it
  /// The entries of the key slots as they were read last, by number: whoever changes a secret wipes its old slot in
  /// place, also in a file that the child of a fork goes on reading.
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
/// Whether a slot is of a higher epoch: the store was re-keyed since that one.
bool is_outdated(uint64_t epoch, const std::vector<UsedKeySlot>& used);
Draft attempt_draft(Role role, const Attempts& attempts);
EntryInfo to_info(const std::string& name, const RecordView& record);

struct Transaction::State {
  State(Vault::Impl& owner, EntryLog::Change& running) : vault(owner), key(owner.master()), change(running) {}
  void add(std::string_view name, std::optional<Draft> draft);
  void put(Entry entry, Protection protection, ByteView data);
  /// The optional attributes that the next version of `name` takes over, of this transaction's or of the store's.
  std::vector<Attribute> inheritance(std::string_view name, const std::optional<EntryRecord>& current) const;

  Vault::Impl& vault;
  std::shared_ptr<const MasterKey> key;
  EntryLog::Change& change;
  std::vector<Draft> drafts;
  std::map<std::string, size_t, std::less<>> places;  // of a name's draft
  std::set<std::string, std::less<>> erased;          // names that were deleted here, whatever was put afterwards
};

/// A change of a vault while it runs: the log may call `body` more than once.
struct Transaction::Run {
  Vault::Impl& vault;
  const std::function<void(Transaction&)>& change;
  std::map<std::string, size_t, std::less<>> places{};  // of the last run

  EntryLog::Body body();
  /// Allocates nothing: the change has been made.
  Committed committed(const EntryLog::Appended& appended) &&;
};

}  // namespace vtpm::store
