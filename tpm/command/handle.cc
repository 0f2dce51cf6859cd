// SPDX-License-Identifier: Apache-2.0
#include "tpm/command/handle.h"

#include "tpm/command/commands.h"

namespace vtpm::tpm {

Handle::Handle(Commands& tpm, uint32_t value) : tpm_(&tpm), value_(value), session_(tpm.session()) {}

Handle::~Handle() {
  if (tpm_ == nullptr || session_ != tpm_->session()) return;
  try {
    tpm_->flush_context(value_);
  } catch (...) {
    // The device is dead, and its objects are lost with it.
  }
}

}  // namespace vtpm::tpm
