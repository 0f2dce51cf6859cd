// SPDX-License-Identifier: Apache-2.0
// Conversion of PCR banks between names and TPM structures (TPM 2.0 Part 2, 10.9.7).
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <vector>

#include "tpm/use/pcr_banks.h"

namespace vtpm::tpm {

/// Throws kInvalidArgument as `check_pcr_banks` does.
TPML_PCR_SELECTION pcr_selection(const std::vector<PcrBank>& banks);
/// A bank whose algorithm is unknown gets its number as its name.
std::vector<PcrBank> pcr_banks(const TPML_PCR_SELECTION& selection);

}  // namespace vtpm::tpm
