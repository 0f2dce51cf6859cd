// SPDX-License-Identifier: Apache-2.0
// NV indices (TPM 2.0 Part 1 chapter 37, Part 3 chapter 31).
//
// Reading commands run inside Engine::use_current, changing ones inside Engine::change.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "tpm/command/nv_public.h"

namespace vtpm::tpm {

class Commands;

/// All defined indices, ascending.
std::vector<uint32_t> nv_list(Commands& tpm);
/// Nothing when the index is not defined.
std::optional<NvPublic> nv_public(Commands& tpm, uint32_t index);
/// Attributes for an ordinary area of ours: OWNERREAD|OWNERWRITE|AUTHREAD|AUTHWRITE|NO_DA.
uint32_t nv_default_attributes();
/// Throws kNvExists, kNvFull, kInvalidArgument (size above 2048).
void nv_define(Commands& tpm, uint32_t index, uint16_t size, uint32_t attributes, ByteView auth = {});
/// `auth`: the area's own auth value, used where the owner may not speak for it.
void nv_write(Commands& tpm, const NvPublic& area, size_t offset, ByteView data, ByteView auth = {});
/// The whole area; empty when it was never written. Certificates and such come with their padding.
SecretBytes nv_read(Commands& tpm, const NvPublic& area, ByteView auth = {});
void nv_increment(Commands& tpm, const NvPublic& area, ByteView auth = {});
void nv_extend(Commands& tpm, const NvPublic& area, ByteView data, ByteView auth = {});
void nv_set_bits(Commands& tpm, const NvPublic& area, uint64_t bits, ByteView auth = {});
void nv_undefine(Commands& tpm, uint32_t index);

}  // namespace vtpm::tpm
