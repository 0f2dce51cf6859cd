// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/nv.h"

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "base/error.h"
#include "tpm/command/commands.h"

namespace vtpm::tpm {

namespace {

constexpr size_t kChunk = 1024;  // TPM2_MAX_NV_BUFFER_SIZE of libtpms

/// The handle that authorizes a command on an area: the owner if the attributes allow it, otherwise the index itself,
/// otherwise the platform. This process has the authorization of owner and platform.
uint32_t authority(const NvPublic& area, bool owner, bool index) {
  if (owner) return TPM2_RH_OWNER;
  return index ? area.index : TPM2_RH_PLATFORM;
}
uint32_t reader(const NvPublic& area) { return authority(area, area.owner_readable(), area.auth_readable()); }
uint32_t writer(const NvPublic& area) { return authority(area, area.owner_writable(), area.auth_writable()); }

/// The auth value of `speaker`. Owner and platform of a token's TPM have empty auth values.
ByteView password(const NvPublic& area, uint32_t speaker, ByteView auth) {
  return speaker == area.index ? auth : ByteView();
}

}  // namespace

std::vector<uint32_t> nv_list(Commands& tpm) { return tpm.handles(kNvFirst); }

std::optional<NvPublic> nv_public(Commands& tpm, uint32_t index) {
  try {
    return tpm.nv_read_public(index);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return std::nullopt;
    throw;
  }
}

uint32_t nv_default_attributes() {
  return TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA;
}

void nv_define(Commands& tpm, uint32_t index, uint16_t size, uint32_t attributes, ByteView auth) {
  if (size > kNvMaxBytes) {
    throw Error(ErrorCode::kInvalidArgument,
                "an NV area has at most " + std::to_string(kNvMaxBytes) + " bytes, not " + std::to_string(size));
  }
  if (index < kNvFirst || index > kNvLast)
    throw Error(ErrorCode::kInvalidArgument, "an NV index lies between 0x01000000 and 0x01ffffff");
  const bool platform = (attributes & TPMA_NV_PLATFORMCREATE) != 0;
  tpm.nv_define_space(platform ? TPM2_RH_PLATFORM : TPM2_RH_OWNER, {index, attributes, size}, auth);
}

void nv_write(Commands& tpm, const NvPublic& area, size_t offset, ByteView data, ByteView auth) {
  if (offset > area.size || data.size() > area.size - offset)
    throw Error(ErrorCode::kInvalidArgument, "the data do not fit into the NV area");
  const uint32_t speaker = writer(area);
  // An empty write still sets TPMA_NV_WRITTEN, so the loop runs at least once.
  do {
    const ByteView part = data.first(std::min(data.size(), kChunk));
    tpm.nv_write(speaker, password(area, speaker, auth), area.index, offset, part);
    offset += part.size();
    data = data.subspan(part.size());
  } while (!data.empty());
}

SecretBytes nv_read(Commands& tpm, const NvPublic& area, ByteView auth) {
  SecretBytes contents;
  if (!area.written()) return contents;
  const uint32_t speaker = reader(area);
  while (contents.size() < area.size) {
    const SecretBytes part = tpm.nv_read(speaker, password(area, speaker, auth), area.index, contents.size(),
                                         std::min(area.size - contents.size(), kChunk));
    if (part.empty()) throw Error(ErrorCode::kTpm, "the response to TPM2_NV_Read contains no data");
    contents.append(part);
  }
  return contents;
}

void nv_increment(Commands& tpm, const NvPublic& area, ByteView auth) {
  const uint32_t speaker = writer(area);
  tpm.nv_increment(speaker, password(area, speaker, auth), area.index);
}

void nv_extend(Commands& tpm, const NvPublic& area, ByteView data, ByteView auth) {
  const uint32_t speaker = writer(area);
  tpm.nv_extend(speaker, password(area, speaker, auth), area.index, data);
}

void nv_set_bits(Commands& tpm, const NvPublic& area, uint64_t bits, ByteView auth) {
  const uint32_t speaker = writer(area);
  tpm.nv_set_bits(speaker, password(area, speaker, auth), area.index, bits);
}

void nv_undefine(Commands& tpm, uint32_t index) {
  const NvPublic area = tpm.nv_read_public(index);
  const bool platform = (area.attributes & TPMA_NV_PLATFORMCREATE) != 0;
  tpm.nv_undefine_space(platform ? TPM2_RH_PLATFORM : TPM2_RH_OWNER, index);
}

}  // namespace vtpm::tpm
