// SPDX-License-Identifier: Apache-2.0
// The way from tpm2-tss to a device (TSS 2.0 TCTI specification).
//
// tpm2-tss marshals; this hands the bytes over and looks at the answer first. Here is the one place that resends what
// the TPM asks to resend, and that tells an operation that failed (TPM_RC_FAILURE is libtpms' answer to a bad RSA
// cipher text, so a peer could provoke it) from a TPM that failed. What happens here is thrown only after tpm2-tss,
// which is C, has returned: `check` throws it.
#pragma once

#include <tss2/tss2_tcti.h>

#include <exception>

#include "tpm/host/device.h"

namespace vtpm::tpm {

class Tcti {
 public:
  explicit Tcti(Device& device);
  Tcti(const Tcti&) = delete;
  Tcti& operator=(const Tcti&) = delete;

  TSS2_TCTI_CONTEXT* context() { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&wire_); }

  /// Turns the outcome of a Tss2_Sys_ function into nothing or an Error that names `command`.
  void check(TSS2_RC outcome, const char* command);

 private:
  struct Wire {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;  // first: tpm2-tss knows only this
    Tcti* self;
  };
  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command);
  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t timeout);
  void exchange(ByteView command);
  bool in_failure_mode();

  Device& device_;
  Wire wire_ = {};
  ByteView response_;         // belongs to the device
  std::exception_ptr fault_;  // what `exchange` threw
};

}  // namespace vtpm::tpm
