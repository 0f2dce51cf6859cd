// SPDX-License-Identifier: Apache-2.0
// The public area of an NV index (TPM 2.0 Part 1, chapter 37; Part 2, chapter 13).
#pragma once

#include <cstddef>
#include <cstdint>

namespace vtpm::tpm {

constexpr uint32_t kNvFirst = 0x01000000, kNvLast = 0x01FFFFFF;
constexpr size_t kNvMaxBytes = 2048;

/// TPM_NT, the type of an index (Part 2, 13.2).
enum class NvType : uint8_t { kOrdinary = 0, kCounter = 1, kBits = 2, kExtend = 4, kPinFail = 8, kPinPass = 9 };

/// The bits of TPMA_NV that users of areas set or check (Part 2, 13.4).
namespace nv {
constexpr uint32_t kOwnerWrite = 1u << 1, kAuthWrite = 1u << 2, kPolicyDelete = 1u << 10, kWriteLocked = 1u << 11;
constexpr uint32_t kWriteStclear = 1u << 14, kOwnerRead = 1u << 17, kAuthRead = 1u << 18, kNoDa = 1u << 25;
constexpr uint32_t kOrderly = 1u << 26, kClearStclear = 1u << 27, kReadLocked = 1u << 28, kWritten = 1u << 29;
constexpr uint32_t kPlatformCreate = 1u << 30, kReadStclear = 1u << 31;
constexpr uint32_t kTypeMask = 0xF0;
constexpr unsigned kTypeShift = 4;
/// Attributes whose effect ends with one boot of one instance, so that it would differ between processes.
constexpr uint32_t kOfOneBoot = kWriteStclear | kReadStclear | kClearStclear | kOrderly;
}  // namespace nv

/// TPMS_NV_PUBLIC without the hash of the name. `attributes`: TPMA_NV; `size`: in bytes.
struct NvPublic {
  uint32_t index = 0;
  uint32_t attributes = 0;
  uint16_t size = 0;
  NvType type() const { return static_cast<NvType>((attributes & nv::kTypeMask) >> nv::kTypeShift); }
  bool written() const { return (attributes & nv::kWritten) != 0; }
  bool is_ordinary() const { return type() == NvType::kOrdinary; }  // TPM_NT_ORDINARY
  bool is_counter() const { return type() == NvType::kCounter; }    // TPM_NT_COUNTER
  bool owner_readable() const { return (attributes & nv::kOwnerRead) != 0; }
  bool owner_writable() const { return (attributes & nv::kOwnerWrite) != 0; }
  bool auth_readable() const { return (attributes & nv::kAuthRead) != 0; }
  bool auth_writable() const { return (attributes & nv::kAuthWrite) != 0; }
  /// Whether the area can be written now and keeps what is written: it is not locked, and no attribute ends with a
  /// boot.
  bool changeable() const { return (attributes & (nv::kOfOneBoot | nv::kWriteLocked)) == 0; }
};

}  // namespace vtpm::tpm
