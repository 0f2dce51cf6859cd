// SPDX-License-Identifier: Apache-2.0
// The device that runs a copy of libtpms in this process, with the copy's heap, its caches and the guard around it.
//
// While the device is off, the copy is as the linker left it: its variables are wiped, its heap is released, and its
// cached keys are gone.
//
// The device is dead after a failed assertion of libtpms, an inconsistency, or a response that makes no sense (the call
// throws kTpmFailure), and after libtpms could not get memory (the call throws kNoMemory).
#pragma once

#include <libtpms/tpm_library.h>
#include <sys/types.h>

#include <atomic>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "tpm/host/acceleration.h"
#include "tpm/host/device.h"
#include "tpm/host/heap.h"
#include "tpm/host/libcrypto_objects.h"

namespace vtpm::tpm {

struct Call;
struct Copy;

class Instance : public Device {
 public:
  /// `copy` must outlive this, and no other instance may use it at the same time.
  explicit Instance(const Copy& copy);
  ~Instance() override;

  void power_on(ByteView permanent) override;
  void power_on_new() override;
  void resume(const Snapshot& snapshot) override;
  void power_off() noexcept override;
  bool alive() const override { return alive_; }
  uint64_t session() const override { return session_; }

  ByteView execute(ByteView command) override;
  void forget_response() noexcept override;
  [[noreturn]] void fail(const std::string& reason) override;
  void cancel() noexcept override;
  void set_locality(unsigned locality) override;

  std::optional<SecretBytes> take_stored() override;
  SecretBytes permanent() override;
  Snapshot snapshot() override;
  void undo(const Snapshot& snapshot) override;

  BufferSize buffer_size() override;
  BufferSize set_buffer_size(size_t wanted) override;

  Acceleration& acceleration() { return acceleration_; }
  /// How often libtpms has tried to print. Nothing is printed, because it may contain passwords.
  unsigned complaints() const { return complaints_; }
  /// The copy's variables (.bss), for tests that search them for secrets.
  ByteView memory() const;

 private:
  void start(ByteView permanent, ByteView volatile_state);
  void reset_memory() noexcept;
  void stir();
  /// Lets no further `cancel` into the copy, and waits for those that are inside it.
  void end_cancels() noexcept;
  SecretBytes state(TPMLIB_StateType type, const char* name);
  BufferSize ask_buffer_size(size_t wanted);
  /// Runs `body`, which calls the copy. If the call is cut off, turns the device off and throws kTpmFailure or
  /// kNoMemory.
  template <typename F>
  void enter(Call& call, F&& body);

  const Copy& copy_;
  const Bytes data_, data_rel_;  // the copy's initialized variables as the loader left them
  Heap heap_;
  Acceleration acceleration_;
  LibcryptoObjects objects_;
  bool alive_ = false;
  pid_t process_;                         // the process whose threads `cancelling_` counts
  std::atomic<bool> executes_ = false;    // a command that can be cancelled runs
  std::atomic<unsigned> cancelling_ = 0;  // threads inside `cancel`
  uint64_t session_ = 0;
  uint8_t locality_ = 0;
  size_t buffer_size_ = 0;  // as set by the caller; 0: not set
  bool used_ = false;       // libtpms' variables differ from the loader's
  unsigned complaints_ = 0;
  std::optional<SecretBytes> stored_;
  uint8_t* response_ = nullptr;  // belongs to heap_; libtpms reuses it
  uint32_t response_size_ = 0, response_capacity_ = 0;
};

}  // namespace vtpm::tpm
