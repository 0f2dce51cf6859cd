// SPDX-License-Identifier: Apache-2.0
// Which TPMs this process can run.
//
// The one definition of `make_devices` is alone in its unit, so that a program that links another definition (a test
// build of the module, tests/device/) gets that one.
#pragma once

#include <memory>
#include <vector>

#include "tpm/host/device.h"

namespace vtpm::tpm {

/// As many devices as work at the same time at most, each off. Called once in a process, by the pool
/// (tpm/engine/pool.h).
std::vector<std::unique_ptr<Device>> make_devices();

}  // namespace vtpm::tpm
