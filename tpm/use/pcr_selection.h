// SPDX-License-Identifier: Apache-2.0
// PCR banks by name and as TPM structures.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <vector>

#include "tpm/use/pcr_banks.h"

namespace vtpm::tpm {

/// Throws kInvalidArgument: an unknown bank, one without PCRs, a PCR above 23, nothing at all, or one bank twice.
TPML_PCR_SELECTION pcr_selection(const std::vector<PcrBank>& banks);
/// A bank of an algorithm that has no name here is called by its number.
std::vector<PcrBank> pcr_banks(const TPML_PCR_SELECTION& selection);

}  // namespace vtpm::tpm
