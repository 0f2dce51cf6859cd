// SPDX-License-Identifier: Apache-2.0
// Response codes (TPM 2.0 Part 2, chapter 6.6) and what they mean to us.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace vtpm::tpm {

/// A response code without the number of the handle, parameter or session that it speaks about.
uint32_t base_response(uint32_t response);
/// The command may simply be sent again: a self-test ran first, or the TPM was busy.
bool is_retry(uint32_t response);
/// Error with "TPM2_NV_DefineSpace: TPM_RC_NV_DEFINED (0x14c): …" for the sentence.
Error response_error(const char* command, uint32_t response);

}  // namespace vtpm::tpm
