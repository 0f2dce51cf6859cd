// SPDX-License-Identifier: Apache-2.0
#include "tpm/host/devices.h"

#include "tpm/host/copies.h"
#include "tpm/host/instance.h"

namespace vtpm::tpm {

// An instance for each copy of libtpms that was linked (VTPM_TPM_INSTANCES).
std::vector<std::unique_ptr<Device>> make_devices() {
  std::vector<std::unique_ptr<Device>> devices;
  for (const Copy& copy : copies()) devices.push_back(std::make_unique<Instance>(copy));
  return devices;
}

}  // namespace vtpm::tpm
