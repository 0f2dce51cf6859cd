// SPDX-License-Identifier: Apache-2.0
// What is known of banks of PCRs by their names.
#pragma once

#include <string>
#include <vector>

#include "tpm/use/attestation.h"

namespace vtpm::tpm {

/// How many PCRs a bank has (PC Client Platform TPM Profile, 4.6).
constexpr unsigned kPcrs = 24;

/// The length of each value in a bank, in bytes; 0 for a bank that has no name here.
size_t pcr_bytes(const std::string& bank);

/// Throws Error kInvalidArgument for what no TPM quotes: an unknown bank, one without PCRs, a PCR above 23, nothing at
/// all, or one bank twice.
void check_pcr_banks(const std::vector<PcrBank>& banks);

}  // namespace vtpm::tpm
