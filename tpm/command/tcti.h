// SPDX-License-Identifier: Apache-2.0
// The transmission interface through which tpm2-tss reaches a device (TSS 2.0 TCTI specification).
//
// tpm2-tss marshals a command and calls `transmit`, which sends it through `exchange` (tpm/command/exchange.h), and
// then `receive`. An exception must not pass through tpm2-tss, which is C: `transmit` keeps it, and `check` throws it
// once tpm2-tss has returned.
//
// Not thread-safe: the caller holds the device's lock.
#pragma once

#include <tss2/tss2_tcti.h>

#include <exception>

#include "tpm/host/device.h"

namespace vtpm::tpm {

class Tcti {
 public:
  /// `device` must outlive this.
  explicit Tcti(Device& device);
  Tcti(const Tcti&) = delete;
  Tcti& operator=(const Tcti&) = delete;

  /// The context for Tss2_Sys_Initialize. It belongs to this and lives as long.
  TSS2_TCTI_CONTEXT* context() { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&wire_); }

  /// Checks the return value of a Tss2_Sys_ function, of which `command` is the name. Returns if it was successful.
  /// Otherwise throws what the device threw, the Error for the TPM's response code (tpm/command/response.h), kInternal
  /// if tpm2-tss rejects the parameters, or kTpmFailure (the device is dead) if it cannot read the response.
  void check(TSS2_RC outcome, const char* command);

 private:
  struct Wire {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;  // first: tpm2-tss knows only this
    Tcti* self;
  };
  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command);
  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t timeout);

  Device& device_;
  Wire wire_ = {};
  ByteView response_;         // belongs to the device
  std::exception_ptr fault_;  // what the last `transmit` must not throw through tpm2-tss
};

}  // namespace vtpm::tpm
