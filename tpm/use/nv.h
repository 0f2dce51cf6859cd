// SPDX-License-Identifier: Apache-2.0
// NV indices (TPM 2.0 Part 1 chapter 37, Part 3 chapter 31).
//
// Reading commands run inside Engine::use_current, changing ones inside Engine::change.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "tpm/engine/engine.h"

namespace vtpm::tpm {

constexpr uint32_t kNvFirst = 0x01000000, kNvLast = 0x01FFFFFF;
constexpr size_t kNvMaxOctets = 2048;

/// TPM_NT: what an index does (Part 2, 13.2).
enum class NvType : uint8_t { kOrdinary = 0, kCounter = 1, kBits = 2, kExtend = 4, kPinFail = 8, kPinPass = 9 };

/// TPMA_NV bits that a user of areas asks for or looks at (Part 2, 13.4).
namespace nv {
constexpr uint32_t kOwnerWrite = 1u << 1, kAuthWrite = 1u << 2, kPolicyDelete = 1u << 10, kWriteLocked = 1u << 11;
constexpr uint32_t kWriteStclear = 1u << 14, kOwnerRead = 1u << 17, kAuthRead = 1u << 18, kNoDa = 1u << 25;
constexpr uint32_t kOrderly = 1u << 26, kClearStclear = 1u << 27, kReadLocked = 1u << 28, kWritten = 1u << 29;
constexpr uint32_t kPlatformCreate = 1u << 30, kReadStclear = 1u << 31;
constexpr uint32_t kTypeMask = 0xF0;
constexpr unsigned kTypeShift = 4;
/// Their effect lasts until the next start of one instance, so it would differ from process to process.
constexpr uint32_t kOfOneBoot = kWriteStclear | kReadStclear | kClearStclear | kOrderly;
}  // namespace nv

/// TPMS_NV_PUBLIC with the name-hash left out. `attributes` is TPMA_NV.
struct NvPublic {
  uint32_t index = 0;
  uint32_t attributes = 0;
  uint16_t size = 0;
  NvType type() const { return static_cast<NvType>((attributes & nv::kTypeMask) >> nv::kTypeShift); }
  bool written() const;
  bool is_ordinary() const;  // TPM_NT_ORDINARY
  bool is_counter() const;   // TPM_NT_COUNTER
  bool owner_readable() const;
  bool owner_writable() const;
  bool auth_readable() const;
  bool auth_writable() const;
  /// What may be written, for ever or until the next start: neither locked nor of one boot only.
  bool changeable() const { return (attributes & (nv::kOfOneBoot | nv::kWriteLocked)) == 0; }
};

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
