// SPDX-License-Identifier: Apache-2.0
// The storage root key: the parent of every key that this token makes.
//
// It is a primary key of the owner hierarchy with the TCG's template and an empty auth value, so the owner's seed alone
// determines it. It may be persisted at any handle, also beside a copy of itself that has an auth value. If the TPM has
// no room for it, each boot derives it (tpm/engine/booted_tpm.h).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "tpm/command/handle.h"

namespace vtpm::tpm {

class BootedTpm;
class Commands;

/// The handle at which the key is persisted (TCG Provisioning Guidance, 7.8: the first handle of the owner's range). If
/// another key has this handle, as it may in an imported state, the next free handle is used.
constexpr uint32_t kStorageRoot = 0x81000001;

/// Returns the handle of the storage root key: the first persistent object with its template and an empty auth value.
/// Returns nothing if there is none, as in the state of another program or of a full TPM.
std::optional<uint32_t> find_storage_root(Commands& tpm);
/// Derives the key as a transient object.
Handle derive_storage_root(Commands& tpm);
/// Derives the key, persists it and returns its handle. Stores. Throws kNvFull.
uint32_t create_storage_root(Commands& tpm);
/// Returns the public area (TPM2B_PUBLIC) of the key at BootedTpm::storage_root.
Bytes storage_root_area(BootedTpm& tpm);

}  // namespace vtpm::tpm
