// SPDX-License-Identifier: Apache-2.0
// What of a token's objects a TPM holds, for whoever changes one or puts another in its place.
#pragma once

#include <cstdint>
#include <vector>

#include "pkcs11/object/object.h"
#include "tpm/engine/engine.h"

namespace vtpm::pkcs11 {

/// Whether the object has an NV area or a persistent key in the TPM.
bool has_place_in_tpm(const Object& object);
/// Deletes the object's NV area or takes its persistent key away; does nothing where the TPM has it no longer. Stores.
void remove_from_tpm(tpm::Commands& tpm, const Object& object);

/// What names a TPM to the keys that it wrapped: the public area of its storage root key.
Bytes storage_root_of(ByteView state);

struct TpmContents {
  SecretBytes state;                 // after it was started
  std::vector<Attributes> shown;     // its public objects (pkcs11/object/tpm_object.h)
  std::vector<uint32_t> nv_indices;  // ascending
};
/// Boots a permanent state and looks into it.
TpmContents look_into(ByteView state);

}  // namespace vtpm::pkcs11
