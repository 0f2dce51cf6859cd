// NV indices (TPM 2.0 Part 1 chapter 37, Part 3 chapter 31).
//
// Reading commands run inside Engine::use_current, changing ones inside Engine::change.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/bytes.h"
#include "tpm/engine.h"

namespace vtpm::tpm {

constexpr uint32_t kNvFirst = 0x01000000, kNvLast = 0x01FFFFFF;
constexpr size_t kNvMaxOctets = 2048;

/// TPMS_NV_PUBLIC with the name-hash left out. `attributes` is TPMA_NV.
struct NvPublic {
  uint32_t index = 0;
  uint32_t attributes = 0;
  uint16_t size = 0;
  bool written() const;
  bool is_ordinary() const;  // TPM_NT_ORDINARY
  bool is_counter() const;   // TPM_NT_COUNTER
  bool owner_readable() const;
  bool owner_writable() const;
  bool auth_readable() const;
  bool auth_writable() const;
};

/// All defined indices, ascending.
std::vector<uint32_t> nv_list(Commands& tpm);
/// Nothing when the index is not defined.
std::optional<NvPublic> nv_public(Commands& tpm, uint32_t index);
/// Attributes for an ordinary area of ours: OWNERREAD|OWNERWRITE|AUTHREAD|AUTHWRITE|NO_DA.
uint32_t nv_default_attributes();
/// Throws kNvExists, kNvFull, kInvalidArgument (size above 2048).
void nv_define(Commands& tpm, uint32_t index, uint16_t size, uint32_t attributes, ByteView auth = {});
void nv_write(Commands& tpm, const NvPublic& area, size_t offset, ByteView data);
/// The whole area; empty when it was never written. Certificates and such come with their padding.
SecretBytes nv_read(Commands& tpm, const NvPublic& area);
void nv_undefine(Commands& tpm, uint32_t index);

}  // namespace vtpm::tpm
