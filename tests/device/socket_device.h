// SPDX-License-Identifier: Apache-2.0
// A device behind a Unix socket: another implementation of tpm/host/device.h, for tests.
//
// A server process starts when the module is loaded, before the program forks. It runs real instances: each connection
// gets a process with a copy of libtpms. Every process of the program makes its own connections, so the child of a fork
// inherits nothing of a TPM, and turns its devices on again as the contract says.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tpm/host/device.h"

namespace vtpm::tpm {

/// One request or response: a byte for its kind, then the length and the bytes.
struct Message {
  uint8_t kind = 0;
  SecretBytes body;
};

enum class Request : uint8_t {
  kPowerOn,
  kPowerOnNew,
  kResume,  // the length of the permanent state, both states
  kPowerOff,
  kExecute,  // the locality, the command
  kPermanent,
  kSnapshot,
  kBufferSize,
  kSetBufferSize,
};
/// The kind of a response: kDone, or kFailed with an ErrorCode and a sentence.
enum class Outcome : uint8_t { kDone, kFailed };

class SocketDevice : public Device {
 public:
  explicit SocketDevice(std::string address) : address_(std::move(address)) {}
  ~SocketDevice() override;

  void power_on(ByteView permanent) override;
  void power_on_new() override;
  void resume(const Snapshot& snapshot) override;
  void power_off() noexcept override;
  bool alive() const override;
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

 private:
  SecretBytes ask(Request request, ByteView body);
  SecretBytes ask_running(Request request, ByteView body);
  void begin(Request request, ByteView body);
  void connect();
  void disconnect() noexcept;

  const std::string address_;  // of the abstract namespace
  int socket_ = -1;
  std::atomic<pid_t> server_{0};   // the process at the other end
  std::atomic<pid_t> process_{0};  // that has connected
  std::atomic<bool> alive_{false};
  uint64_t session_ = 0;
  uint8_t locality_ = 0;
  SecretBytes response_;
  std::optional<SecretBytes> stored_;
};

}  // namespace vtpm::tpm
