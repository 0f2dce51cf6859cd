// SPDX-License-Identifier: Apache-2.0
#include "tpm/host/guard.h"

namespace vtpm::tpm {

constinit thread_local Call* current_call = nullptr;

void wipe_used_stack() noexcept {
  uint8_t used[kStackOfLibtpms];
  wipe(used, sizeof used);
}

}  // namespace vtpm::tpm
