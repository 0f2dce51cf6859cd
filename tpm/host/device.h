// SPDX-License-Identifier: Apache-2.0
// A TPM 2.0 that executes commands: what stands between the marshalling above and whatever emulates the TPM below.
//
// `Instance` (tpm/host/instance.h) is a copy of libtpms in this process. Another implementation can be the client of a
// process that owns the TPM, for instance a virtual machine's. `make_devices` (tpm/host/devices.h) decides which
// devices a process has.
//
// Life. A new device is off. `power_on`, `power_on_new` and `resume` turn it on (they turn it off first, if need be);
// TPM2_Startup is a command like others, and the caller's. A device that fails is *dead*: each call that needs a
// running TPM throws kTpmFailure until the device is turned on again.
//
// State. A device has no storage. What its TPM wants to keep, it hands to the caller (`take_stored`), who commits it.
//
// Threads. One thread at a time uses a device; its user holds the lock of the device's slot (tpm/engine/pool.h).
// `cancel` alone may be called by any thread at any time.
//
// Fork. What the child of a fork inherits is void, because a TPM that goes on in two processes repeats its random
// numbers. The child turns the device on before it executes anything. Turning it off in the child has no effect on the
// parent.
//
// Errors are Error: kTpmFailure, kNoMemory (nothing is wrong with the TPM, but the device is dead), and what a function
// lists.
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

  /// Turns the device on with a permanent state and a fresh volatile one, as a reset does. What the TPM wants to store
  /// meanwhile is discarded. `permanent`: libtpms' blob; it is copied. Throws kInvalidArgument (it is empty),
  /// kTpmFailure (the TPM does not accept it; the device is dead).
  virtual void power_on(ByteView permanent) = 0;
  /// Turns the device on with a new TPM: fresh seeds, an empty NV memory. `permanent()` tells its state.
  virtual void power_on_new() = 0;
  /// Goes on from a snapshot, with PCRs, loaded objects and sessions, as after a suspend; TPM2_Startup must not follow
  /// if the TPM was started then. The random generator is stirred with fresh entropy first, since the TPM that the
  /// snapshot was taken of, or another one that went on from it, may have used the numbers that come next. Which of the
  /// two states is newer is not checked: a volatile state beside another permanent one is refused or misleads the TPM.
  /// Throws what `power_on` throws.
  virtual void resume(const Snapshot& snapshot) = 0;
  /// Turns the device off. Nothing of its TPM remains in this process: variables, heap and caches are wiped.
  virtual void power_off() noexcept = 0;
  /// Whether the device is on, and not dead.
  virtual bool alive() const = 0;
  /// The number of the present session, the span in which a handle of a transient object or of a session of the TPM
  /// means what it meant. It rises whenever the device is turned on or off or a snapshot is undone. Handles of another
  /// session are void and nothing is to be flushed for them.
  virtual uint64_t session() const = 0;

  // --- commands ---

  /// Executes one command (TPM 2.0 Part 1, 18) at the present locality. Returns the response, whatever its response
  /// code is; the bytes belong to the device and are valid until its next call. A response has at least a header (10
  /// bytes), and the size in it is right; nothing else is checked. When the call throws, the device is dead.
  virtual ByteView execute(ByteView command) = 0;
  /// Wipes the last response, which may hold a secret. Does nothing if there is none.
  virtual void forget_response() noexcept = 0;
  /// Declares the device dead, because a response makes no sense. Throws kTpmFailure with `reason`.
  [[noreturn]] virtual void fail(const std::string& reason) = 0;
  /// Asks the TPM to end the command that it executes with TPM_RC_CANCELED. From any thread; does not wait. Without a
  /// command, and with one that cannot be cancelled, nothing happens; a command that begins later is not cancelled.
  virtual void cancel() noexcept = 0;
  /// The locality of the commands that follow, 0 to 4; 0 when the device was turned on. Throws kInvalidArgument.
  virtual void set_locality(unsigned locality) = 0;

  // --- state ---

  /// The permanent state that the commands have stored since the last call, or since the device was turned on; nothing
  /// if none of them stored. Whoever takes it commits it, or turns the device on from the committed state again.
  virtual std::optional<SecretBytes> take_stored() = 0;
  /// The permanent state as it is now, stored or not. Throws kTpmFailure (the device is off).
  virtual SecretBytes permanent() = 0;
  /// The running TPM as it is now; it goes on. Throws kTpmFailure (the device is off).
  virtual Snapshot snapshot() = 0;
  /// Takes everything back that happened since `snapshot` was taken of this device: NV, PCRs, loaded objects, sessions,
  /// and what was stored and not taken. Only the random generator is another (see `resume`), so no number comes twice.
  /// `session()` is a new one: objects that were loaded at the snapshot are there under the same handles for a caller
  /// who keeps track of the handles itself; others flush what they find. Throws what `resume` throws.
  virtual void undo(const Snapshot& snapshot) = 0;

  // --- the interface's buffer ---

  /// How many bytes a command or a response may have at most: what the TPM reports, and the interface that a machine
  /// sees carries.
  struct BufferSize {
    size_t now, least, most;
  };
  virtual BufferSize buffer_size() = 0;
  /// Sets it, between `least` and `most` (a wish beyond these becomes the next of them), and returns what holds now. It
  /// stays when the device is turned off. Throws kInvalidArgument while the device is on.
  virtual BufferSize set_buffer_size(size_t wanted) = 0;
};

}  // namespace vtpm::tpm
