// SPDX-License-Identifier: Apache-2.0
// A TPM 2.0 that executes commands: the contract between the marshalling above and the emulator below.
//
// `Instance` (tpm/host/instance.h) implements it with a copy of libtpms in this process. Another implementation can be
// the client of a process that owns the TPM, for instance a virtual machine's. `make_devices` (tpm/host/devices.h)
// decides which devices a process has.
//
// Life. A new device is off. `power_on`, `power_on_new` and `resume` turn it on, and turn it off first if it is on. The
// caller then sends TPM2_Startup, which is a command like any other. A device that fails is *dead*: each call that
// needs a running TPM throws kTpmFailure until the device is turned on again.
//
// State. A device has no storage. It returns what its TPM stores to the caller (`take_stored`), who commits it.
//
// Threads. One thread at a time uses a device; it holds the lock of the device's slot (tpm/engine/pool.h). `cancel` is
// the exception: any thread may call it at any time while the device exists.
//
// Fork. A device that the child of a fork has inherited must not be used, because a TPM that goes on in two processes
// repeats its random numbers. The child turns the device on before it executes or cancels anything. Turning it off in
// the child has no effect on the parent.
//
// Errors are Error: kTpmFailure (the device is dead), kNoMemory (memory ran out; nothing is wrong with the TPM, but the
// device is dead), and what a function lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace vtpm::tpm {

/// A running TPM at one instant. Both parts are libtpms' blobs, belong together, and hold the TPM's secrets.
struct Snapshot {
  SecretBytes permanent;       // seeds, persistent objects, NV areas ("permall")
  SecretBytes volatile_state;  // PCRs, loaded objects, sessions, the random generator ("volatilestate")
};

class Device {
 public:
  Device() = default;
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // --- power ---

  /// Turns the device on with a permanent state and a fresh volatile one, as a reset does (TPM 2.0 Part 1, 12.2). What
  /// the TPM stores meanwhile is discarded. `permanent`: libtpms' blob, which is copied. Throws kInvalidArgument (it is
  /// empty) and kTpmFailure (the TPM does not accept it; the device is dead).
  virtual void power_on(ByteView permanent) = 0;
  /// Turns the device on with a new TPM: fresh seeds, an empty NV memory. `permanent` returns its state.
  virtual void power_on_new() = 0;
  /// Turns the device on with a snapshot, as after a suspend: PCRs, loaded objects and sessions are those of the
  /// snapshot, and TPM2_Startup must not follow if the TPM had been started. First the random generator is stirred with
  /// fresh entropy (TPM2_StirRandom: Part 3, 16.2), since the TPM of which the snapshot was taken, or another one that
  /// went on from it, may have used the next numbers. Both parts must belong together, which is not checked reliably: a
  /// volatile state beside another permanent one is rejected or misleads the TPM. Throws kInvalidArgument (a part is
  /// empty) and kTpmFailure (the TPM does not accept them, or cannot be stirred; the device is dead).
  virtual void resume(const Snapshot& snapshot) = 0;
  /// Turns the device off. Nothing of its TPM remains in this process: variables, heap and caches are wiped. Waits for
  /// a `cancel` that has begun.
  virtual void power_off() noexcept = 0;
  /// Whether the device is on, and not dead.
  virtual bool alive() const = 0;
  /// The number of the present session: the time during which handles of transient objects and of the TPM's sessions
  /// stay valid. The number rises whenever the device is turned on or off, and at `undo`. Handles of an earlier session
  /// are void and must not be flushed.
  virtual uint64_t session() const = 0;

  // --- commands ---

  /// Executes one command (TPM 2.0 Part 1, 18) at the present locality. Returns the response, whatever its response
  /// code is. The bytes belong to the device and are valid until its next call. A response has at least a header (10
  /// bytes) with the right size; nothing else is checked. If the call throws, the device is dead.
  /// tpm/command/exchange.h resends commands and detects failure mode.
  virtual ByteView execute(ByteView command) = 0;
  /// Wipes the last response, which may hold a secret. Does nothing if there is none.
  virtual void forget_response() noexcept = 0;
  /// Declares the device dead, because a response makes no sense. Throws kTpmFailure with `reason`.
  [[noreturn]] virtual void fail(const std::string& reason) = 0;
  /// Asks the TPM to end the command that it executes now with TPM_RC_CANCELED. May be called by any
  /// thread at any time, also while another thread turns the device off, and by a signal handler; does not wait. Does
  /// nothing if no command is executed, or one that cannot be cancelled. A command that begins later is not cancelled.
  virtual void cancel() noexcept = 0;
  /// Sets the locality of the commands that follow, 0 to 4. Turning the device on sets it to 0. Throws kInvalidArgument
  /// for another number.
  virtual void set_locality(unsigned locality) = 0;

  // --- state ---

  /// Returns the permanent state that commands have stored since the last call, or since the device was turned on;
  /// nothing if none of them stored. The caller commits it, or turns the device on from the committed state again.
  virtual std::optional<SecretBytes> take_stored() = 0;
  /// Returns the permanent state as it is now, whether it was stored or not. Throws kTpmFailure (the device is off).
  virtual SecretBytes permanent() = 0;
  /// Returns the state of the running TPM, which continues. Throws kTpmFailure (the device is off).
  virtual Snapshot snapshot() = 0;
  /// Takes back everything that has happened since `snapshot` was taken of this device: NV, PCRs, loaded objects,
  /// sessions, and what was stored and not taken. The locality stays. Only the random generator differs (see `resume`),
  /// so that no random number repeats. A new session begins: a caller that keeps track of handles itself finds the
  /// objects that were loaded at the snapshot under the same handles; any other caller flushes what it finds. Throws
  /// what `resume` throws.
  virtual void undo(const Snapshot& snapshot) = 0;

  // --- the interface's buffer ---

  /// The greatest size of a command or a response in bytes, as the TPM reports it (TPM_PT_MAX_COMMAND_SIZE) and as the
  /// interface of a virtual machine carries it.
  struct BufferSize {
    size_t now, least, most;
  };
  virtual BufferSize buffer_size() = 0;
  /// Sets `now` to `wanted`, or to the nearer of `least` and `most` if it lies outside of them, and returns the result.
  /// It stays when the device is turned off. Throws kInvalidArgument while the device is on.
  virtual BufferSize set_buffer_size(size_t wanted) = 0;
};

}  // namespace vtpm::tpm
