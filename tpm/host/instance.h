// SPDX-License-Identifier: Apache-2.0
// One emulated TPM: one copy of libtpms with its heap, its caches and the guard around it.
//
// An instance is powered on from a permanent state (or manufactures a new one), executes commands, and is powered off.
// Powered off it is as the linker left it: its variables are wiped, its heap is released, its cached keys are gone. It
// is always powered on with a fresh volatile state: two instances resumed from one volatile state, or one used on after
// fork, would repeat each other's random numbers.
//
// A copy that fails (an assertion, an inconsistency, an answer that makes no sense) is dead: every call throws
// kTpmFailure until it is powered on again. So is one that wanted memory in vain, but the call in which that happens
// throws kNoMemory: nothing is wrong with the TPM. Not thread-safe: its user holds the slot's lock (tpm/engine/pool.h).
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "tpm/host/acceleration.h"
#include "tpm/host/heap.h"
#include "tpm/host/libcrypto_objects.h"

namespace vtpm::tpm {

struct Call;
struct Copy;

class Instance {
 public:
  explicit Instance(const Copy& copy);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  /// Powers on (off first, if need be); TPM2_Startup is the caller's. What libtpms stores meanwhile is discarded.
  /// Throws kTpmFailure when libtpms does not accept the state, kNoMemory.
  void power_on(ByteView permanent);
  /// The same with a new TPM: fresh seeds, an empty NV memory.
  void power_on_new();
  void power_off() noexcept;
  bool alive() const { return alive_; }

  /// Runs one command. The response is valid until the next call and at least a header (10 octets) whose size is right;
  /// nothing else is checked. Throws kTpmFailure, kNoMemory.
  ByteView execute(ByteView command);
  /// Wipes the last response.
  void forget_response() noexcept;
  /// Declares the instance dead. Throws kTpmFailure with `reason`.
  [[noreturn]] void fail(const std::string& reason);

  /// The permanent state that the commands since the last `power_on` or `take_stored` have stored, if any did.
  std::optional<SecretBytes> take_stored();
  /// The permanent state as it is now.
  SecretBytes permanent();

  Acceleration& acceleration() { return acceleration_; }
  /// How often libtpms wanted to print something (it is never printed: it may hold passwords).
  unsigned complaints() const { return complaints_; }
  /// The copy's variables, for tests that look whether a secret is left in them.
  ByteView memory() const;

 private:
  void start(ByteView permanent);
  void reset_memory() noexcept;
  /// Runs `body` in the copy. When it is cut off, the copy is powered off and kTpmFailure or kNoMemory thrown.
  template <typename F>
  void enter(Call& call, F&& body);

  const Copy& copy_;
  const Bytes data_, data_rel_;  // the copy's initialised variables as the loader left them
  Heap heap_;
  Acceleration acceleration_;
  LibcryptoObjects objects_;
  bool alive_ = false;
  bool used_ = false;  // libtpms' variables differ from the loader's
  unsigned complaints_ = 0;
  std::optional<SecretBytes> stored_;
  uint8_t* response_ = nullptr;  // belongs to heap_; libtpms reuses it
  uint32_t response_size_ = 0, response_capacity_ = 0;
};

}  // namespace vtpm::tpm
