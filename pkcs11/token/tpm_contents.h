// SPDX-License-Identifier: Apache-2.0
// Which of a token's objects a TPM holds: for code that changes the TPM or replaces it.
#pragma once

#include <cstdint>
#include <vector>

#include "pkcs11/object/object.h"
#include "tpm/engine/engine.h"

namespace vtpm::pkcs11 {

/// Whether the object has an NV area or a persistent key in the TPM.
bool has_place_in_tpm(const Object& object);
/// Deletes the object's NV area, or evicts its persistent key; does nothing if the TPM no longer has it. Stores.
void remove_from_tpm(tpm::Commands& tpm, const Object& object);

/// What identifies a TPM to the keys that it wrapped: the public area of its storage root key, from a permanent state.
Bytes storage_root_of(ByteView state);

struct TpmContents {
  SecretBytes state;                 // the permanent state after the TPM was started
  std::vector<Attributes> shown;     // the public objects (pkcs11/object/tpm_object.h)
  std::vector<uint32_t> nv_indices;  // ascending
};
/// Boots a permanent state and lists what it holds. Throws Error.
TpmContents look_into(ByteView state);

}  // namespace vtpm::pkcs11
