// SPDX-License-Identifier: Apache-2.0
// A TPM whose state lives in a vault: the engine that runs it, the entries that hold it, and the commit that keeps the
// two together.
//
// A machine has a name, and its entries are called by it (device/entries.h). A store can hold several. The permanent
// state is sealed, so a machine runs only while the vault is unlocked; its owner opens and closes it.
//
// What the TPM stores and what the caller records about it become visible and durable at once, or not at all: `change`.
// Other processes have machines on the same entries. Each brings its TPM to the newest committed state before it reads
// NV or changes anything, so no change is lost.
//
// Words: no PKCS#11. Errors are Error: those of the vault (store/vault/vault.h) and of the TPM (tpm/engine/engine.h),
// and kCorrupt where the store has no state for this machine. Thread-safe.
//
// Room is left for two things that are not here yet. A process that owns the machine (a virtual machine's server) will
// record its claim beside the permanent state; `change` will compare it in every commit, and hand the commands to the
// owner instead of the engine, without another contract for the caller. A quota will be asked in `change`, before the
// commands run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "device/entries.h"
#include "store/vault/vault.h"
#include "tpm/engine/engine.h"
#include "tpm/use/swtpm_state.h"

namespace vtpm::device {

/// Which committed permanent state: states that differ have versions that differ, in every process that reads the
/// store. Where an older copy of the store was put back, numbers repeat; `rollbacks` says how often that was seen.
struct Version {
  uint64_t rollbacks = 0;
  uint64_t number = 0;  // of the entry (store::EntryInfo::sequence)
  bool operator==(const Version&) const = default;
};

/// A machine that was suspended somewhere else. It can go on there, once, from exactly these blobs. This project's own
/// instances never resume it: two TPMs that go on from one volatile state repeat each other's random numbers.
struct Suspended {
  SecretBytes permanent;
  tpm::SuspendedState rest;
};

class Machine;

/// What the body of Machine::change works with. Valid while the body runs, in its thread.
class Change {
 public:
  /// The records that are committed together with the TPM's state.
  store::Transaction& transaction() { return transaction_; }
  /// Runs commands that store, on the newest committed state or on what this change has made of it. May be called more
  /// than once. When `commands` throws, what this change has done to the TPM is taken back, and the exception comes
  /// out. Throws kLocked (the machine is not open), kNoSpace (the store could not take the state; no command has run).
  void run(const std::function<void(tpm::BootedTpm&)>& commands);
  /// Runs commands that do not store on the TPM as this change leaves it: `work(BootedTpm&)`, whose result it returns.
  /// Throws kLocked.
  template <typename F>
  auto look(F&& work) {
    return engine().use_current(std::forward<F>(work));
  }

 private:
  friend class Machine;
  Change(Machine& machine, tpm::Engine* engine, store::Transaction& transaction)
      : machine_(machine), engine_(engine), transaction_(transaction) {}
  tpm::Engine& engine();

  Machine& machine_;
  tpm::Engine* const engine_;  // null: the machine is not open
  store::Transaction& transaction_;
  std::optional<SecretBytes> state_;  // what the commands have left; nothing: none ran
};

class Machine {
 public:
  explicit Machine(std::shared_ptr<store::Vault> vault, std::string_view name = kFirstMachine);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Puts the first state of the machine `name` into a store that is being made (store::Vault::create).
  static void place(store::Transaction& transaction, std::string_view name, ByteView permanent);

  const Entries& entries() const { return entries_; }

  // --- the engine ---

  /// Makes an engine, in the place of one that there is, which runs on up to `devices` of the process's devices. The
  /// first of them boots when it is first used. The vault should be unlocked: without the key the engine's functions
  /// throw kLocked.
  void open(unsigned devices);
  /// Takes the engine away; nothing if the machine is not open. The caller calls Engine::forget, which waits for the
  /// commands that run, once it holds no lock that others need.
  [[nodiscard]] std::shared_ptr<tpm::Engine> close();
  /// The engine; nothing if the machine is not open.
  std::shared_ptr<tpm::Engine> engine() const;

  // --- the state ---

  /// The version of the committed state as the vault has last read the store. Does no I/O. Nothing: the store has no
  /// state for this machine.
  std::optional<Version> version() const;
  /// The committed permanent state: whoever has it has every key of the TPM. Throws kLocked, kCorrupt.
  SecretBytes state() const;

  // --- changing it ---

  /// Runs `body` and commits, as one change of the store, what it has put and what its commands have made of the TPM.
  /// The commit of a new permanent state deletes the machine that was suspended.
  ///
  /// The body may run more than once (store::Vault::change): what its commands did to the TPM is taken back before it
  /// runs again, and when it throws. So it assigns its results and does not add to them. It need not call Change::run:
  /// then only the records change, and the machine need not be open. The body must not call this machine's functions.
  ///
  /// When this returns, the change is on the disk. Throws what the body throws and what Vault::change throws; then
  /// nothing has changed, with the exception that Vault::change names.
  void change(const std::function<void(Change&)>& body);

  /// Whether a raw command is known to store nothing.
  enum class Stores { kNo, kMaybe };
  /// Executes one command as TPM 2.0 Part 3 describes it, on a TPM that was turned on from the newest committed state
  /// and started; what it stores is committed. Each command stands alone: objects that it loads, sessions and PCRs are
  /// gone when this returns, the response to it included. With kNo the store's lock is not taken; a command that stores
  /// all the same is taken back and executed again under the lock. The machine need not be open, the vault must be
  /// unlocked. Returns the response, whatever its response code is. Throws kLocked.
  SecretBytes execute(ByteView command, Stores stores);

  /// Puts `permanent` in the place of the state, and `suspended`, if it is not null, in the place of the machine that
  /// was suspended; `records` adds to the change and may run more than once. The instances of this process that hold
  /// the old state are turned off. Whether the new state may take the place of the old one is the caller's decision.
  void replace(ByteView permanent, const Suspended* suspended, const std::function<void(store::Transaction&)>& records);

  // --- a suspended machine ---

  /// The suspended machine, as long as the permanent state has not changed since it came. Throws kLocked.
  std::optional<Suspended> suspended() const;
  /// Deletes the suspended machine, so that it can be handed out. Throws kReadOnly; kNotFound when it is another one
  /// now, or there is none: somebody else has handed it out, or has changed the TPM.
  void release_suspended(const Suspended& machine);
  /// Deletes the suspended machine, if there is one.
  void forget_suspended();

  /// Child side of fork: every instance is turned on anew before its next use.
  void after_fork() noexcept;

 private:
  friend class Change;
  class State;
  std::optional<Suspended> read_suspended() const;
  void erase_suspended(store::Transaction& transaction) const;
  void put_state(store::Transaction& transaction, ByteView permanent) const;
  void refuse_rolled_back() const;

  const std::shared_ptr<store::Vault> vault_;
  const Entries entries_;
  const std::shared_ptr<State> state_;
  mutable std::mutex mutex_;  // of engine_; innermost, never held while anything waits
  std::shared_ptr<tpm::Engine> engine_;
};

}  // namespace vtpm::device
