// SPDX-License-Identifier: Apache-2.0
// The storage root key: the parent of every key that this token makes.
//
// It is a primary key of the owner hierarchy with the TCG's template and an empty auth value, so the TPM's seed alone
// decides which key it is: it may stand at any persistent handle, beside a copy of itself that somebody has given an
// auth value, or, where a TPM is full, nowhere; then each boot derives it (tpm/engine/booted_tpm.h).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "tpm/command/handle.h"

namespace vtpm::tpm {

class BootedTpm;
class Commands;

/// Where it is persisted (TCG Provisioning Guidance, 7.8: the first handle of the owner's range). In an imported state
/// another key may sit there; then it is at the first handle after it that is free.
constexpr uint32_t kStorageRoot = 0x81000001;

/// The handle of the storage root key: the first persistent object with its template that an empty auth value opens.
/// Nothing when the TPM has none (a state that was never ours, or a full one).
std::optional<uint32_t> find_storage_root(Commands& tpm);
/// Derives it as a transient object.
Handle derive_storage_root(Commands& tpm);
/// Derives it and persists it. Stores. Returns its handle. Throws Error kNvFull.
uint32_t create_storage_root(Commands& tpm);
/// The public area (TPM2B_PUBLIC) of the key that BootedTpm::storage_root names.
Bytes storage_root_area(BootedTpm& tpm);

}  // namespace vtpm::tpm
