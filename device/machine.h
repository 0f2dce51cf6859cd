// SPDX-License-Identifier: Apache-2.0
// A TPM whose state lives in a vault: the engine that runs it, the entries that hold it, and the commit that keeps the
// two together.
//
// A machine has a name, from which the names of its entries follow (device/entries.h). A store can hold several
// machines. The permanent state is sealed, so a machine runs only while the vault is unlocked; its owner, a token,
// opens it at login and closes it at logout.
//
// What the TPM stores and what the caller records about it become visible and durable together, or not at all:
// `change`. Other processes have machines on the same entries. Each of them brings its TPM to the newest committed
// state before it reads NV or changes anything, so no change is lost.
//
// Threads: all functions may be called by any thread at any time, unless they say otherwise. Waits for locks of the
// store are the call's (base/waiting.h).
//
// Errors are Error: those of the vault (store/vault/vault.h), those of the TPM (tpm/engine/engine.h), and kCorrupt if
// the store has no state for this machine. This folder knows no PKCS#11.
//
// Two things are planned for and not implemented. A process that owns the machine (the server of a virtual machine)
// will record its claim beside the permanent state; `change` will compare it in every commit, and pass the commands to
// the owner instead of the engine. `change` will also check a quota before the commands run. Both leave the contract of
// `change` as it is.
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

/// Which committed permanent state it is. In every process that reads the store, different states have different
/// versions. `rollbacks` is needed because numbers repeat once an older copy of the store was put in its place.
struct Version {
  uint64_t rollbacks = 0;  // how often this process has found an older copy (store::Vault::rollbacks)
  uint64_t number = 0;     // the number of the entry (store::EntryInfo::sequence)
  bool operator==(const Version&) const = default;
};

/// A machine that was suspended by another program. It can go on there, once, from exactly these blobs. The instances
/// of this project never resume it, because two TPMs that go on from one volatile state repeat each other's random
/// numbers.
struct Suspended {
  SecretBytes permanent;
  tpm::SuspendedState rest;
};

class Machine;

/// What the body of Machine::change works with, and its only way to the TPM: it must not use the machine's engine
/// itself. Valid while the body runs, in the thread that runs it.
class Change {
 public:
  /// The records that are committed together with the TPM's state.
  store::Transaction& transaction() { return transaction_; }

  /// Throws kLocked unless the machine is open. For a body that wants to fail before it has put its records; `run` and
  /// `look` throw the same.
  void require_open() const;

  /// Runs commands that store, on the newest committed state or on what this change has made of it. May be called more
  /// than once.
  ///
  /// Before the commands run, it reserves room in the store for what the transaction holds so far, for the new state,
  /// and for eight more records of 4 KiB each, which the body may put afterwards. A body that has more records puts
  /// them first.
  ///
  /// If `commands` throws, what this change has done to the TPM is taken back, and the exception comes out. Throws
  /// kLocked (the machine is not open) and kNoSpace (the store cannot take the change); no command has run then.
  void run(const std::function<void(tpm::BootedTpm&)>& commands);

  /// Runs commands that do not store, on the TPM as this change leaves it: `work(BootedTpm&)`, whose result it returns.
  /// Throws kLocked (the machine is not open).
  template <typename F>
  auto look(F&& work) {
    return engine().use_current(std::forward<F>(work));
  }

 private:
  friend class Machine;
  Change(tpm::Engine* engine, store::Transaction& transaction) : engine_(engine), transaction_(transaction) {}
  tpm::Engine& engine();

  tpm::Engine* const engine_;  // null: the machine is not open
  store::Transaction& transaction_;
  std::optional<SecretBytes> state_;  // what the commands have left; nothing: none ran
};

class Machine {
 public:
  /// Reads nothing. The store need not contain the machine yet.
  explicit Machine(std::shared_ptr<store::Vault> vault, std::string_view name = kFirstMachine);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Puts the first state of the machine `name` into a store that is being made (store::Vault::create). `permanent` is
  /// libtpms' blob, for instance from Engine::manufacture; it is copied.
  static void place(store::Transaction& transaction, std::string_view name, ByteView permanent);

