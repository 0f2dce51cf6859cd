#include "tpm/guard.h"

namespace vtpm::tpm {

constinit thread_local Call* current_call = nullptr;

void wipe_used_stack() noexcept {
  // No more than this: a host's threads may have little more stack than libtpms needs. client.memory searches for keys.
  uint8_t used[32 * 1024];
  wipe(used, sizeof used);
}

}  // namespace vtpm::tpm
