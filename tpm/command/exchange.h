// SPDX-License-Identifier: Apache-2.0
// One command and the response that counts: what lies between a device and everything that sends it commands.
//
// tpm2-tss sends through here (tpm/command/tcti.h), and so does a raw command (`Commands::execute`). This is the only
// place that resends what the TPM asks to resend, and that distinguishes an operation that failed from a TPM that
// failed: TPM_RC_FAILURE is also libtpms' response to a bad RSA cipher text, which a remote peer can provoke.
#pragma once

#include "base/bytes.h"

namespace vtpm::tpm {

class Device;

/// Executes `command` (TPM 2.0 Part 1, 18) and returns the response, whatever its response code is. The bytes belong to
/// the device and are valid until its next call.
///
/// The command is resent when the TPM asks for it: TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_NV_RATE (Part
/// 2, 6.6.3: the TPM has not begun to execute the command). After 100 times such a response is returned.
///
/// Throws Error kTpmFailure, and the device is dead, if the response makes no sense (its tag does not fit its response
/// code: Part 3, 5.2) or if the TPM is in failure mode (Part 1, 12.4). Throws what Device::execute throws. The caller
/// holds the device's lock, as for every call of a device.
ByteView exchange(Device& device, ByteView command);

}  // namespace vtpm::tpm
