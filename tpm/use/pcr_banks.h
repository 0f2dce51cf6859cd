// SPDX-License-Identifier: Apache-2.0
// Banks of PCRs by name.
#pragma once

#include <string>
#include <vector>

#include "tpm/use/attestation.h"

namespace vtpm::tpm {

/// The number of PCRs in a bank (PC Client Platform TPM Profile, 4.6).
constexpr unsigned kPcrs = 24;

/// Returns the size of each value in a bank, in bytes; 0 for an unknown name.
size_t pcr_bytes(const std::string& bank);

/// Throws kInvalidArgument unless `banks` can be quoted: for an unknown bank, a bank without PCRs, a PCR above 23, an
/// empty list, or a bank that is named twice.
void check_pcr_banks(const std::vector<PcrBank>& banks);

}  // namespace vtpm::tpm
