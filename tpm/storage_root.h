// The storage root key: the parent of every key that this token makes.
#pragma once

#include <cstdint>
#include <optional>

namespace vtpm::tpm {

class Commands;

/// Where it is persisted (TCG Provisioning Guidance, 7.8: the first handle of the owner's range). In an imported state
/// another key may sit there; then it is at the first handle after it that is free.
constexpr uint32_t kStorageRoot = 0x81000001;

/// The handle of the storage root key: the first persistent object with its template. Nothing when the TPM has none
/// (a state that was never ours).
std::optional<uint32_t> find_storage_root(Commands& tpm);
/// Creates the ECC P-256 storage root key in the owner hierarchy and persists it. Stores. Returns its handle.
uint32_t create_storage_root(Commands& tpm);

}  // namespace vtpm::tpm
