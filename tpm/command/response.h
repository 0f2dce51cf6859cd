// SPDX-License-Identifier: Apache-2.0
// The response codes of a TPM (TPM 2.0 Part 2, 6.6) and the errors that they become.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace vtpm::tpm {

/// Returns the response code without the number of the handle, parameter or session to which it refers.
uint32_t base_response(uint32_t response);
/// Whether the command may be resent unchanged: the TPM has run a self-test first, or was busy (Part 2, 6.6.3).
bool is_retry(uint32_t response);
/// The Error for a response code. `command`: its name. The sentence is like
/// "TPM2_NV_DefineSpace: TPM_RC_NV_DEFINED (0x14c): the index or handle is in use".
Error response_error(const char* command, uint32_t response);

}  // namespace vtpm::tpm
