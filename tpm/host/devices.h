// SPDX-License-Identifier: Apache-2.0
// The TPM devices of this process.
//
// The only definition of `make_devices` has a source file of its own, so that a program that links another definition
// (a test build of the module, tests/device/) gets that one.
#pragma once

#include <memory>
#include <vector>

#include "tpm/host/device.h"

namespace vtpm::tpm {

/// Makes all devices of the process, each of them off. Their number limits how many TPMs work at the same time. The
/// pool (tpm/engine/pool.h) calls this once. Throws std::bad_alloc.
std::vector<std::unique_ptr<Device>> make_devices();

}  // namespace vtpm::tpm
