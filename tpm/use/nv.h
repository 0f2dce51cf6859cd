// SPDX-License-Identifier: Apache-2.0
// NV indices (TPM 2.0 Part 1, chapter 37; Part 3, chapter 31).
//
// Functions that read run inside Engine::use_current. Functions that change run inside Engine::change, because they
// store. `auth` is the area's own auth value. It is used if the attributes do not let the owner authorize the command;
// the owner and the platform have empty auth values. Beside the errors that a function lists, the TPM's rejection
// throws kAuthFailed (wrong auth value, locked area) or kNotFound (no such index).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "tpm/command/nv_public.h"

namespace vtpm::tpm {

class Commands;

/// Returns all defined indices, ascending.
std::vector<uint32_t> nv_list(Commands& tpm);
/// Returns the public area of an index; nothing if it is not defined.
std::optional<NvPublic> nv_public(Commands& tpm, uint32_t index);
/// The attributes (TPMA_NV) of an ordinary area that a token makes: OWNERREAD, OWNERWRITE, AUTHREAD, AUTHWRITE, NO_DA.
uint32_t nv_default_attributes();
/// Defines an area of `size` bytes. Throws kNvExists, kNvFull, kInvalidArgument (more than 2048 bytes, or not an
/// index).
void nv_define(Commands& tpm, uint32_t index, uint16_t size, uint32_t attributes, ByteView auth = {});
/// Writes any number of bytes. Throws kInvalidArgument if they do not fit into the area. An error may come after a part
/// was written: the caller discards the change.
void nv_write(Commands& tpm, const NvPublic& area, size_t offset, ByteView data, ByteView auth = {});
/// Returns the whole area; nothing if it was never written. Certificates are returned with their padding.
SecretBytes nv_read(Commands& tpm, const NvPublic& area, ByteView auth = {});
// TPM2_NV_Increment, TPM2_NV_Extend, TPM2_NV_SetBits: each for an index of that type.
void nv_increment(Commands& tpm, const NvPublic& area, ByteView auth = {});
void nv_extend(Commands& tpm, const NvPublic& area, ByteView data, ByteView auth = {});
void nv_set_bits(Commands& tpm, const NvPublic& area, uint64_t bits, ByteView auth = {});
/// Deletes an area that needs no policy for that.
void nv_undefine(Commands& tpm, uint32_t index);

}  // namespace vtpm::tpm
