// SPDX-License-Identifier: Apache-2.0
#include "tpm/command/exchange.h"

#include <tss2/tss2_tpm2_types.h>

#include "base/numbers.h"
#include "tpm/command/response.h"
#include "tpm/host/device.h"

namespace vtpm::tpm {

namespace {

constexpr int kMaxSends = 100;  // a self-test needs one repetition for each algorithm

uint32_t code_of(ByteView response) { return static_cast<uint32_t>(read_be(response.subspan(6, 4))); }

bool tag_fits(ByteView response) {
  const uint64_t tag = read_be(response.first(2));
  const uint32_t code = code_of(response);
  if (code == TPM2_RC_SUCCESS) return tag == TPM2_ST_NO_SESSIONS || tag == TPM2_ST_SESSIONS;
  // A command with the tag of a TPM 1.2 gets a response that a driver of a TPM 1.2 understands (Part 2, 6.9).
  return tag == TPM2_ST_NO_SESSIONS || (tag == TPM2_ST_RSP_COMMAND && code == TPM2_RC_BAD_TAG);
}

// TPM2_GetTestResult (Part 3, 10.4) is one of the two commands that a TPM in failure mode still executes.
bool in_failure_mode(Device& device) {
  static constexpr uint8_t kGetTestResult[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x7C};
  const ByteView response = device.execute(kGetTestResult);
  return code_of(response) != TPM2_RC_SUCCESS || response.size() < 16 || read_be(response.last(4)) == TPM2_RC_FAILURE;
}

}  // namespace

ByteView exchange(Device& device, ByteView command) {
  for (int sends = 1;; ++sends) {
    const ByteView response = device.execute(command);
    if (!tag_fits(response)) device.fail("its response makes no sense");
    const uint32_t code = code_of(response);
    if (is_retry(code) && sends < kMaxSends) continue;
    if (code != TPM2_RC_FAILURE) return response;
    static constexpr uint8_t kFailure[] = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01};
    if (in_failure_mode(device)) device.fail("it is in failure mode");
    return kFailure;  // TPM2_GetTestResult has overwritten the device's response
  }
}

}  // namespace vtpm::tpm