  const Entries& entries() const { return entries_; }

  // --- the engine ---

  /// Makes an engine, which replaces the present one if there is one. It uses at most `devices` of the process's
  /// devices at the same time. Nothing boots before the first use. The vault should be unlocked: without the key the
  /// engine's functions throw kLocked.
  void open(unsigned devices);
  /// Removes the engine from the machine and returns it; null if the machine is not open. The caller then calls
  /// Engine::forget, which waits for commands that run, at a moment when it holds no lock that other threads need.
  [[nodiscard]] std::shared_ptr<tpm::Engine> close();
  /// The engine, for commands outside of `change`; null if the machine is not open.
  std::shared_ptr<tpm::Engine> engine() const;

  // --- the state ---

  /// The version of the committed state, as the vault has last read the store (store::Vault::refresh). Does no I/O.
  /// Nothing if the store has no state for this machine.
  std::optional<Version> version() const;
  /// The committed permanent state, which contains every key of the TPM. Throws kLocked, kCorrupt.
  SecretBytes state() const;

  // --- changing it ---

  /// Runs `body` and commits, as one change of the store, what the body has put and what its commands have made of the
  /// TPM. The commit of a new permanent state deletes the suspended machine.
  ///
  /// The body may run more than once (store::Vault::change). What its commands did to the TPM is taken back before it
  /// runs again, and if it throws. Therefore it assigns its results and does not add to them. If it does not call
  /// Change::run, only the records change, and the machine need not be open. The body reaches the TPM through its
  /// Change alone; it must not call functions of this machine or of its engine, some of which would wait for this
  /// thread.
  ///
  /// When this returns, the change is on the disk. Throws what the body throws and what Vault::change throws; then
  /// nothing has changed, with the exception that Vault::change names.
  void change(const std::function<void(Change&)>& body);

  /// Whether a raw command is known to store nothing.
  enum class Stores { kNo, kMaybe };
  /// Executes one command (TPM 2.0 Part 1, 18) on a TPM that is booted from the newest committed state, at locality 0,
  /// and commits what it stores. Each command stands alone: loaded objects, sessions and PCRs are lost when this
  /// returns. Costs a boot. The machine need not be open, but the vault must be unlocked.
  ///
  /// With kNo the store's lock is not taken; a command that stores all the same is executed again under the lock, on a
  /// newly booted TPM, and only that execution counts.
  ///
  /// Returns the response, whatever its response code is. The command is resent as tpm/command/exchange.h says. When
  /// this returns, the state that the response shows or reports is on the disk.
  ///
  /// Throws kLocked; kTampered once this process has found an older copy of the store in its place, since counters and
  /// NV areas have then been turned back; kTpmFailure (the response makes no sense, or the TPM is in failure mode); and
  /// what Vault::change throws. Nothing was committed then, with the exception that Vault::change names.
  SecretBytes execute(ByteView command, Stores stores);

  /// Replaces the state by `permanent`, and the suspended machine by `suspended`; null deletes it. `records`, if given,
  /// adds the caller's records to the change and may run more than once. The instances of this process that hold the
  /// old state are turned off. Whether the new state may replace the old one is the caller's decision. Must not be
  /// called inside `change`. Throws what Vault::change throws.
  void replace(ByteView permanent, const Suspended* suspended, const std::function<void(store::Transaction&)>& records);

  // --- a suspended machine ---

  /// The suspended machine; nothing if there is none, or if the permanent state has changed since it came. Throws
  /// kLocked.
  std::optional<Suspended> suspended() const;
  /// Deletes the suspended machine, so that the caller may hand `machine` out: only one process succeeds. Throws
  /// kReadOnly, and kNotFound if the store does not contain this machine any more, because another process has handed
  /// it out or has changed the TPM.
  void release_suspended(const Suspended& machine);
  /// Deletes the suspended machine, if there is one.
  void forget_suspended();

  /// In the child of a fork, before any other call: every instance boots again before its next use.
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
  mutable std::mutex mutex_;  // protects engine_; innermost, never held during a wait
  std::shared_ptr<tpm::Engine> engine_;
};

}  // namespace vtpm::device
